import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import Database from "better-sqlite3";
import type { ClusterWriter } from "../bot/edges.ts";
import type { Failpoint } from "../bot/execute.ts";
import type { Action } from "../shared/action.ts";
import type { Proposal, ProposalState } from "../shared/approval.ts";
import { field, type KubeObject, kinds } from "../shared/kube.ts";
import {
  auditRecords,
  type Bench,
  type BenchOptions,
  chainOf,
  deployment,
  insertIncident,
  namespace,
  node,
  startBench,
  writes,
} from "./action-bench.ts";
import { until } from "./until.ts";

const checkout = { namespace: "payment", target: "deployment/checkout" } as const;
const scaleUp: Action = { kind: "scale", ...checkout, replicas: 3 };
const objects = [
  node(),
  namespace("payment"),
  namespace("dev", { env: "dev" }),
  deployment({ namespace: "payment", name: "checkout" }, { replicas: 2 }),
  deployment({ namespace: "dev", name: "web" }, { replicas: 1 }),
];

const benches: Bench[] = [];
afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.stop();
});

async function setUp(options: BenchOptions = {}): Promise<Bench> {
  const bench = await startBench({ objects, ...options });
  benches.push(bench);
  return bench;
}

async function approved(bench: Bench, action: Action = scaleUp): Promise<Proposal> {
  const { id } = await bench.propose.propose({
    action,
    incidentId: null,
    origin: "person",
    actor: bench.admin,
    rule: null,
  });
  return bench.gate.decide(id, { verdict: "approve", reason: null, actor: bench.admin }).proposal;
}

async function live(bench: Bench, name = "checkout", place = "payment"): Promise<KubeObject> {
  const object = await bench.cluster.read.get({ type: kinds.deployment, namespace: place, name });
  assert.ok(object);
  return object;
}

const replicasOf = async (bench: Bench) => field(await live(bench), "spec", "replicas");

/** A test's stand-in for the end of the process: nothing after it runs. */
class Killed extends Error {}
const dieAt = (bench: { hooks: Bench["hooks"] }, point: Failpoint) => {
  bench.hooks.failpoint = (at) => {
    if (at === point) throw new Killed(point);
  };
};

describe("in order", () => {
  test("an approved change runs once, marked with its operation, and is then verified", async () => {
    const bench = await setUp();
    const { id, op } = await approved(bench);
    await bench.execute.run(id);
    assert.equal(bench.store.proposals.get(id)?.state, "verifying");
    assert.equal(bench.store.proposals.execution(id)?.state, "done");
    const object = await live(bench);
    assert.equal(field(object, "spec", "replicas"), 3);
    assert.equal(object.metadata.annotations?.["steward.io/op"], op);
    assert.equal(field(object, "spec", "template", "metadata", "annotations"), undefined);
    assert.equal(writes(bench.sandbox).length, 1);
    assert.deepEqual(
      auditRecords(bench.store, { proposal: id }).map(({ action_type, status }) => `${action_type} ${status}`),
      [
        "propose_scale SUCCESS",
        "approve_scale SUCCESS",
        "execute_scale PENDING",
        "execute_scale PENDING",
        "execute_scale SUCCESS",
      ],
    );
    assert.deepEqual(chainOf(bench.store).ok, true);
  });

  test("when the request arrives, intent, sent and audit are on disk with its digest", async () => {
    const seen: { state: unknown; digest: unknown; request: unknown; phases: unknown[] }[] = [];
    let path = "";
    const witness = (real: ClusterWriter): ClusterWriter => ({
      async send(request, options, signal) {
        if (!options.dryRun) {
          const db = new Database(path, { readonly: true });
          const row = db.prepare("SELECT state, digest, request FROM executions").get() as {
            state: string;
            digest: string;
            request: string;
          };
          const phases = db
            .prepare(
              "SELECT json_extract(detail, '$.phase') FROM audit_logs WHERE action_type = 'execute_scale' ORDER BY seq",
            )
            .pluck()
            .all();
          db.close();
          assert.deepEqual(JSON.parse(row.request), request);
          seen.push({ ...row, phases });
        }
        return real.send(request, options, signal);
      },
    });
    const bench = await setUp({ act: witness });
    ({ path } = bench);
    const { id, digest } = await approved(bench);
    await bench.execute.run(id);
    assert.equal(seen.length, 1);
    assert.deepEqual([seen[0]?.state, seen[0]?.digest, seen[0]?.phases], ["sent", digest, ["intent", "sent"]]);
  });

  test("called twenty times at once, it runs once", async () => {
    const bench = await setUp();
    const { id } = await approved(bench);
    await Promise.all(Array.from({ length: 20 }, () => bench.execute.run(id)));
    assert.equal(writes(bench.sandbox).length, 1);
  });

  test("if the audit cannot be written nothing is sent, and the approval still stands", async () => {
    const bench = await setUp();
    const { id } = await approved(bench);
    const db = new Database(bench.path);
    db.exec(
      "CREATE TRIGGER no_audit BEFORE INSERT ON audit_logs WHEN new.action_type LIKE 'execute%' BEGIN SELECT RAISE(ABORT, 'no room'); END",
    );
    await assert.rejects(bench.execute.run(id), /no room/);
    assert.deepEqual(writes(bench.sandbox), []);
    assert.equal(bench.store.proposals.get(id)?.state, "approved");
    assert.equal(bench.store.proposals.execution(id), null);
    db.exec("DROP TRIGGER no_audit");
    db.close();
    await bench.execute.run(id);
    assert.equal(await replicasOf(bench), 3);
  });

  test("what the API server rejects has failed, in its words, and people are told", async () => {
    const bench = await setUp();
    const { id } = await approved(bench);
    bench.sandbox.fault({ match: { method: "PATCH" }, status: 403 });
    await bench.execute.run(id);
    const proposal = bench.store.proposals.get(id);
    assert.equal(proposal?.state, "failed");
    assert.match(proposal?.reason ?? "", /forbidden/i);
    assert.deepEqual(bench.notify.needs.at(-1), { proposalId: id, why: "failed" });
    assert.equal(writes(bench.sandbox).length, 1);
    await bench.execute.run(id);
    assert.equal(writes(bench.sandbox).length, 1);
  });

  test("a Lease that is gone after the intent cancels it; nothing is sent", async () => {
    const bench = await setUp();
    const { id } = await approved(bench);
    bench.hooks.failpoint = (at) => {
      if (at === "intent") bench.leader.holds = false;
    };
    await bench.execute.run(id);
    assert.equal(bench.store.proposals.get(id)?.state, "cancelled");
    assert.equal(bench.store.proposals.execution(id)?.state, "cancelled");
    assert.deepEqual(writes(bench.sandbox), []);
    assert.deepEqual(bench.notify.needs.at(-1), { proposalId: id, why: "failed" });
  });

  test("while the Lease or the cluster cannot be read it waits, and then runs", async () => {
    const bench = await setUp();
    const { id } = await approved(bench);
    bench.leader.holds = false;
    const running = bench.execute.run(id);
    await until("it has asked for the Lease", () => true);
    bench.sandbox.fault({ match: { method: "GET", path: "/deployments/checkout" }, status: 503, times: 4 });
    bench.leader.holds = true;
    await running;
    assert.equal(bench.store.proposals.get(id)?.state, "verifying");
  });
});

describe("what was shown is what runs", () => {
  const restart: Action = { kind: "restart", ...checkout };
  const resources: Action = { kind: "setResources", ...checkout, container: "app", limits: { memory: "1Gi" } };
  const image: Action = { kind: "setImage", ...checkout, container: "app", image: "shop:2" };
  const base = (spec: Record<string, unknown>) => deployment({ namespace: "payment", name: "checkout" }, spec);
  const changes: readonly [string, Action, Parameters<Bench["sandbox"]["apply"]>[0], RegExp][] = [
    ["the size", scaleUp, [base({ replicas: 5 })], /spec\.replicas was 2 and is 5/],
    ["the image, for a restart", restart, [base({ image: "shop:2" })], /image was shop:1 and is shop:2/],
    ["the image", image, [base({ image: "shop:9" })], /image was shop:1 and is shop:9/],
    [
      "the limit",
      resources,
      [
        base({
          template: {
            metadata: { labels: { app: "checkout" } },
            spec: { containers: [{ name: "app", image: "shop:1", resources: { limits: { memory: "600Mi" } } }] },
          },
        }),
      ],
      /limits\.memory was 512Mi and is 600Mi/,
    ],
  ];
  for (const [what, action, manifests, words] of changes) {
    test(`${what} changed in between: stale, nothing runs`, async () => {
      const bench = await setUp();
      const { id } = await approved(bench, action);
      bench.sandbox.apply(manifests);
      await bench.execute.run(id);
      assert.equal(bench.store.proposals.get(id)?.state, "stale");
      assert.match(bench.store.proposals.get(id)?.reason ?? "", words);
      assert.deepEqual(writes(bench.sandbox), []);
    });
  }

  test("a new object of the same name is another object", async () => {
    const bench = await setUp();
    const { id } = await approved(bench);
    const { metadata } = await live(bench);
    await bench.cluster.act.send(
      {
        method: "DELETE",
        path: "/apis/apps/v1/namespaces/payment/deployments/checkout",
        contentType: "application/json",
        body: JSON.stringify({ apiVersion: "v1", kind: "DeleteOptions", preconditions: { uid: metadata.uid } }),
      },
      { dryRun: false },
    );
    bench.sandbox.apply([deployment({ namespace: "payment", name: "checkout" })]);
    await bench.execute.run(id);
    assert.equal(bench.store.proposals.get(id)?.state, "stale");
    assert.match(bench.store.proposals.get(id)?.reason ?? "", /another object/);
  });

  test("status, labels, annotations and what the action does not depend on may change", async () => {
    const bench = await setUp();
    const { id } = await approved(bench, image);
    bench.sandbox.apply([
      deployment(
        { namespace: "payment", name: "checkout", labels: { tier: "1" }, annotations: { seen: "yes" } },
        { replicas: 4 },
      ),
    ]);
    await bench.execute.run(id);
    assert.equal(bench.store.proposals.get(id)?.state, "verifying");
  });

  test("a change in the very moment of the write is refused by the API server itself", async () => {
    const bench = await setUp();
    const { id } = await approved(bench);
    bench.hooks.failpoint = (at) => {
      if (at === "sent") bench.sandbox.apply([base({ replicas: 7 })]);
    };
    await bench.execute.run(id);
    assert.equal(bench.store.proposals.get(id)?.state, "failed");
    assert.equal(await replicasOf(bench), 7);
  });

  test("an approval that ran out is not used", async () => {
    const bench = await setUp();
    const { id } = await approved(bench);
    bench.clock.shift(15 * 60_000);
    await bench.execute.run(id);
    assert.equal(bench.store.proposals.get(id)?.state, "expired");
    assert.deepEqual(writes(bench.sandbox), []);
  });
});

describe("after a crash", () => {
  const places: readonly [Failpoint, { requests: number; ends: ProposalState }][] = [
    ["cleared", { requests: 1, ends: "succeeded" }],
    ["intent", { requests: 0, ends: "cancelled" }],
    ["confirmed", { requests: 0, ends: "cancelled" }],
    ["sent", { requests: 0, ends: "failed" }],
    ["answered", { requests: 1, ends: "succeeded" }],
    ["outcome", { requests: 1, ends: "succeeded" }],
  ];
  for (const [point, expected] of places) {
    test(`at "${point}" it ends ${expected.ends}, with ${expected.requests} request in all`, async () => {
      const bench = await setUp();
      const { id } = await approved(bench);
      dieAt(bench, point);
      await assert.rejects(bench.execute.run(id), Killed);
      const next = bench.restart();
      await next.execute.recover();
      next.verify.resumeAll();
      await until(`a definite end after ${point}`, () => next.store.proposals.get(id)?.state === expected.ends, 15_000);
      await next.execute.idle();
      await next.verify.idle();
      assert.equal(writes(bench.sandbox).length, expected.requests);
      assert.equal(await replicasOf(bench), expected.requests === 1 ? 3 : 2);
      assert.equal(chainOf(next.store).ok, true);
    });
  }

  test("recovery is done before the cluster answers: what is in doubt is unknown, and holds its owner", async () => {
    const bench = await setUp();
    const { id, ownerKey } = await approved(bench);
    dieAt(bench, "answered");
    await assert.rejects(bench.execute.run(id), Killed);
    bench.sandbox.fault({ match: { method: "GET", path: "/deployments/checkout" }, status: 503, times: 6 });
    const next = bench.restart();
    await next.execute.recover();
    assert.equal(next.store.proposals.get(id)?.state, "unknown");
    assert.equal(next.store.proposals.execution(id)?.state, "unknown");
    assert.equal(next.store.proposals.holder(ownerKey)?.id, id);
    await until("the cluster is read again", () => next.store.proposals.get(id)?.state === "succeeded", 20_000);
    assert.equal(writes(bench.sandbox).length, 1);
  });

  test("recovering twice and crashing in between changes nothing more", async () => {
    const bench = await setUp();
    const { id } = await approved(bench);
    dieAt(bench, "intent");
    await assert.rejects(bench.execute.run(id), Killed);
    for (let round = 0; round < 3; round++) {
      const next = bench.restart();
      await next.execute.recover();
      await next.execute.run(id);
      assert.equal(next.store.proposals.get(id)?.state, "cancelled");
    }
    assert.deepEqual(writes(bench.sandbox), []);
  });
});

describe("without an answer", () => {
  const pod = async (bench: Bench) => {
    const { items } = await bench.cluster.read.list({
      type: kinds.pod,
      namespace: "payment",
      labelSelector: "app=checkout",
    });
    return items[0];
  };
  const actions: readonly [string, (bench: Bench) => Promise<Action>][] = [
    ["scale", async () => scaleUp],
    ["restart", async () => ({ kind: "restart", ...checkout })],
    ["setImage", async () => ({ kind: "setImage", ...checkout, container: "app", image: "shop:2" })],
    [
      "delete",
      async (bench) => ({
        kind: "delete",
        namespace: "payment",
        target: `pod/${(await until("a pod", () => pod(bench)))?.metadata.name}`,
      }),
    ],
  ];
  for (const [kind, action] of actions) {
    test(`${kind}: it took effect, and is found to have`, async () => {
      const bench = await setUp();
      const { id } = await approved(bench, await action(bench));
      bench.sandbox.fault({ match: { method: kind === "delete" ? "DELETE" : "PATCH" }, drop: "after" });
      await bench.execute.run(id);
      assert.ok(
        ["unknown", "verifying"].includes(bench.store.proposals.get(id)?.state ?? ""),
        bench.store.proposals.get(id)?.state,
      );
      await bench.execute.idle();
      assert.equal(bench.store.proposals.execution(id)?.outcome, "observed");
      assert.equal(writes(bench.sandbox).length, 1);
      assert.deepEqual(bench.notify.needs.filter(({ why }) => why === "needs_human").length, 1);
    });

    test(`${kind}: it did not arrive, and is not sent again`, async () => {
      const bench = await setUp();
      const { id } = await approved(bench, await action(bench));
      bench.sandbox.fault({ match: { method: kind === "delete" ? "DELETE" : "PATCH" }, drop: "before" });
      await bench.execute.run(id);
      await bench.execute.idle();
      assert.equal(bench.store.proposals.get(id)?.state, "failed");
      assert.match(bench.store.proposals.get(id)?.reason ?? "", /did not reach the cluster/);
      assert.ok(writes(bench.sandbox).length <= 1);
    });
  }

  test("its mark was wiped: the field managers tell whose change it is", async () => {
    const bench = await setUp({ arrival: 3_000 });
    const { id } = await approved(bench);
    dieAt(bench, "answered");
    await assert.rejects(bench.execute.run(id), Killed);
    await bench.cluster.act.send(
      {
        method: "PATCH",
        path: "/apis/apps/v1/namespaces/payment/deployments/checkout",
        contentType: "application/merge-patch+json",
        body: JSON.stringify({ metadata: { annotations: { "steward.io/op": null } } }),
      },
      { dryRun: false },
    );
    const next = bench.restart();
    await next.execute.recover();
    await next.execute.idle();
    assert.equal(next.store.proposals.execution(id)?.outcome, "observed");
  });

  test("the object is gone: nobody can tell, so a person is asked", async () => {
    const bench = await setUp();
    const { id } = await approved(bench);
    dieAt(bench, "answered");
    await assert.rejects(bench.execute.run(id), Killed);
    await bench.cluster.act.send(
      {
        method: "DELETE",
        path: "/apis/apps/v1/namespaces/payment/deployments/checkout",
        contentType: "application/json",
        body: "{}",
      },
      { dryRun: false },
    );
    const next = bench.restart();
    await next.execute.recover();
    await next.execute.idle();
    assert.equal(next.store.proposals.get(id)?.state, "needs_human");
    assert.equal(next.notify.needs.at(-1)?.why, "needs_human");
  });
});

describe("automatic runs", () => {
  const restartWeb: Action = { kind: "restart", namespace: "dev", target: "deployment/web" };

  async function automatic(bench: Bench) {
    const incident = insertIncident(bench.store);
    const proposal = await bench.propose.propose({
      action: restartWeb,
      incidentId: incident.id,
      origin: "autofix",
      actor: { userId: null, username: "steward", role: null, platform: "system", clientIp: null },
      rule: incident.rule,
      derived: [restartWeb],
    });
    return { proposal, admitted: await bench.gate.admit(proposal.id) };
  }

  test("the fourth within an hour is left to people, and says when the next one is free", async () => {
    const bench = await setUp();
    for (let i = 0; i < 3; i++) {
      const { proposal, admitted } = await automatic(bench);
      assert.equal(admitted, true, JSON.stringify(bench.store.proposals.get(proposal.id)?.gate));
      await bench.execute.run(proposal.id);
      await bench.verify.run(proposal.id);
      assert.equal(bench.store.proposals.execution(proposal.id)?.origin, "autofix");
      assert.equal(
        bench.store.proposals.get(proposal.id)?.state,
        "succeeded",
        bench.store.proposals.get(proposal.id)?.reason ?? "",
      );
      bench.clock.shift(60_000);
    }
    const { proposal, admitted } = await automatic(bench);
    assert.equal(admitted, false);
    const gate = bench.store.proposals.get(proposal.id)?.gate;
    assert.deepEqual(
      [gate?.used, gate?.limit, gate?.allowed, gate?.reasons.map(({ code }) => code)],
      [3, 3, true, ["autofix_limit"]],
    );
    assert.notEqual(gate?.nextAt, null);
    assert.equal(writes(bench.sandbox).length, 3);
    bench.gate.decide(proposal.id, { verdict: "approve", reason: null, actor: bench.admin });
    await bench.execute.run(proposal.id);
    assert.equal(bench.store.proposals.execution(proposal.id)?.origin, "person");
    assert.equal(writes(bench.sandbox).length, 4);
  });

  test("the limit is reserved with the intent: approved side by side, only what fits runs", async () => {
    const bench = await setUp({ safety: { maxAutoFixesPerHour: 1 } });
    const first = await automatic(bench);
    await bench.execute.run(first.proposal.id);
    await bench.verify.run(first.proposal.id);
    const second = await automatic(bench);
    assert.equal(second.admitted, false);
    bench.store.transact((now) => {
      bench.store.proposals.move(second.proposal.id, "pending", "approved");
      bench.store.proposals.addDecision(second.proposal.id, {
        user: "rule x",
        userId: "rule:x",
        verdict: "approve",
        reason: null,
        at: now,
        platform: "system",
      });
    });
    await bench.execute.run(second.proposal.id);
    assert.equal(bench.store.proposals.get(second.proposal.id)?.state, "refused");
    assert.equal(writes(bench.sandbox).length, 1);
  });

  test("what is said in the last moment, between the look at the object and the intent, still counts", async () => {
    const bench = await setUp();
    const { proposal } = await automatic(bench);
    bench.hooks.failpoint = (at) => {
      if (at !== "cleared") return;
      bench.gate.pause({ for: null, namespace: null, autofixOnly: true, reason: "freeze" }, bench.admin);
    };
    await bench.execute.run(proposal.id);
    assert.equal(bench.store.proposals.get(proposal.id)?.state, "refused");
    assert.match(bench.store.proposals.get(proposal.id)?.reason ?? "", /freeze/);
    assert.equal(bench.store.proposals.execution(proposal.id), null);
    assert.deepEqual(writes(bench.sandbox), []);
  });

  test("a failed one tells people and turns its rule to diagnose for that target until resumed", async () => {
    const bench = await setUp();
    const first = await automatic(bench);
    bench.sandbox.fault({ match: { method: "PATCH" }, status: 422 });
    await bench.execute.run(first.proposal.id);
    assert.equal(bench.store.proposals.get(first.proposal.id)?.state, "failed");
    assert.equal(bench.notify.needs.at(-1)?.why, "failed");
    const second = await automatic(bench);
    assert.deepEqual(
      [second.admitted, bench.store.proposals.get(second.proposal.id)?.gate.reasons.map(({ code }) => code)],
      [false, ["autofix_downgraded"]],
    );
    bench.gate.resume(null, bench.admin);
    assert.equal(await bench.gate.admit(second.proposal.id), true);
  });
});
