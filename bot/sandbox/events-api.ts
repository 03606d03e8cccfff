/** Events are one set of objects seen through two APIs; they are stored in the shape of core/v1. */
import type { KubeObject } from "./object.ts";
import type { Resource } from "./registry/kinds.ts";

const pairs: ReadonlyArray<readonly [core: string, modern: string]> = [
  ["involvedObject", "regarding"],
  ["message", "note"],
  ["source", "deprecatedSource"],
  ["firstTimestamp", "deprecatedFirstTimestamp"],
  ["lastTimestamp", "deprecatedLastTimestamp"],
  ["count", "deprecatedCount"],
  ["reportingComponent", "reportingController"],
];

function renamed(object: KubeObject, from: 0 | 1, apiVersion: string): KubeObject {
  const names = new Map(pairs.map((pair) => [pair[from], pair[1 - from] ?? ""]));
  const entries = Object.entries(object).map(([key, value]) => [names.get(key) ?? key, value]);
  return { ...Object.fromEntries(entries), apiVersion, kind: object.kind, metadata: object.metadata };
}

/** The stored object as this API shows it. */
export function toApi(resource: Resource, object: KubeObject): KubeObject {
  if (resource.group === "events.k8s.io") return renamed(object, 0, resource.apiVersion);
  // Versions of a custom resource differ in name only: there are no conversion webhooks here.
  return resource.custom ? { ...object, apiVersion: resource.apiVersion } : object;
}

/** A written object as it is stored. */
export function fromApi(resource: Resource, object: KubeObject): KubeObject {
  return resource.group === "events.k8s.io" ? renamed(object, 1, "v1") : object;
}
