import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { field, type KubeObject, kinds, listField, pathOf, type ResourceType } from "../../shared/kube.ts";
import { until } from "../until.ts";
import { configMap, deployment, pod } from "./drafts.ts";
import { type Ground, wordsOf } from "./ground.ts";

/** Deletion: grace, finalizers, propagation, what owners take with them, namespaces, evictions and budgets. */
export function removalsContract(ground: () => Ground): void {
  describe("removals", () => {
    let ns: string;
    before(async () => {
      ns = await ground().namespace("removals");
    });

    const remove = (type: ResourceType, name: string, options: object = {}, query = "") =>
      ground().raw({
        method: "DELETE",
        path: `${pathOf(type, type.namespaced ? ns : null, name)}${query}`,
        body: { apiVersion: "v1", kind: "DeleteOptions", ...options },
      });
    const there = (type: ResourceType, name: string) => ground().cluster.read.get({ type, namespace: ns, name });
    const gone = (type: ResourceType, name: string) =>
      until(`${type.kind} ${name} is gone`, async () => (await there(type, name)) === null, 30_000);
    const ownedBy = (owner: KubeObject, more: object = {}) => ({
      ownerReferences: [
        {
          apiVersion: owner.apiVersion,
          kind: owner.kind,
          name: owner.metadata.name,
          uid: owner.metadata.uid,
          ...more,
        },
      ],
    });

    test("a deletion answers with a Status that names what went, and again with not found", async () => {
      const [made] = await ground().create(ns, configMap("plain"));
      const { code, body } = await remove(kinds.configmap, "plain");
      assert.equal(code, 200);
      assert.deepEqual(body, {
        kind: "Status",
        apiVersion: "v1",
        metadata: {},
        status: "Success",
        details: { name: "plain", kind: "configmaps", uid: made?.metadata.uid },
      });
      assert.equal(wordsOf(await remove(kinds.configmap, "plain")), '404: configmaps "plain" not found');
    });

    test("a running pod is told to end: it stays with its time of deletion and its grace", async () => {
      await ground().create(ns, pod("graceful", { spec: { terminationGracePeriodSeconds: 30 } }));
      await ground().settled("runs", kinds.pod, ns, "graceful", (o) => field(o, "status", "phase") === "Running");
      await ground().patch("merge", pathOf(kinds.pod, ns, "graceful"), {
        metadata: { finalizers: ["steward.io/stay"] },
      });
      const { code, body } = await remove(kinds.pod, "graceful");
      assert.equal(code, 200);
      assert.equal(field(body, "kind"), "Pod");
      assert.equal(field(body, "metadata", "deletionGracePeriodSeconds"), 30);
      const until = Date.parse(String(field(body, "metadata", "deletionTimestamp")));
      assert.ok(until > Date.now() + 20_000, "the time of deletion is the end of the grace");
      await ground().patch("merge", pathOf(kinds.pod, ns, "graceful"), { metadata: { finalizers: null } });
      await gone(kinds.pod, "graceful");
    });

    test("without grace a pod is gone at once, and one that was never scheduled too", async () => {
      await ground().create(ns, pod("forced"), pod("idle", { spec: { schedulerName: "nobody" } }));
      await ground().settled("runs", kinds.pod, ns, "forced", (o) => field(o, "status", "phase") === "Running");
      assert.equal((await remove(kinds.pod, "forced", { gracePeriodSeconds: 0 })).code, 200);
      assert.equal(await there(kinds.pod, "forced"), null);
      assert.equal((await remove(kinds.pod, "idle")).code, 200);
      assert.equal(await there(kinds.pod, "idle"), null);
    });

    test("a finalizer holds an object, which may not get another one then", async () => {
      await ground().create(ns, configMap("held", {}, { finalizers: ["steward.io/stay"] }));
      assert.equal((await remove(kinds.configmap, "held")).code, 200);
      const held = await there(kinds.configmap, "held");
      assert.ok(held?.metadata.deletionTimestamp);
      const path = pathOf(kinds.configmap, ns, "held");
      const more = await ground().patch("merge", path, {
        metadata: { finalizers: ["steward.io/stay", "steward.io/b"] },
      });
      assert.equal(
        wordsOf(more),
        '422: ConfigMap "held" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"steward.io/b"}',
      );
      await ground().patch("merge", path, { metadata: { finalizers: null } });
      assert.equal(await there(kinds.configmap, "held"), null);
    });

    test("a collection is deleted as far as a selector goes", async () => {
      const labelled = (name: string) => configMap(name, {}, { labels: { batch: "1" } });
      await ground().create(ns, labelled("batch-a"), labelled("batch-b"), configMap("batch-c"));
      const { code } = await ground().raw({
        method: "DELETE",
        path: `${pathOf(kinds.configmap, ns)}?labelSelector=batch%3D1`,
      });
      assert.equal(code, 200);
      const { items } = await ground().cluster.read.list({ type: kinds.configmap, namespace: ns });
      const names = items.map(({ metadata }) => metadata.name).filter((name) => name.startsWith("batch"));
      assert.deepEqual(names, ["batch-c"]);
    });

    test("what an object owns goes with it, in the background", async () => {
      const [owner] = await ground().create(ns, configMap("owner"));
      assert.ok(owner);
      await ground().create(ns, configMap("owned", {}, ownedBy(owner)), configMap("free"));
      await remove(kinds.configmap, "owner", { propagationPolicy: "Background" });
      await gone(kinds.configmap, "owned");
      assert.ok(await there(kinds.configmap, "free"));
    });

    test("an owner that another shares keeps what it owns", async () => {
      const [one, two] = await ground().create(ns, configMap("one"), configMap("two"));
      assert.ok(one && two);
      const owners = { ownerReferences: [...ownedBy(one).ownerReferences, ...ownedBy(two).ownerReferences] };
      await ground().create(ns, configMap("shared", {}, owners));
      await remove(kinds.configmap, "one", { propagationPolicy: "Background" });
      await ground().settled(
        "one owner left",
        kinds.configmap,
        ns,
        "shared",
        ({ metadata }) => metadata.ownerReferences?.length === 1,
      );
      await remove(kinds.configmap, "two", { propagationPolicy: "Background" });
      await gone(kinds.configmap, "shared");
    });

    test("in the foreground the owner waits for what blocks it", async () => {
      const [owner] = await ground().create(ns, configMap("waits"));
      assert.ok(owner);
      const blocking = {
        ...ownedBy(owner, { blockOwnerDeletion: true, controller: true }),
        finalizers: ["steward.io/x"],
      };
      await ground().create(ns, configMap("blocks", {}, blocking));
      await remove(kinds.configmap, "waits", { propagationPolicy: "Foreground" });
      await ground().settled(
        "the owned one is being deleted",
        kinds.configmap,
        ns,
        "blocks",
        ({ metadata }) => metadata.deletionTimestamp !== undefined,
      );
      const waiting = await there(kinds.configmap, "waits");
      assert.deepEqual(waiting?.metadata.finalizers, ["foregroundDeletion"]);
      await ground().patch("merge", pathOf(kinds.configmap, ns, "blocks"), { metadata: { finalizers: null } });
      await gone(kinds.configmap, "waits");
    });

    test("orphans stay and lose their owner", async () => {
      const [owner] = await ground().create(ns, configMap("parent"));
      assert.ok(owner);
      await ground().create(ns, configMap("orphan", {}, ownedBy(owner)));
      await remove(kinds.configmap, "parent", { propagationPolicy: "Orphan" });
      await gone(kinds.configmap, "parent");
      const orphan = await there(kinds.configmap, "orphan");
      assert.equal(orphan?.metadata.ownerReferences, undefined);
    });

    test("what belongs to an owner that is not there is collected", async () => {
      const ghost = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "ghost", uid: crypto.randomUUID() } };
      await ground().create(ns, configMap("dangling", {}, ownedBy(ghost)));
      await gone(kinds.configmap, "dangling");
    });

    test("a pod that is deleted is made anew by its owner under another name", async () => {
      await ground().create(ns, deployment("again", { replicas: 1 }));
      const pods = async () =>
        (await ground().cluster.read.list({ type: kinds.pod, namespace: ns, labelSelector: "app=again" })).items;
      const first = await until("a pod that runs", async () =>
        (await pods()).find((o) => field(o, "status", "phase") === "Running"),
      );
      const { uid } = first.metadata;
      const answer = await ground().cluster.act.send(
        {
          method: "DELETE",
          path: pathOf(kinds.pod, ns, first.metadata.name),
          contentType: "application/json",
          body: JSON.stringify({ apiVersion: "v1", kind: "DeleteOptions", preconditions: { uid } }),
        },
        { dryRun: false },
      );
      assert.ok(answer.outcome === "done");
      assert.equal(answer.object?.kind, "Pod");
      const second = await until("another pod", async () => {
        const others = (await pods()).filter((o) => o.metadata.uid !== uid);
        return others.find((o) => field(o, "status", "phase") === "Running");
      });
      assert.notEqual(second.metadata.name, first.metadata.name);
      assert.equal(second.metadata.ownerReferences?.[0]?.uid, first.metadata.ownerReferences?.[0]?.uid);
    });

    test("a Deployment takes its ReplicaSets and pods with it", async () => {
      await ground().create(ns, deployment("whole", { replicas: 2 }));
      await ground().settled(
        "available",
        kinds.deployment,
        ns,
        "whole",
        (o) => field(o, "status", "availableReplicas") === 2,
      );
      await remove(kinds.deployment, "whole", { propagationPolicy: "Foreground" });
      await gone(kinds.deployment, "whole");
      for (const type of [kinds.replicaset, kinds.pod]) {
        await until(`no ${type.resource}`, async () => {
          const { items } = await ground().cluster.read.list({ type, namespace: ns, labelSelector: "app=whole" });
          return items.length === 0;
        });
      }
    });

    test("a namespace empties before it goes, and takes nothing new meanwhile", async () => {
      const doomed = await ground().namespace("doomed");
      await ground().create(doomed, deployment("web"), configMap("stays", {}, { finalizers: ["steward.io/stay"] }));
      const path = pathOf(kinds.namespace, null, doomed);
      const { code, body } = await ground().raw({ method: "DELETE", path });
      assert.equal(code, 200);
      assert.equal(field(body, "status", "phase"), "Terminating");
      const refused = await ground().raw({
        method: "POST",
        path: pathOf(kinds.configmap, doomed),
        body: configMap("late"),
      });
      assert.equal(
        wordsOf(refused),
        `403: configmaps "late" is forbidden: unable to create new content in namespace ${doomed} because it is being terminated`,
      );
      await until(
        "only what is held is left",
        async () => {
          const { items } = await ground().cluster.read.list({ type: kinds.pod, namespace: doomed });
          const conditions = listField(await ground().get(kinds.namespace, null, doomed), "status", "conditions");
          return (
            items.length === 0 &&
            conditions.some((c) => field(c, "type") === "NamespaceFinalizersRemaining" && field(c, "status") === "True")
          );
        },
        30_000,
      );
      await ground().patch("merge", pathOf(kinds.configmap, doomed, "stays"), { metadata: { finalizers: null } });
      await until(
        "the namespace is gone",
        async () =>
          (await ground().cluster.read.get({ type: kinds.namespace, namespace: null, name: doomed })) === null,
        30_000,
      );
    });

    describe("evictions", () => {
      const evict = (name: string) =>
        ground().raw({
          method: "POST",
          path: pathOf(kinds.pod, ns, name, "eviction"),
          body: { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace: ns } },
        });
      const budget = (name: string, app: string, spec: object) => ({
        apiVersion: "policy/v1",
        kind: "PodDisruptionBudget",
        metadata: { name },
        spec: { selector: { matchLabels: { app } }, ...spec },
      });
      const budgetIs = (name: string, allowed: number, healthy: number) =>
        ground().settled(
          `${name} allows ${allowed} of ${healthy}`,
          kinds.poddisruptionbudget,
          ns,
          name,
          (o) =>
            field(o, "status", "disruptionsAllowed") === allowed && field(o, "status", "currentHealthy") === healthy,
        );

      test("a budget lets as many go as it may, then answers 429 with how many it needs", async () => {
        const names = ["guarded-a", "guarded-b", "guarded-c"];
        const guarded = names.map((name) => pod(name, { labels: { app: "guarded" } }));
        await ground().create(ns, ...guarded, budget("guard", "guarded", { minAvailable: 2 }));
        await budgetIs("guard", 1, 3);
        assert.equal((await evict("guarded-a")).code, 201);
        const refused = await evict("guarded-b");
        assert.equal(wordsOf(refused), "429: Cannot evict pod as it would violate the pod's disruption budget.");
        assert.equal(field(refused.body, "reason"), "TooManyRequests");
        await gone(kinds.pod, "guarded-a");
        await budgetIs("guard", 0, 2);
        assert.deepEqual(field((await evict("guarded-b")).body, "details", "causes"), [
          {
            reason: "DisruptionBudget",
            message: "The disruption budget guard needs 2 healthy pods and has 2 currently",
          },
        ]);
      });

      test("what a budget expects and has is in its status", async () => {
        await ground().create(
          ns,
          deployment("half", { replicas: 4 }),
          budget("half", "half", { maxUnavailable: "50%" }),
        );
        const { metadata, ...rest } = await budgetIs("half", 2, 4);
        const { conditions: _, ...status } = Object(rest["status"]);
        assert.deepEqual(status, {
          currentHealthy: 4,
          desiredHealthy: 2,
          disruptionsAllowed: 2,
          expectedPods: 4,
          observedGeneration: 1,
        });
        assert.deepEqual(
          listField(rest, "status", "conditions").map((c) => [
            field(c, "type"),
            field(c, "status"),
            field(c, "reason"),
          ]),
          [["DisruptionAllowed", "True", "SufficientPods"]],
        );
        assert.equal(metadata.generation, 1);
      });
    });
  });
}
