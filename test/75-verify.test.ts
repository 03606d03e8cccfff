import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { rolloutOf } from "../bot/actions/rollout.ts";
import type { Action } from "../shared/action.ts";
import type { Proposal } from "../shared/approval.ts";
import { field, type KubeObject, kinds } from "../shared/kube.ts";
import {
  addUser,
  auditRecords,
  type Bench,
  type BenchOptions,
  deployment,
  insertIncident,
  namespace,
  node,
  startBench,
} from "./action-bench.ts";
import { until } from "./until.ts";

const checkout = { namespace: "payment", target: "deployment/checkout" } as const;
const image = (name: string): Action => ({ kind: "setImage", ...checkout, container: "app", image: name });

const benches: Bench[] = [];
afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.stop();
});

async function setUp(options: BenchOptions = {}): Promise<Bench> {
  const bench = await startBench({
    objects: [
      node(),
      namespace("payment"),
      namespace("dev", { env: "dev" }),
      deployment({ namespace: "payment", name: "checkout" }),
      deployment({ namespace: "dev", name: "web" }, { replicas: 1 }),
    ],
    ...options,
  });
  benches.push(bench);
  await until("the pods are ready", async () => field(await live(bench), "status", "availableReplicas") === 2);
  return bench;
}

async function live(bench: Bench): Promise<KubeObject> {
  const object = await bench.cluster.read.get({ type: kinds.deployment, namespace: "payment", name: "checkout" });
  assert.ok(object);
  return object;
}

async function begun(bench: Bench, action: Action, more = {}): Promise<Proposal> {
  const { id } = await bench.propose.propose({
    action,
    incidentId: null,
    origin: "person",
    actor: bench.admin,
    rule: null,
    ...more,
  });
  bench.gate.decide(id, { verdict: "approve", reason: null, actor: bench.admin });
  await bench.execute.run(id);
  assert.equal(stateOf(bench, id), "verifying", bench.store.proposals.get(id)?.reason ?? "");
  return now(bench, id);
}

async function verified(bench: Bench, action: Action, more = {}): Promise<Proposal> {
  const { id } = await begun(bench, action, more);
  await bench.verify.run(id);
  return now(bench, id);
}

function now(bench: Bench, id: string): Proposal {
  const proposal = bench.store.proposals.get(id);
  assert.ok(proposal);
  return proposal;
}
const stateOf = (bench: Bench, id: string) => now(bench, id).state;
const checksOf = (bench: Bench, id: string) =>
  Object.fromEntries(
    (bench.store.proposals.verification(id)?.checks ?? []).map(({ name, ok, text }) => [
      name,
      `${ok ? "ok" : "no"}: ${text}`,
    ]),
  );

describe("a change that works", () => {
  test("succeeds when all has held for the settle time, with checks, log and progress", async () => {
    const bench = await setUp();
    const { id, reason } = await verified(bench, image("shop:2"));
    assert.equal(stateOf(bench, id), "succeeded", reason ?? "");
    assert.deepEqual(checksOf(bench, id), {
      rollout: 'ok: deployment "checkout" successfully rolled out',
      ready: "ok: 2/2 ready",
      restarts: "ok: no restarts for 300ms",
      warnings: "ok: no new warnings for 300ms",
      fields: "ok: what was written is still there",
    });
    const verification = bench.store.proposals.verification(id);
    assert.equal(verification?.progress, 100);
    assert.equal(verification?.logTail, "shop 2 is up");
    assert.ok((verification?.finishedAt?.getTime() ?? 0) - (verification?.startedAt.getTime() ?? 0) >= 300);
    assert.deepEqual(
      auditRecords(bench.store, { action: "verify_setImage" }).map(({ status }) => status),
      ["SUCCESS"],
    );
  });

  test("scaled to nothing there is nothing to wait for", async () => {
    const bench = await setUp();
    const { id, state } = await verified(bench, { kind: "scale", ...checkout, replicas: 0 });
    assert.equal(state, "succeeded");
    assert.equal(checksOf(bench, id)["ready"], "ok: 0/0 ready");
  });

  test("a deleted pod has gone, and its workload is whole again", async () => {
    const bench = await setUp();
    const { items } = await bench.cluster.read.list({
      type: kinds.pod,
      namespace: "payment",
      labelSelector: "app=checkout",
    });
    const { id, state } = await verified(bench, {
      kind: "delete",
      namespace: "payment",
      target: `pod/${items[0]?.metadata.name}`,
    });
    assert.equal(state, "succeeded");
    assert.equal(checksOf(bench, id)["deleted"], "ok: the pod is gone");
    assert.equal(checksOf(bench, id)["ready"], "ok: 2/2 ready");
  });

  test("an alert that still fires is said, and does not fail it", async () => {
    const bench = await setUp();
    const incident = insertIncident(bench.store, { namespace: "payment", target: "deployment/checkout" });
    const fire = (status: "firing" | "resolved") =>
      bench.store.transact((at) =>
        bench.store.incidents.upsertAlert({
          id: `a-${incident.id}`,
          fingerprint: "f",
          status,
          labels: {},
          annotations: {},
          generatorUrl: "",
          groupKey: "g",
          startsAt: new Date(0),
          endsAt: null,
          firstSeenAt: at,
          lastSeenAt: at,
          incidentId: incident.id,
        }),
      );
    fire("firing");
    const first = await verified(bench, image("shop:2"), { incidentId: incident.id });
    assert.equal(first.state, "succeeded");
    assert.equal(
      checksOf(bench, first.id)["alert"],
      "no: fix holds, alert still clearing (its expression could not be measured: no Prometheus is configured)",
    );
    fire("resolved");
    const second = await verified(bench, image("shop:1"), { incidentId: incident.id });
    assert.equal(checksOf(bench, second.id)["alert"], "ok: alert cleared");
  });

  test("goes on after a restart of Steward, against the same baseline", async () => {
    const bench = await setUp();
    const { id } = await begun(bench, image("shop:2"));
    const next = bench.restart();
    next.verify.resumeAll();
    await next.verify.idle();
    assert.equal(next.store.proposals.get(id)?.state, "succeeded");
  });

  test("asked for twice, it is watched once", async () => {
    const bench = await setUp();
    const { id } = await begun(bench, image("shop:2"));
    await Promise.all([bench.verify.run(id), bench.verify.run(id), bench.verify.run(id)]);
    assert.equal(auditRecords(bench.store, { action: "verify_setImage" }).length, 1);
    await bench.verify.run(id);
    assert.equal(auditRecords(bench.store, { action: "verify_setImage" }).length, 1);
  });
});

describe("a change that does not", () => {
  const early: readonly [string, string, RegExp, string][] = [
    ["a container that exits", "shop:broken", /CrashLoopBackOff/, "no database"],
    ["an image that is not there", "shop:missing", /ImagePullBackOff/, ""],
  ];
  for (const [what, name, words, log] of early) {
    test(`${what} fails it early, offers the way back, and the way back marks it undone`, async () => {
      const bench = await setUp();
      const failed = await verified(bench, image(name));
      assert.equal(failed.state, "failed");
      assert.match(failed.reason ?? "", words);
      assert.equal(bench.store.proposals.verification(failed.id)?.logTail, log);
      assert.deepEqual(bench.notify.needs.at(-1), { proposalId: failed.id, why: "failed" });

      const undo = await bench.propose.undo(failed.code, bench.admin);
      assert.deepEqual([undo.state, undo.undoOf, undo.action], ["pending", failed.id, image("shop:1")]);
      await assert.rejects(bench.propose.undo(failed.id, bench.admin), /undoes it already/);
      bench.gate.decide(undo.id, { verdict: "approve", reason: null, actor: bench.admin });
      await bench.execute.run(undo.id);
      await bench.verify.run(undo.id);
      assert.equal(stateOf(bench, undo.id), "succeeded");
      assert.equal(stateOf(bench, failed.id), "undone");
      assert.equal(auditRecords(bench.store, { action: "undo_setImage" }).length, 1);
      await assert.rejects(bench.propose.undo(failed.id, bench.admin), /is undone/);
    });
  }

  test("a full quota fails it early", async () => {
    const bench = await setUp({ verifyTimeout: 20_000 });
    bench.sandbox.apply([
      {
        apiVersion: "v1",
        kind: "ResourceQuota",
        metadata: { namespace: "payment", name: "small" },
        spec: { hard: { pods: "2" } },
      },
    ]);
    const { state, reason } = await verified(bench, { kind: "scale", ...checkout, replicas: 5 });
    assert.equal(state, "failed");
    assert.match(reason ?? "", /exceeded quota/);
  });

  test("a field that is changed back fails it, and names whose hand it was", async () => {
    const bench = await setUp({ settle: 5_000 });
    const { id } = await begun(bench, { kind: "scale", ...checkout, replicas: 3 });
    const watching = bench.verify.run(id);
    bench.sandbox.apply([deployment({ namespace: "payment", name: "checkout" }, { replicas: 2 })]);
    await watching;
    assert.equal(stateOf(bench, id), "failed");
    assert.match(now(bench, id).reason ?? "", /reverted by sandbox \(spec\.replicas\)/);
  });

  test("an object that is deleted meanwhile has failed", async () => {
    const bench = await setUp({ settle: 5_000 });
    const { id } = await begun(bench, { kind: "scale", ...checkout, replicas: 3 });
    const watching = bench.verify.run(id);
    await bench.cluster.act.send(
      {
        method: "DELETE",
        path: "/apis/apps/v1/namespaces/payment/deployments/checkout",
        contentType: "application/json",
        body: "{}",
      },
      { dryRun: false },
    );
    await watching;
    assert.deepEqual([stateOf(bench, id), now(bench, id).reason], ["failed", "the object is gone"]);
  });

  test("pods that never become ready fail it when the time is up, saying what is open", async () => {
    const bench = await setUp({ verifyTimeout: 2_500, images: { "shop:slow": { ready: "never" } } });
    bench.sandbox.apply([
      deployment(
        { namespace: "payment", name: "checkout" },
        {
          template: {
            metadata: { labels: { app: "checkout" } },
            spec: {
              containers: [{ name: "app", image: "shop:1", readinessProbe: { httpGet: { path: "/", port: 80 } } }],
            },
          },
        },
      ),
    ]);
    await until(
      "the probe is rolled out",
      async () =>
        field(await live(bench), "status", "updatedReplicas") === 2 &&
        field(await live(bench), "status", "replicas") === 2,
    );
    const { state, reason } = await verified(bench, image("shop:slow"));
    assert.equal(state, "failed");
    assert.match(reason ?? "", /Waiting for deployment "checkout" rollout to finish/);
  });

  test("an undo takes who may approve the change, and is one proposal however many ask at once", async () => {
    const bench = await setUp();
    const done = await verified(bench, { kind: "scale", ...checkout, replicas: 3 });
    const ann = addUser(bench.store, "ann", "approver");
    await assert.rejects(bench.propose.undo(done.id, ann), /ann may not undo this: it takes admin/);
    assert.deepEqual(
      auditRecords(bench.store, { action: "undo_scale" }).map(({ status, user_id }) => [status, user_id]),
      [["FAILED", ann.userId]],
    );
    const undos = await Promise.all([1, 2, 3].map(() => bench.propose.undo(done.id, bench.admin)));
    assert.equal(new Set(undos.map(({ id }) => id)).size, 1);
  });

  test("an undo over somebody else's later change says so", async () => {
    const bench = await setUp();
    const done = await verified(bench, { kind: "scale", ...checkout, replicas: 3 });
    bench.sandbox.apply([deployment({ namespace: "payment", name: "checkout" }, { replicas: 4 })]);
    const undo = await bench.propose.undo(done.id, bench.admin);
    assert.ok(
      undo.warnings.some((text) => /spec\.replicas was changed again/.test(text)),
      String(undo.warnings),
    );
  });
});

describe("a change that cannot be measured", () => {
  test("is unverified when the cluster cannot be read until the time is up", async () => {
    const bench = await setUp({ verifyTimeout: 1_500 });
    const { id } = await begun(bench, image("shop:2"));
    bench.sandbox.fault({ match: { method: "GET" }, status: 403, times: 500 });
    await bench.verify.run(id);
    assert.equal(stateOf(bench, id), "unverified");
    assert.deepEqual(bench.notify.needs.at(-1), { proposalId: id, why: "needs_human" });
  });

  test("is unverified where a strategy has no rollout", async () => {
    const bench = await setUp();
    bench.sandbox.apply([
      {
        apiVersion: "apps/v1",
        kind: "StatefulSet",
        metadata: { namespace: "payment", name: "db" },
        spec: {
          replicas: 1,
          serviceName: "db",
          updateStrategy: { type: "OnDelete" },
          selector: { matchLabels: { app: "db" } },
          template: { metadata: { labels: { app: "db" } }, spec: { containers: [{ name: "db", image: "db:1" }] } },
        },
      },
    ]);
    const ready = async () => {
      const set = await bench.cluster.read.get({ type: kinds.statefulset, namespace: "payment", name: "db" });
      return field(set, "status", "readyReplicas") === 1;
    };
    await until("the set is ready", ready);
    const { state, reason } = await verified(bench, {
      kind: "setImage",
      namespace: "payment",
      target: "statefulset/db",
      container: "db",
      image: "db:2",
    });
    assert.equal(state, "unverified");
    assert.match(reason ?? "", /OnDelete/);
  });
});

test("an automatic run that fails its verification turns the rule to diagnose for that target", async () => {
  const bench = await setUp();
  const incident = insertIncident(bench.store, { allow: ["setImage"] });
  const action: Action = {
    kind: "setImage",
    namespace: "dev",
    target: "deployment/web",
    container: "app",
    image: "shop:broken",
  };
  const actor = { userId: null, username: "steward", role: null, platform: "system", clientIp: null } as const;
  const { id } = await bench.propose.propose({
    action,
    incidentId: incident.id,
    origin: "autofix",
    actor,
    rule: incident.rule,
    derived: [action],
  });
  assert.equal(await bench.gate.admit(id), true);
  await bench.execute.run(id);
  await bench.verify.run(id);
  assert.equal(stateOf(bench, id), "failed");
  assert.equal(bench.store.proposals.isDowngraded("dev-restart-loops", "dev/deployment/web"), true);
  assert.equal(bench.store.proposals.automaticFailures(new Date(0)).length, 1);
});

describe("rollout status, as kubectl tells it", () => {
  const object = (kind: string, spec: Record<string, unknown>, status: Record<string, unknown>): KubeObject => ({
    apiVersion: "apps/v1",
    kind,
    metadata: { name: "x", generation: 2 },
    spec,
    status: { observedGeneration: 2, ...status },
  });
  const rolling = { updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 0 } } };
  const cases: readonly [KubeObject, string, string][] = [
    [
      object("Deployment", { replicas: 3 }, { observedGeneration: 1 }),
      "waiting",
      "Waiting for deployment spec update to be observed...",
    ],
    [
      object("Deployment", { replicas: 3 }, { updatedReplicas: 1, replicas: 3 }),
      "waiting",
      'Waiting for deployment "x" rollout to finish: 1 out of 3 new replicas have been updated...',
    ],
    [
      object("Deployment", { replicas: 3 }, { updatedReplicas: 3, replicas: 4 }),
      "waiting",
      'Waiting for deployment "x" rollout to finish: 1 old replicas are pending termination...',
    ],
    [
      object("Deployment", { replicas: 3 }, { updatedReplicas: 3, replicas: 3, availableReplicas: 2 }),
      "waiting",
      'Waiting for deployment "x" rollout to finish: 2 of 3 updated replicas are available...',
    ],
    [
      object("Deployment", { replicas: 3 }, { updatedReplicas: 3, replicas: 3, availableReplicas: 3 }),
      "done",
      'deployment "x" successfully rolled out',
    ],
    [
      object(
        "Deployment",
        { replicas: 3 },
        { updatedReplicas: 1, conditions: [{ type: "Progressing", reason: "ProgressDeadlineExceeded" }] },
      ),
      "failed",
      'deployment "x" exceeded its progress deadline',
    ],
    [
      object("StatefulSet", { replicas: 2, ...rolling }, { readyReplicas: 1, updatedReplicas: 1 }),
      "waiting",
      "Waiting for 1 pods to be ready...",
    ],
    [
      object("StatefulSet", { replicas: 2, ...rolling }, { readyReplicas: 2, updatedReplicas: 1 }),
      "waiting",
      "Waiting for partitioned roll out to finish: 1 out of 2 new pods have been updated...",
    ],
    [
      object("StatefulSet", { replicas: 2, ...rolling }, { readyReplicas: 2, updatedReplicas: 2 }),
      "done",
      "partitioned roll out complete: 2 new pods have been updated...",
    ],
    [
      object("StatefulSet", { replicas: 2, updateStrategy: { type: "OnDelete" } }, {}),
      "unmeasured",
      "rollout status is only available for RollingUpdate strategy type, this is OnDelete",
    ],
    [
      object("DaemonSet", {}, { desiredNumberScheduled: 3, updatedNumberScheduled: 2 }),
      "waiting",
      'Waiting for daemon set "x" rollout to finish: 2 out of 3 new pods have been updated...',
    ],
    [
      object("DaemonSet", {}, { desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberAvailable: 1 }),
      "waiting",
      'Waiting for daemon set "x" rollout to finish: 1 of 3 updated pods are available...',
    ],
    [
      object("DaemonSet", {}, { desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberAvailable: 3 }),
      "done",
      'daemon set "x" successfully rolled out',
    ],
  ];
  for (const [given, state, text] of cases) {
    test(`${given.kind}: ${text}`, () => {
      const rollout = rolloutOf(given);
      assert.deepEqual([rollout.state, rollout.text], [state, text]);
    });
  }
});
