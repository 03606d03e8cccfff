/** CustomResourceDefinitions: each established one is served, by a type read from its schema. */
import { asList, asObject, asString, at, isObject } from "../json.ts";
import type { Condition, KubeObject } from "../object.ts";
import type { PrinterColumn, Resource } from "../registry/kinds.ts";
import type { Field, Schema, Struct, Type } from "../registry/schema.ts";
import { timestamp } from "../timers.ts";
import type { Controller, ControllerContext } from "./context.ts";
import { withCondition } from "./pods.ts";
import { createQueue } from "./queue.ts";

function field(name: string, schema: unknown, required: boolean): Field {
  const node = asObject(schema);
  const listType = node["x-kubernetes-list-type"];
  return {
    name,
    type: typeOf(node),
    // Custom values are kept as sent: zeroes too.
    pointer: true,
    omitempty: true,
    omitzero: true,
    required,
    listKeys: listType === "map" ? asList(node["x-kubernetes-list-map-keys"]).map(asString) : [],
    isSet: listType === "set",
    atomic: node["x-kubernetes-map-type"] === "atomic",
    patch: new Set(),
    mergeKey: undefined,
    number: "",
  };
}

function typeOf(node: Record<string, unknown>): Type {
  if (node["x-kubernetes-int-or-string"] === true) return { kind: "scalar", scalar: "intstr" };
  switch (node["type"]) {
    case "string":
      return { kind: "scalar", scalar: "string" };
    case "integer":
      return { kind: "scalar", scalar: "int64" };
    case "number":
      return { kind: "scalar", scalar: "number" };
    case "boolean":
      return { kind: "scalar", scalar: "boolean" };
    case "array":
      return { kind: "list", of: typeOf(asObject(node["items"])) };
    case "object":
      if (isObject(node["additionalProperties"])) return { kind: "map", of: typeOf(node["additionalProperties"]) };
      return { kind: "struct", struct: structOf("", node) };
    default:
      return { kind: "raw" };
  }
}

function structOf(name: string, node: Record<string, unknown>): Struct {
  const required = asList(node["required"]);
  const fields = Object.entries(asObject(node["properties"])).map(
    ([key, schema]) => [key, field(key, schema, required.includes(key))] as const,
  );
  return {
    name,
    atomic: node["x-kubernetes-map-type"] === "atomic",
    fields: new Map(fields),
    open: node["x-kubernetes-preserve-unknown-fields"] === true,
  };
}

/** The resource that one version of a definition stands for. */
function customResource(schema: Schema, definition: KubeObject, version: Record<string, unknown>): Resource {
  const spec = asObject(definition["spec"]);
  const names = asObject(spec["names"]);
  const group = asString(spec["group"]);
  const versionName = asString(version["name"]);
  const kind = asString(names["kind"]);
  const raw = asObject(at(version, "schema", "openAPIV3Schema"));
  const own = structOf(`${group}.${versionName}.${kind}`, raw);
  const meta = schema.struct("core.v1.ConfigMap").fields;
  const fields = new Map(own.fields);
  for (const key of ["apiVersion", "kind", "metadata"]) {
    const standard = meta.get(key);
    if (standard) fields.set(key, standard);
  }
  const subresources = asObject(version["subresources"]);
  const columns = asList(version["additionalPrinterColumns"])
    .map(asObject)
    .map(
      (column): PrinterColumn => ({
        name: asString(column["name"]),
        type: asString(column["type"]),
        jsonPath: asString(column["jsonPath"]),
        priority: Number(column["priority"] ?? 0),
      }),
    );
  const age: PrinterColumn = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp", priority: 0 };
  const changing = ["get", "patch", "update"];
  return {
    group,
    version: versionName,
    resource: asString(names["plural"]),
    kind,
    singular: asString(names["singular"]),
    namespaced: spec["scope"] === "Namespaced",
    shortNames: asList(names["shortNames"]).map(asString),
    categories: asList(names["categories"]).map(asString),
    verbs: ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"],
    subresources: [
      ...(subresources["status"] ? [{ name: "status", kind, verbs: changing }] : []),
      ...(subresources["scale"]
        ? [{ name: "scale", kind: "Scale", group: "autoscaling", version: "v1", verbs: changing }]
        : []),
    ],
    apiVersion: `${group}/${versionName}`,
    struct: { ...own, fields },
    storage: `${group}/${asString(names["plural"])}`,
    custom: { columns: columns.length > 0 ? columns : [age], rawSchema: raw },
  };
}

export function createCustomResourceController({ registry, clock, timers, caller }: ControllerContext): Controller {
  const me = caller("kube-apiserver");
  const definitions = registry.kinds.resource("apiextensions.k8s.io", "customresourcedefinitions");
  const queue = createQueue({ timers, clock }, sync);

  function sync(name: string): void {
    const definition = registry.store.get(definitions.storage, "", name);
    if (!definition) return;
    const spec = asObject(definition["spec"]);
    const versions = asList(spec["versions"]).map(asObject);
    if (definition.metadata.deletionTimestamp) {
      finalize(definition);
      return;
    }
    registry.kinds.remove(asString(spec["group"]), asString(at(spec, "names", "plural")));
    for (const version of versions) {
      if (version["served"] === true) registry.kinds.define(customResource(registry.schema, definition, version));
    }
    const now = timestamp(clock.now());
    registry.edit(me, definitions, "", name, "status", (object) => {
      let conditions = (at(object, "status", "conditions") ?? []) as Condition[];
      conditions = withCondition(
        conditions,
        { type: "NamesAccepted", status: "True", reason: "NoConflicts", message: "no conflicts found" },
        now,
      );
      conditions = withCondition(
        conditions,
        {
          type: "Established",
          status: "True",
          reason: "InitialNamesAccepted",
          message: "the initial names have been accepted",
        },
        now,
      );
      object["status"] = {
        conditions,
        acceptedNames: spec["names"],
        storedVersions: versions.filter((version) => version["storage"] === true).map((version) => version["name"]),
      };
    });
    if (!definition.metadata.finalizers?.includes("customresourcecleanup.apiextensions.k8s.io")) {
      registry.edit(me, definitions, "", name, "", (object) => {
        object.metadata.finalizers = [
          ...(object.metadata.finalizers ?? []),
          "customresourcecleanup.apiextensions.k8s.io",
        ];
      });
    }
  }

  /** A definition that goes takes its objects along. */
  function finalize(definition: KubeObject): void {
    const group = asString(at(definition, "spec", "group"));
    const plural = asString(at(definition, "spec", "names", "plural"));
    const resource = registry.kinds
      .all()
      .find((candidate) => candidate.group === group && candidate.resource === plural);
    if (resource) {
      for (const object of registry.store.list(resource.storage)) {
        registry.remove(me, resource, object.metadata.namespace ?? "", object.metadata.name, {});
      }
      if (registry.store.list(resource.storage).length > 0) {
        queue.addAfter(definition.metadata.name, 500);
        return;
      }
    }
    registry.kinds.remove(group, plural);
    registry.edit(me, definitions, "", definition.metadata.name, "", (object) => {
      object.metadata.finalizers = (object.metadata.finalizers ?? []).filter(
        (finalizer) => finalizer !== "customresourcecleanup.apiextensions.k8s.io",
      );
    });
  }

  return {
    observe({ storage, type, object }) {
      if (storage !== definitions.storage) return;
      // Served at once: the next manifest of the same file may already use it.
      if (type === "ADDED") sync(object.metadata.name);
      else if (type === "MODIFIED") queue.add(object.metadata.name);
    },
    stop: queue.stop,
  };
}
