/** Places pods on nodes by what they request, and says in the real scheduler's words why it cannot. */

import type { Controller, ControllerContext } from "./controllers/context.ts";
import { withCondition } from "./controllers/pods.ts";
import { createQueue } from "./controllers/queue.ts";
import { asObject, at } from "./json.ts";
import type { Node, Pod, Toleration } from "./object.ts";
import { milli, units } from "./quantity.ts";
import { keyOf } from "./storage.ts";
import { timestamp } from "./timers.ts";

interface Requests {
  cpu: number;
  memory: number;
}

function requestsOf({ spec }: Pod): Requests {
  const sum = (pick: (amounts: Record<string, string>) => number) =>
    spec.containers.reduce((n, container) => n + pick(container.resources?.requests ?? {}), 0);
  return { cpu: sum((r) => milli(r["cpu"])), memory: sum((r) => units(r["memory"])) };
}

function tolerates(
  tolerations: readonly Toleration[],
  taint: { key: string; value?: string; effect: string },
): boolean {
  return tolerations.some(
    ({ key, operator, value, effect }) =>
      (effect === undefined || effect === taint.effect) &&
      (key === undefined ? operator === "Exists" : key === taint.key) &&
      (operator === "Exists" || (value ?? "") === (taint.value ?? "")),
  );
}

export function createScheduler({ registry, clock, timers, caller, recorder }: ControllerContext): Controller {
  const me = caller("kube-scheduler");
  const events = recorder("default-scheduler");
  const pods = registry.kinds.resource("", "pods");
  const queue = createQueue({ timers, clock }, schedule);
  const unschedulable = new Set<string>();

  /** Why this pod does not fit this node; `final` when taking other pods away would not help. */
  function misfits(pod: Pod, node: Node, running: readonly Pod[]): { reasons: string[]; final: boolean } {
    const tolerations = pod.spec.tolerations ?? [];
    if (
      node.spec.unschedulable &&
      !tolerates(tolerations, { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" })
    ) {
      return { reasons: ["node(s) were unschedulable"], final: true };
    }
    const taint = node.spec.taints?.find((t) => t.effect !== "PreferNoSchedule" && !tolerates(tolerations, t));
    if (taint) return { reasons: ["node(s) had untolerated taint(s)"], final: true };
    const labels = node.metadata.labels ?? {};
    if (Object.entries(pod.spec.nodeSelector ?? {}).some(([key, value]) => labels[key] !== value)) {
      return { reasons: ["node(s) didn't match Pod's node affinity/selector"], final: true };
    }
    const allocatable = node.status.allocatable ?? {};
    const here = running.filter((other) => other.spec.nodeName === node.metadata.name);
    const used = here
      .map(requestsOf)
      .reduce((a, b) => ({ cpu: a.cpu + b.cpu, memory: a.memory + b.memory }), { cpu: 0, memory: 0 });
    const asked = requestsOf(pod);
    const reasons: string[] = [];
    if (here.length + 1 > units(allocatable["pods"] ?? "110")) reasons.push("Too many pods");
    if (asked.cpu > 0 && asked.cpu > milli(allocatable["cpu"]) - used.cpu) reasons.push("Insufficient cpu");
    if (asked.memory > 0 && asked.memory > units(allocatable["memory"]) - used.memory)
      reasons.push("Insufficient memory");
    const final = asked.cpu > milli(allocatable["cpu"]) || asked.memory > units(allocatable["memory"]);
    return { reasons, final };
  }

  function schedule(key: string): void {
    const [namespace = "", name = ""] = key.split("/");
    const pod = registry.store.get(pods.storage, namespace, name) as Pod | undefined;
    unschedulable.delete(key);
    if (
      !pod ||
      pod.spec.nodeName ||
      pod.metadata.deletionTimestamp ||
      pod.spec["schedulerName"] !== "default-scheduler"
    )
      return;
    const nodes = registry.store.list("/nodes") as Node[];
    const claim = missingClaim(pod);
    if (claim !== undefined) {
      refuse(pod, key, `0/${nodes.length} nodes are available: ${claim}. ${preemption(nodes.length, nodes.length)}`);
      return;
    }
    const running = (registry.store.list(pods.storage) as Pod[]).filter(
      (other) => other.spec.nodeName && other.status.phase !== "Succeeded" && other.status.phase !== "Failed",
    );
    const verdicts = nodes.map((node) => ({ node, ...misfits(pod, node, running) }));
    const fitting = verdicts
      .filter(({ reasons }) => reasons.length === 0)
      .map(({ node }) => ({ node, load: running.filter((other) => other.spec.nodeName === node.metadata.name).length }))
      .toSorted((a, b) => a.load - b.load)[0]?.node;
    if (!fitting) {
      fail(pod, key, verdicts);
      return;
    }
    const target = fitting.metadata.name;
    // A binding leaves no owner of nodeName, as in a real cluster.
    const now = timestamp(clock.now());
    const bound: Pod = {
      ...pod,
      spec: { ...pod.spec, nodeName: target },
      status: {
        ...pod.status,
        conditions: withCondition(
          pod.status.conditions,
          { type: "PodScheduled", status: "True", lastProbeTime: null },
          now,
        ),
      },
    };
    registry.seed(pods, bound);
    events.action(pod, "Normal", "Scheduled", "Binding", `Successfully assigned ${namespace}/${name} to ${target}`);
  }

  /** A claim that is not there or has no volume yet stops a pod on every node. */
  function missingClaim(pod: Pod): string | undefined {
    for (const volume of pod.spec.volumes ?? []) {
      const name = at(volume, "persistentVolumeClaim", "claimName");
      if (typeof name !== "string") continue;
      const claim = registry.store.get("/persistentvolumeclaims", pod.metadata.namespace ?? "", name);
      if (!claim) return `persistentvolumeclaim "${name}" not found`;
      if (at(claim, "status", "phase") !== "Bound") return "pod has unbound immediate PersistentVolumeClaims";
    }
    return undefined;
  }

  function preemption(count: number, final: number): string {
    const victims = [
      ...(count - final > 0 ? [`${count - final} No preemption victims found for incoming pod`] : []),
      ...(final > 0 ? [`${final} Preemption is not helpful for scheduling`] : []),
    ];
    return `no new claims to deallocate, preemption: 0/${count} nodes are available: ${victims.join(", ")}.`;
  }

  function fail(pod: Pod, key: string, verdicts: readonly { reasons: string[]; final: boolean }[]): void {
    const count = verdicts.length;
    const tally = new Map<string, number>();
    for (const { reasons } of verdicts) for (const reason of reasons) tally.set(reason, (tally.get(reason) ?? 0) + 1);
    const list = [...tally].map(([reason, n]) => `${n} ${reason}`).sort();
    const final = verdicts.filter((verdict) => verdict.final).length;
    const message = `0/${count} nodes are available: ${list.join(", ")}. ${preemption(count, final)}`;
    refuse(pod, key, count === 0 ? "no nodes available to schedule pods" : message);
  }

  function refuse(pod: Pod, key: string, message: string): void {
    unschedulable.add(key);
    const { namespace = "", name } = pod.metadata;
    const conditions = withCondition(
      pod.status.conditions,
      {
        type: "PodScheduled",
        status: "False",
        reason: "Unschedulable",
        message,
        lastProbeTime: null,
        observedGeneration: pod.metadata.generation,
      },
      timestamp(clock.now()),
    );
    registry.edit(me, pods, namespace, name, "status", (object) => {
      asObject(object["status"])["conditions"] = conditions;
    });
    events.action(pod, "Warning", "FailedScheduling", "Scheduling", message);
  }

  return {
    observe({ storage, type, object }) {
      if (storage === pods.storage) {
        const pod = object as Pod;
        if (type === "ADDED" && !pod.spec.nodeName) queue.add(keyOf(object));
        if (type === "DELETED" || pod.status.phase === "Succeeded" || pod.status.phase === "Failed") retry();
      } else if (storage === "/nodes" || storage === "/persistentvolumeclaims") retry();
    },
    stop: queue.stop,
  };
  function retry() {
    for (const key of unschedulable) queue.add(key);
  }
}
