import { z } from "zod";
import { field, type KubeObject, kinds, listField, numberField, stringField } from "../shared/kube.ts";
import { podsOf } from "./actions/target.ts";
import type { ClusterReader } from "./edges.ts";

/** What was true before a change: what is worse afterwards is measured against it. */
export const Baseline = z.object({
  /** Pod uid → restarts of all its containers. */
  pods: z.record(z.string(), z.number()).default({}),
  /** Uid of a Warning event → how often it was seen. */
  warnings: z.record(z.string(), z.number()).default({}),
  /** JSON pointer → hash of what Steward wrote there; filled in when the write was answered. */
  written: z.record(z.string(), z.string()).default({}),
  /** What could not be read before the change. */
  unseen: z.array(z.string()).default([]),
});
export type Baseline = z.infer<typeof Baseline>;

/** A Warning event about the object, one of its ReplicaSets or one of its pods. */
export interface Warning {
  uid: string;
  count: number;
  reason: string;
  message: string;
}

/** The object with all that tells how it fares. */
export interface Sighting {
  object: KubeObject;
  pods: readonly KubeObject[];
  warnings: readonly Warning[];
}

/** Reads an object's pods and the warnings about them. Throws what the reader throws. */
export async function sight(read: ClusterReader, object: KubeObject, signal?: AbortSignal): Promise<Sighting> {
  const namespace = object.metadata.namespace ?? null;
  const [pods, events] = await Promise.all([
    podsOf(read, object, signal),
    read.list({ type: kinds.event, namespace, fieldSelector: "type=Warning" }, signal),
  ]);
  const uids = new Set([object, ...pods].map(({ metadata }) => metadata.uid));
  // A pod that cannot be made has its warning on the ReplicaSet, which is named after its Deployment.
  const ours = (event: KubeObject) =>
    uids.has(stringField(event, "involvedObject", "uid") ?? "") ||
    (stringField(event, "involvedObject", "kind") === "ReplicaSet" &&
      object.kind === "Deployment" &&
      replicaSetOf(object, stringField(event, "involvedObject", "name") ?? ""));
  return { object, pods, warnings: events.items.filter(ours).map(warningOf) };
}

function replicaSetOf({ metadata: { name } }: KubeObject, set: string): boolean {
  return set.startsWith(`${name}-`) && /^[a-z0-9]{1,11}$/.test(set.slice(name.length + 1));
}

function warningOf(event: KubeObject): Warning {
  return {
    uid: event.metadata.uid ?? event.metadata.name,
    count: numberField(event, "series", "count") ?? numberField(event, "count") ?? 1,
    reason: stringField(event, "reason") ?? "",
    message: stringField(event, "message") ?? stringField(event, "note") ?? "",
  };
}

/** A sighting as numbers to keep. */
export function baselineOf({ pods, warnings }: Sighting): Baseline {
  return {
    pods: Object.fromEntries(pods.map((pod) => [pod.metadata.uid ?? "", restartsOf(pod)])),
    warnings: Object.fromEntries(warnings.map(({ uid, count }) => [uid, count])),
    written: {},
    unseen: [],
  };
}

/** Restarts of all containers of a pod. */
export function restartsOf(pod: KubeObject): number {
  return containerStatuses(pod).reduce<number>((sum, status) => sum + (numberField(status, "restartCount") ?? 0), 0);
}

export function containerStatuses(pod: KubeObject): readonly unknown[] {
  return ["initContainerStatuses", "containerStatuses"].flatMap((list) => listField(pod, "status", list));
}

export function isReady(pod: KubeObject): boolean {
  return listField(pod, "status", "conditions").some(
    (condition) => stringField(condition, "type") === "Ready" && field(condition, "status") === "True",
  );
}
