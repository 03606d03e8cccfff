import { StewardError } from "../shared/errors.ts";
import type { RootObject } from "../shared/incident.ts";
import {
  controllerOf,
  type KubeObject,
  kindNamed,
  kinds,
  listField,
  type ObjectRef,
  type ResourceType,
  stringField,
} from "../shared/kube.ts";
import { podsOf, typeOf } from "./actions/target.ts";
import type { Clock, ClusterReader } from "./edges.ts";
import { likelyOwner, type Subject, subjectOf } from "./root-object/subject.ts";
import { conditionsOf } from "./tools/workload.ts";

export interface FoundRoot extends RootObject {
  /** The alert names pods or a workload, and they sit on this node, which is not ready: that is the cause. */
  nodeDown: boolean;
}

/** What an alert with these labels is about; null when its labels name no object. */
export type FindRoot = (
  labels: Readonly<Record<string, string>>,
  options: { deadlineMs: number },
) => Promise<FoundRoot | null>;

/**
 * Finds what an incident is about (SPEC 3): the top owner of what the labels name, or the node under it when that is not ready. What the
 * cluster does not answer within the deadline is guessed from the labels, and `confirmed` is false. Never throws.
 */
export function createRootFinder({ read, clock }: { read: ClusterReader; clock: Clock }): FindRoot {
  return async (labels, { deadlineMs }) => {
    const subject = subjectOf(labels);
    if (subject === null) return null;
    const found = deadlineMs > 0 ? await withinDeadline(deadlineMs, (signal) => lookUp(subject, signal)) : null;
    if (found !== null) return found;
    return { ...likelyOwner(subject), uid: null, confirmed: false, nodeDown: false };
  };

  /** null when it took too long or failed. */
  async function withinDeadline<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
    const late = new AbortController();
    const done = new AbortController();
    const timeout = clock.sleep(ms, done.signal).then(
      () => {
        late.abort();
        return null;
      },
      () => null,
    );
    try {
      return await Promise.race([work(late.signal).catch(() => null), timeout]);
    } finally {
      done.abort();
    }
  }

  /** null when the cluster has no such object. */
  async function lookUp(subject: Subject, signal: AbortSignal): Promise<FoundRoot | null> {
    if (subject.kind === "Node") return lookUpNode(subject.name, signal);
    const object = await get(subject, signal);
    if (object === null) {
      // A pod that is gone has most likely left its owner behind.
      const owner = likelyOwner(subject);
      return owner === subject ? null : await lookUp(owner, signal);
    }
    const [top, down] = await Promise.all([topOwner(read, object, signal), nodeDownUnder(object, signal)]);
    return down ?? rootOf(top, false);
  }

  async function get({ kind, namespace, name }: Subject, signal: AbortSignal): Promise<KubeObject | null> {
    const type = await typeNamed(kind, signal);
    return type === null ? null : read.get({ type, namespace: type.namespaced ? namespace : null, name }, signal);
  }

  async function typeNamed(kind: string, signal: AbortSignal): Promise<ResourceType | null> {
    return kindNamed(kind) ?? (await read.resolve(kind, signal));
  }

  /** By name, or by the address an exporter was reached at. */
  async function lookUpNode(name: string, signal: AbortSignal): Promise<FoundRoot | null> {
    const named = await read.get({ type: kinds.node, namespace: null, name }, signal);
    if (named !== null) return rootOf(nameOf(named), false);
    const { items } = await read.list({ type: kinds.node, namespace: null }, signal);
    const found = items.find((node) =>
      listField(node, "status", "addresses").some((address) => stringField(address, "address") === name),
    );
    return found === undefined ? null : rootOf(nameOf(found), false);
  }

  /** The node that all ailing pods of this object sit on, if there is one and it is not ready. */
  async function nodeDownUnder(object: KubeObject, signal: AbortSignal): Promise<FoundRoot | null> {
    if (!withPods.has(object.kind)) return null;
    const pods = await podsOf(read, object, signal);
    const ailing = object.kind === "Pod" ? pods : pods.filter((pod) => !isReady(pod) && !hasSucceeded(pod));
    const names = new Set(ailing.map((pod) => stringField(pod, "spec", "nodeName") ?? ""));
    const [name] = names;
    if (names.size !== 1 || name === undefined || name === "") return null;
    const node = await read.get({ type: kinds.node, namespace: null, name }, signal);
    return node === null || isReady(node) ? null : rootOf(nameOf(node), true);
  }
}

const withPods = new Set(["Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"]);

/**
 * The controller above all others, or the object itself. An owner that may not be read is known by its reference; a static pod belongs to its
 * node only in name.
 */
async function topOwner(read: ClusterReader, object: KubeObject, signal: AbortSignal): Promise<ObjectName> {
  let top = nameOf(object);
  let owner = controllerOf(object);
  for (let depth = 0; owner !== undefined && owner.kind !== "Node" && depth < mostOwners; depth++) {
    const type = await typeOf(read, owner, signal);
    const namespace = type?.namespaced === false ? null : top.namespace;
    top = { kind: owner.kind, namespace, name: owner.name, uid: owner.uid };
    const found = type === null ? null : await getIfAllowed(read, { type, namespace, name: owner.name }, signal);
    owner = found?.metadata.uid === owner.uid ? controllerOf(found) : undefined;
  }
  return top;
}

type ObjectName = Pick<RootObject, "kind" | "namespace" | "name" | "uid">;

/** Longer chains of owners than this do not occur; a circle of them would. */
const mostOwners = 16;

async function getIfAllowed(read: ClusterReader, ref: ObjectRef, signal: AbortSignal): Promise<KubeObject | null> {
  try {
    return await read.get(ref, signal);
  } catch (error) {
    if (error instanceof StewardError && error.code === "forbidden") return null;
    throw error;
  }
}

function isReady(object: KubeObject): boolean {
  return conditionsOf(object).some(({ type, status }) => type === "Ready" && status === "True");
}

function hasSucceeded(pod: KubeObject): boolean {
  return stringField(pod, "status", "phase") === "Succeeded";
}

function nameOf({ kind, metadata }: KubeObject): ObjectName {
  const { name, namespace, uid } = metadata;
  return { kind, namespace: namespace ?? null, name, uid: uid ?? null };
}

function rootOf(name: ObjectName, nodeDown: boolean): FoundRoot {
  return { ...name, confirmed: true, nodeDown };
}
