/** metav1.DeleteOptions as they come with a delete, or inside an eviction. */
import { asNumber, asObject, asString } from "./json.ts";
import type { DeleteOptions } from "./registry/registry.ts";
import { invalid } from "./status.ts";

const policies = ["Foreground", "Background", "Orphan"];

/** @throws ApiError 422 for a propagation policy that there is not */
export function readDeleteOptions(body: unknown): DeleteOptions {
  const options = asObject(body);
  const { gracePeriodSeconds, propagationPolicy, orphanDependents } = options;
  const { uid, resourceVersion } = asObject(options["preconditions"]);
  if (typeof propagationPolicy === "string" && !policies.includes(propagationPolicy)) {
    const detail = `supported values: ${[...policies, "nil"].map((name) => `"${name}"`).join(", ")}`;
    throw invalid("meta.k8s.io", "DeleteOptions", "", [
      { type: "NotSupported", field: "propagationPolicy", value: propagationPolicy, detail },
    ]);
  }
  return {
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds: asNumber(gracePeriodSeconds) }),
    ...(typeof propagationPolicy === "string" ? { propagationPolicy } : {}),
    ...(orphanDependents === undefined ? {} : { orphanDependents: orphanDependents === true }),
    ...(uid === undefined ? {} : { uid: asString(uid) }),
    ...(resourceVersion === undefined ? {} : { resourceVersion: asString(resourceVersion) }),
  };
}
