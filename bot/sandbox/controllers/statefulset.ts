/** StatefulSet: pods with names, one after the other, updated from the last to the first. */
import { equal } from "../json.ts";
import { controllerOf, type Pod, type StatefulSet } from "../object.ts";
import { ApiError } from "../status.ts";
import { keyOf } from "../storage.ts";
import type { Controller, ControllerContext } from "./context.ts";
import { createPod, isActive, isReady, ownerReference, podsOf } from "./pods.ts";
import { createQueue } from "./queue.ts";
import { currentRevision } from "./revisions.ts";

const hashLabel = "controller-revision-hash";

export function createStatefulSetController({
  registry,
  clock,
  timers,
  caller,
  recorder,
}: ControllerContext): Controller {
  const me = caller("kube-controller-manager");
  const events = recorder("statefulset-controller");
  const sets = registry.kinds.resource("apps", "statefulsets");
  const pods = registry.kinds.resource("", "pods");
  const claims = registry.kinds.resource("", "persistentvolumeclaims");
  const queue = createQueue({ timers, clock }, sync);

  function sync(key: string): void {
    const [namespace = "", name = ""] = key.split("/");
    const set = registry.store.get(sets.storage, namespace, name) as StatefulSet | undefined;
    if (!set) return;
    const revision = currentRevision(registry, me, set).name;
    if (!set.metadata.deletionTimestamp) act(set, revision, key);
    writeStatus(set, revision);
  }

  function act(set: StatefulSet, revision: string, key: string): void {
    const { name } = set.metadata;
    const wanted = set.spec.replicas ?? 1;
    const parallel = set.spec.podManagementPolicy === "Parallel";
    const own = new Map(podsOf(registry.store, set).map((pod) => [pod.metadata.name, pod]));
    for (let i = 0; i < wanted; i += 1) {
      const pod = own.get(`${name}-${i}`);
      const waits = pod !== undefined && isActive(pod) && !isReady(pod);
      const settled = pod === undefined ? createOne(set, i, revision, key) : replaceEnded(set, pod);
      if (settled && !waits) continue;
      if (parallel) continue;
      // In order: nothing further until this one is ready; a bad one may still be replaced by a newer revision.
      if (waits) updateOne(set, revision, own, wanted);
      return;
    }
    const surplus = [...own.values()]
      .filter((pod) => Number(pod.metadata.name.slice(name.length + 1)) >= wanted)
      .toSorted(
        (a, b) => Number(b.metadata.name.slice(name.length + 1)) - Number(a.metadata.name.slice(name.length + 1)),
      );
    for (const pod of surplus) {
      if (!pod.metadata.deletionTimestamp) remove(set, pod);
      if (!parallel) return;
    }
    updateOne(set, revision, own, wanted);
  }

  /** False, always: what was just created is not ready yet. */
  function createOne(set: StatefulSet, index: number, revision: string, key: string): false {
    try {
      create(set, index, revision);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const { name } = set.metadata;
      const message = `create Pod ${name}-${index} in StatefulSet ${name} failed error: ${error.message}`;
      events.event(set, "Warning", "FailedCreate", message);
      queue.addAfter(key, 5000);
    }
    return false;
  }

  /** False for a pod that has ended and is deleted to be made again, or is on its way out. */
  function replaceEnded(set: StatefulSet, pod: Pod): boolean {
    if (pod.metadata.deletionTimestamp) return false;
    if (pod.status.phase !== "Failed" && pod.status.phase !== "Succeeded") return true;
    remove(set, pod);
    return false;
  }

  /** Deletes the highest pod of an older revision, unless a newer one still comes up. */
  function updateOne(set: StatefulSet, revision: string, own: ReadonlyMap<string, Pod>, wanted: number): void {
    if (set.spec.updateStrategy?.type === "OnDelete") return;
    const partition = set.spec.updateStrategy?.rollingUpdate?.partition ?? 0;
    for (let i = wanted - 1; i >= partition; i -= 1) {
      const pod = own.get(`${set.metadata.name}-${i}`);
      if (!pod || pod.metadata.deletionTimestamp) return;
      if (pod.metadata.labels?.[hashLabel] !== revision) {
        remove(set, pod);
        return;
      }
      if (!isReady(pod)) return;
    }
  }

  function remove(set: StatefulSet, pod: Pod): void {
    registry.remove(me, pods, pod.metadata.namespace ?? "", pod.metadata.name, { uid: pod.metadata.uid });
    events.event(
      set,
      "Normal",
      "SuccessfulDelete",
      `delete Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name} successful`,
    );
  }

  function create(set: StatefulSet, index: number, revision: string): void {
    const { namespace = "" } = set.metadata;
    const name = `${set.metadata.name}-${index}`;
    const templates = set.spec.volumeClaimTemplates ?? [];
    for (const template of templates) {
      const claim = `${template.metadata.name}-${name}`;
      if (registry.store.get(claims.storage, namespace, claim)) continue;
      registry.create(me, claims, namespace, {
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        metadata: { name: claim, labels: { ...template.metadata.labels, ...set.spec.selector.matchLabels } },
        spec: structuredClone(template["spec"]),
      });
    }
    createPod(registry, me, set, set.spec.template, {
      name,
      labels: {
        "apps.kubernetes.io/pod-index": String(index),
        [hashLabel]: revision,
        "statefulset.kubernetes.io/pod-name": name,
      },
      change(pod) {
        pod.spec["hostname"] = name;
        if (set.spec.serviceName) pod.spec["subdomain"] = set.spec.serviceName;
        pod.metadata.ownerReferences = [ownerReference(set)];
        const volumes = templates.map((template) => ({
          name: template.metadata.name,
          persistentVolumeClaim: { claimName: `${template.metadata.name}-${name}` },
        }));
        if (volumes.length > 0) pod.spec.volumes = [...(pod.spec.volumes ?? []), ...volumes];
      },
    });
    events.event(
      set,
      "Normal",
      "SuccessfulCreate",
      `create Pod ${name} in StatefulSet ${set.metadata.name} successful`,
    );
  }

  function writeStatus(set: StatefulSet, revision: string): void {
    const { namespace = "", name } = set.metadata;
    const own = podsOf(registry.store, set).filter((pod) => !pod.metadata.deletionTimestamp);
    const updated = own.filter((pod) => pod.metadata.labels?.[hashLabel] === revision).length;
    const ready = own.filter(isReady).length;
    const done = updated === (set.spec.replicas ?? 1) && ready === updated;
    const before = set.status.currentRevision ?? revision;
    const status: StatefulSet["status"] = {
      observedGeneration: set.metadata.generation ?? 0,
      replicas: own.length,
      ...(ready ? { readyReplicas: ready } : {}),
      ...(done
        ? { currentReplicas: updated }
        : own.length - updated > 0
          ? { currentReplicas: own.length - updated }
          : {}),
      ...(updated ? { updatedReplicas: updated } : {}),
      currentRevision: done ? revision : before,
      updateRevision: revision,
      collisionCount: 0,
      availableReplicas: ready,
    };
    if (equal(status, set.status)) return;
    registry.edit(me, sets, namespace, name, "status", (object) => {
      object["status"] = status;
    });
  }

  return {
    observe({ storage, object }) {
      if (storage === sets.storage) queue.add(keyOf(object));
      else if (storage === pods.storage) {
        const owner = controllerOf(object);
        if (owner?.kind === "StatefulSet") queue.add(`${object.metadata.namespace ?? ""}/${owner.name}`);
      }
    },
    stop: queue.stop,
  };
}
