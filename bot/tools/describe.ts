import { z } from "zod";
import { field, type KubeObject, listField, numberField, stringField } from "../../shared/kube.ts";
import { redactObject } from "../../shared/redact.ts";
import { cleanLine, truncate } from "../../shared/text.ts";
import { Namespace, Target } from "./arguments.ts";
import { containerLine } from "./container.ts";
import { type EventFacts, eventRules, eventsAbout, printEvents, withoutIds } from "./events.ts";
import { type ContainerFacts, endOf, type PodFacts, quantities, sickness, type Termination } from "./pod.ts";
import { age, bounded, pairs, readAt, timeOf } from "./print.ts";
import { defineTool, nameOf, type ToolContext, tried } from "./tool.ts";
import { conditionsOf, findRef, ownersOf, podsOf } from "./workload.ts";

export interface Described {
  /** null: there is no such object. */
  object: KubeObject | null;
  /** Controllers from the nearest to the top. */
  owners: readonly KubeObject[];
  /** Sickest first. */
  pods: readonly PodFacts[];
  /** null when they could not be read. */
  events: readonly EventFacts[] | null;
}

const mostPodsShown = 8;
const mostEventsShown = 12;

export const kubectlDescribe = defineTool({
  description:
    "One object in what decides: owners, status, conditions, containers with limits and probes, its pods with container states and how they ended last, and the events of all of them.",
  args: z.strictObject({ target: Target, namespace: Namespace.optional() }),
  rbac: [
    ...eventRules,
    { apiGroups: [""], resources: ["nodes"], verbs: ["get", "list"] },
    { apiGroups: ["apps"], resources: ["deployments", "statefulsets", "daemonsets", "replicasets"], verbs: ["get"] },
    { apiGroups: ["batch"], resources: ["jobs", "cronjobs"], verbs: ["get"] },
  ],
  async run({ target, namespace }, context): Promise<{ text: string; data: Described; unseen: string[] }> {
    const ref = await findRef(context, target, namespace);
    const object = await context.read.get(ref, context.signal);
    const what = `${ref.type.kind} ${ref.namespace === null ? "" : `${ref.namespace}/`}${ref.name}`;
    if (object === null) {
      return {
        text: `${what}: there is none (${readAt(context.now)})`,
        data: { object, owners: [], pods: [], events: null },
        unseen: [],
      };
    }
    const unseen: string[] = [];
    const found = await tried(`pods of ${target}`, unseen, podsOf(context, object));
    const pods = found ?? [];
    const [owners, events] = await Promise.all([
      tried(`owners of ${target}`, unseen, ownersOf(context, object)),
      tried(`events of ${target}`, unseen, eventsAbout(context, object, pods)),
    ]);
    const { now } = context;
    const lines = [
      `${what} (created ${age(timeOf(object.metadata.creationTimestamp), now)} ago; ${readAt(now)})`,
      ...ownerLine(owners ?? []),
      ...statusLines(object),
      ...conditionLines(object, context),
      ...(object.kind === "Pod" ? [] : templateLines(object)),
      ...(found === null || object.kind === "Node" ? [] : podLines(pods, object, context)),
      ...eventLines(events, context),
      ...unseen.map((gap) => `not seen: ${gap}`),
    ];
    return {
      text: bounded(lines.join("\n"), context.maxBytes, "see kubectl_get with output=yaml, kubectl_events"),
      data: { object, owners: owners ?? [], pods, events },
      unseen,
    };
  },
});

function ownerLine(owners: readonly KubeObject[]): string[] {
  return owners.length === 0 ? [] : [`Owned by: ${owners.map(nameOf).join(" → ")}`];
}

/** Numbers of the status, beside what the spec wants; a node's capacity and taints. */
function statusLines(object: KubeObject): string[] {
  const status = field(object, "status");
  const numbers = Object.entries(typeof status === "object" && status !== null ? status : {})
    .filter(([name, value]) => typeof value === "number" && name !== "observedGeneration" && name !== "collisionCount")
    .map(([name, value]) => `${name}=${String(value)}`);
  const wanted = [
    "replicas",
    "completions",
    "parallelism",
    "backoffLimit",
    "minReplicas",
    "maxReplicas",
    "progressDeadlineSeconds",
  ].flatMap((name) => {
    const value = numberField(object, "spec", name);
    return value === undefined ? [] : [`${name}=${value}`];
  });
  const flags = ["paused", "suspend", "unschedulable"].filter((name) => field(object, "spec", name) === true);
  const revision = object.metadata.annotations?.["deployment.kubernetes.io/revision"];
  const phase = object.kind === "Pod" ? undefined : stringField(object, "status", "phase");
  const stale = numberField(object, "status", "observedGeneration");
  return [
    ...(phase === undefined ? [] : [`Phase: ${phase}`]),
    ...(wanted.length === 0
      ? []
      : [`Wanted: ${wanted.join(" ")}${revision === undefined ? "" : `; revision ${revision}`}`]),
    ...(numbers.length === 0 ? [] : [`Status: ${numbers.join(" ")}`]),
    ...flags.map((flag) => `Set: ${flag}=true`),
    ...(stale !== undefined && object.metadata.generation !== undefined && stale < object.metadata.generation
      ? ["The controller has not yet seen the newest change of this object"]
      : []),
    ...(object.metadata.deletionTimestamp === undefined
      ? []
      : [
          `Being deleted since ${object.metadata.deletionTimestamp}; finalizers: ${object.metadata.finalizers?.join(", ") ?? "none"}`,
        ]),
    ...(object.kind === "Node" ? nodeLines(object) : []),
  ];
}

function nodeLines(node: KubeObject): string[] {
  const taints = listField(node, "spec", "taints").map(
    (taint) => `${stringField(taint, "key") ?? ""}:${stringField(taint, "effect") ?? ""}`,
  );
  return [
    `Allocatable: ${pairs(quantities(field(node, "status", "allocatable")))}`,
    `Taints: ${taints.join(", ") || "none"}`,
    `Kubelet: ${stringField(node, "status", "nodeInfo", "kubeletVersion") ?? "?"}`,
  ];
}

function conditionLines(object: KubeObject, { now }: ToolContext): string[] {
  return conditionsOf(object).map(
    ({ type, status, reason, message, since }) =>
      `Condition ${type}=${status}${reason === "" ? "" : ` ${reason}`} (for ${age(since, now)})${message === "" || status === "True" ? "" : `: ${truncate(cleanLine(message), 400)}`}`,
  );
}

function templateLines(object: KubeObject): string[] {
  const template = field(object, "spec", "jobTemplate", "spec", "template") ?? field(object, "spec", "template");
  const lines = (kind: string) =>
    listField(redactObject(template), "spec", kind).map((container) =>
      containerLine(container, kind === "initContainers"),
    );
  return [...lines("initContainers"), ...lines("containers")];
}

function podLines(pods: readonly PodFacts[], object: KubeObject, context: ToolContext): string[] {
  if (pods.length === 0) return ["Pods: none"];
  const ready = pods.filter((pod) => pod.ready).length;
  const alike = Map.groupBy(pods, likeness);
  const groups = [...alike.values()];
  const shown = groups.slice(0, mostPodsShown);
  const left = groups.slice(mostPodsShown).flat();
  return [
    ...(object.kind === "Pod" ? [] : [`Pods: ${pods.length}, ${ready} ready; sickest first`]),
    ...shown.flatMap(([pod, ...others]) => [
      ...(pod === undefined ? [] : onePod(pod, object.kind === "Pod", context)),
      ...(others.length === 0
        ? []
        : [`    and ${others.length} more like it: ${truncate(others.map(({ name }) => name).join(", "), 200)}`]),
    ]),
    ...(left.length === 0 ? [] : [`… ${left.length} more pods left out; see kubectl_get pods`]),
  ];
}

/** Pods of one revision whose containers are in the same state are told once. */
function likeness(pod: PodFacts): string {
  const states = pod.containers.map((container) => {
    const end = endOf(container);
    return [container.waiting?.reason, container.ready, end?.reason, end?.exitCode].join(",");
  });
  return [pod.revision, pod.phase, pod.reason, pod.ready, pod.deleting, pod.unscheduled?.message, ...states].join("|");
}

function onePod(pod: PodFacts, alone: boolean, { now }: ToolContext): string[] {
  const healthy = sickness(pod) === 0 && !alone;
  const head = [
    `  ${pod.name}: ${pod.deleting ? "Terminating" : pod.phase}${pod.reason === "" ? "" : ` ${pod.reason}`}`,
    pod.ready ? "ready" : "not ready",
    `age ${age(pod.createdAt, now)}`,
    `node ${pod.node ?? "none"}`,
    ...(pod.revision === "" ? [] : [`revision ${pod.revision}`]),
  ].join(", ");
  return [
    head,
    ...(pod.message === "" ? [] : [`    ${truncate(cleanLine(pod.message), 400)}`]),
    ...(pod.unscheduled === null
      ? []
      : [`    not scheduled, ${pod.unscheduled.reason}: ${truncate(cleanLine(pod.unscheduled.message), 600)}`]),
    ...pod.containers
      .filter((container) => !healthy || container.restarts > 0)
      .map((container) => `    ${containerState(container, now)}`),
    ...(alone
      ? pod.containers.map((container) => `    ${containerLine(redactObject(container.spec), container.init)}`)
      : []),
  ];
}

function containerState(container: ContainerFacts, now: Date): string {
  const { name, init, waiting, runningSince, terminated, restarts, ready } = container;
  const state =
    waiting !== null
      ? `waiting ${waiting.reason}${waiting.message === "" ? "" : `: ${truncate(withoutIds(cleanLine(waiting.message)), 300)}`}`
      : terminated !== null
        ? `ended ${terminationText(terminated, now)}`
        : runningSince !== null
          ? `running for ${age(runningSince, now)}, ${ready ? "ready" : "not ready"}`
          : "not started";
  const last = container.last;
  const before = last === null ? "" : `; before that ended ${terminationText(last, now)}`;
  const end = endOf(container);
  const limit = end?.reason === "OOMKilled" ? `; memory limit ${container.limits["memory"] ?? "none"}` : "";
  return `${init ? "init " : ""}${name}: ${state}${before}; ${restarts} restarts${limit}`;
}

function terminationText({ reason, exitCode, message, startedAt, finishedAt }: Termination, now: Date): string {
  const ran = startedAt === null || finishedAt === null ? "" : ` after ${age(startedAt, finishedAt)}`;
  const words = message === "" ? "" : ` (${truncate(cleanLine(message), 200)})`;
  return `${reason} exit ${exitCode}${words} ${age(finishedAt, now)} ago${ran}`;
}

/** What went on as it should says nothing; these tell of a change or an end. */
const telling = new Set([
  "Killing",
  "Evicted",
  "Preempted",
  "SuccessfulRescale",
  "ScalingReplicaSet",
  "NodeNotReady",
  "TaintManagerEviction",
]);

function eventLines(events: readonly EventFacts[] | null, { now }: ToolContext): string[] {
  if (events === null) return [];
  const worth = events.filter(({ type, reason }) => type !== "Normal" || telling.has(reason));
  const lines = printEvents(worth, now);
  const shown = lines.slice(-mostEventsShown);
  const quiet = events.length - worth.length;
  const left = [
    ...(quiet > 0 ? [`${quiet} of the usual course`] : []),
    ...(lines.length > shown.length ? [`${lines.length - shown.length} older`] : []),
  ];
  return [
    `Events, newest last${left.length > 0 ? ` (left out: ${left.join(", ")}; see kubectl_events)` : ""}:${shown.length === 0 ? " none that tell" : ""}`,
    ...shown.map((line) => `  ${line}`),
  ];
}
