/** What the workload controllers share: pods made from templates, and how ready they are. */
import type { Condition, KubeObject, OwnerReference, Pod, PodTemplate } from "../object.ts";
import type { Caller, Registry } from "../registry/registry.ts";
import type { Store } from "../storage.ts";
import type { Clock } from "../timers.ts";

export function podsOf(store: Store, owner: KubeObject): Pod[] {
  return store
    .list("/pods", owner.metadata.namespace ?? "")
    .filter((pod) =>
      pod.metadata.ownerReferences?.some((ref) => ref.controller && ref.uid === owner.metadata.uid),
    ) as Pod[];
}

export function isActive(pod: Pod): boolean {
  return (
    pod.status.phase !== "Succeeded" && pod.status.phase !== "Failed" && pod.metadata.deletionTimestamp === undefined
  );
}

export function conditionOf(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

export function isReady(pod: Pod): boolean {
  return conditionOf(pod.status.conditions, "Ready")?.status === "True";
}

/** 0 when ready for at least minReadySeconds; otherwise the sandbox ms that are missing (Infinity while not ready). */
export function untilAvailable(pod: Pod, minReadySeconds: number, clock: Clock, speed: number): number {
  const condition = conditionOf(pod.status.conditions, "Ready");
  if (condition?.status !== "True") return Number.POSITIVE_INFINITY;
  if (minReadySeconds === 0) return 0;
  const since = Date.parse(condition.lastTransitionTime ?? "");
  return Math.max(0, minReadySeconds * 1000 - (clock.now().getTime() - since) * speed);
}

export function ownerReference(owner: KubeObject): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid ?? "",
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** Creates a pod from a template. `identity` adds a name and labels where the kind gives them. */
export function createPod(
  registry: Registry,
  caller: Caller,
  owner: KubeObject,
  template: PodTemplate,
  identity: { name?: string; labels?: Record<string, string>; change?: (pod: Pod) => void } = {},
): KubeObject {
  const pod: Pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: identity.name ?? "",
      generateName: `${owner.metadata.name}-`,
      namespace: owner.metadata.namespace,
      labels: { ...template.metadata?.labels, ...identity.labels },
      ...(template.metadata?.annotations ? { annotations: template.metadata.annotations } : {}),
      ownerReferences: [ownerReference(owner)],
    },
    spec: structuredClone(template.spec),
    status: {},
  };
  identity.change?.(pod);
  return registry.create(caller, registry.kinds.resource("", "pods"), owner.metadata.namespace ?? "", pod);
}

/** Sets a condition; its transition time moves only when the status does. Returns a new list. */
export function withCondition(
  conditions: readonly Condition[] | undefined,
  next: Condition,
  now: string,
  updates = false,
): Condition[] {
  const list = [...(conditions ?? [])];
  const i = list.findIndex((condition) => condition.type === next.type);
  const before = list[i];
  const same =
    before &&
    before.status === next.status &&
    before.reason === next.reason &&
    (before.message ?? "") === (next.message ?? "");
  if (before && same) return list;
  const merged: Condition = {
    ...next,
    lastTransitionTime: before && before.status === next.status ? before.lastTransitionTime : now,
    ...(updates ? { lastUpdateTime: now } : {}),
  };
  if (i >= 0) list[i] = merged;
  else list.push(merged);
  return list;
}

/** A count or a percentage of `total`. */
export function resolve(value: number | string | undefined, total: number, up: boolean): number {
  if (value === undefined) return 0;
  if (typeof value === "number") return value;
  const share = (Number.parseFloat(value) / 100) * total;
  return up ? Math.ceil(share) : Math.floor(share);
}
