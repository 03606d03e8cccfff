/** In what shape an answer goes out: as it is, as a table, or as its metadata only. */
import { fromApi, toApi } from "./events-api.ts";
import type { ApiAnswer } from "./handlers.ts";
import { asObject, isObject, type JsonObject } from "./json.ts";
import type { KubeObject } from "./object.ts";
import { protobufType } from "./protobuf.ts";
import type { Resource } from "./registry/kinds.ts";
import type { Accepted } from "./request.ts";
import { notAcceptable, notImplemented } from "./status.ts";
import { partial, tableOf } from "./tables.ts";

export interface Shape {
  readonly as: "object" | "table" | "partial";
  /** How much of each object a table row carries: None, Metadata or Object. */
  readonly include: string;
}

/** @throws ApiError 406 for types that no server offers, 501 for protobuf alone */
export function shapeOf(accepts: readonly Accepted[], query: URLSearchParams): Shape {
  const include = query.get("includeObject") || "Metadata";
  for (const { type, parameters } of accepts) {
    if (!["application/json", "application/yaml", "application/*", "*/*"].includes(type)) continue;
    if (parameters["as"] === "Table" && parameters["v"] === "v1") return { as: "table", include };
    if (parameters["as"]?.startsWith("PartialObjectMetadata")) return { as: "partial", include };
    if (parameters["as"] === undefined) return { as: "object", include };
  }
  if (accepts.some(({ type }) => type === protobufType)) throw notImplemented("answers in protobuf; ask for JSON too");
  throw notAcceptable();
}

/** The body of an answer. */
export function represent(answer: ApiAnswer, shape: Shape, now: Date): unknown {
  const { resource } = answer;
  if (answer.kind === "list") return representList(resource, answer.items, answer.metadata, shape, now);
  const { object } = answer;
  const isOwnKind = isObject(object) && object["kind"] === resource.kind && "metadata" in object;
  return isOwnKind ? representOne(resource, object as KubeObject, shape, now) : object;
}

function representList(
  resource: Resource,
  items: readonly KubeObject[],
  metadata: JsonObject,
  shape: Shape,
  now: Date,
): unknown {
  switch (shape.as) {
    case "table":
      return tableOf(
        resource,
        items.map((item) => fromApi(resource, item)),
        now,
        shape.include,
        metadata,
      );
    case "partial":
      return {
        kind: "PartialObjectMetadataList",
        apiVersion: "meta.k8s.io/v1",
        metadata,
        items: items.map(partial),
      };
    case "object": {
      // Items of a typed list carry no kind of their own, those of a custom one do.
      const bare = resource.custom ? items : items.map(({ kind: _, apiVersion: __, ...rest }) => rest);
      return { kind: `${resource.kind}List`, apiVersion: resource.apiVersion, metadata, items: bare };
    }
  }
}

function representOne(resource: Resource, object: KubeObject, shape: Shape, now: Date): unknown {
  if (shape.as === "partial") return partial(object);
  if (shape.as === "object") return object;
  const { resourceVersion = "" } = object.metadata;
  return tableOf(resource, [fromApi(resource, object)], now, shape.include, { resourceVersion });
}

/** Shapes the objects of one watch: a table's columns go out once. */
export function createWatchPrinter(
  resource: Resource,
  shape: Shape,
  now: () => Date,
): { object(stored: KubeObject): unknown; bookmark(metadata: JsonObject): unknown } {
  let headers = true;
  return {
    object(stored) {
      if (shape.as !== "table") return representOne(resource, toApi(resource, stored), shape, now());
      const { resourceVersion = "" } = stored.metadata;
      const table = tableOf(resource, [stored], now(), shape.include, { resourceVersion }, headers);
      headers = false;
      return table;
    },
    bookmark(metadata) {
      const object = { kind: resource.kind, apiVersion: resource.apiVersion, metadata: { name: "", ...metadata } };
      if (shape.as === "table") return tableOf(resource, [object], now(), shape.include, asObject(metadata), false);
      return { ...object, metadata };
    },
  };
}
