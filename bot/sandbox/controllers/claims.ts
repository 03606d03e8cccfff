/** Persistent volumes: claims of a StorageClass are given one at once, and nothing in use is taken away. */
import { asList, asObject, asString, at } from "../json.ts";
import type { KubeObject } from "../object.ts";
import { keyOf } from "../storage.ts";
import type { Controller, ControllerContext } from "./context.ts";
import { createQueue } from "./queue.ts";

const protection = { claim: "kubernetes.io/pvc-protection", volume: "kubernetes.io/pv-protection" };

export function createClaimController({ registry, clock, timers, caller, recorder }: ControllerContext): Controller {
  const me = caller("kube-controller-manager");
  const events = recorder("persistentvolume-controller");
  const claims = registry.kinds.resource("", "persistentvolumeclaims");
  const volumes = registry.kinds.resource("", "persistentvolumes");
  const queue = createQueue({ timers, clock }, sync);

  function sync(key: string): void {
    const [namespace = "", name = ""] = key.split("/");
    if (namespace === "") {
      release(name);
      return;
    }
    const claim = registry.store.get(claims.storage, namespace, name);
    if (!claim) return;
    if (claim.metadata.deletionTimestamp) {
      if (!inUse(claim)) unprotect(claims, claim, protection.claim);
    } else if (at(claim, "status", "phase") === "Pending") bind(claim);
  }

  function inUse(claim: KubeObject): boolean {
    return registry.store
      .list("/pods", claim.metadata.namespace ?? "")
      .some((pod) =>
        asList(at(pod, "spec", "volumes")).some(
          (volume) => at(volume, "persistentVolumeClaim", "claimName") === claim.metadata.name,
        ),
      );
  }

  function unprotect(resource: typeof claims, object: KubeObject, finalizer: string): void {
    if (!object.metadata.finalizers?.includes(finalizer)) return;
    registry.edit(me, resource, object.metadata.namespace ?? "", object.metadata.name, "", (copy) => {
      copy.metadata.finalizers = (copy.metadata.finalizers ?? []).filter((name) => name !== finalizer);
    });
  }

  function bind(claim: KubeObject): void {
    const { namespace = "", name, uid = "" } = claim.metadata;
    const className = asString(at(claim, "spec", "storageClassName"));
    const storageClass = registry.store.get("storage.k8s.io/storageclasses", "", className);
    if (!storageClass) {
      const message = "no persistent volumes available for this claim and no storage class is set";
      if (className === "") events.event(claim, "Normal", "FailedBinding", message);
      else events.event(claim, "Warning", "ProvisioningFailed", `storageclass.storage.k8s.io "${className}" not found`);
      return;
    }
    const volume = `pvc-${uid}`;
    const capacity = { storage: asString(at(claim, "spec", "resources", "requests", "storage")) };
    const accessModes = at(claim, "spec", "accessModes");
    registry.create(me, volumes, "", {
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: { name: volume },
      spec: {
        capacity,
        accessModes,
        storageClassName: className,
        persistentVolumeReclaimPolicy: storageClass["reclaimPolicy"],
        claimRef: { kind: "PersistentVolumeClaim", apiVersion: "v1", namespace, name, uid },
        hostPath: { path: `/sandbox/${volume}` },
      },
    });
    registry.edit(me, volumes, "", volume, "status", (object) => {
      object["status"] = { phase: "Bound" };
    });
    registry.edit(me, claims, namespace, name, "", (object) => {
      asObject(object["spec"])["volumeName"] = volume;
      object.metadata.annotations = {
        ...object.metadata.annotations,
        "pv.kubernetes.io/bind-completed": "yes",
        "pv.kubernetes.io/bound-by-controller": "yes",
      };
    });
    registry.edit(me, claims, namespace, name, "status", (object) => {
      object["status"] = { phase: "Bound", accessModes, capacity };
    });
  }

  /** A volume whose claim is gone follows its reclaim policy. */
  function release(name: string): void {
    const volume = registry.store.get(volumes.storage, "", name);
    if (!volume) return;
    const ref = asObject(at(volume, "spec", "claimRef"));
    const claim = registry.store.get(claims.storage, asString(ref["namespace"]), asString(ref["name"]));
    const bound = ref["uid"] !== undefined && claim?.metadata.uid === ref["uid"];
    if (volume.metadata.deletionTimestamp) {
      if (!bound) unprotect(volumes, volume, protection.volume);
    } else if (!bound && ref["uid"] !== undefined) {
      if (at(volume, "spec", "persistentVolumeReclaimPolicy") === "Delete") registry.remove(me, volumes, "", name, {});
      else if (at(volume, "status", "phase") !== "Released") {
        registry.edit(me, volumes, "", name, "status", (object) => {
          object["status"] = { phase: "Released" };
        });
      }
    }
  }

  return {
    observe({ storage, type, object }) {
      if (storage === claims.storage) {
        queue.add(keyOf(object));
        const volume = asString(at(object, "spec", "volumeName"));
        if (type === "DELETED" && volume) queue.add(`/${volume}`);
      } else if (storage === volumes.storage) queue.add(keyOf(object));
      else if (storage === "/pods" && type === "DELETED") {
        for (const claim of registry.store.list(claims.storage, object.metadata.namespace ?? "")) {
          if (claim.metadata.deletionTimestamp) queue.add(keyOf(claim));
        }
      }
    },
    stop: queue.stop,
  };
}
