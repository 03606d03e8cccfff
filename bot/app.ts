import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { StewardError } from "../shared/errors.ts";
import { kinds } from "../shared/kube.ts";
import { lint } from "../shared/policy-lint.ts";
import { createRedactor } from "../shared/redact.ts";
import { createCluster } from "./adapters/kubernetes.ts";
import { openStore } from "./adapters/sqlite.ts";
import { type OpenBackend, openBackend } from "./backend.ts";
import { type Config, ownSecrets } from "./config.ts";
import type { Clock, Log } from "./edges.ts";
import { createHttpServer } from "./http/server.ts";
import type { Readiness } from "./http/services.ts";
import { createLeader, type Leader } from "./leader.ts";
import { createMetrics } from "./metrics.ts";
import type { Store } from "./store.ts";
import { version } from "./version.ts";

export interface App {
  /**
   * Listens, and serves as soon as the Lease and the lock on the store are free. Resolves when it serves, or when it is known that it
   * stands by; `serving` then resolves when it serves. Both throw `unavailable` when the store cannot be used, and `start` what listening throws.
   */
  start(): Promise<{ port: number; serving: Promise<void> }>;
  /** Takes nothing new, lets what is under way come to a safe place within `ms`, and gives the Lease and the store back. */
  stop(ms: number): Promise<void>;
}

export interface AppEdges {
  clock: Clock;
  log: Log;
  env: Readonly<Record<string, string | undefined>>;
}

/** How often a standby looks whether the store is free, in ms. */
const lookEveryMs = 1_000;
/** A start does not wait longer for an API server that is gone, in ms. */
const firstLookMs = 2_000;
const inClusterNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
const leaseName = "steward";
/** The namespace the chart is installed in, unless somebody chose another. */
const usualNamespace = "steward";

/** The composition root: the only place that knows adapters and stages together. */
export function createApp(config: Config, { clock, log, env }: AppEdges): App {
  const stopping = new AbortController();
  const ownNamespace = namespaceOfPod(env);
  const redactor = createRedactor({ key: "steward", own: ownSecrets(config) });
  const cluster = createCluster({ ...config.cluster, clock, log, env });
  let phase: Readiness["state"] = "starting";
  let leader: Leader | null = null;
  let backend: OpenBackend | null = null;
  let ending: Promise<void> | null = null;
  const metrics = createMetrics({ version, now: () => clock.now(), snapshot: () => backend?.snapshot() ?? null });
  const http = createHttpServer({
    http: config.http,
    tls: tlsOf(config),
    readiness,
    clock,
    log,
    metrics: metrics.http,
  });

  return { start, stop };

  async function start(): Promise<{ port: number; serving: Promise<void> }> {
    warnOfUnbuilt(config, log);
    warnOfRules(config, log);
    const { port } = await http.start();
    const serving = serve();
    serving.catch(() => undefined); // who waits for it sees it
    await Promise.race([serving, untilStandby()]);
    return { port, serving };
  }

  async function serve(): Promise<void> {
    const holder = holderOf(config.data);
    leader = createLeader({
      self: cluster.self,
      clock,
      log,
      holder,
      namespace: await leaseNamespace(),
      name: leaseName,
    });
    await leader.start(stopping.signal);
    const store = await openWhenFree();
    backend = openBackend({
      config,
      store,
      cluster,
      leader,
      clock,
      log,
      metrics,
      ownNamespace,
      stopping: stopping.signal,
    });
    await backend.begin({ adminPassword: env["ADMIN_PASSWORD"] ?? null });
    http.attach(backend);
    phase = "ready";
  }

  /**
   * Where the Lease is kept: beside the pod, and outside a cluster where a Steward in it would keep its own, so that the two see each other.
   * Every cluster has `default`, for one that has no such namespace.
   */
  async function leaseNamespace(): Promise<string> {
    if (ownNamespace !== null) return ownNamespace;
    const ref = { type: kinds.namespace, namespace: null, name: usualNamespace };
    const looking = new AbortController();
    const found = await Promise.race([
      cluster.read.get(ref, looking.signal).catch(() => undefined),
      clock.sleep(firstLookMs, AbortSignal.any([looking.signal, stopping.signal])),
    ]);
    looking.abort();
    return found === null ? "default" : usualNamespace;
  }

  /** Two processes may want the same store for a moment, in a rolling update: the later one waits. */
  async function openWhenFree(): Promise<Store> {
    for (;;) {
      try {
        return openStore({ path: join(config.data, "steward.db"), clock, holder: holderOf(config.data), redactor });
      } catch (error) {
        if (!(error instanceof StewardError) || error.state !== "locked") throw error;
        phase = "standby";
        await clock.sleep(lookEveryMs, stopping.signal);
      }
    }
  }

  async function untilStandby(): Promise<void> {
    while (phase === "starting" && leader?.state() !== "standby") await clock.sleep(50, stopping.signal);
    if (phase === "starting") phase = "standby";
  }

  function readiness(): Readiness {
    const checks = backend?.checks() ?? [];
    const state = phase === "ready" && checks.some(({ ok }) => !ok) ? "degraded" : phase;
    return { ready: state === "ready", state, version, checks, links: backend?.links() ?? [] };
  }

  function stop(ms: number): Promise<void> {
    ending ??= end(ms);
    return ending;
  }

  async function end(ms: number): Promise<void> {
    phase = "stopping";
    http.detach();
    stopping.abort(new StewardError("unavailable", "Steward is stopping"));
    const open = backend;
    await Promise.all([http.stop(Math.min(ms, 5_000)), open?.drain(ms)]);
    await leader?.stop();
    open?.close();
  }
}

/** The same for every start in the same place, so that a restart after a crash need not wait for its own Lease to end. */
function holderOf(data: string): string {
  return `${hostname()}_${createHash("sha256").update(data).digest("hex").slice(0, 8)}`;
}

/** null outside a cluster. */
function namespaceOfPod(env: AppEdges["env"]): string | null {
  if (env["STEWARD_NAMESPACE"]) return env["STEWARD_NAMESPACE"];
  try {
    return readFileSync(inClusterNamespace, "utf8").trim();
  } catch {
    return null;
  }
}

function tlsOf({ http: { tls } }: Config): { cert: string; key: string } | null {
  return tls === null ? null : { cert: readFileSync(tls.cert, "utf8"), key: readFileSync(tls.key, "utf8") };
}

/** A setting that is read and does nothing would be a lie. */
function warnOfUnbuilt(config: Config, log: Log): void {
  const { channels, sources, auth } = config;
  const unbuilt = {
    model: config.model,
    "channels.dingtalk": channels.dingtalk,
    "channels.feishu": channels.feishu,
    "sources.loki": sources.loki,
    "sources.k8sgpt.command": sources.k8sgpt.command,
    "auth.oidc": auth.oidc,
    "audit.checkpoints.configMap": config.audit.checkpoints.configMap,
  };
  for (const [setting, value] of Object.entries(unbuilt)) {
    if (value !== null) log.warn("this setting is read, but this version does not use it yet", { setting });
  }
}

/** A rule that can never match, or a setting of one that does nothing, is said with its place (SPEC 17). */
function warnOfRules({ policy: { rules, places }, locale }: Config, log: Log): void {
  for (const { index, rule, text } of lint(rules, locale)) {
    const { file = null, line = null } = places[index] ?? {};
    log.warn("a rule of the policy cannot have been meant so", { rule, file, line, problem: text });
  }
}
