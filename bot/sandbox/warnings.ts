/** What the real server takes and warns of, as far as people meet it. Source: k8s.io/kubernetes pkg/api/pod warnings.go. */
import { asList, asObject, asString, at, equal } from "./json.ts";
import type { KubeObject } from "./object.ts";
import { milli } from "./quantity.ts";

/** Warnings about the pods of an object that is written; none about what was so before. */
export function warningsOf(object: KubeObject, old: KubeObject | undefined): string[] {
  const place = podSpecs[object.kind];
  if (!place) return [];
  const spec = asObject(at(object, ...place));
  if (old && equal(spec, asObject(at(old, ...place)))) return [];
  const path = place.join(".");
  return [
    ...["podAffinity", "podAntiAffinity"].flatMap((kind) =>
      ofAffinity(asObject(at(spec, "affinity", kind)), `${path}.affinity.${kind}`),
    ),
    ...["initContainers", "containers"].flatMap((list) =>
      asList(spec[list]).flatMap((container, i) => ofContainer(asObject(container), `${path}.${list}[${i}]`)),
    ),
  ];
}

function ofAffinity(affinity: Record<string, unknown>, path: string): string[] {
  const required = "requiredDuringSchedulingIgnoredDuringExecution";
  const preferred = "preferredDuringSchedulingIgnoredDuringExecution";
  const terms: (readonly [term: unknown, path: string])[] = [
    ...asList(affinity[required]).map((term, i) => [term, `${path}.${required}[${i}]`] as const),
    ...asList(affinity[preferred]).map(
      (term, i) => [at(term, "podAffinityTerm"), `${path}.${preferred}[${i}].podAffinityTerm`] as const,
    ),
  ];
  return terms
    .filter(([term]) => (at(term, "labelSelector") ?? null) === null)
    .map(([, where]) => `${where}.labelSelector: a null labelSelector results in matching no pod`);
}

const template = ["spec", "template", "spec"];
const podSpecs: Readonly<Record<string, readonly string[]>> = {
  Pod: ["spec"],
  Deployment: template,
  ReplicaSet: template,
  StatefulSet: template,
  DaemonSet: template,
  Job: template,
  CronJob: ["spec", "jobTemplate", "spec", "template", "spec"],
};

function ofContainer(container: Record<string, unknown>, path: string): string[] {
  const found: string[] = [];
  for (const bound of ["limits", "requests"]) {
    for (const resource of ["memory", "ephemeral-storage"]) {
      const value = at(container, "resources", bound, resource);
      if (typeof value === "string" && milli(value) % 1000 !== 0) {
        found.push(
          `${path}.resources.${bound}[${resource}]: fractional byte value ${JSON.stringify(value)} is invalid, must be an integer`,
        );
      }
    }
  }
  const names = asList(container["env"]).map((entry) => asString(asObject(entry)["name"]));
  for (const [i, name] of names.entries()) {
    if (names.indexOf(name) === i) continue;
    found.push(
      `${path}.env[${i}]: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`,
    );
  }
  return found;
}
