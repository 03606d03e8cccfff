/** Deletes what lost its owner, and carries out foreground and orphan deletions. */
import type { KubeObject, OwnerReference } from "../object.ts";
import type { Resource } from "../registry/kinds.ts";
import { ApiError } from "../status.ts";
import type { Controller, ControllerContext } from "./context.ts";
import { createQueue } from "./queue.ts";

export function createGarbageCollector({ registry, clock, timers, caller }: ControllerContext): Controller {
  const me = caller("kube-controller-manager");
  const queue = createQueue({ timers, clock }, collect);
  /** Dependents by owner uid, so that a deletion does not look at every object. */
  const dependents = new Map<string, Set<string>>();
  const owners = new Map<string, readonly string[]>();

  const idOf = (storage: string, object: KubeObject) =>
    `${storage}|${object.metadata.namespace ?? ""}|${object.metadata.name}`;
  function find(id: string): { resource: Resource; object: KubeObject } | undefined {
    const [storage = "", namespace = "", name = ""] = id.split("|");
    const resource = registry.kinds.all().find((candidate) => candidate.storage === storage);
    const object = registry.store.get(storage, namespace, name);
    return resource && object && { resource, object };
  }
  function track(storage: string, object: KubeObject, gone: boolean): void {
    const id = idOf(storage, object);
    for (const uid of owners.get(id) ?? []) dependents.get(uid)?.delete(id);
    const uids = gone ? [] : (object.metadata.ownerReferences ?? []).map((ref) => ref.uid);
    if (uids.length === 0) owners.delete(id);
    else owners.set(id, uids);
    for (const uid of uids) dependents.set(uid, (dependents.get(uid) ?? new Set()).add(id));
  }
  function exists(object: KubeObject, uid: string): boolean {
    const ref = object.metadata.ownerReferences?.find((candidate) => candidate.uid === uid);
    const resource = ref && registry.kinds.ofKind(ref.apiVersion, ref.kind);
    // A kind nobody serves cannot be looked up: leave the dependent alone, as the real collector does.
    if (!ref || !resource) return true;
    const namespace = resource.namespaced ? (object.metadata.namespace ?? "") : "";
    return registry.store.get(resource.storage, namespace, ref.name)?.metadata.uid === uid;
  }
  function attempt(run: () => void): void {
    try {
      run();
    } catch (error) {
      // Changed or deleted meanwhile: the change that did it brings us back here.
      if (!(error instanceof ApiError)) throw error;
    }
  }

  function collect(key: string): void {
    if (key.startsWith("owner:")) {
      for (const id of [...(dependents.get(key.slice(6)) ?? [])]) release(id);
      return;
    }
    const found = find(key);
    if (!found) return;
    const { resource, object } = found;
    const finalizers = object.metadata.finalizers ?? [];
    const uid = object.metadata.uid ?? "";
    if (object.metadata.deletionTimestamp && finalizers.includes("orphan")) {
      for (const id of [...(dependents.get(uid) ?? [])]) {
        const dependent = find(id);
        if (!dependent) continue;
        const refs = dependent.object.metadata.ownerReferences ?? [];
        keepOwners(
          dependent.resource,
          dependent.object,
          refs.filter((ref) => ref.uid !== uid),
        );
      }
      dropFinalizer(resource, object, "orphan");
    } else if (object.metadata.deletionTimestamp && finalizers.includes("foregroundDeletion")) {
      const blocking = [...(dependents.get(uid) ?? [])].flatMap((id) => find(id) ?? []);
      for (const dependent of blocking) {
        if (dependent.object.metadata.deletionTimestamp) continue;
        attempt(() =>
          registry.remove(
            me,
            dependent.resource,
            dependent.object.metadata.namespace ?? "",
            dependent.object.metadata.name,
            {
              uid: dependent.object.metadata.uid,
              propagationPolicy: "Foreground",
            },
          ),
        );
      }
      const left = [...(dependents.get(uid) ?? [])].some((id) =>
        find(id)?.object.metadata.ownerReferences?.some((ref) => ref.uid === uid && ref.blockOwnerDeletion),
      );
      if (!left) dropFinalizer(resource, object, "foregroundDeletion");
    } else if ((object.metadata.ownerReferences ?? []).length > 0) release(key);
  }

  /** Deletes a dependent none of whose owners exists; otherwise forgets the dead ones. */
  function release(id: string): void {
    const found = find(id);
    if (!found || found.object.metadata.deletionTimestamp) return;
    const { resource, object } = found;
    const refs = object.metadata.ownerReferences ?? [];
    const living = refs.filter((ref) => exists(object, ref.uid));
    if (living.length === refs.length) return;
    if (living.length > 0) {
      keepOwners(resource, object, living);
      return;
    }
    attempt(() =>
      registry.remove(me, resource, object.metadata.namespace ?? "", object.metadata.name, {
        uid: object.metadata.uid,
        propagationPolicy: "Background",
      }),
    );
  }

  function keepOwners(resource: Resource, object: KubeObject, owners: readonly OwnerReference[]): void {
    attempt(() =>
      registry.edit(me, resource, object.metadata.namespace ?? "", object.metadata.name, "", (copy) => {
        if (owners.length > 0) copy.metadata.ownerReferences = [...owners];
        else delete copy.metadata.ownerReferences;
      }),
    );
  }

  function dropFinalizer(resource: Resource, object: KubeObject, name: string): void {
    attempt(() =>
      registry.edit(me, resource, object.metadata.namespace ?? "", object.metadata.name, "", (copy) => {
        copy.metadata.finalizers = (copy.metadata.finalizers ?? []).filter((finalizer) => finalizer !== name);
      }),
    );
  }

  return {
    observe({ storage, type, object }) {
      track(storage, object, type === "DELETED");
      const uid = object.metadata.uid ?? "";
      if (type === "DELETED") {
        if (dependents.has(uid)) queue.add(`owner:${uid}`);
        // A foreground owner may have waited for just this one.
        for (const ref of object.metadata.ownerReferences ?? []) {
          const resource = registry.kinds.ofKind(ref.apiVersion, ref.kind);
          if (resource)
            queue.add(
              `${resource.storage}|${resource.namespaced ? (object.metadata.namespace ?? "") : ""}|${ref.name}`,
            );
        }
      } else if (object.metadata.deletionTimestamp || (type === "ADDED" && object.metadata.ownerReferences)) {
        queue.add(idOf(storage, object));
      }
    },
    stop: queue.stop,
  };
}
