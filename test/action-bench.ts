import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Target } from "../bot/actions/definition.ts";
import { createClock } from "../bot/adapters/clock.ts";
import { createCluster } from "../bot/adapters/kubernetes.ts";
import { openStore } from "../bot/adapters/sqlite.ts";
import type { Clock, ClusterWriter, Log } from "../bot/edges.ts";
import { createExecute, type Failpoint } from "../bot/execute.ts";
import { createExpression, type Expression } from "../bot/expression.ts";
import { createGate } from "../bot/gate.ts";
import type { Notify } from "../bot/notify.ts";
import { createPropose } from "../bot/propose.ts";
import { createSafety, type SafetySettings } from "../bot/safety.ts";
import { type ImageBehaviour, type Manifest, type Sandbox, startSandbox } from "../bot/sandbox/index.ts";
import { createStopSwitch } from "../bot/stop-switch.ts";
import type { Store } from "../bot/store.ts";
import { createVerify } from "../bot/verify.ts";
import type { Action } from "../shared/action.ts";
import type { Actor, Proposal, Role } from "../shared/approval.ts";
import { type AuditRecord, type ChainAnswer, walkChain } from "../shared/audit.ts";
import { newCardId, newCode, newId } from "../shared/ids.ts";
import type { Incident } from "../shared/incident.ts";

/** The stages from a wish to its verification, over a real store file and a sandbox cluster through the real client. */
export type Bench = Awaited<ReturnType<typeof startBench>>;

export interface BenchOptions {
  objects?: readonly Manifest[];
  images?: Readonly<Record<string, ImageBehaviour>>;
  safety?: Partial<SafetySettings>;
  settle?: number;
  verifyTimeout?: number;
  arrival?: number;
  locale?: "en" | "zh-CN";
  /** What Prometheus says of the alerts' own expressions; without it there is none to ask. */
  expression?: Expression["ask"];
  /** Whom the acting client impersonates; null: nobody. */
  actAs?: string;
  /** Another writer in front of the real one. */
  act?(real: ClusterWriter): ClusterWriter;
}

export const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

export const defaultSafety: SafetySettings = {
  maxAutoFixesPerHour: 3,
  protectedNamespaces: ["kube-public", "kube-node-lease"],
  protectionKey: "protection",
  autofixNamespaces: [],
  maxAffectedPods: 50,
  gitops: "refuse",
};

/** The system's clock, a settable time ahead. */
export function createShiftedClock(): Clock & { shift(ms: number): void } {
  const real = createClock();
  let ahead = 0;
  return {
    ...real,
    now: () => new Date(real.now().getTime() + ahead),
    shift: (ms) => {
      ahead += ms;
    },
  };
}

/** Remembers who was called for, and which cards were made anew. */
export function createRecordingNotify(): Notify & { needs: { proposalId: string; why: string }[]; notices: string[] } {
  const needs: { proposalId: string; why: string }[] = [];
  const notices: string[] = [];
  return {
    needs,
    notices,
    incident() {},
    proposal() {},
    need: ({ proposalId = "" }, why) => void needs.push({ proposalId, why }),
    notice: ({ title, lines }) => void notices.push([title, ...lines].join("\n")),
  };
}

export function openTemporaryStore(clock: Clock): { store: Store; path: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), "steward-bench-"));
  const path = join(folder, "steward.db");
  return {
    store: openStore({ path, clock, holder: "test" }),
    path,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** The audit records of an action or a proposal, oldest first. */
export function auditRecords(
  store: Pick<Store, "audit">,
  filter: { action?: string; proposal?: string } = {},
): AuditRecord[] {
  return store.audit.page({ limit: 10_000, cursor: null, since: null, ...filter }).items.reverse();
}

/** Walks the whole chain of a store. */
export function chainOf(store: Pick<Store, "audit">): ChainAnswer {
  const chain = walkChain(store.audit.root(), []);
  for (const record of auditRecords(store)) {
    const fault = chain.next(record);
    if (fault !== null) return fault;
  }
  return chain.end();
}

/** A user of the store, as one who acts on the terminal. */
export function addUser(store: Store, username: string, role: Role): Actor {
  const id = newId();
  store.transact((now) => store.users.insert({ id, username, passwordHash: null, role, createdAt: now }));
  return { userId: id, username, role, platform: "terminal", clientIp: "127.0.0.1" };
}

export const approvalSettings = {
  roles: ["admin"],
  approvals: 1,
  selfApproval: true,
  ttl: 15 * 60_000,
  incidentTtl: 2 * 3_600_000,
};

export async function startBench(options: BenchOptions = {}) {
  const sandbox = await startSandbox({
    world: { objects: options.objects ?? world(), images: { ...images, ...options.images } },
    speed: 10,
  });
  const clock = createShiftedClock();
  const { store, path, remove } = openTemporaryStore(clock);
  const kubeconfig = join(path, "..", "kubeconfig");
  writeFileSync(kubeconfig, sandbox.kubeconfig());
  const admin = addUser(store, "alice", "admin");
  const stopping = new AbortController();
  const open: { store: Store }[] = [{ store }];

  const bench = {
    sandbox,
    clock,
    store,
    path,
    admin,
    stopping,
    ...stages(store),
    /** Everything again over the same file and cluster, as after a crash of the process. */
    restart() {
      open.at(-1)?.store.close();
      const next = openStore({ path, clock, holder: "test" });
      open.push({ store: next });
      return { store: next, ...stages(next) };
    },
    async stop() {
      stopping.abort(new Error("the bench stops"));
      open.at(-1)?.store.close();
      await sandbox.stop();
      remove();
    },
  };
  return bench;

  function stages(over: Store, failpoint?: (at: Failpoint) => void | Promise<void>) {
    const cluster = createCluster({
      kubeconfig,
      context: null,
      identities: { read: null, act: options.actAs ?? null },
      clock: createClock(),
      log: silent,
    });
    const locale = options.locale ?? "en";
    const notify = createRecordingNotify();
    const act = options.act?.(cluster.act) ?? cluster.act;
    const read = cluster.read;
    const settings = { ...defaultSafety, ...options.safety };
    const safety = createSafety({ store: over, settings, ownNamespace: "steward", locale, timezone: "UTC" });
    const stopSwitch = createStopSwitch({ store: over, safety, notify, locale });
    const common = { store: over, read, notify, clock, log: silent, locale, stopping: stopping.signal };
    const gate = createGate({ ...common, safety, stopSwitch });
    const propose = createPropose({ ...common, act, safety, approval: approvalSettings });
    const expression = createExpression({ prometheus: null, store: over, clock, locale });
    const verify = createVerify({
      ...common,
      expression: { ask: options.expression ?? expression.ask },
      settle: options.settle ?? 300,
    });
    const leader = { holds: true, confirm: async () => leader.holds };
    const hooks: { failpoint: ((at: Failpoint) => void | Promise<void>) | undefined } = { failpoint };
    const execute = createExecute({
      ...common,
      gate,
      act,
      leader,
      baseline: verify.baseline,
      verify: (id) => void verify.run(id).catch(() => undefined),
      verifyTimeout: options.verifyTimeout ?? 20_000,
      arrival: options.arrival ?? 1_500,
      failpoint: (at) => hooks.failpoint?.(at),
    });
    return { cluster, notify, safety, gate, propose, verify, leader, execute, hooks };
  }
}

/** Writes that reached the cluster and were meant. The sandbox's own controllers do not come over HTTP. */
export function writes(sandbox: Sandbox) {
  return sandbox.requests().filter(({ method, dryRun }) => method !== "GET" && !dryRun);
}

export const images: Readonly<Record<string, ImageBehaviour>> = {
  "shop:1": { startupMs: 50, pullMs: 50, log: ["shop 1 is up"] },
  "shop:2": { startupMs: 50, pullMs: 50, log: ["shop 2 is up"] },
  "shop:broken": { startupMs: 50, pullMs: 50, exit: { code: 1, afterMs: 50, log: ["no database"] } },
  "shop:missing": { notFound: true },
};

export function namespace(name: string, labels: Readonly<Record<string, string>> = {}): Manifest {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } as Manifest["metadata"] };
}

export function deployment(
  place: { namespace: string; name: string; [more: string]: unknown },
  { image = "shop:1", replicas = 2, ...spec }: { image?: string; replicas?: number; [more: string]: unknown } = {},
): Manifest {
  const labels = { app: place.name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: place,
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: "app", image, resources: { limits: { memory: "512Mi" } } }] },
      },
      ...spec,
    },
  };
}

/** A node with room for everything. */
export function node(): Manifest {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "worker-1" },
    status: {
      allocatable: { cpu: "8", memory: "32Gi", pods: "110" },
      capacity: { cpu: "8", memory: "32Gi", pods: "110" },
      conditions: [{ type: "Ready", status: "True" }],
    },
  };
}

export function world(): Manifest[] {
  return [
    node(),
    namespace("payment"),
    namespace("dev", { env: "dev" }),
    deployment({ namespace: "payment", name: "checkout" }),
    deployment({ namespace: "dev", name: "web" }),
  ];
}

/** A target as the gate sees one, without a cluster. */
export function fakeTarget(more: Partial<Target> = {}): Target {
  const object = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "checkout", namespace: "payment", uid: "uid-1" },
    spec: { replicas: 2, template: { spec: { containers: [{ name: "app", image: "shop:1" }] } } },
  };
  return {
    ref: {
      type: { group: "apps", version: "v1", resource: "deployments", kind: "Deployment", namespaced: true },
      namespace: "payment",
      name: "checkout",
    },
    object,
    uid: "uid-1",
    owners: [],
    top: { kind: "Deployment", name: "checkout" },
    ownerKey: "payment/deployment/checkout",
    namespace: { apiVersion: "v1", kind: "Namespace", metadata: { name: "payment", labels: { env: "dev" } } },
    unreadable: [],
    pods: [],
    ...more,
  };
}

/** A pending proposal in the store, for what needs no cluster. */
export function insertProposal(store: Store, more: Partial<Proposal> = {}): Proposal {
  const action: Action = { kind: "restart", namespace: "payment", target: "deployment/checkout" };
  return store.transact((now) => {
    const proposal: Proposal = {
      id: newId(),
      code: newCode(8),
      op: newId(),
      incidentId: null,
      cardId: newCardId(),
      state: "pending",
      action,
      namespace: action.namespace,
      target: action.target,
      ownerKey: "payment/deployment/checkout",
      targetUid: "uid-1",
      summary: "Restart deployment/checkout",
      kubectl: "kubectl rollout restart deployment/checkout -n payment",
      diff: "",
      risk: "high",
      warnings: [],
      gate: { allowed: true, reasons: [], used: 0, limit: 3, nextAt: null },
      reason: null,
      request: null,
      digest: "0".repeat(64),
      inverse: null,
      origin: "person",
      requestedBy: "bob",
      requestedVia: "terminal",
      rule: null,
      derived: false,
      requirement: { roles: ["admin"], approvals: 1, selfApproval: true },
      undoOf: null,
      createdAt: now,
      updatedAt: now,
      expiresAt: new Date(now.getTime() + 900_000),
      ...more,
    };
    store.proposals.insert(proposal);
    return proposal;
  });
}

/** An open incident routed to autofix, about one deployment. */
export function insertIncident(store: Store, more: Partial<Incident> = {}): Incident {
  return store.transact((now) => {
    const incident: Incident = {
      id: newId(),
      cardId: newCardId(),
      key: newId(),
      alertname: "KubePodCrashLooping",
      severity: "warning",
      namespace: "dev",
      target: "deployment/web",
      root: { kind: "Deployment", namespace: "dev", name: "web", uid: null, confirmed: true },
      state: "open",
      route: "autofix",
      rule: "dev-restart-loops",
      allow: ["restart", "rollback"],
      mode: "enforce",
      labels: { alertname: "KubePodCrashLooping", namespace: "dev", env: "dev" },
      annotations: {},
      groupKeys: [],
      late: false,
      flapping: false,
      claimedBy: null,
      joined: null,
      previousId: null,
      investigation: "done",
      facts: [],
      diagnosis: null,
      startedAt: now,
      updatedAt: now,
      resolvedAt: null,
      ignoredUntil: null,
      ...more,
    };
    store.incidents.insert(incident);
    return incident;
  });
}
