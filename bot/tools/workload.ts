import { StewardError } from "../../shared/errors.ts";
import {
  controllerOf,
  field,
  type KubeObject,
  kinds,
  listField,
  type ObjectRef,
  parseTarget,
  stringField,
} from "../../shared/kube.ts";
import { podsOf as podObjectsOf, selectorText, typeOf } from "../actions/target.ts";
import { type PodFacts, readPod, sickness } from "./pod.ts";
import { timeOf } from "./print.ts";
import type { ToolContext } from "./tool.ts";

const mostOwners = 8;

/** Where `deployment/checkout` is served. Throws `invalid` for a kind the cluster does not know, `refused` for a closed one. */
export async function findRef(context: ToolContext, target: string, namespace: string | undefined): Promise<ObjectRef> {
  const slash = target.indexOf("/");
  const type = await context.read.resolve(target.slice(0, slash), context.signal);
  if (type === null) {
    throw new StewardError("invalid", `the cluster serves no "${target.slice(0, slash)}"`, { path: "target" });
  }
  if (type.namespaced && namespace === undefined) {
    throw new StewardError("invalid", `${type.resource} are in a namespace: name it`, { path: "namespace" });
  }
  const place = type.namespaced ? (namespace ?? null) : null;
  context.admit(type, place);
  return { type, namespace: place, name: target.slice(slash + 1) };
}

/** The pods that belong to an object, sickest first. A pod is its own; kinds without pods have none. */
export async function podsOf({ read, signal }: ToolContext, object: KubeObject): Promise<PodFacts[]> {
  if (!hasPods.has(object.kind)) return [];
  const pods = await podObjectsOf(read, object, signal);
  return pods.map(readPod).sort((a, b) => sickness(b) - sickness(a) || newerFirst(a, b));
}

const hasPods = new Set(["Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"]);

function newerFirst(a: PodFacts, b: PodFacts): number {
  return (b.createdAt?.getTime() ?? 0) - (a.createdAt?.getTime() ?? 0);
}

export async function replicaSetsOf(context: ToolContext, deployment: KubeObject): Promise<KubeObject[]> {
  const { items } = await context.read.list(
    {
      type: kinds.replicaset,
      namespace: deployment.metadata.namespace ?? null,
      labelSelector: selectorText(field(deployment, "spec", "selector")),
    },
    context.signal,
  );
  return items.filter((set) => controllerOf(set)?.uid === deployment.metadata.uid);
}

/** Controllers from the nearest to the top, as far as they can be read. */
export async function ownersOf(context: ToolContext, object: KubeObject): Promise<KubeObject[]> {
  const chain: KubeObject[] = [];
  let next = controllerOf(object);
  while (next !== undefined && chain.length < mostOwners) {
    const type = await typeOf(context.read, next, context.signal);
    if (type === null) break;
    const namespace = type.namespaced ? (object.metadata.namespace ?? null) : null;
    const owner: KubeObject | null = await context.read.get({ type, namespace, name: next.name }, context.signal);
    if (owner === null || owner.metadata.uid !== next.uid) break;
    chain.push(owner);
    next = controllerOf(owner);
  }
  return chain;
}

export interface Condition {
  type: string;
  status: string;
  reason: string;
  message: string;
  since: Date | null;
}

export function conditionsOf(object: KubeObject): Condition[] {
  return listField(object, "status", "conditions").map((entry) => ({
    type: stringField(entry, "type") ?? "",
    status: stringField(entry, "status") ?? "",
    reason: stringField(entry, "reason") ?? "",
    message: stringField(entry, "message") ?? "",
    since: timeOf(stringField(entry, "lastTransitionTime")),
  }));
}

/** For arguments: a kind and a name, as kubectl takes them. */
export function isTarget(text: string): boolean {
  return (
    parseTarget(text.toLowerCase()) !== null || /^[a-z][\w.-]*\/[a-z0-9]([a-z0-9.:-]{0,251}[a-z0-9])?$/i.test(text)
  );
}
