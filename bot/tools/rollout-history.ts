import { z } from "zod";
import { StewardError } from "../../shared/errors.ts";
import { kinds } from "../../shared/kube.ts";
import { Namespace, Target } from "./arguments.ts";
import { age, bounded, readAt } from "./print.ts";
import { type RevisionFacts, revisionsOf } from "./revisions.ts";
import { defineTool } from "./tool.ts";
import { findRef, podsOf } from "./workload.ts";

const withHistory = new Set<string>([kinds.deployment.resource, kinds.statefulset.resource, kinds.daemonset.resource]);
const mostShown = 6;

export const kubectlRolloutHistory = defineTool({
  description:
    "Revisions of a Deployment, StatefulSet or DaemonSet, oldest first, with when each began, how it fares and what it changed against the one before.",
  args: z.strictObject({ target: Target, namespace: Namespace }),
  rbac: [
    { apiGroups: ["apps"], resources: ["deployments", "statefulsets", "daemonsets"], verbs: ["get"] },
    { apiGroups: ["apps"], resources: ["replicasets", "controllerrevisions"], verbs: ["list"] },
    { apiGroups: [""], resources: ["pods"], verbs: ["list"] },
  ],
  async run({ target, namespace }, context): Promise<{ text: string; data: RevisionFacts[]; unseen: string[] }> {
    const ref = await findRef(context, target, namespace);
    if (!withHistory.has(ref.type.resource)) {
      throw new StewardError("invalid", `a ${ref.type.kind} has no rollout history`, { path: "target" });
    }
    const object = await context.read.get(ref, context.signal);
    if (object === null) throw new StewardError("not_found", `there is no ${target} in namespace ${namespace}`);
    const pods = ref.type.resource === kinds.deployment.resource ? [] : await podsOf(context, object);
    const revisions = await revisionsOf(context, object, pods);
    const shown = revisions.slice(-mostShown);
    const lines = [
      `Revisions of ${target} in ${namespace}, the present one last (${readAt(context.now)})`,
      ...(revisions.length === 0 ? ["none kept"] : []),
      ...(shown.length < revisions.length ? [`${revisions.length - shown.length} older ones left out`] : []),
      ...shown.flatMap((revision) => [
        `revision ${revision.number} (${revision.name}): began ${age(revision.at, context.now)} ago${revision.servedMs === null ? "" : `, served ${age(new Date(0), new Date(revision.servedMs))}`}; ${revision.ready} of ${revision.pods} pods ready; ${revision.images.join(", ")}`,
        ...revision.changes.map((change) => `  changed ${change}`),
        ...(revision.changes.length === 0 && revision !== revisions[0] ? ["  changed nothing in the template"] : []),
      ]),
    ];
    return { text: bounded(lines.join("\n"), context.maxBytes, "ask for fewer objects"), data: revisions, unseen: [] };
  },
});
