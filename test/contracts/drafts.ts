import type { Draft } from "./ground.ts";

/** Runs, is ready at once and has written three lines, on either cluster. */
export const image = "registry.example/web:1";
export const otherImage = "registry.example/web:2";
/** Is never pulled. */
export const missingImage = "missing.example/web:1";
/** Ends well soon after its start. */
export const batchImage = "batch.example/run:1";
/** What a container of `image` has written. */
export const log = ["starting", "listening on :8080", "ready"];

export interface Template {
  image?: string;
  labels?: Readonly<Record<string, string>>;
  annotations?: Readonly<Record<string, string>>;
  container?: Readonly<Record<string, unknown>>;
  spec?: Readonly<Record<string, unknown>>;
}

export function template(app: string, given: Template = {}) {
  const { labels = {}, annotations, container = {}, spec = {} } = given;
  return {
    metadata: { labels: { app, ...labels }, ...(annotations === undefined ? {} : { annotations }) },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: "main", image: given.image ?? image, ...container }],
      ...spec,
    },
  };
}

export function deployment(name: string, spec: Readonly<Record<string, unknown>> = {}, of: Template = {}): Draft {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: { replicas: 2, selector: { matchLabels: { app: name } }, template: template(name, of), ...spec },
  };
}

export function statefulSet(name: string, spec: Readonly<Record<string, unknown>> = {}, of: Template = {}): Draft {
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { name },
    spec: {
      replicas: 2,
      serviceName: name,
      selector: { matchLabels: { app: name } },
      template: template(name, of),
      ...spec,
    },
  };
}

export function daemonSet(name: string, spec: Readonly<Record<string, unknown>> = {}, of: Template = {}): Draft {
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name },
    spec: { selector: { matchLabels: { app: name } }, template: template(name, of), ...spec },
  };
}

export function pod(name: string, of: Template = {}): Draft {
  const { metadata, spec } = template(name, of);
  return { apiVersion: "v1", kind: "Pod", metadata: { name, ...metadata }, spec };
}

export function configMap(
  name: string,
  data: Readonly<Record<string, string>> = {},
  metadata: Readonly<Record<string, unknown>> = {},
): Draft {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, ...metadata }, data };
}

/** A namespaced kind of the test's own, with a schema, a column, a status and a scale subresource. */
export function definition(group: string): Draft {
  const integer = { type: "integer" };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `gadgets.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { plural: "gadgets", singular: "gadget", kind: "Gadget", shortNames: ["gdg"] },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          subresources: { status: {}, scale: { specReplicasPath: ".spec.size", statusReplicasPath: ".status.size" } },
          additionalPrinterColumns: [{ name: "Size", type: "integer", jsonPath: ".spec.size" }],
          schema: {
            openAPIV3Schema: {
              type: "object",
              properties: {
                spec: {
                  type: "object",
                  properties: { size: { ...integer, minimum: 1, default: 1 }, colour: { type: "string" } },
                },
                status: { type: "object", properties: { size: integer } },
              },
            },
          },
        },
      ],
    },
  };
}
