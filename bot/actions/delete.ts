import type { ActionOf } from "../../shared/action.ts";
import { StewardError } from "../../shared/errors.ts";
import { controllerOf, listField, stringField } from "../../shared/kube.ts";
import { type ActionDef, watchWorkloads } from "./definition.ts";
import { deleteRequest } from "./patch.ts";
import { named } from "./workload.ts";

/** Owners that put a new pod in the place of a deleted one. */
const recreating = new Set(["ReplicaSet", "StatefulSet", "DaemonSet", "Job", "ReplicationController"]);

/** `kubectl delete pod`, of a pod that its owner makes anew. */
export const deletePod: ActionDef<ActionOf<"delete">> = {
  rbac: { act: [{ apiGroups: [""], resources: ["pods"], verbs: ["delete"] }], read: [watchWorkloads] },
  summary({ target }, { object }, locale) {
    const owner = controllerOf(object);
    const by = owner === undefined ? "" : `${owner.kind.toLowerCase()}/${owner.name}`;
    return {
      en: `Delete ${target}; ${by} makes a new one`,
      "zh-CN": `删除 ${target}，由 ${by} 重新创建`,
    }[locale];
  },
  kubectl: ({ target, namespace }) => `kubectl delete ${target.replace("/", " ")} -n ${namespace}`,
  // A pod of a StatefulSet has an identity and a disk; a pod that is ready is one that serves.
  risk: (_, { object }) => (controllerOf(object)?.kind === "StatefulSet" || isReady(object) ? "critical" : "high"),
  overreach: (_, { object }) => (controllerOf(object) === undefined ? "never" : null),

  async plan(action, { ref, object, uid }) {
    const owner = controllerOf(object);
    if (owner === undefined || !recreating.has(owner.kind)) {
      const why = owner === undefined ? "nothing owns it" : `it belongs to ${owner.kind.toLowerCase()}/${owner.name}`;
      throw new StewardError("refused", `${named(object)} would not come back: ${why}`);
    }
    if (object.metadata.deletionTimestamp !== undefined) {
      throw new StewardError("invalid", `${named(object)} is being deleted already`, { path: "action.target" });
    }
    // The uid alone: a pod's status changes by the second, and a uid never names another pod.
    return { action, request: deleteRequest(ref, uid), inverse: null, writes: [] };
  },
};

function isReady(pod: Parameters<typeof controllerOf>[0]): boolean {
  return listField(pod, "status", "conditions").some(
    (condition) => stringField(condition, "type") === "Ready" && stringField(condition, "status") === "True",
  );
}
