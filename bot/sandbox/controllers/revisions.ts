/** ControllerRevisions: the history of stateful and daemon sets. */
import { clone, equal } from "../json.ts";
import { controllerOf, type KubeObject, type PodTemplate } from "../object.ts";
import type { Caller, Registry } from "../registry/registry.ts";
import { templateHash } from "./deployment.ts";
import { ownerReference } from "./pods.ts";

interface Revisioned extends KubeObject {
  spec: { template: PodTemplate; revisionHistoryLimit?: number };
}

/** The revision of the present template, written down if it is new, and the label value that names it. */
export function currentRevision(registry: Registry, me: Caller, owner: Revisioned): { name: string; hash: string } {
  const resource = registry.kinds.resource("apps", "controllerrevisions");
  const namespace = owner.metadata.namespace ?? "";
  const own = registry.store
    .list(resource.storage, namespace)
    .filter((revision) => controllerOf(revision)?.uid === owner.metadata.uid);
  const data = { spec: { template: { ...clone(owner.spec.template), $patch: "replace" } } };
  const highest = Math.max(0, ...own.map((revision) => Number(revision["revision"] ?? 0)));
  const found = own.find((revision) => equal(revision["data"], data));
  const hash = templateHash(owner.spec.template);
  const label = owner.kind === "DaemonSet" ? "controller-revision-hash" : "controller.kubernetes.io/hash";
  if (found) {
    if (Number(found["revision"]) < highest) {
      registry.edit(me, resource, namespace, found.metadata.name, "", (object) => {
        object["revision"] = highest + 1;
      });
    }
    return { name: found.metadata.name, hash };
  }
  const name = `${owner.metadata.name}-${hash}`;
  registry.create(me, resource, namespace, {
    apiVersion: "apps/v1",
    kind: "ControllerRevision",
    metadata: {
      name,
      labels: { ...owner.spec.template.metadata?.labels, [label]: hash },
      ownerReferences: [ownerReference(owner)],
    },
    data,
    revision: highest + 1,
  });
  const excess = own
    .toSorted((a, b) => Number(a["revision"]) - Number(b["revision"]))
    .slice(0, Math.max(0, own.length - (owner.spec.revisionHistoryLimit ?? 10)));
  for (const revision of excess) registry.remove(me, resource, namespace, revision.metadata.name, {});
  return { name, hash };
}
