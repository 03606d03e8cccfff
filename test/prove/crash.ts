/**
 * Kills the real bot at random moments under load and checks what Steward promises of a crash (guarantees 1 to 4):
 * every 202 is found again, no action reaches the API server twice or before its intent is on disk, the audit verifies.
 * Everything is observed from outside: HTTP answers, the API server's own request log, the database file.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { type Sandbox, type SandboxRequest, startSandbox } from "../../bot/sandbox/index.ts";
import type { KubeObject } from "../../shared/kube.ts";
import { type ApiClient, createApiClient } from "../api-client.ts";
import { type BotProcess, startBotProcess } from "../bot-process.ts";
import { webhookBody } from "../payloads.ts";
import { until } from "../until.ts";
import { createRandom } from "./random.ts";

export interface CrashOptions {
  kills: number;
  seed: number;
  /** Called with a line of progress now and then. */
  say(line: string): void;
}

export interface CrashReport {
  kills: number;
  acknowledged: number;
  writes: number;
  executions: number;
  /** One line for each broken promise; empty when all held. */
  violations: string[];
}

const token = "crash-runner";
const password = "correct horse battery";
const workloads = 12;
/** At once, against a bot that shares the processor with them. */
const senders = 4;
const askers = 3;

export async function proveCrashSafety({ kills, seed, say }: CrashOptions): Promise<CrashReport> {
  const random = createRandom(seed);
  const folder = mkdtempSync(join(tmpdir(), "steward-crash-"));
  const sandbox = await startSandbox();
  sandbox.apply(load());
  const violations: string[] = [];
  let complete = false;
  const acknowledged = new Set<string>();
  const writes = new Set<SandboxRequest>();
  let bot: BotProcess | null = null;
  try {
    const config = configure(folder, sandbox);
    bot = await startBotProcess(folder, config);
    const setup = await createApiClient(bot.url).setup(setupTokenOf(bot), "root", password);
    if (setup.status !== 200) throw new Error(`setup answered ${setup.status} ${JSON.stringify(setup.body)}`);

    for (let kill = 1; kill <= kills; kill++) {
      const client = await signedIn(bot.url);
      const stopLoad = new AbortController();
      const traffic = Promise.all([
        ...Array.from({ length: senders }, () => fireAlerts(client, random, acknowledged, stopLoad.signal)),
        ...Array.from({ length: askers }, () => askAndApprove(client, random, stopLoad.signal)),
      ]);
      await new Promise((resolve) => setTimeout(resolve, random.between(20, 900)));
      await bot.kill("SIGKILL");
      stopLoad.abort();
      await traffic;
      noteWrites(sandbox, writes);
      bot = await startBotProcess(folder, config);
      if (kill % 20 === 0) say(`${kill} kills, ${acknowledged.size} acknowledged deliveries, ${writes.size} writes`);
    }

    const client = await signedIn(bot.url);
    await settled(client);
    noteWrites(sandbox, writes);
    violations.push(...(await missingReceipts(client, acknowledged)));
    const audit = await client.get("/api/v1/audit/verify");
    if (audit.body["ok"] !== true) violations.push(`audit does not verify: ${JSON.stringify(audit.body)}`);
    await bot.kill("SIGTERM");
    bot = null;
    const disk = readDisk(join(folder, "data", "steward.db"));
    violations.push(...disk.violations, ...repeatedWrites([...writes]), ...unwritten([...writes], disk.intents));
    complete = true;
    return { kills, acknowledged: acknowledged.size, writes: writes.size, executions: disk.intents.size, violations };
  } finally {
    await bot?.kill("SIGKILL");
    await sandbox.stop();
    if (complete && violations.length === 0) rmSync(folder, { recursive: true, force: true });
    else say(`the store is kept in ${folder}`);
  }
}

function configure(folder: string, sandbox: Sandbox): Record<string, unknown> {
  return {
    cluster: { name: "crash", kubeconfig: writeKubeconfig(folder, sandbox) },
    locale: "en",
    data: join(folder, "data"),
    http: { host: "127.0.0.1", port: 0 },
    webhook: { bearerToken: token },
    verify: { settle: "100ms", timeout: "5s" },
  };
}

function writeKubeconfig(folder: string, sandbox: Sandbox): string {
  const file = join(folder, "kubeconfig");
  writeFileSync(file, sandbox.kubeconfig(), { mode: 0o600 });
  return file;
}

function setupTokenOf(bot: BotProcess): string {
  const line = bot.lines.find((entry) => typeof entry["setupToken"] === "string");
  if (line === undefined) throw new Error("no setup token was logged");
  return String(line["setupToken"]);
}

async function signedIn(url: string): Promise<ApiClient> {
  const client = createApiClient(url);
  const answer = await until("the bot takes a login", async () => {
    const { status } = await client.login("root", password);
    return status === 200 || null;
  });
  if (!answer) throw new Error("unreachable");
  return client;
}

/** Deployments that stay healthy, so that restarts and scales of them end quickly. */
function load(): KubeObject[] {
  const namespace: KubeObject = { apiVersion: "v1", kind: "Namespace", metadata: { name: "load" } };
  const deployments = Array.from({ length: workloads }, (_, n): KubeObject => {
    const labels = { app: `app-${n}` };
    return {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: `app-${n}`, namespace: "load" },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: "app", image: "load/app:1" }] } },
      },
    };
  });
  return [namespace, ...deployments];
}

async function fireAlerts(
  client: ApiClient,
  random: ReturnType<typeof createRandom>,
  acknowledged: Set<string>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const app = `app-${random.int(workloads)}`;
    const alertname = `Load${random.int(400)}`;
    const body = webhookBody(
      [
        {
          alertname,
          labels: { namespace: "load", deployment: app },
          startsAt: new Date(Date.UTC(2026, 0, 1) + random.int(50) * 60_000),
        },
        {
          alertname,
          labels: { namespace: "load", deployment: app, pod: `${app}-x` },
          startsAt: new Date(Date.UTC(2026, 0, 1)),
        },
      ],
      `{}:{alertname="${alertname}"}`,
    );
    try {
      const answer = await client.post("/api/v1/webhook/alertmanager", body, { authorization: `Bearer ${token}` });
      if (answer.status === 202) acknowledged.add(String(answer.body["receipt"]));
    } catch {
      return; // the bot was killed under us: this delivery was never acknowledged
    }
  }
}

async function askAndApprove(
  client: ApiClient,
  random: ReturnType<typeof createRandom>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const app = `app-${random.int(workloads)}`;
    const wish = random.pick([
      `kubectl rollout restart deployment/${app} -n load`,
      `kubectl scale deployment/${app} -n load --replicas=${random.between(1, 3)}`,
    ]);
    try {
      const asked = await client.post("/api/v1/proposals", { kubectl: wish });
      if (asked.status === 201 && asked.body["state"] === "pending") {
        await client.post(`/api/v1/approvals/${String(asked.body["code"])}/approve`);
      }
    } catch {
      return;
    }
  }
}

const unfinished = new Set(["approved", "executing", "verifying", "unknown"]);

async function settled(client: ApiClient): Promise<void> {
  await until(
    "every execution has come to an end",
    async () =>
      (await client.all("/api/v1/approvals?limit=200")).every((approval) => !unfinished.has(String(approval["state"]))),
    180_000,
    250,
  );
}

async function missingReceipts(client: ApiClient, acknowledged: ReadonlySet<string>): Promise<string[]> {
  const missing: string[] = [];
  for (const receipt of acknowledged) {
    const found = await until(
      `receipt ${receipt} has become an incident`,
      async () => ((await client.get(`/api/v1/incidents?receipt=${receipt}`)).body["items"] as unknown[]).length > 0,
      30_000,
    ).catch(() => false);
    if (!found) missing.push(`receipt ${receipt} was answered 202 and is lost`);
  }
  return missing;
}

/** The API server's log keeps the latest requests only: it is read after every kill. */
function noteWrites(sandbox: Sandbox, writes: Set<SandboxRequest>): void {
  for (const request of sandbox.requests()) {
    const isWrite = ["PATCH", "PUT", "POST", "DELETE"].includes(request.method) && !request.dryRun;
    if (isWrite && opOf(request) !== null) writes.add(request);
  }
}

function opOf(request: SandboxRequest): string | null {
  return /"([a-z2-7]{26})"/.exec(JSON.stringify(request.body ?? ""))?.[1] ?? null;
}

function repeatedWrites(writes: readonly SandboxRequest[]): string[] {
  const seen = new Map<string, number>();
  for (const write of writes) {
    const op = opOf(write);
    if (op !== null) seen.set(op, (seen.get(op) ?? 0) + 1);
  }
  return [...seen].filter(([, times]) => times > 1).map(([op, times]) => `operation ${op} was sent ${times} times`);
}

function unwritten(writes: readonly SandboxRequest[], intents: ReadonlyMap<string, string>): string[] {
  return writes.flatMap((write) => {
    const op = opOf(write);
    const intentAt = op === null ? undefined : intents.get(op);
    if (intentAt === undefined)
      return [`a write reached the API server without an intent on disk: ${write.method} ${write.path}`];
    return intentAt <= write.time ? [] : [`operation ${op} was sent before its intent was written`];
  });
}

function readDisk(path: string): { intents: Map<string, string>; violations: string[] } {
  const db = new Database(path, { readonly: true });
  try {
    const violations: string[] = [];
    const integrity = db.pragma("integrity_check", { simple: true });
    if (integrity !== "ok") violations.push(`integrity_check: ${String(integrity)}`);
    const twice = db.prepare("SELECT proposal_id FROM executions GROUP BY proposal_id HAVING count(*) > 1").all();
    if (twice.length > 0) violations.push(`${twice.length} proposals have more than one execution`);
    const rows = db.prepare("SELECT op, started_at FROM executions").all() as { op: string; started_at: string }[];
    return { intents: new Map(rows.map((row) => [row.op, row.started_at])), violations };
  } finally {
    db.close();
  }
}
