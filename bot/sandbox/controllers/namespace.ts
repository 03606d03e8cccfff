/** Namespaces: what every one is given, and the emptying of those that are deleted. */
import type { Controller, ControllerContext } from "./context.ts";
import { createQueue } from "./queue.ts";

export function createNamespaceController({ registry, clock, timers, caller }: ControllerContext): Controller {
  const me = caller("kube-controller-manager");
  const namespaces = registry.kinds.resource("", "namespaces");
  const accounts = registry.kinds.resource("", "serviceaccounts");
  const configMaps = registry.kinds.resource("", "configmaps");
  const queue = createQueue({ timers, clock }, sync);

  function sync(name: string): void {
    const namespace = registry.store.get(namespaces.storage, "", name);
    if (!namespace) return;
    if (!namespace.metadata.deletionTimestamp) {
      furnish(name);
      return;
    }
    let left = 0;
    for (const resource of registry.kinds.all()) {
      if (!resource.namespaced || resource.group === "events.k8s.io" || !resource.verbs.includes("list")) continue;
      for (const object of registry.store.list(resource.storage, name)) {
        if (!object.metadata.deletionTimestamp) {
          registry.remove(me, resource, name, object.metadata.name, { propagationPolicy: "Background" });
        }
      }
      left += registry.store.list(resource.storage, name).length;
    }
    if (left > 0) {
      queue.addAfter(name, 500);
      return;
    }
    registry.edit(me, namespaces, "", name, "finalize", (object) => {
      object["spec"] = {};
    });
  }

  /** Made at once and not by the queue, so that pods of the same manifest find their account. */
  function furnish(name: string): void {
    if (!registry.store.get(accounts.storage, name, "default")) {
      registry.create(me, accounts, name, { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default" } });
    }
    if (!registry.store.get(configMaps.storage, name, "kube-root-ca.crt")) {
      registry.create(me, configMaps, name, {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: {
          name: "kube-root-ca.crt",
          annotations: {
            "kubernetes.io/description":
              "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.",
          },
        },
        data: { "ca.crt": "" },
      });
    }
  }

  return {
    observe({ storage, type, object }) {
      if (storage === namespaces.storage) {
        if (type === "ADDED") furnish(object.metadata.name);
        else if (type === "MODIFIED") queue.add(object.metadata.name);
      } else if (type === "DELETED" && (storage === accounts.storage || storage === configMaps.storage)) {
        queue.add(object.metadata.namespace ?? "");
      }
    },
    stop: queue.stop,
  };
}
