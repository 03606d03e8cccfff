/** OpenAPI documents, made from the same type table that the server decodes with. No descriptions. */

import type { Resource } from "./registry/kinds.ts";
import { kubernetesVersion } from "./registry/kubernetes-resources.ts";
import type { Registry } from "./registry/registry.ts";
import type { Field, Struct, Type } from "./registry/schema.ts";

type Node = Record<string, unknown>;
type Refs = (name: string) => string;

function typeNode(type: Type, refs: Refs): Node {
  switch (type.kind) {
    case "raw":
      return { type: "object", "x-kubernetes-preserve-unknown-fields": true };
    case "list":
      return { type: "array", items: typeNode(type.of, refs) };
    case "map":
      return { type: "object", additionalProperties: typeNode(type.of, refs) };
    case "struct":
      return type.struct.open || type.struct.name === "" ? { type: "object" } : { $ref: refs(type.struct.name) };
    case "scalar":
      switch (type.scalar) {
        case "int32":
        case "int64":
          return { type: "integer", format: type.scalar };
        case "boolean":
          return { type: "boolean" };
        case "number":
        case "double":
          return { type: "number", format: "double" };
        case "bytes":
          return { type: "string", format: "byte" };
        case "time":
        case "microtime":
          return { type: "string", format: "date-time" };
        case "intstr":
          return { type: "string", format: "int-or-string" };
        case "quantity":
        case "string":
          return { type: "string" };
      }
  }
}

function fieldNode(field: Field, refs: Refs): Node {
  const node = typeNode(field.type, refs);
  const isList = field.type.kind === "list";
  return {
    ...node,
    ...(field.listKeys.length > 0
      ? { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": field.listKeys }
      : {}),
    ...(field.isSet ? { "x-kubernetes-list-type": "set" } : {}),
    ...(isList && field.listKeys.length === 0 && !field.isSet ? { "x-kubernetes-list-type": "atomic" } : {}),
    ...(field.patch.size > 0 ? { "x-kubernetes-patch-strategy": [...field.patch].join(",") } : {}),
    ...(field.mergeKey ? { "x-kubernetes-patch-merge-key": field.mergeKey } : {}),
  };
}

function structNode(struct: Struct, refs: Refs): Node {
  const required = [...struct.fields.values()].filter((field) => field.required).map((field) => field.name);
  return {
    type: "object",
    ...(struct.atomic ? { "x-kubernetes-map-type": "atomic" } : {}),
    ...(required.length > 0 ? { required } : {}),
    properties: Object.fromEntries([...struct.fields.values()].map((field) => [field.name, fieldNode(field, refs)])),
  };
}

function longName(name: string): string {
  if (name.startsWith("meta.")) return `io.k8s.apimachinery.pkg.apis.${name}`;
  return name.startsWith("apiextensions.") ? `io.k8s.apiextensions-apiserver.pkg.apis.${name}` : `io.k8s.api.${name}`;
}

function groupVersionKind({ group, version, kind }: Resource): Node {
  return { group, version, kind };
}

function schemas(registry: Registry, refs: Refs): Node {
  const kinds = new Map<string, Node[]>();
  for (const resource of registry.kinds.all()) {
    if (resource.custom) continue;
    kinds.set(resource.struct.name, [...(kinds.get(resource.struct.name) ?? []), groupVersionKind(resource)]);
  }
  return Object.fromEntries(
    registry.schema.names().map((name) => {
      const own = kinds.get(name);
      const node = structNode(registry.schema.struct(name), refs);
      return [longName(name), own ? { ...node, "x-kubernetes-group-version-kind": own } : node];
    }),
  );
}

function paths(resources: readonly Resource[], version: 2 | 3): Node {
  const parameter = (name: string) =>
    version === 3
      ? { name, in: "query", schema: { type: "string" } }
      : { name, in: "query", type: "string", uniqueItems: true };
  const writing = ["dryRun", "fieldManager", "fieldValidation"].map(parameter);
  const out: Node = {};
  for (const resource of resources) {
    const root = resource.group === "" ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
    const base = `${root}${resource.namespaced ? "/namespaces/{namespace}" : ""}/${resource.resource}`;
    const operation = (action: string, parameters: readonly Node[] = []) => ({
      "x-kubernetes-action": action,
      "x-kubernetes-group-version-kind": groupVersionKind(resource),
      parameters,
      responses: {},
    });
    out[base] = { get: operation("list"), post: operation("post", writing) };
    if (!resource.verbs.includes("patch")) continue;
    out[`${base}/{name}`] = {
      get: operation("get"),
      put: operation("put", writing),
      patch: operation("patch", writing),
      delete: operation("delete"),
    };
  }
  return out;
}

export function openApiV2(registry: Registry): Node {
  return {
    swagger: "2.0",
    info: { title: "Kubernetes", version: `v${kubernetesVersion}` },
    paths: paths(registry.kinds.all(), 2),
    definitions: schemas(registry, (name) => `#/definitions/${longName(name)}`),
  };
}

function groupVersionPath({ group, version }: Resource): string {
  return group === "" ? `api/${version}` : `apis/${group}/${version}`;
}

export function openApiV3Index(registry: Registry): Node {
  const all = new Set(registry.kinds.all().map(groupVersionPath));
  return { paths: Object.fromEntries([...all].map((path) => [path, { serverRelativeURL: `/openapi/v3/${path}` }])) };
}

export function openApiV3(registry: Registry, path: string): Node | undefined {
  const resources = registry.kinds.all().filter((resource) => groupVersionPath(resource) === path);
  if (resources.length === 0) return undefined;
  const refs: Refs = (name) => `#/components/schemas/${longName(name)}`;
  const custom = resources.flatMap((resource) =>
    resource.custom
      ? [
          [
            `${resource.group.split(".").reverse().join(".")}.${resource.version}.${resource.kind}`,
            {
              ...Object(resource.custom.rawSchema ?? { type: "object" }),
              "x-kubernetes-group-version-kind": [groupVersionKind(resource)],
            },
          ],
        ]
      : [],
  );
  return {
    openapi: "3.0.0",
    info: { title: "Kubernetes", version: `v${kubernetesVersion}` },
    paths: paths(resources, 3),
    components: { schemas: { ...schemas(registry, refs), ...Object.fromEntries(custom) } },
  };
}
