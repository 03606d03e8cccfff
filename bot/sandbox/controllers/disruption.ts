/** PodDisruptionBudget status: how many healthy pods may be evicted now. */
import { asObject, at, equal } from "../json.ts";
import type { Condition, KubeObject, LabelSelector, Pod } from "../object.ts";
import { controllerOf } from "../object.ts";
import { selects } from "../selectors.ts";
import { keyOf } from "../storage.ts";
import { timestamp } from "../timers.ts";
import type { Controller, ControllerContext } from "./context.ts";
import { isActive, isReady, resolve, withCondition } from "./pods.ts";
import { createQueue } from "./queue.ts";

export function createDisruptionController({ registry, clock, timers, caller }: ControllerContext): Controller {
  const me = caller("kube-controller-manager");
  const budgets = registry.kinds.resource("policy", "poddisruptionbudgets");
  const queue = createQueue({ timers, clock }, sync);

  /** Pods that should exist: what the owners ask for, not what happens to run. */
  function expected(pods: readonly Pod[]): number {
    const scales = new Map<string, number>();
    let bare = 0;
    for (const pod of pods) {
      const owner = controllerOf(pod);
      const resource = owner && registry.kinds.ofKind(owner.apiVersion, owner.kind);
      const object =
        owner && resource && registry.store.get(resource.storage, pod.metadata.namespace ?? "", owner.name);
      const replicas = object && at(object, "spec", "replicas");
      if (object && typeof replicas === "number") scales.set(object.metadata.uid ?? "", replicas);
      else bare += 1;
    }
    return bare + [...scales.values()].reduce((sum, n) => sum + n, 0);
  }

  function sync(key: string): void {
    const [namespace = "", name = ""] = key.split("/");
    const budget = registry.store.get(budgets.storage, namespace, name);
    if (!budget) return;
    const covered = (registry.store.list("/pods", namespace) as Pod[]).filter(
      (pod) =>
        isActive(pod) && selects(at(budget, "spec", "selector") as LabelSelector | undefined, pod.metadata.labels),
    );
    const total = expected(covered);
    const minAvailable = at(budget, "spec", "minAvailable") as number | string | undefined;
    const maxUnavailable = at(budget, "spec", "maxUnavailable") as number | string | undefined;
    const desired =
      minAvailable !== undefined
        ? resolve(minAvailable, total, true)
        : Math.max(0, total - resolve(maxUnavailable ?? 0, total, true));
    const healthy = covered.filter(isReady).length;
    const allowed = total > 0 ? Math.max(0, healthy - desired) : 0;
    const condition: Condition = {
      type: "DisruptionAllowed",
      status: allowed > 0 ? "True" : "False",
      reason: allowed > 0 ? "SufficientPods" : "InsufficientPods",
      message: "",
      observedGeneration: budget.metadata.generation,
    };
    const before = asObject(budget["status"]);
    const conditions = withCondition(
      before["conditions"] as Condition[] | undefined,
      condition,
      timestamp(clock.now()),
    );
    const status = {
      observedGeneration: budget.metadata.generation ?? 0,
      disruptionsAllowed: allowed,
      currentHealthy: healthy,
      desiredHealthy: desired,
      expectedPods: total,
      conditions,
    };
    if (equal(status, before)) return;
    registry.edit(me, budgets, namespace, name, "status", (object: KubeObject) => {
      object["status"] = status;
    });
  }

  return {
    observe({ storage, object }) {
      if (storage === budgets.storage) queue.add(keyOf(object));
      else if (storage === "/pods") {
        for (const budget of registry.store.list(budgets.storage, object.metadata.namespace ?? "")) {
          if (selects(at(budget, "spec", "selector") as LabelSelector | undefined, object.metadata.labels))
            queue.add(keyOf(budget));
        }
      }
    },
    stop: queue.stop,
  };
}
