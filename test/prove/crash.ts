/**
 * Kills the real bot at random moments under load and checks what Steward promises of a crash (guarantees 1 to 5): every 202 and every
 * approval answered 200 is found again, no action reaches the API server twice, without an approval or before its intent is on disk, what
 * took effect is never told as something else, and the audit verifies. Everything is observed from outside: HTTP answers, the API server's
 * own log of requests, the file of the store.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Sandbox, startSandbox } from "../../bot/sandbox/index.ts";
import { type ApiClient, createApiClient } from "../api-client.ts";
import { type BotProcess, startBotProcess } from "../bot-process.ts";
import { until } from "../until.ts";
import { type Load, type Promises, startLoad, token, workloadsUnderLoad } from "./load.ts";
import { brokenPromises, createWriteLog, readDisk, type WriteLog } from "./observe.ts";
import { createRandom, type Random } from "./random.ts";

export interface CrashOptions {
  kills: number;
  seed: number;
  /**
   * How long the bot stays down before its last start, by its own clock: an execution in doubt is settled as "did not arrive" only when the
   * request can surely no longer arrive, 75 s after it was sent. 0: the runner waits for that instead.
   */
  lastDownMs: number;
  /** Called with a line of progress now and then. */
  say(line: string): void;
}

export interface CrashReport {
  kills: number;
  /** Deliveries answered 202, and approvals answered 200. */
  acknowledged: number;
  approved: number;
  executions: number;
  /** Of the executions: those that a kill left in doubt, and those it stopped before they were sent. */
  observed: number;
  cancelled: number;
  writes: number;
  /** One line for each broken promise; empty when all held. */
  violations: string[];
}

const password = "correct horse battery";
/** An aimed kill waits no longer for its moment, in ms. */
const patience = 10_000;

export async function proveCrashSafety({ kills, seed, lastDownMs, say }: CrashOptions): Promise<CrashReport> {
  const random = createRandom(seed);
  const folder = mkdtempSync(join(tmpdir(), "steward-crash-"));
  const sandbox = await startSandbox();
  sandbox.apply(workloadsUnderLoad());
  const writes = createWriteLog(sandbox);
  const promises: Promises = { receipts: new Set(), approved: new Set(), broken: [] };
  let violations: string[] | null = null;
  let bot: BotProcess | null = null;
  try {
    const config = configure(folder, sandbox);
    bot = await startBotProcess(folder, config);
    let client = await firstAdmin(bot);
    for (let kill = 1; kill <= kills; kill++) {
      const stop = new AbortController();
      const load = startLoad(client, random, promises, stop.signal);
      await moments[kill % moments.length]?.(load, writes, random);
      await bot.kill("SIGKILL");
      stop.abort();
      await load.ended;
      writes.note();
      bot = await startBotProcess(folder, config, kill === kills ? ahead(lastDownMs) : {});
      client = client.at(bot.url);
      if (kill % 20 === 0) say(progress(kill, promises, writes));
    }
    await settled(client, writes);
    violations = [...promises.broken, ...(await missingReceipts(client, promises.receipts))];
    const audit = await client.get("/api/v1/audit/verify");
    if (audit.body["ok"] !== true) violations.push(`audit does not verify: ${JSON.stringify(audit.body)}`);
    await bot.kill("SIGTERM");
    bot = null;
    const disk = readDisk(join(folder, "data", "steward.db"));
    violations.push(...brokenPromises(writes, disk, promises.approved, new Date()));
    const ending = (of: string) => disk.executions.filter(({ outcome }) => outcome === of).length;
    return {
      kills,
      acknowledged: promises.receipts.size,
      approved: promises.approved.size,
      executions: disk.executions.length,
      observed: ending("observed") + ending("not_applied"),
      cancelled: ending("cancelled"),
      writes: writes.size,
      violations,
    };
  } finally {
    await bot?.kill("SIGKILL");
    await sandbox.stop();
    if (violations?.length === 0) rmSync(folder, { recursive: true, force: true });
    else say(`the store is kept in ${folder}`);
  }
}

/**
 * When the bot is killed, in turn: at any moment; while a decision becomes a change of the cluster; when the API server has just carried a
 * change out and the bot does not know it yet.
 */
const moments: readonly ((load: Load, writes: WriteLog, random: Random) => Promise<void>)[] = [
  (_load, _writes, random) => sleep(random.between(20, 900)),
  async (load, _writes, random) => {
    const after = random.between(0, 120);
    await Promise.race([load.nextApproval(), sleep(patience)]);
    await sleep(after);
  },
  async (_load, writes) => {
    const before = writes.size;
    const seen = () => {
      writes.note();
      return writes.size > before;
    };
    await until("a write reaches the API server", seen, patience, 1).catch(() => false);
  },
];
function configure(folder: string, sandbox: Sandbox): Record<string, unknown> {
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, sandbox.kubeconfig(), { mode: 0o600 });
  return {
    cluster: { name: "crash", kubeconfig },
    locale: "en",
    data: join(folder, "data"),
    http: { host: "127.0.0.1", port: 0 },
    webhook: { bearerToken: token },
    verify: { settle: "100ms", timeout: "5s" },
  };
}

async function firstAdmin(bot: BotProcess): Promise<ApiClient> {
  const line = bot.lines.find((entry) => typeof entry["setupToken"] === "string");
  if (line === undefined) throw new Error("no setup token was logged");
  const client = createApiClient(bot.url);
  const answer = await client.setup(String(line["setupToken"]), "root", password);
  if (answer.status !== 200) throw new Error(`setup answered ${answer.status} ${JSON.stringify(answer.body)}`);
  return client;
}

/** The environment of a process whose clock is this far ahead. */
function ahead(ms: number): Record<string, string> {
  if (ms === 0) return {};
  const shift = `const Real = Date; globalThis.Date = class extends Real {
    constructor(...given) { if (given.length > 0) super(...given); else super(Real.now() + ${ms}); }
    static now() { return Real.now() + ${ms}; }
  };`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(shift)}` };
}

const unfinished = ["approved", "executing", "verifying", "unknown"];

async function settled(client: ApiClient, writes: WriteLog): Promise<void> {
  await until(
    "every execution has come to an end",
    async () => {
      writes.note();
      const approvals = await client.all("/api/v1/approvals?limit=500");
      return !approvals.some(({ state }) => unfinished.includes(String(state)));
    },
    180_000,
    250,
  );
}

async function missingReceipts(client: ApiClient, receipts: ReadonlySet<string>): Promise<string[]> {
  const missing: string[] = [];
  for (const receipt of receipts) {
    const found = await until(
      `receipt ${receipt} has become an incident`,
      async () => (await client.all(`/api/v1/incidents?receipt=${receipt}`)).length > 0,
      30_000,
    ).catch(() => false);
    if (!found) missing.push(`receipt ${receipt} was answered 202 and is lost`);
  }
  return missing;
}

function progress(kill: number, { receipts, approved }: Promises, writes: WriteLog): string {
  return `${kill} kills, ${receipts.size} deliveries, ${approved.size} approvals, ${writes.size} writes`;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
