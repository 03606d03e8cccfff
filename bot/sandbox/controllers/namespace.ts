/** Namespaces: what every one is given, and the emptying of those that are deleted. */
import { asList, asObject } from "../json.ts";
import type { Condition } from "../object.ts";
import { timestamp } from "../timers.ts";
import type { Controller, ControllerContext } from "./context.ts";
import { withCondition } from "./pods.ts";
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
    const left = new Map<string, number>();
    const held = new Map<string, number>();
    for (const resource of registry.kinds.all()) {
      if (!resource.namespaced || resource.group === "events.k8s.io" || !resource.verbs.includes("list")) continue;
      for (const object of registry.store.list(resource.storage, name)) {
        if (!object.metadata.deletionTimestamp) {
          registry.remove(me, resource, name, object.metadata.name, { propagationPolicy: "Background" });
        }
      }
      const remaining = registry.store.list(resource.storage, name);
      if (remaining.length > 0) left.set(`${resource.resource}.${resource.group}`, remaining.length);
      for (const finalizer of remaining.flatMap(({ metadata }) => metadata.finalizers ?? []))
        held.set(finalizer, (held.get(finalizer) ?? 0) + 1);
    }
    if (left.size > 0) {
      report(name, left, held);
      queue.addAfter(name, 500);
      return;
    }
    registry.edit(me, namespaces, "", name, "finalize", (object) => {
      object["spec"] = {};
    });
  }

  /** Says what the namespace still waits for. Source: k8s.io/kubernetes pkg/controller/namespace/deletion. */
  function report(name: string, left: ReadonlyMap<string, number>, held: ReadonlyMap<string, number>): void {
    const counts = (amounts: ReadonlyMap<string, number>, verb: string) =>
      [...amounts].map(([what, count]) => `${what} ${verb} ${count} resource instances`).toSorted();
    const remaining = `Some resources are remaining: ${counts(left, "has").join(", ")}`;
    const finalizers = `Some content in the namespace has finalizers remaining: ${counts(held, "in").join(", ")}`;
    const said: readonly (readonly [type: string, is: boolean, reason: string, message: string])[] = [
      ["NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered", "All resources successfully discovered"],
      [
        "NamespaceDeletionGroupVersionParsingFailure",
        false,
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
      ],
      [
        "NamespaceDeletionContentFailure",
        false,
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
      ],
      ["NamespaceContentRemaining", true, "SomeResourcesRemain", remaining],
      held.size > 0
        ? ["NamespaceFinalizersRemaining", true, "SomeFinalizersRemain", finalizers]
        : [
            "NamespaceFinalizersRemaining",
            false,
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
          ],
    ];
    const now = timestamp(clock.now());
    registry.edit(me, namespaces, "", name, "status", (object) => {
      const status = asObject(object["status"]);
      let conditions = asList(status["conditions"]) as Condition[];
      for (const [type, is, reason, message] of said) {
        conditions = withCondition(conditions, { type, status: is ? "True" : "False", reason, message }, now);
      }
      object["status"] = { ...status, conditions };
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
