import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { stringify } from "yaml";
import { demoWorld } from "../bot/sandbox/demo-world.ts";
import { botCommand, startBotProcess } from "./bot-process.ts";
import { startBot, webhookToken } from "./harness.ts";
import { webhookBody } from "./payloads.ts";

const world = demoWorld();
const bearer = { authorization: `Bearer ${webhookToken}` };
const webhook = "/api/v1/webhook/alertmanager";

function faultOf(body: Record<string, unknown>): { code: string; message: string; path?: string } {
  return body["error"] as { code: string; message: string; path?: string };
}

describe("what happened can be proved", { concurrency: 2 }, () => {
  test("a record that was changed in the file is named, and so is one that was taken out", async (t) => {
    const bot = await startBot(t, { world });
    for (const replicas of [3, 2]) {
      const { code } = await bot.admin.wish(`kubectl scale deployment/nginx --replicas=${replicas}`);
      await bot.admin.approve(code);
      await bot.approvalIn(code, "succeeded");
    }
    const whole = await bot.verifyAudit();
    assert.equal(whole.ok, true);
    const victim = (await bot.audit("action=approve_scale"))[0]?.seq ?? 0;
    const store = join(bot.folder, "data", "steward.db");

    await bot.down();
    const kept = readFileSync(store);
    tamper(store, "UPDATE audit_logs SET user_id = 'nobody' WHERE seq = ?", victim);
    await bot.up();
    const changed = await bot.verifyAudit();
    assert.deepEqual([changed.ok, changed.ok ? null : changed.brokenAt], [false, victim]);

    await bot.down();
    writeFileSync(store, kept);
    tamper(store, "DELETE FROM audit_logs WHERE seq = ?", victim);
    await bot.up();
    const missing = await bot.verifyAudit();
    assert.equal(missing.ok, false);
    assert.ok(!missing.ok && Math.abs(missing.brokenAt - victim) <= 1, JSON.stringify(missing));
  });

  test("which rule takes an alert and why the earlier ones do not; what the gate says of an object; who changed what", async (t) => {
    const bot = await startBot(t, { world });
    const labels = { env: "dev", severity: "warning", namespace: "dev" };
    const payload = webhookBody([
      { alertname: "KubePodCrashLooping", labels },
      { alertname: "Other", labels },
    ]);
    const tried = await bot.admin.api.post("/api/v1/policy/test", { payload });
    assert.equal(tried.status, 200, JSON.stringify(tried.body));
    const rows = tried.body["items"] as { rule: string | null; route: string; because: string[] }[];
    assert.deepEqual(
      rows.map(({ rule, route }) => [rule, route]),
      [
        ["builtin-dev-restart-loops", "autofix"],
        [null, "diagnose"],
      ],
    );
    assert.match(rows[0]?.because[0] ?? "", /severity/);
    const rules = [{ name: "mine", match: ['alertname="Other"'], route: "ignore" }];
    const other = await bot.admin.api.post("/api/v1/policy/test", { payload, rules });
    assert.deepEqual(
      (other.body["items"] as { route: string }[]).map(({ route }) => route),
      ["diagnose", "ignore"],
    );
    const wrong = await bot.admin.api.post("/api/v1/policy/test", { payload, rules: [{ route: "maybe" }] });
    assert.deepEqual([wrong.status, faultOf(wrong.body).path?.startsWith("rules[0]")], [400, true]);

    const open = await bot.admin.api.get("/api/v1/gate?target=deploy/nginx");
    assert.deepEqual([open.status, open.body["allowed"]], [200, true]);
    const closed = await bot.admin.api.get("/api/v1/gate?target=deploy/nginx&namespace=nowhere");
    assert.equal(closed.status, 404);

    const { code } = await bot.admin.wish("kubectl rollout restart deployment/nginx");
    await bot.admin.approve(code);
    await bot.approvalIn(code, "succeeded");
    const [change] = await bot.admin.api.all("/api/v1/changes");
    assert.deepEqual(
      [change?.["code"], change?.["by"], change?.["approvedBy"], change?.["state"]],
      [code, "admin", ["admin"], "succeeded"],
    );
  });
});

describe("bad input", { concurrency: 3 }, () => {
  test("to the webhook is answered with what and where, and leaves no incident", async (t) => {
    const bot = await startBot(t, { config: { webhook: { bearerToken: webhookToken, hmacSecret: "s".repeat(20) } } });
    const stranger = bot.stranger();
    const good = webhookBody([{ alertname: "Good" }]);
    const wrongType = structuredClone(good) as unknown as { alerts: { startsAt: unknown }[] };
    if (wrongType.alerts[0] !== undefined) wrongType.alerts[0].startsAt = 5;
    const cases: readonly [
      what: string,
      body: unknown,
      headers: Record<string, string>,
      status: number,
      path?: string,
    ][] = [
      ["not JSON", "{", bearer, 400],
      ["a list", "[]", bearer, 400],
      ["a wrong type", wrongType, bearer, 400, "alerts[0].startsAt"],
      ["no credentials", good, {}, 401],
      ["a wrong token", good, { authorization: "Bearer wrong" }, 401],
      [
        "a stale signature",
        good,
        { "x-steward-timestamp": "1600000000", "x-steward-signature": `sha256=${"0".repeat(64)}` },
        401,
      ],
      ["too large", JSON.stringify({ ...good, pad: "x".repeat(5 * 1024 * 1024) }), bearer, 413],
      ["not called JSON", JSON.stringify(good), { ...bearer, "content-type": "text/plain" }, 415],
      ["compressed", JSON.stringify(good), { ...bearer, "content-encoding": "gzip" }, 415],
    ];
    for (const [what, body, headers, status, path] of cases) {
      const answer = await stranger.post(webhook, body, headers);
      assert.equal(answer.status, status, `${what}: ${JSON.stringify(answer.body)}`);
      if (path !== undefined) assert.equal(faultOf(answer.body).path, path, what);
    }
    assert.deepEqual(await bot.admin.api.all("/api/v1/incidents"), []);
    const labels = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`label_${n}`, "x"]));
    const monsters = [
      [{ alertname: "Wide", labels }],
      [{ alertname: "Long", annotations: { description: "y".repeat(1024 * 1024) } }],
      [{ alertname: "Proto", labels: JSON.parse('{"__proto__": "x", "constructor": "y"}') as Record<string, string> }],
    ];
    for (const alerts of monsters) {
      const answer = await stranger.post(webhook, webhookBody(alerts), bearer);
      assert.ok([202, 400].includes(answer.status), `${alerts[0]?.alertname}: ${JSON.stringify(answer.body)}`);
    }
    assert.equal((await stranger.post(webhook, good, bearer)).status, 202, "and it goes on");
  });

  test("in the configuration is said all at once, each with its place, and the process exits 2", () => {
    inFolder((folder) => {
      writeFileSync(
        join(folder, "steward.yaml"),
        stringify({
          locle: "en",
          verify: { timeout: "soon" },
          webhook: { bearerToken: ["$", "{NO_SUCH_VARIABLE}"].join("") },
          safety: { maxAutoFixesPerHour: -1 },
          policy: { rules: [{ name: "broken", match: ["env=~("], route: "autofix" }] },
        }),
      );
      const { code, output } = runToItsEnd(folder);
      assert.equal(code, 2, output);
      for (const place of [
        "locle",
        "verify.timeout",
        "webhook.bearerToken",
        "safety.maxAutoFixesPerHour",
        "policy.rules[0].match[0]",
      ])
        assert.match(output, new RegExp(`steward\\.yaml:\\d+: ${place.replaceAll(/[[\].]/g, "\\$&")}`), output);
    });
    inFolder((folder) => {
      const { code, output } = runToItsEnd(folder, ["--colour", "never"]);
      assert.equal(code, 2, output);
      assert.doesNotMatch(output, /\n\s+at /, "no stack");
    });
  });

  test("as a store that is newer, of something else, or cannot be written is named, and the process exits 3", async (t) => {
    const cases: readonly [what: string, prepare: (path: string) => void | Promise<void>][] = [
      ["newer than this Steward", newer],
      ["of another program", foreign],
      ["not a SQLite file", (path) => writeFileSync(path, "hello, this is no database".repeat(200))],
      ["a directory|cannot be opened|may not be opened", (path) => void mkdirSync(path)],
    ];
    for (const [what, prepare] of cases) {
      const folder = mkdtempSync(join(tmpdir(), "steward-bad-"));
      t.after(() => rmSync(folder, { recursive: true, force: true }));
      mkdirSync(join(folder, "data"));
      await prepare(join(folder, "data", "steward.db"));
      await assert.rejects(startBotProcess(folder, minimal(folder)), new RegExp(`ended with 3[\\s\\S]*(${what})`, "i"));
    }
    readOnly(t);
  });
});

/** As a later version leaves it behind. */
async function newer(path: string): Promise<void> {
  const folder = dirname(dirname(path));
  const bot = await startBotProcess(folder, minimal(folder));
  await bot.kill("SIGTERM");
  const db = new Database(path);
  db.pragma("user_version = 999");
  db.close();
}

function foreign(path: string): void {
  const db = new Database(path);
  db.exec("CREATE TABLE songs (title TEXT)");
  db.close();
}

/** root may write everywhere, so somebody else tries. */
function readOnly(t: TestContext): void {
  if (process.getuid?.() !== 0) {
    t.diagnostic("a folder without write permission is tried by root only");
    return;
  }
  inFolder((folder) => {
    mkdirSync(join(folder, "data"));
    writeFileSync(join(folder, "steward.yaml"), stringify(minimal(folder)));
    chmodSync(folder, 0o755);
    chmodSync(join(folder, "data"), 0o555);
    const { code, output } = runToItsEnd(folder, [], 65_534);
    if (/EACCES.*steward\.mjs|Cannot find module/.test(output)) return t.diagnostic("nobody cannot read this project");
    assert.equal(code, 3, output);
    assert.match(output, /the store .*(read-only|may not be opened|cannot be opened)/);
  });
}

function minimal(folder: string): Record<string, unknown> {
  return {
    data: join(folder, "data"),
    http: { host: "127.0.0.1", port: 0 },
    webhook: { bearerToken: webhookToken },
    cluster: { kubeconfig: kubeconfigOfNobody(folder) },
  };
}

/** A cluster that is not there. */
function kubeconfigOfNobody(folder: string): string {
  const path = join(folder, "kubeconfig");
  writeFileSync(
    path,
    stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "none", cluster: { server: "http://127.0.0.1:9" } }],
      users: [{ name: "none", user: {} }],
      contexts: [{ name: "none", context: { cluster: "none", user: "none" } }],
      "current-context": "none",
    }),
  );
  return path;
}

function inFolder(work: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "steward-bad-"));
  try {
    work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function runToItsEnd(
  folder: string,
  args: readonly string[] = [],
  uid?: number,
): { code: number | null; output: string } {
  const [command, ...before] = botCommand;
  const { status, stdout, stderr } = spawnSync(command, [...before, ...args], {
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "", HOME: folder },
    encoding: "utf8",
    timeout: 20_000,
    ...(uid === undefined ? {} : { uid }),
  });
  return { code: status, output: `${stdout}${stderr}` };
}

/** As somebody with the file in an editor would: the triggers that keep the records are no hindrance to them. */
function tamper(path: string, sql: string, seq: number): void {
  const db = new Database(path);
  const triggers = db
    .prepare("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_logs'")
    .all() as {
    name: string;
    sql: string;
  }[];
  for (const { name } of triggers) db.exec(`DROP TRIGGER ${name}`);
  assert.equal(db.prepare(sql).run(seq).changes, 1);
  for (const trigger of triggers) db.exec(trigger.sql);
  db.close();
}
