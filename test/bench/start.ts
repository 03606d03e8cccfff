/** How long the real bot takes from its start to ready, how much memory it keeps, and what the plugin's start costs. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { startSandbox } from "../../bot/sandbox/index.ts";
import { startBotProcess } from "../bot-process.ts";
import { until } from "../until.ts";
import { type Spread, spreadOf } from "./figures.ts";

const plugin = join(import.meta.dirname, "../../dist/kubectl-steward.mjs");

export interface StartFigures {
  /** From spawn to a 200 on /readyz, in ms. */
  ready: Spread;
  /** Resident memory in MB, 3 s after it was ready. */
  rss: Spread;
}

/** Starts the bundle `runs` times on a store with so many incidents. */
export async function measureStart(incidents: number, runs: number): Promise<StartFigures> {
  const folder = mkdtempSync(join(tmpdir(), "steward-start-"));
  const sandbox = await startSandbox();
  try {
    const kubeconfig = join(folder, "kubeconfig");
    writeFileSync(kubeconfig, sandbox.kubeconfig(), { mode: 0o600 });
    const config = {
      cluster: { kubeconfig },
      data: join(folder, "data"),
      http: { host: "127.0.0.1", port: 0 },
      webhook: { bearerToken: "bench" },
    };
    const first = await startBotProcess(folder, config);
    await first.kill("SIGTERM");
    fill(join(folder, "data", "steward.db"), incidents);
    const ready: number[] = [];
    const rss: number[] = [];
    for (let run = 0; run < runs; run++) {
      const begun = performance.now();
      const bot = await startBotProcess(folder, config);
      await until("ready", async () => (await fetch(new URL("/readyz", bot.url))).status === 200, 20_000, 5);
      ready.push(performance.now() - begun);
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      rss.push(residentMb(bot.pid));
      await bot.kill("SIGTERM");
    }
    return { ready: spreadOf(ready), rss: spreadOf(rss) };
  } finally {
    await sandbox.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Wall time of `kubectl-steward version` over an empty start of the same Node, pair by pair. */
export function measurePlugin(runs: number): { plugin: Spread; empty: Spread; ratio: Spread } {
  const pairs = Array.from({ length: runs + 1 }, () => ({
    plugin: timed([plugin, "version"]),
    empty: timed(["-e", "0"]),
  })).slice(1);
  return {
    plugin: spreadOf(pairs.map((pair) => pair.plugin)),
    empty: spreadOf(pairs.map((pair) => pair.empty)),
    ratio: spreadOf(pairs.map((pair) => pair.plugin / pair.empty)),
  };
}

function timed(args: readonly string[]): number {
  const begun = performance.now();
  execFileSync(process.execPath, args, { stdio: "ignore" });
  return performance.now() - begun;
}

export function residentMb(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1] ?? Number.NaN) / 1024;
}

/** Resolved incidents of the past, written as the store would have. */
function fill(path: string, incidents: number): void {
  const db = new Database(path);
  const insert = db.prepare(
    `INSERT INTO incidents (id, card_id, key, alertname, severity, namespace, target, state, route, allow, mode, labels, annotations, group_keys, investigation, started_at, updated_at, resolved_at)
     VALUES (@id, @id, @id, 'KubePodCrashLooping', 'warning', 'shop', 'deployment/checkout', 'resolved', 'diagnose', '[]', 'enforce', '{}', '{}', '[]', 'done', @at, @at, @at)`,
  );
  db.transaction(() => {
    for (let n = 0; n < incidents; n++)
      insert.run({ id: `past-${n}`, at: new Date(Date.UTC(2026, 0, 1) + n * 1_000).toISOString() });
  })();
  db.close();
}
