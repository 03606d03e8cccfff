import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { demoOrders, demoWorld } from "../bot/sandbox/demo-world.ts";
import type { Manifest } from "../bot/sandbox/index.ts";
import { listField, numberField, stringField } from "../shared/kube.ts";
import { crashLoopOf } from "./alerts.ts";
import { type Approval, type Bot, startBot } from "./harness.ts";
import { until } from "./until.ts";

const world = demoWorld();
const good = "registry.example.com/orders:1.8.0";
const bad = "registry.example.com/orders:1.9.0";

async function imageOfOrders(bot: Bot): Promise<string | undefined> {
  const orders = await bot.deployment("dev", "orders");
  return stringField(listField(orders, "spec", "template", "spec", "containers")[0], "image");
}

/** A release of dev/orders that exits 1, and the alert it raises; the rule for dev takes every alert of such a name. */
async function badRelease(bot: Bot, alertname = "KubePodCrashLooping") {
  bot.sandbox.apply([demoOrders("bad")]);
  return alertOnOrders(bot, alertname);
}

async function alertOnOrders(bot: Bot, alertname = "KubePodCrashLooping") {
  const alert = { ...(await crashLoopOf(bot, "dev", "orders", { env: "dev" })), alertname };
  const incident = await bot.incidentOf(await bot.fire([alert], `{}:{alertname="${alertname}"}`));
  return bot.incidentWhen(incident.id, "it is diagnosed", ({ diagnosis }) => diagnosis !== null);
}

/** The rollback that the diagnosis led to. */
async function rollbackFor(bot: Bot, incidentId: string): Promise<Approval> {
  const { approvals } = await bot.incidentWhen(incidentId, "a rollback is proposed", (now) => now.approvals.length > 0);
  return bot.approval(approvals[0] ?? "");
}

/** It stays undecided: the gate has answered, and nobody but people may go on. */
async function leftToPeople(bot: Bot, incidentId: string): Promise<Approval> {
  const { code } = await rollbackFor(bot, incidentId);
  return until("it waits for people", async () => {
    const approval = await bot.approval(code);
    return approval.state === "pending" && approval.gate.reasons.length > 0 ? approval : null;
  });
}

function reasonsOf({ gate }: Approval): string[] {
  return gate.reasons.map(({ code }) => code);
}

function labelled(manifest: Manifest | undefined, labels: Readonly<Record<string, string>>): Manifest {
  assert.ok(manifest);
  return {
    ...manifest,
    metadata: { ...manifest.metadata, labels: { ...(manifest.metadata["labels"] ?? {}), ...labels } },
  };
}

describe("a rule that may act by itself", { concurrency: 3 }, () => {
  test("rolls a bad release in dev back, verified, three times an hour; the fourth is left to people, with the hour on the card", async (t) => {
    const bot = await startBot(t, { world });
    for (const [n, name] of ["KubePodCrashLooping", "SecondRestartLoop", "ThirdRestartLoop"].entries()) {
      const incident = await badRelease(bot, name);
      const { code } = await rollbackFor(bot, incident.id);
      const done = await bot.approvalIn(code, "succeeded", "failed", "unverified");
      assert.deepEqual(
        [done.state, done.origin, done.decisions[0]?.user],
        ["succeeded", "autofix", "rule builtin-dev-restart-loops"],
      );
      assert.equal(bot.writesOf(done).length, 1);
      assert.equal(await imageOfOrders(bot), good, `after rollback ${n + 1}`);
    }
    const incident = await badRelease(bot, "FourthRestartLoop");
    const left = await leftToPeople(bot, incident.id);
    assert.deepEqual([reasonsOf(left), left.gate.used, left.gate.limit], [["autofix_limit"], 3, 3]);
    assert.match(await bot.cardText(incident.cardId), /3 of 3 .*next at \d\d:\d\d/);
    assert.equal(await imageOfOrders(bot), bad, "a person's turn: nothing changed");
    const gate = await bot.admin.api.get("/api/v1/gate?target=deploy/orders&namespace=dev");
    assert.deepEqual([gate.body["allowed"], gate.body["used"], gate.body["limit"]], [true, 3, 3]);

    assert.equal((await bot.admin.approve(left.code)).status, 200, "a person is not limited");
    await bot.approvalIn(left.code, "succeeded");
    const counted = await bot.audit("action=execute_rollback&status=SUCCESS");
    assert.equal(counted.length, 4);
  });

  test("is kept off by a protection mark on the workload or its namespace: no card, a refusal on the audit", async (t) => {
    for (const [where, mark] of [
      ["workload", (bot: Bot) => bot.sandbox.apply([labelled(demoOrders("bad"), { protection: "true" })])],
      [
        "namespace",
        (bot: Bot) => {
          const dev = world.objects?.find(({ kind, metadata }) => kind === "Namespace" && metadata.name === "dev");
          bot.sandbox.apply([labelled(dev, { protection: "yes" }), demoOrders("bad")]);
        },
      ],
    ] as const) {
      const bot = await startBot(t, { world });
      mark(bot);
      const incident = await alertOnOrders(bot);
      const refused = await until(
        "the refusal is on the audit",
        async () => (await bot.audit("action=gate_refuse"))[0],
      );
      assert.deepEqual([refused.target_resource, refused.incident_id], ["dev/deployment/orders", incident.id], where);
      assert.deepEqual((await bot.incident(incident.id)).approvals, [], where);
      const gate = await bot.admin.api.get("/api/v1/gate?target=deploy/orders&namespace=dev");
      assert.equal(gate.body["allowed"], false, where);
      const line = "kubectl rollout undo deployment/orders -n dev";
      assert.equal((await bot.admin.api.post("/api/v1/proposals", { kubectl: line })).status, 403, where);
      assert.equal(await imageOfOrders(bot), bad, where);
    }
  });

  test("stands still under the stop switch; alerts are still carded, with the mark, and after the resume people may go on", async (t) => {
    const bot = await startBot(t, { world });
    const paused = await bot.admin.api.post("/api/v1/pause", { reason: "database migration", for: "2h" });
    assert.equal(paused.status, 200, JSON.stringify(paused.body));
    const incident = await badRelease(bot);
    const left = await leftToPeople(bot, incident.id);
    assert.ok(reasonsOf(left).includes("paused"), JSON.stringify(left.gate));
    assert.match(await bot.cardText(incident.cardId), /database migration/);
    const early = await bot.admin.approve(left.code);
    assert.equal(early.status, 403, "nobody is let past it");
    assert.equal(await imageOfOrders(bot), bad);
    assert.equal((await bot.admin.api.post("/api/v1/resume")).status, 200);
    assert.equal((await bot.admin.approve(left.code)).status, 200);
    await bot.approvalIn(left.code, "succeeded");
    assert.equal(await imageOfOrders(bot), good);
  });

  test("that failed once calls people and only diagnoses there, until resumed", async (t) => {
    const bot = await startBot(t, { world });
    // What was well keeps running; started afresh it crashes as well, so that going back does not help.
    bot.sandbox.setImage(good, {
      log: ["starting orders 1.8.0"],
      exit: { code: 1, afterMs: 300, log: ["fatal: schema is newer"] },
    });
    const incident = await badRelease(bot);
    const { code } = await rollbackFor(bot, incident.id);
    const failed = await bot.approvalIn(code, "failed", "succeeded", "unverified");
    assert.deepEqual(
      [failed.state, failed.verification?.verdict],
      ["failed", "failed"],
      JSON.stringify(failed.verification),
    );
    await until("people are called", () =>
      bot.callsFor(incident.id).some((text) => text.includes("Failed") && text.includes("admin")),
    );
    assert.match(await bot.cardText(incident.cardId), /CrashLoopBackOff/);

    bot.sandbox.setImage(good, world.images?.[good] ?? {});
    bot.sandbox.apply([demoOrders("good")]);
    await until("the good release serves", async () => {
      const orders = await bot.deployment("dev", "orders");
      return numberField(orders, "status", "availableReplicas") === 2;
    });
    const left = await leftToPeople(bot, (await badRelease(bot, "SecondRestartLoop")).id);
    assert.deepEqual([reasonsOf(left), left.gate.used], [["autofix_downgraded"], 1], "a failed attempt counts too");
    assert.equal(await imageOfOrders(bot), bad);
    assert.equal((await bot.admin.api.post("/api/v1/resume")).status, 200);
    const resumed = await rollbackFor(bot, (await alertOnOrders(bot, "ThirdRestartLoop")).id);
    await bot.approvalIn(resumed.code, "succeeded");
    assert.equal(await imageOfOrders(bot), good);
  });

  test("in shadow mode says what it would have done and does nothing", async (t) => {
    const rules = [{ name: "try-out", match: ['env="dev"'], route: "autofix", allow: ["rollback"], mode: "shadow" }];
    const bot = await startBot(t, { world, config: { policy: { rules } } });
    const incident = await badRelease(bot);
    const left = await leftToPeople(bot, incident.id);
    assert.deepEqual(reasonsOf(left), ["autofix_shadow"]);
    assert.equal(await imageOfOrders(bot), bad);
  });

  test("needs the namespace to be open for it: the alert's own label is not enough", async (t) => {
    const bot = await startBot(t, { world });
    const alert = await crashLoopOf(bot, "payment", "checkout", { env: "dev" });
    const incident = await bot.incidentOf(await bot.fire([alert]));
    const { approvals } = await bot.incidentWhen(incident.id, "remedies wait", (now) => now.approvals.length > 1);
    for (const code of approvals) {
      const approval = await bot.approval(code);
      assert.deepEqual([approval.state, approval.decisions], ["pending", []]);
      if (approval.origin === "autofix")
        assert.ok(reasonsOf(approval).includes("autofix_namespace"), JSON.stringify(approval.gate));
    }
  });
});
