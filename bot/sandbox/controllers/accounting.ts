/** Status of quotas, and of autoscalers that have no metrics to go by. */
import { quotaCounts, quotaUsage } from "../admission.ts";
import { asObject, at, equal } from "../json.ts";
import type { Condition } from "../object.ts";
import { addQuantities } from "../quantity.ts";
import { keyOf } from "../storage.ts";
import { timestamp } from "../timers.ts";
import type { Controller, ControllerContext } from "./context.ts";
import { withCondition } from "./pods.ts";
import { createQueue } from "./queue.ts";

export function createQuotaController({ registry, clock, timers, caller }: ControllerContext): Controller {
  const me = caller("kube-controller-manager");
  const quotas = registry.kinds.resource("", "resourcequotas");
  const queue = createQueue({ timers, clock }, sync);

  function sync(key: string): void {
    const [namespace = "", name = ""] = key.split("/");
    const quota = registry.store.get(quotas.storage, namespace, name);
    if (!quota) return;
    const hard = asObject(at(quota, "spec", "hard"));
    const used: Record<string, string> = Object.fromEntries(Object.keys(hard).map((item) => [item, "0"]));
    for (const resource of registry.kinds.all()) {
      if (!resource.namespaced || resource.group === "events.k8s.io") continue;
      for (const object of registry.store.list(resource.storage, namespace)) {
        if (!quotaCounts(resource, object)) continue;
        for (const [item, amount] of Object.entries(quotaUsage(resource, object))) {
          const before = used[item];
          if (before !== undefined) used[item] = addQuantities(before, amount);
        }
      }
    }
    const status = { ...(Object.keys(hard).length ? { hard, used } : {}) };
    if (equal(status, quota["status"])) return;
    registry.edit(me, quotas, namespace, name, "status", (object) => {
      object["status"] = status;
    });
  }

  return {
    observe({ storage, object, type }) {
      if (storage === "/events") return;
      if (storage === quotas.storage) queue.add(keyOf(object));
      else if (type !== "MODIFIED" || storage === "/pods") {
        for (const quota of registry.store.list(quotas.storage, object.metadata.namespace ?? "")) {
          if (object.metadata.namespace) queue.add(keyOf(quota));
        }
      }
    },
    stop: queue.stop,
  };
}

/** There is no metrics API here, and the autoscaler says so as the real one does. It never scales. */
export function createAutoscalerController({
  registry,
  clock,
  timers,
  caller,
  recorder,
}: ControllerContext): Controller {
  const me = caller("kube-controller-manager");
  const events = recorder("horizontal-pod-autoscaler");
  const scalers = registry.kinds.resource("autoscaling", "horizontalpodautoscalers");
  const queue = createQueue({ timers, clock }, sync);

  function sync(key: string): void {
    const [namespace = "", name = ""] = key.split("/");
    const scaler = registry.store.get(scalers.storage, namespace, name);
    if (!scaler) return;
    const ref = asObject(at(scaler, "spec", "scaleTargetRef"));
    const resource = registry.kinds.ofKind(String(ref["apiVersion"]), String(ref["kind"]));
    const target = resource && registry.store.get(resource.storage, namespace, String(ref["name"]));
    const now = timestamp(clock.now());
    const before = asObject(scaler["status"]);
    let conditions = (before["conditions"] ?? []) as Condition[];
    if (!target) {
      const message = `the HPA controller was unable to get the target's current scale: ${String(ref["kind"]).toLowerCase()}s.apps "${String(ref["name"])}" not found`;
      conditions = withCondition(
        conditions,
        { type: "AbleToScale", status: "False", reason: "FailedGetScale", message },
        now,
      );
      if (!equal(conditions, before["conditions"])) events.event(scaler, "Warning", "FailedGetScale", message);
    } else {
      const message =
        "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)";
      conditions = withCondition(
        conditions,
        {
          type: "AbleToScale",
          status: "True",
          reason: "SucceededGetScale",
          message: "the HPA controller was able to get the target's current scale",
        },
        now,
      );
      conditions = withCondition(
        conditions,
        { type: "ScalingActive", status: "False", reason: "FailedGetResourceMetric", message },
        now,
      );
    }
    const replicas = Number(at(target, "status", "replicas") ?? 0);
    const status = {
      ...(replicas ? { currentReplicas: replicas } : {}),
      desiredReplicas: 0,
      currentMetrics: null,
      conditions,
    };
    if (equal(status, before)) return;
    registry.edit(me, scalers, namespace, name, "status", (object) => {
      object["status"] = status;
    });
  }

  return {
    observe({ storage, object }) {
      if (storage === scalers.storage) queue.add(keyOf(object));
    },
    stop: queue.stop,
  };
}
