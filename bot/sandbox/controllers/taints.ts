/** The taint that keeps pods off a cordoned node. */
import { equal } from "../json.ts";
import type { Node } from "../object.ts";
import { timestamp } from "../timers.ts";
import type { Controller, ControllerContext } from "./context.ts";
import { createQueue } from "./queue.ts";

const key = "node.kubernetes.io/unschedulable";

export function createTaintController({ registry, clock, timers, caller }: ControllerContext): Controller {
  const me = caller("kube-controller-manager");
  const nodes = registry.kinds.resource("", "nodes");
  const queue = createQueue({ timers, clock }, sync);

  function sync(name: string): void {
    const node = registry.store.get(nodes.storage, "", name) as Node | undefined;
    if (!node) return;
    const { taints = [], unschedulable } = node.spec;
    const others = taints.filter((taint) => taint.key !== key);
    if ((unschedulable === true) === others.length < taints.length) return;
    const timeAdded = timestamp(clock.now());
    const wanted = unschedulable ? [...others, { key, effect: "NoSchedule", timeAdded }] : others;
    if (equal(wanted, taints)) return;
    registry.edit(me, nodes, "", name, "", (object) => {
      const { taints: _, ...spec } = (object as Node).spec;
      object["spec"] = wanted.length > 0 ? { ...spec, taints: wanted } : spec;
    });
  }

  return {
    observe({ storage, object }) {
      if (storage === nodes.storage) queue.add(object.metadata.name);
    },
    stop: queue.stop,
  };
}
