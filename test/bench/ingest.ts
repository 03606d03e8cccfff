/**
 * Durable ingest against a handler that only parses the same body, in one run (SPEC 16: at least 0.2 times its requests/s, 0.5 is the aim).
 * `npx tsx test/bench/ingest.ts` measures the bundle.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startSandbox } from "../../bot/sandbox/index.ts";
import { startBotProcess } from "../bot-process.ts";
import { until } from "../until.ts";
import { quantile, type Spread, spreadOf, writeSpread } from "./figures.ts";
import { type Load, load } from "./load.ts";

export interface IngestFigures {
  /** Requests/s of the handler that only parses, and of the durable one. */
  empty: Spread;
  durable: Spread;
  ratio: Spread;
  /** Time to the 202, 99th percentile, in ms. */
  p99: Spread;
  /** Answers that were no 202. */
  refused: number;
}

const connections = 50;
/** Alerts of a run are about so many pods, in so many groups. */
const pods = 1_000;
const groups = 100;

/** Two alerts as kube-prometheus sends them; every delivery is another one. */
export function deliveryBody(n: number): string {
  const startsAt = new Date(Date.UTC(2026, 0, 1) + n * 1_000).toISOString();
  const group = n % groups;
  const alert = (pod: number) => ({
    status: "firing",
    labels: {
      alertname: "KubePodCrashLooping",
      container: "app",
      endpoint: "https-main",
      instance: "10.244.0.9:8443",
      job: "kube-state-metrics",
      namespace: `team-${group}`,
      pod: `app-${pod}`,
      prometheus: "monitoring/k8s",
      reason: "CrashLoopBackOff",
      service: "kube-state-metrics",
      severity: "warning",
      uid: `0b9c1d52-7b43-4c60-8f0a-${String(pod).padStart(12, "0")}`,
    },
    annotations: {
      description: `Pod team-${group}/app-${pod} (app) is in waiting state (reason: "CrashLoopBackOff") on cluster .`,
      runbook_url: "https://runbooks.prometheus-operator.dev/runbooks/kubernetes/kubepodcrashlooping",
      summary: "Pod is crash looping.",
    },
    startsAt,
    endsAt: "0001-01-01T00:00:00Z",
    generatorURL: "http://prometheus-k8s-0:9090/graph?g0.expr=max_over_time%28kube_pod_container_status_waiting_reason",
    fingerprint: (n * 7 + pod).toString(16).padStart(16, "0"),
  });
  return JSON.stringify({
    receiver: "steward",
    status: "firing",
    alerts: [alert(n % pods), alert((n + 1) % pods)],
    groupLabels: { namespace: `team-${group}` },
    commonLabels: { alertname: "KubePodCrashLooping", severity: "warning" },
    commonAnnotations: {},
    externalURL: "http://alertmanager-main:9093",
    version: "4",
    groupKey: `{}:{namespace="team-${group}"}`,
    truncatedAlerts: 0,
  });
}

export async function measureIngest(runs: number, ms: number): Promise<IngestFigures> {
  const pairs = [];
  for (let run = 0; run <= runs; run++) pairs.push({ empty: await loadEmpty(ms), durable: await loadBot(ms) });
  const kept = pairs.slice(1); // the first warms the machine
  return {
    empty: spreadOf(kept.map(({ empty }) => empty.perSecond)),
    durable: spreadOf(kept.map(({ durable }) => durable.perSecond)),
    ratio: spreadOf(kept.map(({ empty, durable }) => durable.perSecond / empty.perSecond)),
    p99: spreadOf(kept.map(({ durable }) => quantile(durable.times, 0.99))),
    refused: kept.reduce((sum, { durable }) => sum + durable.times.length - (durable.statuses[202] ?? 0), 0),
  };
}

async function loadEmpty(ms: number): Promise<Load> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "empty-handler.ts")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [port] = (await once(child.stdout, "data")) as [Buffer];
  try {
    const url = new URL(`http://127.0.0.1:${port.toString().trim()}/`);
    return await load(url, { connections, ms, headers: [], body: deliveryBody });
  } finally {
    child.kill();
    await once(child, "exit");
  }
}

async function loadBot(ms: number): Promise<Load> {
  const folder = mkdtempSync(join(tmpdir(), "steward-ingest-"));
  const sandbox = await startSandbox();
  try {
    const kubeconfig = join(folder, "kubeconfig");
    writeFileSync(kubeconfig, sandbox.kubeconfig(), { mode: 0o600 });
    const bot = await startBotProcess(folder, {
      cluster: { kubeconfig },
      data: join(folder, "data"),
      http: { host: "127.0.0.1", port: 0 },
      webhook: { bearerToken: "bench" },
      queue: { capacity: 1_000_000 },
    });
    await until("ready", async () => (await fetch(new URL("/readyz", bot.url))).status === 200);
    const url = new URL("/api/v1/webhook/alertmanager", bot.url);
    const headers = ["authorization: Bearer bench"];
    const answer = await load(url, { connections, ms, headers, body: deliveryBody });
    await bot.kill("SIGKILL");
    return answer;
  } finally {
    await sandbox.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { empty, durable, ratio, p99, refused } = await measureIngest(3, 5_000);
  console.log(`empty handler  ${writeSpread(empty, "requests/s")}`);
  console.log(
    `durable ingest ${writeSpread(durable, "requests/s")}, p99 ${writeSpread(p99, "ms")}, ${refused} refused`,
  );
  console.log(`ratio          ${writeSpread(ratio, "x")}`);
}
