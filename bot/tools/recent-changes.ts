import { z } from "zod";
import { parseDuration } from "../../shared/duration.ts";
import {
  controllerOf,
  field,
  type KubeObject,
  kinds,
  listField,
  parseTarget,
  type ResourceType,
  stringField,
} from "../../shared/kube.ts";
import { Duration, Namespace, Target } from "./arguments.ts";
import { foldEvents } from "./events.ts";
import { age, bounded, columns, readAt, timeOf } from "./print.ts";
import { type RevisionFacts, revisionsOf } from "./revisions.ts";
import { defineTool, nameOf, type ToolContext, tried } from "./tool.ts";
import { conditionsOf, findRef, podsOf } from "./workload.ts";

export interface Change {
  at: Date;
  /** `deployment/checkout`. */
  object: string;
  what: string;
  /** The field manager or component that did it; null when that is not recorded. */
  by: string | null;
}

const mostObjects = 200;
const mostWorkloads = 20;
const mostShown = 30;
const workloads = [kinds.deployment, kinds.statefulset, kinds.daemonset] as const;
const scaling = new Set(["SuccessfulRescale", "ScalingReplicaSet", "SuccessfulCreate", "SuccessfulDelete"]);

export const recentChanges = defineTool({
  description:
    "What changed lately in a namespace, or to one workload in it: rollouts with what they changed, edits and who made them, scaling, config maps, nodes. Newest last.",
  args: z.strictObject({ namespace: Namespace, target: Target.optional(), since: Duration.default("6h") }),
  rbac: [
    { apiGroups: ["apps"], resources: ["deployments", "statefulsets", "daemonsets"], verbs: ["get", "list"] },
    { apiGroups: ["apps"], resources: ["replicasets", "controllerrevisions"], verbs: ["list"] },
    { apiGroups: [""], resources: ["pods", "events", "nodes", "configmaps"], verbs: ["list"] },
    { apiGroups: ["autoscaling"], resources: ["horizontalpodautoscalers"], verbs: ["list"] },
  ],
  async run({ namespace, target, since }, context): Promise<{ text: string; data: Change[]; unseen: string[] }> {
    context.admit(kinds.pod, namespace);
    const from = new Date(context.now.getTime() - (parseDuration(since) ?? 0));
    const unseen: string[] = [];
    const parts = await Promise.all([
      tried("workloads", unseen, workloadChanges(context, namespace, target, from, unseen)),
      tried("config maps", unseen, edits(context, kinds.configmap, namespace)),
      tried("autoscalers", unseen, edits(context, kinds.horizontalpodautoscaler, namespace)),
      tried("events", unseen, scalingEvents(context, namespace, target)),
      tried("nodes", unseen, nodeChanges(context)),
    ]);
    const changes = parts
      .flatMap((part) => part ?? [])
      .filter(({ at }) => at >= from && at <= context.now)
      .sort((a, b) => a.at.getTime() - b.at.getTime());
    const shown = changes.slice(-mostShown);
    const lines = [
      `Changes of the last ${since} ${target === undefined ? "" : `to ${target} `}in ${namespace}, newest last (${readAt(context.now)})`,
      ...(changes.length === 0
        ? ["none found among rollouts, edits, scaling, config maps, autoscalers and nodes"]
        : columns(
            shown.map(({ at, object, what, by }) => [
              `${age(at, context.now)} ago`,
              object,
              `${what}${by === null ? "" : ` (by ${by})`}`,
            ]),
          )),
      ...(shown.length < changes.length
        ? [`${changes.length - shown.length} older ones left out; shorten since or name a target`]
        : []),
      ...unseen.map((gap) => `not seen: ${gap}`),
    ];
    return { text: bounded(lines.join("\n"), context.maxBytes, "name a target"), data: changes, unseen };
  },
});

async function workloadChanges(
  context: ToolContext,
  namespace: string,
  target: string | undefined,
  from: Date,
  unseen: string[],
): Promise<Change[]> {
  const objects =
    target === undefined
      ? await listWorkloads(context, namespace)
      : await oneWorkload(context, namespace, target, unseen);
  const touched = objects.filter((object) => lastTouched(object) >= from).slice(0, mostWorkloads);
  const parts = await Promise.all(
    touched.map(async (object) => [...(await rollouts(context, object, from)), ...editsOf(object)]),
  );
  return parts.flat();
}

async function listWorkloads(context: ToolContext, namespace: string): Promise<KubeObject[]> {
  const lists = await Promise.all(
    workloads.map((type) => context.read.list({ type, namespace, limit: mostObjects }, context.signal)),
  );
  return lists.flatMap(({ items }) => items);
}

/** The workload; of a pod, what stands above it is asked for by its own name. */
async function oneWorkload(
  context: ToolContext,
  namespace: string,
  target: string,
  unseen: string[],
): Promise<KubeObject[]> {
  const parsed = parseTarget(target.toLowerCase());
  if (parsed === null) return [];
  const object = await context.read.get(await findRef(context, target, namespace), context.signal);
  if (object === null) unseen.push(`${target}: there is none`);
  return object === null || !workloads.some(({ kind }) => kind === object.kind) ? [] : [object];
}

/** Any write counts, the status's too: this only spares the reads for what lay still. */
function lastTouched(object: KubeObject): Date {
  const times = [
    object.metadata.creationTimestamp,
    ...(object.metadata.managedFields ?? []).map((entry) => stringField(entry, "time")),
  ];
  return new Date(Math.max(0, ...times.map((time) => timeOf(time)?.getTime() ?? 0)));
}

async function rollouts(context: ToolContext, object: KubeObject, from: Date): Promise<Change[]> {
  const pods = object.kind === "Deployment" ? [] : await podsOf(context, object);
  return (await revisionsOf(context, object, pods)).flatMap((revision) => {
    if (revision.at === null || revision.at < from) return [];
    return [{ at: revision.at, object: nameOf(object), what: rolloutText(revision), by: null }];
  });
}

function rolloutText({ number, changes, images }: RevisionFacts): string {
  return `rolled out revision ${number}: ${changes.length === 0 ? images.join(", ") : changes.join("; ")}`;
}

async function edits(context: ToolContext, type: ResourceType, namespace: string): Promise<Change[]> {
  const { items } = await context.read.list({ type, namespace, limit: mostObjects }, context.signal);
  return items.filter(({ metadata }) => metadata.name !== everywhereConfigMap).flatMap(editsOf);
}

/** The cluster's own, in every namespace. */
const everywhereConfigMap = "kube-root-ca.crt";

/** Who wrote what when, as the API server keeps it for each field manager: the last write of each. */
function editsOf(object: KubeObject): Change[] {
  const created = timeOf(object.metadata.creationTimestamp);
  const writes = (object.metadata.managedFields ?? []).flatMap((entry): Change[] => {
    const at = timeOf(stringField(entry, "time"));
    const subresource = stringField(entry, "subresource") ?? "";
    if (at === null || subresource === "status" || !writesMeaning(entry)) return [];
    const what = subresource === "scale" ? "scaled" : created !== null && at <= created ? "created" : "edited";
    return [{ at, object: nameOf(object), what, by: stringField(entry, "manager") ?? null }];
  });
  if (writes.length > 0 || created === null || controllerOf(object) !== undefined) return writes;
  return [{ at: created, object: nameOf(object), what: "created", by: null }];
}

/** Controllers also write annotations and status through the main resource. */
function writesMeaning(entry: unknown): boolean {
  const fields = field(entry, "fieldsV1");
  return ["f:spec", "f:data", "f:binaryData"].some((name) => field(fields, name) !== undefined);
}

async function scalingEvents(context: ToolContext, namespace: string, target: string | undefined): Promise<Change[]> {
  const { items } = await context.read.list({ type: kinds.event, namespace, limit: 1_000 }, context.signal);
  return foldEvents(items).flatMap(({ reason, object, message, count, last }) => {
    const about = target === undefined || object === target.toLowerCase();
    if (!scaling.has(reason) || !about || last === null || object.startsWith("replicaset/")) return [];
    return [{ at: last, object, what: `${message}${count > 1 ? ` (×${count})` : ""}`, by: null }];
  });
}

async function nodeChanges(context: ToolContext): Promise<Change[]> {
  const { items } = await context.read.list({ type: kinds.node, namespace: null, limit: mostObjects }, context.signal);
  return items.flatMap((node): Change[] => {
    const object = nameOf(node);
    const conditions = conditionsOf(node).flatMap(({ type, status, reason, since }): Change[] =>
      since === null
        ? []
        : [{ at: since, object, what: `${type} became ${status}${reason === "" ? "" : ` (${reason})`}`, by: null }],
    );
    const joined = timeOf(node.metadata.creationTimestamp);
    const taints = listField(node, "spec", "taints").flatMap((taint): Change[] => {
      const at = timeOf(stringField(taint, "timeAdded"));
      return at === null ? [] : [{ at, object, what: `tainted ${stringField(taint, "key") ?? ""}`, by: null }];
    });
    // A new node's conditions begin with it.
    const later = conditions.filter(({ at }) => joined === null || at.getTime() - joined.getTime() > 120_000);
    return [
      ...(joined === null ? [] : [{ at: joined, object, what: "joined the cluster", by: null }]),
      ...later,
      ...taints,
    ];
  });
}
