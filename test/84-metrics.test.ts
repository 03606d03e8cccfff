import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createLog } from "../bot/adapters/log.ts";
import { openStore } from "../bot/adapters/sqlite.ts";
import { countSteps, createMetrics, type Snapshot } from "../bot/metrics.ts";
import { systemActor } from "../shared/approval.ts";
import { createRedactor } from "../shared/redact.ts";
import { createFakeClock } from "./clock.ts";

const now = () => new Date("2026-01-05T09:00:00.000Z");

const snapshot: Snapshot = {
  queued: 3,
  openIncidents: 2,
  proposals: { pending: 4 },
  backlog: [{ channel: "slack", queued: 7, oldest: new Date("2026-01-05T08:59:00.000Z") }],
  links: [{ channel: "slack", connected: true }],
  leader: "holding",
  paused: false,
  storeBytes: 4096,
  auditRecords: 12,
};

test("metrics say what is true at the scrape, under one prefix, before the store is open too", async () => {
  let current: Snapshot | null = null;
  const metrics = createMetrics({ version: "1.2.3", now, snapshot: () => current });
  assert.doesNotMatch((await metrics.http.expose()).text, /^steward_queue_size \d/m);
  current = snapshot;
  const { text, contentType } = await metrics.http.expose();
  assert.match(contentType, /^text\/plain/);
  for (const line of [
    'steward_build_info{version="1.2.3"} 1',
    "steward_queue_size 3",
    "steward_open_incidents 2",
    'steward_proposals{state="pending"} 4',
    'steward_proposals{state="verifying"} 0',
    'steward_outbox_size{channel="slack"} 7',
    'steward_outbox_oldest_seconds{channel="slack"} 60',
    'steward_channel_connected{channel="slack"} 1',
    'steward_lease{state="holding"} 1',
    "steward_paused 0",
    "steward_audit_records 12",
  ]) {
    assert.ok(text.includes(`\n${line}\n`), line);
  }
  for (const line of text.split("\n")) if (line !== "" && !line.startsWith("#")) assert.match(line, /^steward_/);
});

test("stages are timed by outcome, and a failure is passed on", async () => {
  const metrics = createMetrics({ version: "x", now, snapshot: () => null });
  assert.equal(await metrics.timed("verify", async () => 5), 5);
  await assert.rejects(
    metrics.timed("verify", async () => {
      throw new Error("broken");
    }),
    /broken/,
  );
  const { text } = await metrics.http.expose();
  assert.match(text, /steward_stage_seconds_count\{stage="verify",outcome="done"\} 1/);
  assert.match(text, /steward_stage_seconds_count\{stage="verify",outcome="failed"\} 1/);
});

test("no input can make new series: unknown verbs and odd statuses fall together", async () => {
  const metrics = createMetrics({ version: "x", now, snapshot: () => null });
  for (let i = 0; i < 200; i++) {
    metrics.step(`made${i}_up`, "SUCCESS");
    metrics.http.request("/api/v1/incidents/:id", "GET", 200 + i, 0.01);
  }
  const { text } = await metrics.http.expose();
  assert.match(text, /steward_steps_total\{verb="other",status="SUCCESS"\} 200/);
  assert.ok(text.split("\n").filter((line) => line.startsWith("steward_http_request_seconds_count")).length <= 3);
});

test("a step counts when its record is on disk, not when it was rolled back", async () => {
  const folder = mkdtempSync(join(tmpdir(), "steward-metrics-"));
  const metrics = createMetrics({ version: "x", now, snapshot: () => null });
  const store = countSteps(
    openStore({ path: join(folder, "steward.db"), clock: createFakeClock(), holder: "test" }),
    metrics,
  );
  const append = () =>
    store.audit.append({
      userId: systemActor.userId,
      intent: null,
      actionType: "execute_restart",
      targetResource: null,
      commandSnapshot: null,
      status: "SUCCESS",
      clientIp: null,
      platform: "system",
      incidentId: null,
      proposalId: null,
      detail: null,
    });
  store.transact(append);
  assert.throws(() =>
    store.transact(() => {
      append();
      throw new Error("no");
    }),
  );
  assert.match((await metrics.http.expose()).text, /steward_steps_total\{verb="execute",status="SUCCESS"\} 1/);
  store.close();
  rmSync(folder, { recursive: true });
});

test("a log line is one JSON object with the message, its fields and no secret", () => {
  const lines: string[] = [];
  const redactor = createRedactor({ key: "test", own: ["the-configured-token"] });
  const log = createLog({ redactor, to: { write: (line) => void lines.push(line) } });
  log.debug("not shown");
  log.info("listening", { port: 8080, incidentId: "inc1" });
  log.error("went wrong: password=hunter2hunter2", {
    error: new Error("refused for the-configured-token", { cause: new Error("token the-configured-token") }),
    nested: { headers: { Authorization: "Bearer abcdefghijklmnopqrstuvwxyz" } },
  });
  assert.equal(lines.length, 2);
  const [first, second] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    [first?.["level"], first?.["msg"], first?.["port"], first?.["incidentId"]],
    ["info", "listening", 8080, "inc1"],
  );
  assert.match(String(first?.["time"]), /^\d{4}-\d\d-\d\dT/);
  assert.match(String(second?.["error"]), /caused by/);
  assert.doesNotMatch(lines.join(""), /hunter2|the-configured-token|abcdefghijklmnop/);
});

test("the setup token and the audit's checkpoints are written as they are, since they are meant to be read there", () => {
  const lines: string[] = [];
  const log = createLog({ to: { write: (line) => void lines.push(line) } });
  const checkpoint = { publicKey: "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=", seq: 3 };
  const setupToken = "q7Jd0sZ1kX4vB8nM2wC6yT9u";
  log.warn("no admin yet", { setupToken, token: setupToken });
  log.info("audit checkpoint", { checkpoint });
  const [first, second] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.equal(first?.["setupToken"], setupToken);
  assert.notEqual(first?.["token"], setupToken);
  assert.deepEqual(second?.["checkpoint"], checkpoint);
});
