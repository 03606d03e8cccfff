import assert from "node:assert/strict";
import { createHash, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import Database from "better-sqlite3";
import canonicalize from "canonicalize";
import fc from "fast-check";
import { openStore } from "../bot/adapters/sqlite.ts";
import { type Audit, createAudit } from "../bot/audit.ts";
import type { Store } from "../bot/store.ts";
import { type Actor, systemActor } from "../shared/approval.ts";
import { type AuditEntry, type AuditRecord, hashRecord } from "../shared/audit.ts";
import { verifyExport } from "../shared/audit-export.ts";
import { type Checkpoint, findCheckpoints, isSigned } from "../shared/checkpoint.ts";
import { addUser, insertIncident, insertProposal } from "./action-bench.ts";
import { alertOf, decisionOf, verificationOf } from "./card-facts.ts";
import { createFakeClock, type FakeClock } from "./clock.ts";

const day = 86_400_000;
const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

interface Bench {
  store: Store;
  audit: Audit;
  clock: FakeClock;
  path: string;
  published: Checkpoint[];
}

function open(options: { path?: string; signingKey?: string; clock?: FakeClock } = {}): Bench {
  const folder = mkdtempSync(join(tmpdir(), "steward-audit-"));
  folders.push(folder);
  const path = options.path ?? join(folder, "steward.db");
  const clock = options.clock ?? createFakeClock();
  const store = openStore({ path, clock, holder: "test" });
  const published: Checkpoint[] = [];
  const audit = createAudit({
    store,
    clock,
    signingKey: options.signingKey ?? null,
    keepFor: 30 * day,
    publish: (checkpoint) => published.push(checkpoint),
  });
  return { store, audit, clock, path, published };
}

const admin: Actor = {
  userId: "u-alice",
  username: "alice",
  role: "admin",
  platform: "terminal",
  clientIp: "10.0.0.7",
};

function entry(more: Partial<AuditEntry> = {}): AuditEntry {
  return {
    userId: "u-alice",
    intent: "restart nginx",
    actionType: "approve_restart",
    targetResource: "web/deployment/nginx",
    commandSnapshot: "kubectl rollout restart deployment/nginx -n web",
    status: "SUCCESS",
    clientIp: null,
    platform: "terminal",
    incidentId: null,
    proposalId: null,
    detail: { code: "A7F3" },
    ...more,
  };
}

function append(store: Store, count: number, more: (i: number) => Partial<AuditEntry> = () => ({})): AuditRecord[] {
  return store.transact(() => Array.from({ length: count }, (_, i) => store.audit.append(entry(more(i)))));
}

/** What somebody does who has the file and knows how to use it. */
function tamper(path: string, sql: string): void {
  const raw = new Database(path);
  raw.exec(`DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete; ${sql}`);
  raw.close();
}

async function collect(lines: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const line of lines) all.push(line);
  return all;
}

const page = { limit: 50, cursor: null, since: null };

test("a record's hash is SHA-256 over the domain and its canonical JSON, whatever it says", () => {
  const text = fc.option(fc.string({ unit: "binary", maxLength: 40 }), { nil: null });
  const record = fc.record({
    seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    id: fc.string({ unit: "binary" }),
    user_id: text,
    intent: text,
    action_type: fc.string(),
    target_resource: text,
    command_snapshot: text,
    status: fc.constantFrom("SUCCESS", "FAILED", "PENDING"),
    client_ip: text,
    platform: fc.constantFrom("slack", "system"),
    timestamp: fc.string(),
    incident_id: text,
    proposal_id: text,
    detail: text,
    prev_hash: fc.string(),
  });
  fc.assert(
    fc.property(record, (given) => {
      const expected = createHash("sha256")
        .update(`steward-audit-v1\n${canonicalize(given)}`)
        .digest("hex");
      assert.equal(hashRecord(given), expected);
    }),
  );
});

test("whatever text is appended, the chain verifies after it was on disk", async () => {
  const { store, audit } = open();
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string(),
    fc.constantFrom("\ud800", "a\u0000b", "\u2028", "'; DROP TABLE audit_logs;--"),
  );
  fc.assert(
    fc.property(
      fc.array(fc.record({ intent: text, targetResource: text, detail: fc.dictionary(text, fc.jsonValue()) }), {
        maxLength: 5,
      }),
      (given) => {
        store.transact(() => given.map((more) => store.audit.append(entry(more))));
      },
    ),
    { numRuns: 50 },
  );
  const answer = await audit.verify();
  assert.deepEqual(answer, { ok: true, records: store.audit.head().seq, head: store.audit.head().hash });
  store.close();
});

test("an empty audit verifies, and begins with a hash of its own instance", async () => {
  const one = open();
  const other = open();
  assert.deepEqual(await one.audit.verify(), { ok: true, records: 0, head: one.store.audit.root().hash });
  assert.notEqual(one.store.audit.root().hash, other.store.audit.root().hash);
  one.store.close();
  other.store.close();
});

test("records cannot be changed or removed through the database", () => {
  const { store, path } = open();
  append(store, 3);
  const raw = new Database(path);
  assert.throws(() => raw.exec("UPDATE audit_logs SET status = 'FAILED' WHERE seq = 2"), /append-only/);
  assert.throws(() => raw.exec("DELETE FROM audit_logs WHERE seq = 1"), /append-only/);
  assert.throws(() => raw.exec("DELETE FROM audit_logs"), /append-only/);
  raw.close();
  store.close();
});

test("verify names the first record that was changed, removed or put in", async () => {
  const harms: readonly [string, number, RegExp][] = [
    ["UPDATE audit_logs SET user_id = 'u-mallory' WHERE seq = 4", 4, /record 4 was changed/],
    ["UPDATE audit_logs SET timestamp = '2020-01-01T00:00:00.000Z' WHERE seq = 7", 7, /record 7 was changed/],
    ["UPDATE audit_logs SET detail = NULL WHERE seq = 10", 10, /record 10 was changed/],
    ["DELETE FROM audit_logs WHERE seq = 5", 5, /record 5 is missing: the next one is 6/],
    ["DELETE FROM audit_logs WHERE seq = 1", 1, /record 1 is missing/],
    ["UPDATE audit_logs SET hash = 'x' || substr(hash, 2) WHERE seq = 3", 3, /record 3 was changed/],
    ["UPDATE audit_logs SET prev_hash = hash WHERE seq = 6", 6, /record 6 does not follow/],
    [
      "DELETE FROM audit_logs WHERE seq = 5; UPDATE audit_logs SET seq = seq - 1 WHERE seq > 5",
      5,
      /record 5 does not follow/,
    ],
  ];
  for (const [sql, brokenAt, reason] of harms) {
    const { store, audit, path } = open();
    append(store, 10);
    assert.equal((await audit.verify()).ok, true);
    tamper(path, sql);
    const answer = await audit.verify();
    assert.ok(!answer.ok, sql);
    assert.equal(answer.brokenAt, brokenAt, sql);
    assert.match(answer.reason, reason);
    store.close();
  }
});

test("an end that was cut off and a history that was rewritten with right hashes are found by a checkpoint", async () => {
  const cut = open();
  append(cut.store, 10);
  cut.audit.seal();
  tamper(cut.path, "DELETE FROM audit_logs WHERE seq > 7");
  assert.deepEqual(await cut.audit.verify(), {
    ok: false,
    brokenAt: 8,
    reason: `records 8 to 10 are missing: the checkpoint of ${cut.published[0]?.at} saw them`,
  });
  cut.store.close();

  const rewritten = open();
  append(rewritten.store, 10);
  rewritten.audit.seal();
  rechain(rewritten, 4);
  const answer = await rewritten.audit.verify();
  assert.ok(!answer.ok);
  assert.match(answer.reason, /record 10 is not the one the checkpoint of .* saw/);

  // Who also throws away the checkpoints in the file is found by those that left it.
  tamper2(rewritten.path, "DELETE FROM checkpoints");
  assert.equal((await rewritten.audit.verify()).ok, true);
  const lines = await collect(rewritten.audit.export({ since: null, until: null, incident: null }, admin));
  assert.equal((await verifyExport(lines, rewritten.published)).ok, false);
  rewritten.store.close();
});

function tamper2(path: string, sql: string): void {
  const raw = new Database(path);
  raw.exec(sql);
  raw.close();
}

/** Changes a record and gives it and all that follow new hashes that fit. */
function rechain({ path, store }: Bench, from: number): void {
  tamper(path, "SELECT 1");
  const raw = new Database(path);
  let prev = store.audit.get(from - 1)?.hash ?? "";
  for (let seq = from; seq <= store.audit.head().seq; seq++) {
    const record = store.audit.get(seq);
    assert.ok(record);
    const changed = { ...record, user_id: "u-bob", prev_hash: prev };
    prev = hashRecord(changed);
    raw
      .prepare("UPDATE audit_logs SET user_id = 'u-bob', prev_hash = ?, hash = ? WHERE seq = ?")
      .run(changed.prev_hash, prev, seq);
  }
  raw.close();
}

test("a checkpoint leaves every 100 records or 60 seconds, is signed, and only when there is something new", async () => {
  const { store, audit, clock, published } = open();
  const stop = audit.start();
  await clock.advance(120_000);
  assert.equal(published.length, 0);
  append(store, 1);
  await clock.advance(30_000);
  const soon = published.length;
  await clock.advance(60_000);
  assert.equal(published.length, 1);
  assert.ok(soon <= 1);
  append(store, 100);
  await clock.advance(1_000);
  assert.equal(published.length, 2);
  await clock.advance(600_000);
  assert.equal(published.length, 2);
  append(store, 1);
  stop();
  assert.deepEqual(
    published.map(({ seq }) => seq),
    [1, 101, 102],
  );
  assert.ok(published.every(isSigned));
  const [first] = published;
  assert.ok(first);
  assert.equal(isSigned({ ...first, seq: first.seq + 1 }), false);
  assert.equal(isSigned({ ...first, hash: "0".repeat(64) }), false);
  assert.equal(isSigned({ ...first, publicKey: "" }), false);
  assert.equal((await audit.verify()).ok, true);
  store.close();
});

test("a checkpoint in the file that was changed is found", async () => {
  const { store, audit, path } = open();
  append(store, 5);
  audit.seal();
  tamper2(path, "UPDATE checkpoints SET epoch = 99");
  assert.deepEqual(await audit.verify(), {
    ok: false,
    brokenAt: 5,
    reason: "the checkpoint of record 5 was changed: its signature does not fit",
  });
  store.close();
});

test("the signing key may be given as PEM or as a secret, and is the same after a restart", () => {
  const { privateKey } = generateKeyPairSync("ed25519");
  const pem = privateKey.export({ format: "pem", type: "pkcs8" }).toString();
  for (const signingKey of [pem, "a secret of enough length", undefined]) {
    const keys = new Set<string>();
    const first = open(signingKey === undefined ? {} : { signingKey });
    append(first.store, 1);
    keys.add(first.audit.seal()?.publicKey ?? "");
    first.store.close();
    const again = open({ path: first.path, ...(signingKey === undefined ? {} : { signingKey }) });
    append(again.store, 1);
    keys.add(again.audit.seal()?.publicKey ?? "");
    again.store.close();
    assert.equal(keys.size, 1);
  }
});

test("an export verifies without the bot, against checkpoints found in the pod's log", async () => {
  const { store, audit, published } = open();
  append(store, 700);
  audit.seal();
  append(store, 20);
  const lines = await collect(audit.export({ since: null, until: null, incident: null }, admin));
  assert.equal(lines.length, 721);
  const last = JSON.parse(lines.at(-1) ?? "") as AuditRecord;
  assert.deepEqual([last.action_type, last.user_id, last.client_ip], ["export_audit", "u-alice", "10.0.0.7"]);

  const log = `starting\n{"level":"info","msg":"audit checkpoint","checkpoint":${JSON.stringify(published[0])}}\n{"broken\n`;
  const checkpoints = findCheckpoints(log);
  assert.equal(checkpoints.length, 1);
  assert.deepEqual(await verifyExport(lines, checkpoints), { ok: true, records: 721, head: last.hash });
  assert.deepEqual(await verifyExport(lines, []), { ok: true, records: 721, head: last.hash });

  const cases: readonly [string, string[], number][] = [
    ["a line is missing", lines.toSpliced(300, 1), 301],
    ["the end is missing", lines.slice(0, 650), 651],
    ["a line is not a record", lines.with(10, "{}"), 11],
    ["a key was added", lines.with(10, lines[10]?.replace("{", '{"note":"x",') ?? ""), 11],
    ["a value was changed", lines.with(10, lines[10]?.replace("SUCCESS", "FAILED") ?? ""), 11],
  ];
  for (const [what, given, brokenAt] of cases) {
    const answer = await verifyExport(given, checkpoints);
    assert.ok(!answer.ok, what);
    assert.equal(answer.brokenAt, brokenAt, what);
  }
  const stranger = open();
  append(stranger.store, 5);
  stranger.audit.seal();
  assert.equal((await verifyExport(lines, stranger.published)).ok, false, "of another instance");
  stranger.store.close();
  store.close();
});

test("an export of a time has the records of that time and verifies as a part", async () => {
  const { store, audit, clock } = open();
  append(store, 10);
  await clock.advance(3_600_000);
  append(store, 5);
  const since = clock.now();
  await clock.advance(3_600_000);
  append(store, 7);
  const until = new Date(clock.now().getTime());
  const lines = await collect(audit.export({ since, until, incident: null }, admin));
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as AuditRecord).seq),
    [11, 12, 13, 14, 15],
  );
  assert.equal((await verifyExport(lines, [])).ok, true);
  assert.throws(() => audit.export({ since: null, until: null, incident: "nope" }, admin), /there is no incident nope/);
  store.close();
});

test("retention removes from the old end, leaves a signed checkpoint, and the chain still verifies", async () => {
  const bench = open();
  const { store, audit, clock, path } = bench;
  append(store, 2_500);
  await clock.advance(31 * day);
  append(store, 10);
  assert.equal(await audit.prune(), 2_500);
  assert.equal(await audit.prune(), 0);
  assert.deepEqual(
    store.audit.page({ ...page, action: "prune_audit" }).items.map(({ detail }) => detail),
    ['{"from":1,"to":2500}'],
  );
  assert.equal(store.audit.root().seq, 2_500);
  assert.deepEqual(await audit.verify(), { ok: true, records: 11, head: store.audit.head().hash });
  const raw = new Database(path);
  assert.throws(() => raw.exec("DELETE FROM audit_logs WHERE seq = 2501"), /append-only/);
  raw.close();
  tamper(path, "DELETE FROM audit_logs WHERE seq = 2501");
  const answer = await audit.verify();
  assert.ok(!answer.ok && answer.brokenAt === 2_501);
  store.close();
});

test("a store that is empty or older than a checkpoint kept outside says which records are missing", () => {
  const { store, audit, path } = open();
  append(store, 40);
  const checkpoint = audit.seal();
  assert.ok(checkpoint);
  assert.equal(audit.missing(checkpoint), null);
  tamper(path, "DELETE FROM audit_logs WHERE seq > 25");
  assert.deepEqual(audit.missing(checkpoint), { from: 26, to: 40 });
  store.close();
  const empty = open();
  assert.deepEqual(empty.audit.missing(checkpoint), { from: 1, to: 40 });
  empty.store.close();
});

test("a page is narrowed by each filter and by all together, newest first, without gaps between pages", async () => {
  const { store, clock } = open();
  const users = ["alice", "bob"];
  store.transact((now) => {
    for (const username of users) {
      store.users.insert({ id: `u-${username}`, username, passwordHash: null, role: "admin", createdAt: now });
    }
  });
  const all: AuditRecord[] = [];
  for (let hour = 0; hour < 20; hour++) {
    all.push(
      ...append(store, 60, (i) => ({
        userId: `u-${users[i % 2]}`,
        actionType: ["approve_restart", "deny_scale", "login"][i % 3] ?? "",
        targetResource: `ns${i % 4}/deployment/app${i % 5}`,
        platform: i % 7 === 0 ? "slack" : "terminal",
        status: i % 11 === 0 ? "FAILED" : "SUCCESS",
        incidentId: i % 2 === 0 ? `inc${i % 6}` : null,
      })),
    );
    await clock.advance(3_600_000);
  }
  const since = new Date(all[300]?.timestamp ?? "");
  const until = new Date(all[900]?.timestamp ?? "");
  const cases: readonly [Parameters<Store["audit"]["page"]>[0], (record: AuditRecord) => boolean][] = [
    [{ ...page }, () => true],
    [{ ...page, user: "alice" }, (r) => r.user_id === "u-alice"],
    [{ ...page, user: "u-bob" }, (r) => r.user_id === "u-bob"],
    [{ ...page, user: "nobody" }, () => false],
    [{ ...page, action: "deny_scale" }, (r) => r.action_type === "deny_scale"],
    [{ ...page, target: "ns1/deployment/app1" }, (r) => r.target_resource === "ns1/deployment/app1"],
    [{ ...page, target: "deployment/app1" }, (r) => r.target_resource?.endsWith("/deployment/app1") === true],
    [{ ...page, platform: "slack", status: "FAILED" }, (r) => r.platform === "slack" && r.status === "FAILED"],
    [{ ...page, incident: "inc2", user: "alice" }, (r) => r.incident_id === "inc2" && r.user_id === "u-alice"],
    [{ ...page, since }, (r) => r.timestamp >= since.toISOString()],
    [
      { ...page, since, until, user: "alice", action: "login", target: "deployment/app2" },
      (r) =>
        r.timestamp >= since.toISOString() &&
        r.timestamp < until.toISOString() &&
        r.user_id === "u-alice" &&
        r.action_type === "login" &&
        r.target_resource?.endsWith("/deployment/app2") === true,
    ],
  ];
  for (const [query, wanted] of cases) {
    const found: number[] = [];
    let cursor: string | null = null;
    do {
      const answer = store.audit.page({ ...query, limit: 37, cursor });
      found.push(...answer.items.map(({ seq }) => seq));
      cursor = answer.next;
    } while (cursor !== null);
    const expected = all.filter(wanted).map(({ seq }) => seq);
    assert.deepEqual(found, expected.reverse(), JSON.stringify(query));
  }
  assert.throws(() => store.audit.page({ ...page, cursor: "1; DROP" }), { code: "invalid", path: "cursor" });
  store.close();
});

test("no secret is kept in the audit, and what must stay readable does", () => {
  const { store } = open();
  const digest = createHash("sha256").update("x").digest("hex");
  const [record] = append(store, 1, () => ({
    intent: "set DB_PASSWORD=hunter2hunter2 please",
    commandSnapshot: "kubectl set env deployment/x API_TOKEN=ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    detail: { digest, code: "A7F3", password: "hunter2hunter2" },
  }));
  const text = JSON.stringify(record);
  assert.doesNotMatch(text, /hunter2|ghp_abc/);
  assert.match(text, /A7F3/);
  assert.match(text, new RegExp(digest), "digests tie a decision to what was shown");
  store.close();
});

test("verifying lets other work through", async () => {
  const { store, audit } = open();
  append(store, 20_000, () => ({ ...entry(), userId: systemActor.userId }));
  let turns = 0;
  let going = true;
  const spin = () => {
    turns++;
    if (going) setImmediate(spin);
  };
  setImmediate(spin);
  assert.equal((await audit.verify()).ok, true);
  going = false;
  assert.ok(turns > 50, `only ${turns} turns of the event loop`);
  store.close();
});

/** An incident that was approved, executed and verified, as its rows are. */
function insertStory(store: Store): { incidentId: string; proposalId: string; code: string } {
  addUser(store, "alice", "admin");
  const incident = insertIncident(store);
  const proposal = insertProposal(store, {
    incidentId: incident.id,
    request: {
      method: "PATCH",
      path: "/apis/apps/v1/x",
      contentType: "application/json",
      body: '{"env":"hunter2hunter2"}',
    },
  });
  store.transact((now) => {
    store.incidents.upsertAlert(alertOf({ id: "al-9", incidentId: incident.id }));
    const run = store.evidence.begin({ incidentId: incident.id, by: "model", model: "some-model" });
    store.evidence.insert(
      { id: "ev-1", incidentId: incident.id, tool: "kubectl_logs", args: {}, text: "OOM", at: now },
      run,
    );
    store.evidence.finish(run, { state: "done", calls: 3, tokens: 1_234 });
    store.proposals.addDecision(proposal.id, decisionOf());
    store.proposals.move(proposal.id, "pending", "approved");
    store.proposals.move(proposal.id, "approved", "executing");
    const { id: proposalId, ownerKey, origin, digest } = proposal;
    store.proposals.insertExecution(
      {
        op: proposal.op,
        proposalId,
        state: "intent",
        ownerKey,
        origin,
        epoch: store.epoch,
        startedAt: now,
        sentAt: null,
        finishedAt: null,
        outcome: null,
        message: null,
      },
      "{}",
      digest,
    );
    store.proposals.putVerification(verificationOf({ proposalId }));
    for (const actionType of ["approve_restart", "execute_restart", "verify_restart"]) {
      store.audit.append(entry({ actionType, incidentId: incident.id, proposalId }));
    }
  });
  return { incidentId: incident.id, proposalId: proposal.id, code: proposal.code };
}

test("an incident's bundle stands alone: alert to verification, model and tokens, and its place in the chain", async () => {
  const { store, audit } = open();
  const { incidentId, proposalId } = insertStory(store);
  audit.seal();
  const lines = (await collect(audit.export({ since: null, until: null, incident: incidentId }, admin))).map(
    (line) => JSON.parse(line) as Record<string, unknown>,
  );
  assert.deepEqual(
    lines.map(({ kind }) => kind),
    [
      "incident",
      "alert",
      "investigation",
      "evidence",
      "proposal",
      "decision",
      "execution",
      "verification",
      "audit",
      "audit",
      "audit",
      "audit",
      "checkpoint",
    ],
  );
  const one = (kind: string) => lines.find((line) => line["kind"] === kind);
  assert.deepEqual(
    [one("investigation")?.["model"], one("investigation")?.["tokens"], one("decision")?.["user"]],
    ["some-model", 1_234, "alice"],
  );
  assert.equal(one("execution")?.["proposalId"], proposalId);
  assert.doesNotMatch(JSON.stringify(lines), /hunter2/);
  const records = lines.filter(({ kind }) => kind === "audit");
  assert.deepEqual(
    records.map((record) => record["action_type"]),
    ["approve_restart", "execute_restart", "verify_restart", "export_audit"],
  );
  store.close();
});

test("changes say what was changed, by whom, approved by whom, and what became of it", async () => {
  const { store, clock } = open();
  const { code, incidentId } = insertStory(store);
  const query = { limit: 10, cursor: null, since: null, namespace: null };
  assert.deepEqual(store.changes.page(query), {
    items: [
      {
        at: clock.now().toISOString(),
        code,
        namespace: "payment",
        target: "deployment/checkout",
        summary: "Restart deployment/checkout",
        kubectl: "kubectl rollout restart deployment/checkout -n payment",
        by: "bob",
        approvedBy: ["alice"],
        state: "executing",
        incidentId,
      },
    ],
    next: null,
  });
  assert.equal(store.changes.page({ ...query, namespace: "web" }).items.length, 0);
  await clock.advance(1_000);
  assert.equal(store.changes.page({ ...query, since: clock.now() }).items.length, 0);
  assert.throws(() => store.changes.page({ ...query, cursor: "x" }), { code: "invalid" });
  store.close();
});
