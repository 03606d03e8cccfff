import type { ActionOf } from "../../shared/action.ts";
import { field } from "../../shared/kube.ts";
import { type ActionDef, patchWorkloads, watchWorkloads } from "./definition.ts";
import { patchRequest, same, setEntries } from "./patch.ts";
import { containerPath, containersOf, refusePaused, rolloutIsCritical, templatePath } from "./workload.ts";

const restartedAt = "kubectl.kubernetes.io/restartedAt";

/** `kubectl rollout restart`: a new time in the template's annotations makes a new rollout of the same template. */
export const restart: ActionDef<ActionOf<"restart">> = {
  rbac: { act: [patchWorkloads], read: [watchWorkloads] },
  summary: ({ target }, _, locale) => ({ en: `Restart ${target}`, "zh-CN": `重启 ${target}` })[locale],
  kubectl: ({ target, namespace }) => `kubectl rollout restart ${target} -n ${namespace}`,
  risk: (_, target) => (rolloutIsCritical(target) ? "critical" : "high"),
  overreach: () => null,

  async plan(action, { ref, object }, { op, at }) {
    refusePaused(object, "restart");
    const annotations = [...templatePath, "metadata", "annotations"];
    // kubectl writes RFC 3339 without fractions.
    const time = at.toISOString().replace(/\.\d+Z$/, "Z");
    const mark =
      field(object, ...templatePath, "metadata") === undefined
        ? [
            same(object, ...templatePath, "metadata"),
            { op: "add" as const, path: "/spec/template/metadata", value: { annotations: { [restartedAt]: time } } },
          ]
        : setEntries(object, annotations, { [restartedAt]: time });
    // What is restarted is part of what was approved: another release in between is another question.
    const release = containersOf(object).map((place) => same(object, ...containerPath(place), "image"));
    return { action, request: patchRequest(ref, object, op, [...release, ...mark]), inverse: null, writes: [] };
  },
};
