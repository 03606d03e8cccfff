import { statSync } from "node:fs";
import { join } from "node:path";
import { renderTerminal } from "../cards/render/terminal.ts";
import { proposalMoves } from "../shared/approval.ts";
import { StewardError } from "../shared/errors.ts";
import { termsOf } from "../shared/policy.ts";
import { redactObject, redactText } from "../shared/redact.ts";
import { createAlertmanager } from "./adapters/alertmanager.ts";
import { createPrometheus } from "./adapters/prometheus.ts";
import { createAudit } from "./audit.ts";
import { createBackground } from "./background.ts";
import { scheduleBackups } from "./backup.ts";
import { createChannels } from "./channels/index.ts";
import { createChat } from "./chat.ts";
import type { Config } from "./config.ts";
import { createDigest } from "./digest.ts";
import type { Alertmanager, Clock, Cluster, Log } from "./edges.ts";
import { createExecute } from "./execute.ts";
import { createExpression } from "./expression.ts";
import { createGate } from "./gate.ts";
import { createHeartbeat } from "./heartbeat.ts";
import type { Backend } from "./http/route.ts";
import type { Readiness, Services } from "./http/services.ts";
import { createIdentity } from "./identity.ts";
import { createIncidents } from "./incident.ts";
import { createIngest } from "./ingest/alertmanager.ts";
import { createInvestigate } from "./investigate.ts";
import type { Leader } from "./leader.ts";
import { createLinkWatch } from "./link-watch.ts";
import { countSteps, type Metrics, type Snapshot } from "./metrics.ts";
import { createNotify } from "./notify.ts";
import { createOutbox } from "./outbox.ts";
import { createPipeline } from "./pipeline.ts";
import { playbookFor } from "./playbooks/index.ts";
import { createPolicy } from "./policy.ts";
import { createPropose } from "./propose.ts";
import { createQueue } from "./queue.ts";
import { createReconcile } from "./reconcile.ts";
import { scheduleRetention } from "./retention.ts";
import { createRights } from "./rights.ts";
import { createRootFinder } from "./root-object.ts";
import { createRouter } from "./router.ts";
import { createSafety } from "./safety.ts";
import { createSourceLink } from "./source-link.ts";
import { createStopSwitch } from "./stop-switch.ts";
import type { Store } from "./store.ts";
import { createToolbox } from "./tools/index.ts";
import { createVerify } from "./verify.ts";

/** Everything that needs the store: all stages, wired. */
export interface OpenBackend extends Backend {
  /** Recovers from how the last process ended, then lets work begin. Everything promised to be on disk is when it resolves. */
  begin(options: { adminPassword: string | null }): Promise<void>;
  checks(): Readiness["checks"];
  links(): Readiness["links"];
  snapshot(): Snapshot;
  /** Starts nothing new and waits for what runs, `ms` at the longest; the rest is taken up after the next start. */
  drain(ms: number): Promise<void>;
  /** Closes the store; nothing may use it any more. */
  close(): void;
}

export interface BackendDeps {
  config: Config;
  store: Store;
  cluster: Cluster;
  leader: Leader;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  ownNamespace: string | null;
  stopping: AbortSignal;
}

/** How far back a start looks for what was diagnosed and not proposed, in ms. */
const latelyMs = 10 * 60_000;
/** How long after a look that the cluster did not answer the next one follows, in ms. */
const lookAgainMs = { first: 5_000, longest: 5 * 60_000 } as const;
/** More investigations at once would only wait for the same API server; executions and verifications mostly wait. */
const atOnce = { investigations: 4, runs: 16 } as const;

export function openBackend(deps: BackendDeps): OpenBackend {
  const { config, cluster, leader, clock, log, metrics, ownNamespace, stopping } = deps;
  const { locale, timezone } = config;
  const store = countSteps(deps.store, metrics);
  const { read, act } = cluster;
  const prometheus = config.sources.prometheus === null ? null : createPrometheus(config.sources.prometheus);
  const alertmanager = config.sources.alertmanager === null ? null : createAlertmanager(config.sources.alertmanager);

  // What people see -------------------------------------------------------------------------------------------------
  const channels = createChannels({ settings: config.channels, locale, cards: store.cards, clock, log });
  const localeOf = new Map(channels.all.map((channel) => [channel.name, channel.locale ?? locale]));
  const router = createRouter({ channels: channels.all, routes: config.channels.routes });
  const notify = createNotify({
    store,
    router,
    channels: channels.all,
    locale,
    timezone,
    linkHosts: linkHostsOf(config),
    silences: alertmanager !== null,
    wake: () => outbox.wake(),
  });
  const outbox = createOutbox({
    store,
    channels: channels.all,
    digest: createDigest({ store, locale, localeOf: (channel) => localeOf.get(channel) ?? locale }),
    notice: (notice) => notify.notice(notice),
    locale,
    clock,
    log,
    metrics: metrics.outbox,
  });

  // From a wish to a measured outcome --------------------------------------------------------------------------------
  const safety = createSafety({ store, settings: config.safety, ownNamespace, locale, timezone });
  const stopSwitch = createStopSwitch({ store, safety, notify, locale });
  const propose = createPropose({ store, read, act, safety, notify, clock, approval: config.approval, locale });
  const gate = createGate({ store, read, safety, stopSwitch, notify, clock, log, locale });
  const expression = createExpression({ prometheus, store, clock, locale });
  const verify = createVerify({
    store,
    read,
    notify,
    expression,
    clock,
    log,
    settle: config.verify.settle,
    locale,
    stopping,
  });
  const runs = createBackground(atOnce.runs, log);
  const execute = createExecute({
    store,
    gate,
    read,
    act,
    leader,
    baseline: verify.baseline,
    verify: (proposalId) => runs.start(proposalId, () => verify.run(proposalId)),
    verifyTimeout: config.verify.timeout,
    notify,
    clock,
    log,
    locale,
    stopping,
  });

  // From an alert to a diagnosis --------------------------------------------------------------------------------------
  const policy = createPolicy({ store, configured: config.policy.rules, clock, timezone, locale });
  const incidents = createIncidents({
    store,
    findRoot: createRootFinder({ read, clock }),
    rules: policy.rules,
    notify,
    withdraw: gate.withdraw,
    alertmanager,
    clock,
    log,
    locale,
    timezone,
  });
  const investigate = createInvestigate({
    store,
    toolbox: createToolbox({ read, store, clock, ownNamespace, prometheus }),
    playbookFor,
    expression,
    notify,
    clock,
    log,
    locale,
  });
  const pipeline = createPipeline(
    {
      incidents: { receive: incidents.receive, get: store.incidents.get },
      investigate: { run: (id, signal) => metrics.timed("investigate", () => investigate.run(id, signal)) },
      propose: {
        propose: (wish) =>
          metrics.timed("propose", () => {
            const { roles, approvals, selfApproval, incidentTtl } = config.approval;
            const general = { roles, approvals, selfApproval, ttl: incidentTtl };
            const { ttl, ...requirement } = termsOf(policy.rules, wish.rule, general);
            return propose.propose({ ...wish, requirement, ttl }, stopping);
          }),
      },
      gate,
      execute: { run: (id) => metrics.timed("execute", () => execute.run(id, stopping)) },
      verify: { run: (id, signal) => metrics.timed("verify", () => verify.run(id, signal)) },
      begin: carryOut,
    },
    log,
    stopping,
  );
  const investigations = createBackground(atOnce.investigations, log);
  const lookInto = (incidentId: string, wait: number = lookAgainMs.first) =>
    investigations.start(incidentId, async () => {
      if (await pipeline.investigate(incidentId)) return;
      // Not in here: who waits for the cluster must not keep others from their first card.
      const again = () => {
        if (store.incidents.get(incidentId)?.state === "open")
          lookInto(incidentId, Math.min(2 * wait, lookAgainMs.longest));
      };
      clock.sleep(wait, stopping).then(again, () => undefined);
    });
  const queue = createQueue({
    ...config.queue,
    store,
    async work(receiptId) {
      for (const incidentId of await metrics.timed("receive", () => pipeline.receive(receiptId))) lookInto(incidentId);
    },
    notify,
    clock,
    log,
    locale,
  });
  const heartbeat = createHeartbeat({ store, notify, clock, locale });
  const ingest = createIngest({
    store,
    config: config.webhook,
    queue,
    heartbeat,
    redact: { text: redactText, object: redactObject },
    notify,
    clock,
    log,
    metrics,
    locale,
  });

  // What lies outside and is asked again and again -----------------------------------------------------------------------
  const about = { store, notify, clock, log, locale };
  const sources = [
    ...(prometheus === null
      ? []
      : [createSourceLink({ ...about, name: "prometheus", look: (signal) => prometheus.probe(signal) })]),
    ...(alertmanager === null
      ? []
      : [createSourceLink({ ...about, name: "alertmanager", look: reconcileWith(alertmanager) })]),
  ];
  function reconcileWith(source: Alertmanager) {
    const { found } = ingest;
    return createReconcile({ alertmanager: source, store, found, end: incidents.end, clock, log }).run;
  }

  // Who asks, and what is proved --------------------------------------------------------------------------------------
  const identity = createIdentity({
    store,
    clock,
    log,
    sessionTtl: config.auth.sessionTtl,
    setupSecret: { self: cluster.self, namespace: ownNamespace ?? "steward" },
    refreshProposal: (proposalId) => notify.proposal(proposalId),
  });
  const audit = createAudit({
    store,
    clock,
    signingKey: config.audit.signingKey,
    keepFor: config.retention.audit,
    publish: (checkpoint) => {
      if (config.audit.checkpoints.stdout) log.info("audit checkpoint", { checkpoint });
    },
  });

  const rights = createRights({ store, read, locale });
  const services: Services = {
    ingest,
    incidents,
    propose,
    gate: {
      ...gate,
      async decide(idOrCode, verdict) {
        await rights.demand(idOrCode, verdict);
        return gate.decide(idOrCode, verdict);
      },
    },
    carryOut,
    audit,
    policy,
    cards: {
      subscribe: (afterSeq, onCard) => channels.terminal.subscribe(afterSeq, onCard),
      text: (card) => renderTerminal(card, { expanded: true, now: clock.now() }),
    },
    identity,
  };
  const linkWatch = createLinkWatch({ store, channels: channels.all, notify, clock, locale, timezone });
  const chat = createChat({
    store,
    identity,
    services,
    read,
    router,
    unlinked: config.auth.unlinked,
    localeOf: (channel) => localeOf.get(channel) ?? locale,
    timezone,
    links: linksOutside,
    wake: () => outbox.wake(),
    clock,
    log,
  });
  const endings: (() => void | Promise<void>)[] = [];

  return { services, store, begin, checks, links, snapshot, drain, close };

  function carryOut(proposalId: string): void {
    runs.start(proposalId, () => pipeline.carryOut(proposalId));
  }

  async function begin({ adminPassword }: { adminPassword: string | null }): Promise<void> {
    await execute.recover();
    verify.resumeAll();
    await identity.begin({ adminPassword });
    policy.noteLoaded();
    for (const channel of channels.all) await channel.start(chat);
    outbox.start();
    queue.refill();
    const lately = new Date(clock.now().getTime() - latelyMs);
    for (const incidentId of store.incidents.toInvestigate(lately)) lookInto(incidentId);
    runs.start("what was proposed before the start", () => pipeline.takeUp(store.proposals.inState("pending")));
    const following = new AbortController();
    const followed = Promise.all(sources.map((source) => source.follow(following.signal)));
    endings.push(
      () => {
        following.abort();
        return followed.then(() => undefined);
      },
      clock.every(1_000, () => {
        gate.expire();
        stopSwitch.endDue();
      }),
      clock.every(5_000, () => {
        for (const incidentId of incidents.tick()) lookInto(incidentId);
        heartbeat.tick();
        linkWatch.tick();
      }),
      audit.start(),
      scheduleBackups({ ...config.backup, dir: config.backup.dir ?? join(config.data, "backups"), store, clock, log }),
      scheduleRetention({ ...config.retention, store, clock, log }),
      () => identity.stop(),
    );
  }

  function checks(): Readiness["checks"] {
    return [
      check("store", () => store.probe()),
      { name: "lease", ok: leader.state() !== "standby", text: leader.state() },
    ];
  }

  function links(): Readiness["links"] {
    return linksOutside().map(({ name, link: { state, since, detail } }) => ({
      name,
      state,
      since: since.toISOString(),
      detail,
    }));
  }

  function linksOutside() {
    return [
      ...channels.all.map((channel) => ({ name: channel.name, link: channel.link() })),
      ...sources.map((source) => ({ name: source.name, link: source.state() })),
    ];
  }

  function snapshot(): Snapshot {
    const unfinished = Object.entries(proposalMoves).filter(([, moves]) => moves.some((next) => next !== "undone"));
    return {
      queued: store.receipts.countQueued(),
      openIncidents: store.incidents.countOpen(),
      proposals: Object.fromEntries(
        unfinished.map(([state]) => [state, store.proposals.inState(state as keyof typeof proposalMoves).length]),
      ),
      backlog: outbox.backlog(),
      links: channels.all.map((channel) => ({
        channel: channel.name,
        connected: channel.link().state === "connected",
      })),
      leader: leader.state(),
      paused: store.pauses.open().length > 0,
      storeBytes: sizeOf(store.path) + sizeOf(`${store.path}-wal`),
      auditRecords: store.audit.head().seq,
    };
  }

  async function drain(ms: number): Promise<void> {
    for (const end of endings.splice(0)) await end();
    const done = new AbortController();
    const work = Promise.all([
      queue.drain(ms),
      investigations.drain(),
      runs.drain(),
      execute.idle(),
      verify.idle(),
      incidents.idle(),
    ]);
    const late = clock.sleep(ms, done.signal).then(
      () => log.warn("stopping with work under way; it is taken up after the next start"),
      () => undefined,
    );
    await Promise.race([work, late]);
    done.abort();
    await outbox.stop();
    for (const channel of channels.all) await channel.stop();
  }

  function close(): void {
    store.close();
  }
}

/** Hosts that a link on a card may lead to (SPEC 10): those named for it, and the sources Steward itself asks. */
function linkHostsOf({ cards, sources }: Config): string[] {
  const own = [sources.prometheus, sources.loki, sources.alertmanager].flatMap((source) => source?.url ?? []);
  return [...cards.linkHosts, ...own.map((url) => new URL(url).host)];
}

function check(name: string, probe: () => void): { name: string; ok: boolean; text: string } {
  try {
    probe();
    return { name, ok: true, text: "ok" };
  } catch (error) {
    if (!(error instanceof StewardError)) throw error;
    return { name, ok: false, text: error.message };
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
