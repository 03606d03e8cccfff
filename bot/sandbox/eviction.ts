/** pods/eviction: a delete that a PodDisruptionBudget may refuse. */
import { readDeleteOptions } from "./delete-options.ts";
import { asNumber, asObject, at } from "./json.ts";
import type { KubeObject, LabelSelector } from "./object.ts";
import type { Caller, Registry } from "./registry/registry.ts";
import { selects } from "./selectors.ts";
import { ApiError, badRequest, type Status, tooManyRequests } from "./status.ts";
import { timestamp } from "./timers.ts";

/** @throws ApiError 429 when a budget allows no disruption, 500 when several budgets cover the pod */
export function evict(registry: Registry, caller: Caller, namespace: string, name: string, body: unknown): Status {
  const pods = registry.kinds.resource("", "pods");
  const named = at(body, "metadata", "name");
  if (named !== undefined && named !== name) throw badRequest("name in URL does not match name in Eviction object");
  const pod = registry.get(pods, namespace, name);
  const options = readDeleteOptions(at(body, "deleteOptions"));
  const dryRun = caller.dryRun || Array.isArray(at(body, "deleteOptions", "dryRun"));
  const phase = at(pod, "status", "phase");
  const finished = phase === "Succeeded" || phase === "Failed" || phase === "Pending" || pod.metadata.deletionTimestamp;
  if (!finished) spendBudget(registry, caller, pod, dryRun);
  registry.remove({ ...caller, dryRun }, pods, namespace, name, options);
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 };
}

function spendBudget(registry: Registry, caller: Caller, pod: KubeObject, dryRun: boolean): void {
  const budgets = registry.kinds.resource("policy", "poddisruptionbudgets");
  const namespace = pod.metadata.namespace ?? "";
  const covering = registry.store
    .list(budgets.storage, namespace)
    .filter((budget) => selects(at(budget, "spec", "selector") as LabelSelector | undefined, pod.metadata.labels));
  const budget = covering[0];
  if (!budget) return;
  if (covering.length > 1) {
    throw new ApiError(
      500,
      "InternalError",
      "Internal error occurred: This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
    );
  }
  const status = asObject(budget["status"]);
  if (asNumber(status["observedGeneration"]) < (budget.metadata.generation ?? 0)) {
    throw tooManyRequests(
      "Cannot evict pod as it would violate the pod's disruption budget.",
      [
        {
          reason: "DisruptionBudget",
          message: `The disruption budget ${budget.metadata.name} is still being processed by the server.`,
        },
      ],
      10,
    );
  }
  const allowed = asNumber(status["disruptionsAllowed"]);
  if (allowed <= 0) {
    throw tooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", [
      {
        reason: "DisruptionBudget",
        message: `The disruption budget ${budget.metadata.name} needs ${asNumber(status["desiredHealthy"])} healthy pods and has ${asNumber(status["currentHealthy"])} currently`,
      },
    ]);
  }
  if (dryRun) return;
  registry.edit(caller, budgets, namespace, budget.metadata.name, "status", (object) => {
    const next = asObject(object["status"]);
    next["disruptionsAllowed"] = allowed - 1;
    next["disruptedPods"] = {
      ...asObject(next["disruptedPods"]),
      [pod.metadata.name]: timestamp(registry.clock.now()),
    };
  });
}
