import { mkdtempSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClock } from "../bot/adapters/clock.ts";
import { createCluster } from "../bot/adapters/kubernetes.ts";
import { openStore } from "../bot/adapters/sqlite.ts";
import type { Clock, Cluster, Log, Prometheus } from "../bot/edges.ts";
import { createExpression } from "../bot/expression.ts";
import { createInvestigate, type Investigate } from "../bot/investigate.ts";
import { playbookFor } from "../bot/playbooks/index.ts";
import type { Playbook } from "../bot/playbooks/playbook.ts";
import { type Manifest, type Sandbox, startSandbox, type World } from "../bot/sandbox/index.ts";
import type { Store } from "../bot/store.ts";
import { createToolbox, type Toolbox, type ToolRun } from "../bot/tools/index.ts";
import { newCardId, newId } from "../shared/ids.ts";
import type { Incident } from "../shared/incident.ts";
import type { Locale } from "../shared/locale.ts";

/** A sandbox cluster with the real client, tools, playbooks and store before it. */
export interface Lab {
  readonly sandbox: Sandbox;
  readonly cluster: Cluster;
  readonly store: Store;
  readonly toolbox: Toolbox;
  readonly investigate: Investigate;
  /** What the incident's card would be told, in order: the investigation's state, its facts and its conclusion. */
  readonly told: readonly { investigation: string; facts: readonly string[]; conclusion: string | null }[];
  /** Looks of one run. */
  looks(signal?: AbortSignal): ToolRun;
  incident(given: Partial<Incident>): Incident;
  kubeconfig(user?: string): string;
  stop(): Promise<void>;
}

export const namespace = "payment";

export interface LabOptions {
  world?: World;
  speed?: number;
  locale?: Locale;
  budgetMs?: number;
  clock?: Clock;
  /** User name to read as. */
  reader?: string;
  playbook?: Playbook;
  bytesPerResult?: number;
  prometheus?: Prometheus;
}

export const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };

export async function openLab(options: LabOptions = {}): Promise<Lab> {
  const { world = {}, speed = 4, locale = "en", clock = createClock(), reader = null, playbook } = options;
  const folder = mkdtempSync(join(tmpdir(), "steward-lab-"));
  const sandbox = await startSandbox({
    speed,
    world: { ...world, objects: [node(), space(namespace), ...(world.objects ?? [])] },
  });
  const store = openStore({
    path: join(folder, "steward.db"),
    clock,
    holder: "test",
    migrations: join(import.meta.dirname, "../bot/adapters/sqlite"),
  });
  const kubeconfig = (user?: string) => {
    const path = join(folder, `${user ?? "admin"}.kubeconfig`.replaceAll(":", "-"));
    writeFileSync(path, sandbox.kubeconfig(user));
    return path;
  };
  const cluster = createCluster({
    kubeconfig: kubeconfig(),
    context: null,
    identities: { read: reader, act: null },
    clock,
    log: quiet,
    env: {},
  });
  const prometheus = options.prometheus ?? null;
  const limits = options.bytesPerResult === undefined ? {} : { limits: { bytesPerResult: options.bytesPerResult } };
  const toolbox = createToolbox({ read: cluster.read, store, clock, ownNamespace: "steward", prometheus, ...limits });
  const told: { investigation: string; facts: readonly string[]; conclusion: string | null }[] = [];
  const investigate = createInvestigate({
    store,
    toolbox,
    playbookFor: playbook === undefined ? playbookFor : () => playbook,
    notify: {
      incident(id) {
        const seen = store.incidents.get(id);
        if (seen !== null)
          told.push({
            investigation: seen.investigation,
            facts: seen.facts,
            conclusion: seen.diagnosis?.conclusion ?? null,
          });
      },
    },
    expression: createExpression({ prometheus, store, clock, locale }),
    clock,
    log: quiet,
    locale,
    ...(options.budgetMs === undefined ? {} : { budgetMs: options.budgetMs }),
  });
  return {
    sandbox,
    cluster,
    store,
    toolbox,
    investigate,
    told,
    kubeconfig,
    looks(signal = new AbortController().signal) {
      const investigationId = store.transact(() =>
        store.evidence.begin({ incidentId: null, by: "rules", model: null }),
      );
      return toolbox.open({ incidentId: null, investigationId, signal });
    },
    incident(given) {
      const incident = { ...blankIncident(clock.now()), ...given };
      store.transact(() => store.incidents.insert(incident));
      return incident;
    },
    async stop() {
      await sandbox.stop();
      store.close();
      await rm(folder, { recursive: true });
    },
  };
}

function blankIncident(now: Date): Incident {
  const id = newId();
  return {
    id,
    cardId: newCardId(),
    key: id,
    alertname: "KubePodCrashLooping",
    severity: "warning",
    namespace,
    target: "deployment/checkout",
    root: null,
    state: "open",
    route: "diagnose",
    rule: null,
    allow: [],
    mode: "enforce",
    labels: {},
    annotations: {},
    groupKeys: [],
    late: false,
    flapping: false,
    claimedBy: null,
    joined: null,
    previousId: null,
    investigation: "queued",
    facts: [],
    diagnosis: null,
    startedAt: now,
    updatedAt: now,
    resolvedAt: null,
    ignoredUntil: null,
  };
}

export function space(name: string): Manifest {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name } };
}

export function node(name = "node-1"): Manifest {
  const capacity = { cpu: "4", memory: "8Gi", pods: "110" };
  const ready = { type: "Ready", status: "True", reason: "KubeletReady" };
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name },
    status: { capacity, allocatable: capacity, conditions: [ready] },
  };
}

/** A Deployment whose one container is called `app`. */
export function deployment(
  image: string,
  container: Record<string, unknown> = {},
  spec: Record<string, unknown> = {},
): Manifest {
  const name = "checkout";
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace },
    spec: {
      replicas: 3,
      progressDeadlineSeconds: 5,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: "app", image, ...container }] } },
      ...spec,
    },
  };
}
