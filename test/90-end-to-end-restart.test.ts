import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { demoWorld } from "../bot/sandbox/demo-world.ts";
import { numberField } from "../shared/kube.ts";
import { crashLoopOf } from "./alerts.ts";
import { createApiClient } from "./api-client.ts";
import { startBotProcess } from "./bot-process.ts";
import { startBot, webhookToken } from "./harness.ts";
import { webhookBody } from "./payloads.ts";
import { until } from "./until.ts";

const world = demoWorld();
const bearer = { authorization: `Bearer ${webhookToken}` };

describe("the process ends and comes back", { concurrency: 2 }, () => {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    test(`${signal} between the click and the change: it is made after the restart, once`, async (t) => {
      const bot = await startBot(t, { world, process: true });
      const { code } = await bot.admin.wish("kubectl scale deployment/nginx --replicas=3");
      bot.wire.cut();
      assert.equal((await bot.admin.approve(code)).status, 200);
      assert.equal((await bot.approval(code)).state, "approved", "it waits for the API server");
      await bot.down(signal);
      bot.wire.mend();
      assert.equal(numberField(await bot.deployment("default", "nginx"), "spec", "replicas"), 2);
      await bot.up();
      const done = await bot.approvalIn(code, "succeeded", "failed", "unverified");
      assert.equal(done.state, "succeeded", JSON.stringify(done));
      assert.equal(bot.writesOf(done).length, 1);
      assert.equal(numberField(await bot.deployment("default", "nginx"), "spec", "replicas"), 3);
      assert.equal((await bot.verifyAudit()).ok, true);
    });

    test(`${signal} while a change is verified: the verification goes on after the restart, and the card with it`, async (t) => {
      const bot = await startBot(t, { world, process: true, config: { verify: { settle: "3s", timeout: "30s" } } });
      const { code, id } = await bot.admin.wish("kubectl rollout restart deployment/nginx");
      await bot.admin.approve(code);
      await bot.approvalIn(code, "verifying");
      await bot.restart(signal);
      const done = await bot.approvalIn(code, "succeeded", "failed", "unverified");
      assert.equal(done.state, "succeeded", JSON.stringify(done.verification));
      assert.equal(bot.writesOf(done).length, 1);
      await until("its card says success", () => bot.statesSeen(id).at(-1) === "succeeded");
      assert.equal(
        new Set(bot.cards.filter(({ approvalId }) => approvalId === id).map(({ cardId }) => cardId)).size,
        1,
      );
    });
  }

  test("a second process on the same store stands by: alive, not ready, deaf to webhooks; killed, the first is followed by it", async (t) => {
    const bot = await startBot(t, { world, process: true });
    const receipt = await bot.fire([{ alertname: "Before", labels: { namespace: "default" } }]);
    const second = await startBotProcess(bot.folder, bot.config);
    t.after(() => second.kill("SIGKILL"));
    const client = createApiClient(second.url);
    assert.equal((await client.get("/healthz")).status, 200);
    const ready = await client.get("/readyz");
    assert.deepEqual([ready.status, ready.body["state"]], [503, "standby"]);
    const body = webhookBody([{ alertname: "During" }]);
    const deaf = await client.post("/api/v1/webhook/alertmanager", body, bearer);
    assert.deepEqual([deaf.status, (deaf.body["error"] as { state?: string }).state], [503, "standby"]);
    assert.equal((await createApiClient(bot.url).get("/readyz")).status, 200, "the first goes on");

    await bot.down("SIGKILL");
    await until("the second serves", async () => (await client.get("/readyz")).status === 200, 30_000, 100);
    assert.equal((await client.post("/api/v1/webhook/alertmanager", body, bearer)).status, 202);
    const taken = bot.admin.api.at(second.url);
    assert.equal((await taken.all(`/api/v1/incidents?receipt=${receipt}`)).length, 1, "what the first took is known");
  });

  test("SIGTERM ends it within its 20 s with exit code 0, and a webhook is refused, not lost, meanwhile", async (t) => {
    const bot = await startBot(t, { world, process: true });
    const { code } = await bot.admin.wish("kubectl rollout restart deployment/nginx");
    await bot.admin.approve(code);
    const began = performance.now();
    await bot.down("SIGTERM");
    assert.ok(performance.now() - began < 20_000);
    await bot.up();
    await bot.approvalIn(code, "succeeded");
  });
});

describe("the API server is gone", { concurrency: 2 }, () => {
  test("alerts are taken and carded, the card says what could not be seen, an approval waits; afterwards both are made good", async (t) => {
    const bot = await startBot(t, { world });
    const alert = await crashLoopOf(bot, "payment", "checkout");
    const { code } = await bot.admin.wish("kubectl scale deployment/nginx --replicas=3");
    bot.wire.cut();
    const incident = await bot.incidentOf(await bot.fire([alert]));
    await bot.incidentWhen(incident.id, "it has been looked into", ({ diagnosis }) => diagnosis !== null);
    const text = await bot.cardText(incident.cardId);
    assert.match(text, /Could not be seen/);
    assert.equal((await bot.admin.approve(code)).status, 200);
    assert.equal((await bot.admin.api.get("/readyz")).status, 200, "deaf it is not");
    assert.equal((await bot.approval(code)).state, "approved");

    bot.wire.mend();
    const done = await bot.approvalIn(code, "succeeded");
    assert.equal(bot.writesOf(done).length, 1);
    await bot.incidentWhen(
      incident.id,
      "it is looked into again, and the remedy offered",
      ({ diagnosis, approvals }) => diagnosis?.cause === "OOMKilled" && approvals.length > 0,
    );
  });

  test("a start without it serves webhooks and reads, and what was approved is carried out when it is back", async (t) => {
    const bot = await startBot(t, { world });
    const { code } = await bot.admin.wish("kubectl rollout restart deployment/nginx");
    bot.wire.cut();
    await bot.restart();
    await bot.fire([{ alertname: "Dark", labels: { namespace: "default" } }]);
    assert.equal((await bot.admin.approve(code)).status, 200);
    bot.wire.mend();
    await bot.approvalIn(code, "succeeded");
  });
});
