import type { ActionOf } from "../../shared/action.ts";
import { StewardError } from "../../shared/errors.ts";
import { controllerOf } from "../../shared/kube.ts";
import { type ActionDef, watchWorkloads } from "./definition.ts";
import { patchRequest, pointer, same } from "./patch.ts";
import { named, wantedReplicas } from "./workload.ts";

/** `kubectl scale`. Written to the object itself, not to its scale subresource, which carries no annotation to know the operation by. */
export const scale: ActionDef<ActionOf<"scale">> = {
  rbac: {
    act: [{ apiGroups: ["apps"], resources: ["deployments", "statefulsets", "replicasets"], verbs: ["patch"] }],
    read: [watchWorkloads, { apiGroups: ["autoscaling"], resources: ["horizontalpodautoscalers"], verbs: ["list"] }],
  },
  summary({ target, replicas }, { object }, locale) {
    const now = wantedReplicas(object);
    return {
      en: `Scale ${target} from ${now} to ${replicas} replicas`,
      "zh-CN": `将 ${target} 的副本数由 ${now} 调整为 ${replicas}`,
    }[locale];
  },
  kubectl: ({ target, namespace, replicas }) => `kubectl scale ${target} --replicas=${replicas} -n ${namespace}`,
  risk: ({ replicas }, { object }) => (replicas === 0 || object.kind === "StatefulSet" ? "critical" : "high"),
  overreach({ replicas }, { object }) {
    const now = wantedReplicas(object);
    if (replicas < now) return "down";
    return replicas > 2 * now ? "too_far" : null;
  },

  async plan(action, { ref, object }, { op }) {
    const now = wantedReplicas(object);
    if (action.replicas === now) {
      throw new StewardError("invalid", `${named(object)} already has ${now} replicas`, { path: "action.replicas" });
    }
    const controller = controllerOf(object);
    if (object.kind === "ReplicaSet" && controller !== undefined) {
      const owner = `${controller.kind.toLowerCase()}/${controller.name}`;
      throw new StewardError(
        "refused",
        `${owner} sets the size of ${named(object)} and would undo this; scale ${owner}`,
      );
    }
    const path = ["spec", "replicas"] as const;
    const request = patchRequest(ref, object, op, [
      same(object, ...path),
      { op: "add", path: pointer(...path), value: action.replicas },
    ]);
    return { action, request, inverse: { ...action, replicas: now }, writes: [["f:spec", "f:replicas"]] };
  },
};
