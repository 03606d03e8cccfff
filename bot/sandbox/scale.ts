/** The scale subresource: replicas and selector of anything that has them. */
import { asNumber, asString, at, isObject } from "./json.ts";
import type { KubeObject } from "./object.ts";
import { selectorText } from "./tables.ts";

export function scaleOf(object: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = at(object, "spec", "selector");
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { ...(asNumber(at(object, "spec", "replicas")) ? { replicas: at(object, "spec", "replicas") } : {}) },
    status: {
      replicas: asNumber(at(object, "status", "replicas")),
      ...(isObject(selector) ? { selector: selectorText(selector) } : {}),
    },
  };
}

export function replicasIn(scale: unknown): number | undefined {
  const value = at(scale, "spec", "replicas");
  return value === undefined ? 0 : typeof value === "number" ? value : undefined;
}

export function versionIn(scale: unknown): string {
  return asString(at(scale, "metadata", "resourceVersion"));
}
