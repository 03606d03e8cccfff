import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { demoWorld } from "../bot/sandbox/demo-world.ts";
import { listField, numberField, stringField } from "../shared/kube.ts";
import { crashLoopOf } from "./alerts.ts";
import { type Bot, startBot } from "./harness.ts";
import { until } from "./until.ts";

const world = demoWorld();

function memoryLimitOf(deployment: unknown): string | undefined {
  const container = listField(deployment, "spec", "template", "spec", "containers")[0];
  return stringField(container, "resources", "limits", "memory");
}

/** The alert of payment/checkout, diagnosed, with its remedy waiting. */
async function outOfMemory(bot: Bot) {
  const alert = await crashLoopOf(bot, "payment", "checkout");
  const incident = await bot.incidentOf(await bot.fire([alert]));
  const { approvals } = await bot.incidentWhen(
    incident.id,
    "a remedy waits",
    (now) => now.diagnosis !== null && now.approvals.length > 0,
  );
  return { alert, incident, code: approvals[0] ?? "" };
}

/** What an approval looks like to who comes too late. */
function conflictOf(body: Record<string, unknown>): { code: string; state?: string; by?: string } {
  return body["error"] as { code: string; state?: string; by?: string };
}

describe("an alert", { concurrency: 2 }, () => {
  test("of an OOMKilled deployment is told, explained, mended by one approval, verified, resolved and proved, on one card", async (t) => {
    const bot = await startBot(t, { world });
    const { alert, incident, code } = await outOfMemory(bot);

    const told = await bot.incident(incident.id);
    assert.equal(told.diagnosis?.cause, "OOMKilled");
    const known = new Set(told.evidence.map(({ id }) => id));
    for (const { text, evidence } of told.diagnosis?.findings ?? [])
      assert.ok(evidence.length > 0 && evidence.every((id) => known.has(id)), `"${text}" cites what is not there`);
    const waiting = await bot.approval(code);
    assert.deepEqual([waiting.state, waiting.reversible, waiting.gate.allowed], ["pending", true, true]);
    assert.match(
      await bot.cardText(incident.cardId),
      new RegExp(`${code}[\\s\\S]*- +memory: 512Mi[\\s\\S]*\\+ +memory: 1Gi`),
    );
    assert.equal(
      memoryLimitOf(await bot.deployment("payment", "checkout")),
      "512Mi",
      "nothing changes before the click",
    );

    assert.equal((await bot.admin.approve(code)).status, 200);
    const done = await bot.approvalIn(code, "succeeded", "failed", "unverified");
    assert.equal(done.state, "succeeded", JSON.stringify(done.verification));
    assert.equal(memoryLimitOf(await bot.deployment("payment", "checkout")), "1Gi");
    assert.equal(bot.writesOf(done).length, 1);

    await until("the card says success", () => bot.statesSeen(incident.id).at(-1) === "succeeded");
    await bot.fire([{ ...alert, resolvedAt: new Date() }]);
    await bot.incidentWhen(incident.id, "it is resolved", ({ state }) => state === "resolved");
    await until("the card says resolved", () => bot.statesSeen(incident.id).at(-1) === "resolved");

    // A version that was overtaken before it was read is not sent; the order holds, and what people wait for is always seen.
    const states = bot.statesSeen(incident.id);
    const order = ["investigating", "open", "pending", "approved", "executing", "verifying", "succeeded", "resolved"];
    assert.deepEqual(
      states,
      order.filter((state) => states.includes(state)),
    );
    for (const state of ["pending", "verifying", "succeeded"])
      assert.ok(states.includes(state), `never seen: ${state}`);
    const cards = bot.cards.filter(({ incidentId }) => incidentId === incident.id);
    assert.deepEqual([...new Set(cards.map(({ cardId }) => cardId))], [incident.cardId]);

    const trail = (await bot.audit(`incident=${incident.id}`)).map((row) => `${row.action_type} ${row.status}`);
    const story = [
      "incident_open",
      "investigate",
      "propose_setResources",
      "approve_setResources",
      "execute_setResources",
      "verify_setResources",
      "incident_resolve",
    ];
    const indexes = story.map((step) => trail.lastIndexOf(`${step} SUCCESS`));
    assert.deepEqual(
      indexes,
      indexes.toSorted((a, b) => a - b),
      trail.join(", "),
    );
    assert.ok(!indexes.includes(-1), trail.join(", "));
    assert.deepEqual((await bot.verifyAudit()).ok, true);
  });

  test("sent again, or resolved and sent late, is the same incident with the same card; a new start is a new one that names the old", async (t) => {
    const bot = await startBot(t, { world });
    const { alert, incident } = await outOfMemory(bot);
    const again = await bot.incidentOf(await bot.fire([alert]));
    assert.equal(again.id, incident.id);
    await bot.fire([{ ...alert, resolvedAt: new Date() }]);
    await bot.incidentWhen(incident.id, "it is resolved", ({ state }) => state === "resolved");
    await bot.fire([alert], "late");
    const anew = await bot.incidentOf(await bot.fire([{ ...alert, startsAt: new Date(Date.now() + 1_000) }]));
    assert.notEqual(anew.id, incident.id);
    assert.equal((await bot.incident(incident.id)).state, "resolved");
    assert.match(await bot.cardText(anew.cardId), new RegExp(incident.id));
  });
});

describe("a person", { concurrency: 3 }, () => {
  test("denies with a reason: nothing changes, the reason is on the card and on the audit", async (t) => {
    const bot = await startBot(t, { world });
    const { incident, code } = await outOfMemory(bot);
    assert.equal((await bot.admin.deny(code, "the leak is fixed in 2.4.1")).status, 200);
    const denied = await bot.approval(code);
    assert.deepEqual([denied.state, denied.decisions[0]?.reason], ["denied", "the leak is fixed in 2.4.1"]);
    assert.match(await bot.cardText(incident.cardId), /the leak is fixed in 2\.4\.1/);
    const late = await bot.admin.approve(code);
    assert.deepEqual(
      [late.status, conflictOf(late.body)["state"], conflictOf(late.body)["by"]],
      [409, "denied", "admin"],
    );
    assert.equal(memoryLimitOf(await bot.deployment("payment", "checkout")), "512Mi");
    const [record] = await bot.audit("action=deny_setResources");
    assert.deepEqual(
      [record?.status, record?.intent, record?.username],
      ["SUCCESS", "the leak is fixed in 2.4.1", "admin"],
    );
  });

  test("who comes too late finds it expired; checked again, it can be approved", async (t) => {
    const bot = await startBot(t, { world });
    const asked = await bot.admin.wish("kubectl rollout restart deployment/nginx");
    bot.ahead(16 * 60_000);
    const late = await bot.admin.approve(asked.code);
    assert.deepEqual([late.status, conflictOf(late.body)["state"]], [409, "expired"]);
    assert.equal((await bot.approval(asked.code)).state, "expired");
    const renewed = await bot.admin.api.post(`/api/v1/approvals/${asked.code}/renew`);
    assert.equal(renewed.status, 201, JSON.stringify(renewed.body));
    const code = String(renewed.body["code"]);
    assert.notEqual(code, asked.code);
    assert.equal((await bot.admin.approve(code)).status, 200);
    await bot.approvalIn(code, "succeeded");
    assert.equal((await bot.approval(asked.code)).state, "expired");
  });

  test("two people click at once: one decision counts, the other is told the state and by whom, and it runs once", async (t) => {
    const bot = await startBot(t, { world });
    const ann = await bot.person("ann", "admin");
    const { code } = await bot.admin.wish("kubectl rollout restart deployment/nginx");
    const answers = await Promise.all([bot.admin.approve(code), ann.approve(code), ann.approve(code)]);
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 409, 409]);
    const [winner] = (await bot.approval(code)).decisions;
    for (const { status, body } of answers) {
      if (status === 409) assert.deepEqual([conflictOf(body).code, conflictOf(body).by], ["conflict", winner?.user]);
    }
    const done = await bot.approvalIn(code, "succeeded");
    assert.equal(done.decisions.length, 1);
    assert.equal(bot.writesOf(done).length, 1);
  });

  test("who may not approve cannot: a stranger, a viewer, an approver where the rule wants an admin; each try is on the audit", async (t) => {
    const bot = await startBot(t, { world });
    const vera = await bot.person("vera", "viewer");
    const bob = await bot.person("bob", "approver");
    const { code } = await bob.wish("kubectl scale deployment/nginx --replicas=3");
    const stranger = await bot.stranger().post(`/api/v1/approvals/${code}/approve`);
    assert.equal(stranger.status, 401);
    assert.equal((await vera.approve(code)).status, 403);
    assert.equal((await vera.deny(code, "no")).status, 403);
    const refused = await bob.approve(code);
    assert.deepEqual([refused.status, conflictOf(refused.body).code], [403, "forbidden"]);
    assert.equal((await bot.approval(code)).state, "pending");
    const tries = await bot.audit("action=approve_scale&status=FAILED");
    assert.ok(
      tries.some(({ username }) => username === "bob"),
      JSON.stringify(tries),
    );
    assert.equal((await bob.deny(code, "not now")).status, 200, "an approver may always say no");
    assert.equal(numberField(await bot.deployment("default", "nginx"), "spec", "replicas"), 2);
  });

  test("with two approvals needed it takes two different people, and not the one who asked", async (t) => {
    const bot = await startBot(t, {
      world,
      config: { approval: { roles: ["approver"], approvals: 2, selfApproval: false } },
    });
    const bob = await bot.person("bob", "approver");
    const carol = await bot.person("carol", "approver");
    const { code } = await bob.wish("kubectl rollout restart deployment/nginx");
    assert.equal((await bob.approve(code)).status, 403);
    assert.equal((await carol.approve(code)).status, 200);
    assert.equal((await bot.approval(code)).state, "pending");
    await carol.approve(code);
    assert.equal((await bot.approval(code)).state, "pending", "one person is one vote");
    assert.equal((await bot.admin.approve(code)).status, 200);
    await bot.approvalIn(code, "succeeded");
  });

  test("undoes a success: the field is as before, and the first card says undone", async (t) => {
    const bot = await startBot(t, { world });
    const { code } = await bot.admin.wish("kubectl scale deployment/nginx --replicas=4");
    await bot.admin.approve(code);
    const done = await bot.approvalIn(code, "succeeded");
    const undo = await bot.admin.api.post(`/api/v1/approvals/${code}/undo`);
    assert.equal(undo.status, 201, JSON.stringify(undo.body));
    assert.equal(undo.body["state"], "pending", "an undo is a change like any other");
    assert.equal(numberField(await bot.deployment("default", "nginx"), "spec", "replicas"), 4);
    await bot.admin.approve(String(undo.body["code"]));
    await bot.approvalIn(String(undo.body["code"]), "succeeded");
    assert.equal((await bot.approval(code)).state, "undone");
    assert.equal(numberField(await bot.deployment("default", "nginx"), "spec", "replicas"), 2);
    await until("its card says undone", () => bot.statesSeen(done.id).at(-1) === "undone");
    assert.equal((await bot.admin.api.post(`/api/v1/approvals/${code}/undo`)).status, 409);
  });

  test("what was shown is what runs: somebody changed the field meanwhile, so nothing runs and the card says so", async (t) => {
    const bot = await startBot(t, { world });
    const { code } = await bot.admin.wish("kubectl scale deployment/nginx --replicas=3");
    const nginx = world.objects?.find(({ kind, metadata }) => kind === "Deployment" && metadata.name === "nginx");
    assert.ok(nginx);
    bot.sandbox.apply([{ ...nginx, spec: { ...(nginx["spec"] as object), replicas: 5 } }]);
    await bot.admin.approve(code);
    const stale = await bot.approvalIn(code, "stale");
    assert.match(stale.reason ?? "", /replicas was 2 and is 5/);
    assert.equal(numberField(await bot.deployment("default", "nginx"), "spec", "replicas"), 5);
    assert.equal(bot.writesOf(stale).length, 0);
    const renewed = await bot.admin.api.post(`/api/v1/approvals/${code}/renew`);
    assert.equal(renewed.status, 201, JSON.stringify(renewed.body));
    assert.match(String(renewed.body["diff"]), /-.*5[\s\S]*\+.*3/);
  });

  test("finds a second action on the same workload held by the first, and free again when that is done", async (t) => {
    const bot = await startBot(t, { world, config: { verify: { settle: "2s", timeout: "20s" } } });
    const first = await bot.admin.wish("kubectl rollout restart deployment/nginx");
    const second = await bot.admin.wish("kubectl scale deployment/nginx --replicas=3");
    const elsewhere = await bot.admin.wish("kubectl rollout restart deployment/ledger -n payment");
    await bot.admin.approve(first.code);
    const held = await bot.admin.approve(second.code);
    assert.deepEqual([held.status, conflictOf(held.body)["by"]], [409, first.code]);
    assert.equal((await bot.admin.approve(elsewhere.code)).status, 200, "another workload is not held");
    await bot.approvalIn(first.code, "succeeded");
    assert.equal((await bot.admin.approve(second.code)).status, 200);
    await bot.approvalIn(second.code, "succeeded");
  });

  test("asks for what is never offered: refused at once, without a card, on the audit", async (t) => {
    const bot = await startBot(t, { world });
    const before = bot.cards.length;
    const line = "kubectl rollout restart deployment/coredns -n kube-system";
    const refused = await bot.admin.api.post("/api/v1/proposals", { kubectl: line });
    assert.deepEqual([refused.status, conflictOf(refused.body).code], [403, "refused"]);
    const vague = await bot.admin.api.post("/api/v1/proposals", { kubectl: "kubectl restart nginx --please" });
    assert.deepEqual([vague.status, conflictOf(vague.body).code], [400, "not_understood"]);
    const outside = await bot.admin.api.post("/api/v1/proposals", {
      action: { kind: "restart", namespace: "default", target: "deployment/nginx", force: true },
    });
    assert.deepEqual([outside.status, conflictOf(outside.body).code], [400, "invalid"]);
    const [record] = await bot.audit("action=gate_refuse");
    assert.deepEqual([record?.status, record?.target_resource], ["FAILED", "kube-system/deployment/coredns"]);
    assert.equal((await bot.admin.api.get("/api/v1/approvals")).body["items"]?.toString(), "");
    assert.equal(bot.cards.length, before);
  });
});
