/** ReplicaSet: as many pods as asked for, the least useful ones deleted first. */
import { equal } from "../json.ts";
import { controllerOf, type Pod, type ReplicaSet } from "../object.ts";
import { ApiError } from "../status.ts";
import { keyOf } from "../storage.ts";
import { timestamp } from "../timers.ts";
import type { Controller, ControllerContext } from "./context.ts";
import { createPod, isActive, isReady, podsOf, untilAvailable, withCondition } from "./pods.ts";
import { createQueue } from "./queue.ts";

const burst = 500;

/** Those to delete first: not yet placed, not running, not ready, then the youngest. */
function leastUsefulFirst(a: Pod, b: Pod): number {
  const rank = (pod: Pod) =>
    [pod.spec.nodeName ? 1 : 0, pod.status.phase === "Running" ? 1 : 0, isReady(pod) ? 1 : 0] as const;
  const x = rank(a);
  const y = rank(b);
  for (const i of [0, 1, 2] as const) if (x[i] !== y[i]) return x[i] - y[i];
  const restarts = (pod: Pod) => (pod.status.containerStatuses ?? []).reduce((sum, c) => sum + c.restartCount, 0);
  return (
    restarts(b) - restarts(a) || ((a.metadata.creationTimestamp ?? "") < (b.metadata.creationTimestamp ?? "") ? 1 : -1)
  );
}

export function createReplicaSetController({
  registry,
  clock,
  timers,
  caller,
  recorder,
}: ControllerContext): Controller {
  const me = caller("kube-controller-manager");
  const events = recorder("replicaset-controller");
  const replicaSets = registry.kinds.resource("apps", "replicasets");
  const pods = registry.kinds.resource("", "pods");
  const queue = createQueue({ timers, clock }, sync);

  function sync(key: string): void {
    const [namespace = "", name = ""] = key.split("/");
    const set = registry.store.get(replicaSets.storage, namespace, name) as ReplicaSet | undefined;
    if (!set) return;
    const active = podsOf(registry.store, set).filter(isActive);
    const wanted = set.spec.replicas ?? 1;
    let failure: ApiError | undefined;
    if (!set.metadata.deletionTimestamp) {
      if (active.length < wanted) {
        for (let i = 0; i < Math.min(wanted - active.length, burst) && !failure; i += 1) {
          try {
            const pod = createPod(registry, me, set, set.spec.template);
            events.event(set, "Normal", "SuccessfulCreate", `Created pod: ${pod.metadata.name}`);
          } catch (error) {
            if (!(error instanceof ApiError)) throw error;
            failure = error;
            events.event(set, "Warning", "FailedCreate", `Error creating: ${error.message}`);
            queue.addAfter(key, 5000);
          }
        }
      } else if (active.length > wanted) {
        for (const pod of active.toSorted(leastUsefulFirst).slice(0, active.length - wanted)) {
          registry.remove(me, pods, namespace, pod.metadata.name, { uid: pod.metadata.uid });
          events.event(set, "Normal", "SuccessfulDelete", `Deleted pod: ${pod.metadata.name}`);
        }
      }
    }
    writeStatus(set, key, failure);
  }

  function writeStatus(set: ReplicaSet, key: string, failure: ApiError | undefined): void {
    const { namespace = "", name } = set.metadata;
    const own = podsOf(registry.store, set);
    const active = own.filter(isActive);
    const leaving = own.filter(
      ({ metadata, status }) =>
        metadata.deletionTimestamp !== undefined && status.phase !== "Succeeded" && status.phase !== "Failed",
    );
    const waits = active.map((pod) => untilAvailable(pod, set.spec.minReadySeconds ?? 0, clock, timers.speed));
    const soonest = Math.min(...waits.filter((ms) => ms > 0 && Number.isFinite(ms)));
    if (Number.isFinite(soonest)) queue.addAfter(key, soonest);
    const ready = active.filter(isReady).length;
    const available = waits.filter((ms) => ms === 0).length;
    const now = timestamp(clock.now());
    const others = (set.status.conditions ?? []).filter((condition) => condition.type !== "ReplicaFailure");
    const conditions = failure
      ? withCondition(
          set.status.conditions,
          { type: "ReplicaFailure", status: "True", reason: "FailedCreate", message: failure.message },
          now,
        )
      : others;
    const status: ReplicaSet["status"] = {
      replicas: active.length,
      ...(active.length ? { fullyLabeledReplicas: active.length } : {}),
      ...(ready ? { readyReplicas: ready } : {}),
      ...(available ? { availableReplicas: available } : {}),
      terminatingReplicas: leaving.length,
      observedGeneration: set.metadata.generation ?? 0,
      ...(conditions.length ? { conditions } : {}),
    };
    if (equal(status, set.status)) return;
    if (!registry.store.get(replicaSets.storage, namespace, name)) return;
    registry.edit(me, replicaSets, namespace, name, "status", (object) => {
      object["status"] = status;
    });
  }

  return {
    observe({ storage, object }) {
      if (storage === replicaSets.storage) queue.add(keyOf(object));
      else if (storage === pods.storage) {
        const owner = controllerOf(object);
        if (owner?.kind === "ReplicaSet") queue.add(`${object.metadata.namespace ?? ""}/${owner.name}`);
      }
    },
    stop: queue.stop,
  };
}
