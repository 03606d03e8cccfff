/** DaemonSet: one pod on every node that takes it. */
import { equal } from "../json.ts";
import { controllerOf, type DaemonSet, type Node, type Pod } from "../object.ts";
import { keyOf } from "../storage.ts";
import type { Controller, ControllerContext } from "./context.ts";
import { createPod, isReady, podsOf, resolve } from "./pods.ts";
import { createQueue } from "./queue.ts";
import { currentRevision } from "./revisions.ts";

const hashLabel = "controller-revision-hash";
/** What the real controller adds, so that its pods stay on troubled nodes. */
const tolerated = ["not-ready", "unreachable"].map((name) => ({
  key: `node.kubernetes.io/${name}`,
  operator: "Exists",
  effect: "NoExecute",
}));
const toleratedSchedule = ["disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"].map((name) => ({
  key: `node.kubernetes.io/${name}`,
  operator: "Exists",
  effect: "NoSchedule",
}));

export function createDaemonSetController({
  registry,
  clock,
  timers,
  caller,
  recorder,
}: ControllerContext): Controller {
  const me = caller("kube-controller-manager");
  const events = recorder("daemonset-controller");
  const sets = registry.kinds.resource("apps", "daemonsets");
  const pods = registry.kinds.resource("", "pods");
  const queue = createQueue({ timers, clock }, sync);

  function eligible(set: DaemonSet): Node[] {
    const selector = Object.entries(set.spec.template.spec.nodeSelector ?? {});
    const tolerations = set.spec.template.spec.tolerations ?? [];
    return (registry.store.list("/nodes") as Node[]).filter(
      (node) =>
        selector.every(([key, value]) => node.metadata.labels?.[key] === value) &&
        (node.spec.taints ?? []).every(
          (taint) =>
            taint.effect === "PreferNoSchedule" ||
            taint.key.startsWith("node.kubernetes.io/") ||
            tolerations.some((t) => t.operator === "Exists" && (t.key === undefined || t.key === taint.key)),
        ),
    );
  }

  function sync(key: string): void {
    const [namespace = "", name = ""] = key.split("/");
    const set = registry.store.get(sets.storage, namespace, name) as DaemonSet | undefined;
    if (!set || set.metadata.deletionTimestamp) return;
    const { hash } = currentRevision(registry, me, set);
    const nodes = eligible(set);
    const own = podsOf(registry.store, set);
    const onNode = (node: Node) => own.filter((pod) => pod.spec.nodeName === node.metadata.name);
    for (const pod of own) {
      const misplaced = !nodes.some((node) => node.metadata.name === pod.spec.nodeName);
      const over = pod.status.phase === "Failed" || pod.status.phase === "Succeeded";
      if ((misplaced || over) && !pod.metadata.deletionTimestamp) remove(set, pod);
    }
    for (const node of nodes) {
      if (onNode(node).length > 0) continue;
      const pod = createPod(registry, me, set, set.spec.template, {
        labels: { [hashLabel]: hash, "pod-template-generation": String(set.metadata.generation ?? 1) },
        change(made) {
          // Bound at once: the affinity that the real controller sets can mean this node only.
          made.spec.nodeName = node.metadata.name;
          made.spec.tolerations = [...(made.spec.tolerations ?? []), ...tolerated, ...toleratedSchedule];
        },
      });
      events.event(set, "Normal", "SuccessfulCreate", `Created pod: ${pod.metadata.name}`);
    }
    roll(set, hash, own);
    writeStatus(set, hash, nodes);
  }

  function roll(set: DaemonSet, hash: string, own: readonly Pod[]): void {
    if (set.spec.updateStrategy?.type === "OnDelete") return;
    const allowed = Math.max(1, resolve(set.spec.updateStrategy?.rollingUpdate?.maxUnavailable, own.length, true));
    let unavailable = own.filter((pod) => !isReady(pod) || pod.metadata.deletionTimestamp).length;
    for (const pod of own) {
      if (pod.metadata.labels?.[hashLabel] === hash || pod.metadata.deletionTimestamp) continue;
      if (isReady(pod) && unavailable >= allowed) continue;
      if (isReady(pod)) unavailable += 1;
      remove(set, pod);
    }
  }

  function remove(set: DaemonSet, pod: Pod): void {
    registry.remove(me, pods, pod.metadata.namespace ?? "", pod.metadata.name, { uid: pod.metadata.uid });
    events.event(set, "Normal", "SuccessfulDelete", `Deleted pod: ${pod.metadata.name}`);
  }

  function writeStatus(set: DaemonSet, hash: string, nodes: readonly Node[]): void {
    const { namespace = "", name } = set.metadata;
    const own = podsOf(registry.store, set).filter((pod) => !pod.metadata.deletionTimestamp);
    const ready = own.filter(isReady).length;
    const updated = own.filter((pod) => pod.metadata.labels?.[hashLabel] === hash).length;
    const missing = nodes.length - ready;
    const status = {
      currentNumberScheduled: own.length,
      numberMisscheduled: 0,
      desiredNumberScheduled: nodes.length,
      numberReady: ready,
      observedGeneration: set.metadata.generation ?? 0,
      ...(updated ? { updatedNumberScheduled: updated } : {}),
      ...(ready ? { numberAvailable: ready } : {}),
      ...(missing > 0 ? { numberUnavailable: missing } : {}),
    };
    if (equal(status, set.status)) return;
    registry.edit(me, sets, namespace, name, "status", (object) => {
      object["status"] = status;
    });
  }

  return {
    observe({ storage, object, type }) {
      if (storage === sets.storage) queue.add(keyOf(object));
      else if (storage === pods.storage) {
        const owner = controllerOf(object);
        if (owner?.kind === "DaemonSet") queue.add(`${object.metadata.namespace ?? ""}/${owner.name}`);
      } else if (storage === "/nodes" && type !== "MODIFIED") {
        for (const set of registry.store.list(sets.storage)) queue.add(keyOf(set));
      }
    },
    stop: queue.stop,
  };
}
