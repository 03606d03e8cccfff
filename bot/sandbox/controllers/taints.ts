/** Taints that keep pods off a node for what its conditions say, or because it is cordoned. */
import { asList, asObject } from "../json.ts";
import type { Node } from "../object.ts";
import { timestamp } from "../timers.ts";
import type { Controller, ControllerContext } from "./context.ts";
import { createQueue } from "./queue.ts";

type Taint = NonNullable<Node["spec"]["taints"]>[number];

/** Condition, its status, and the taint that goes with it. Source: k8s.io/kubernetes pkg/controller/nodelifecycle. */
const byCondition: readonly (readonly [type: string, status: string, key: string])[] = [
  ["Ready", "False", "node.kubernetes.io/not-ready"],
  ["Ready", "Unknown", "node.kubernetes.io/unreachable"],
  ["MemoryPressure", "True", "node.kubernetes.io/memory-pressure"],
  ["DiskPressure", "True", "node.kubernetes.io/disk-pressure"],
  ["PIDPressure", "True", "node.kubernetes.io/pid-pressure"],
  ["NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"],
];
const cordoned = "node.kubernetes.io/unschedulable";

export function createTaintController({ registry, clock, timers, caller }: ControllerContext): Controller {
  const me = caller("kube-controller-manager");
  const nodes = registry.kinds.resource("", "nodes");
  const queue = createQueue({ timers, clock }, sync);

  function sync(name: string): void {
    const node = registry.store.get(nodes.storage, "", name) as Node | undefined;
    if (!node) return;
    const taints = node.spec.taints ?? [];
    const conditions = asList(node.status["conditions"]).map(asObject);
    const wanted = new Set(node.spec.unschedulable ? [cordoned] : []);
    const judged = new Set([cordoned]);
    for (const [type, status, key] of byCondition) {
      const condition = conditions.find((one) => one["type"] === type);
      // What nobody has said anything of keeps the taint it was made with.
      if (condition) judged.add(key);
      if (condition?.["status"] === status) wanted.add(key);
    }
    const ours = ({ key, effect }: Taint) => effect === "NoSchedule" && judged.has(key);
    const kept = taints.filter((taint) => !ours(taint) || wanted.has(taint.key));
    const missing = [...wanted].filter((key) => !kept.some((taint) => ours(taint) && taint.key === key));
    if (kept.length === taints.length && missing.length === 0) return;
    const timeAdded = timestamp(clock.now());
    const next = [...kept, ...missing.map((key) => ({ key, effect: "NoSchedule", timeAdded }))];
    registry.edit(me, nodes, "", name, "", (object) => {
      const { taints: _, ...spec } = (object as Node).spec;
      object["spec"] = next.length > 0 ? { ...spec, taints: next } : spec;
    });
  }

  return {
    observe({ storage, object }) {
      if (storage === nodes.storage) queue.add(object.metadata.name);
    },
    stop: queue.stop,
  };
}
