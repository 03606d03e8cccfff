import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { type ProposalState, proposalMoves } from "../shared/approval.ts";
import type { AuditStatus } from "../shared/audit.ts";
import type { HttpMetrics } from "./http/services.ts";
import type { LeaderState } from "./leader.ts";
import type { Backlog, OutboxMetrics } from "./outbox.ts";
import type { Store } from "./store.ts";

/** The stages of SPEC 3, in their order: the only values of the label `stage`. */
type Stage = "ingest" | "receive" | "investigate" | "propose" | "gate" | "execute" | "verify" | "deliver";

/** What is true right now; asked for at each scrape. */
export interface Snapshot {
  /** Deliveries not worked on yet. */
  queued: number;
  openIncidents: number;
  proposals: Readonly<Partial<Record<ProposalState, number>>>;
  backlog: readonly Backlog[];
  links: readonly { channel: string; connected: boolean }[];
  leader: LeaderState;
  paused: boolean;
  /** Size of the store's file with its log, in bytes. */
  storeBytes: number;
  auditRecords: number;
}

export interface Metrics {
  readonly http: HttpMetrics;
  readonly outbox: OutboxMetrics;
  /** Counts and times a piece of a stage's work; a throw is counted as `failed` and passed on. */
  timed<T>(stage: Stage, work: () => Promise<T>): Promise<T>;
  delivery(outcome: DeliveryOutcome, alerts: number): void;
  investigation(by: "rules" | "model" | "memory", tokens: number): void;
  /** One audit record that was committed; the verb of its action type is the label. */
  step(actionType: string, status: AuditStatus): void;
}

/** What became of a webhook delivery. */
export type DeliveryOutcome =
  | "accepted"
  | "repeat"
  | "unauthenticated"
  | "invalid"
  | "too_large"
  | "unsupported"
  | "unavailable";

/**
 * Everything under `/metrics`, prefix `steward_`. Every label has a closed set of values, so no alert, user or object can make
 * the number of series grow.
 */
export function createMetrics(options: { version: string; now: () => Date; snapshot: () => Snapshot | null }): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix: "steward_" });

  new Gauge({
    name: "steward_build_info",
    help: "1, with the version that runs.",
    labelNames: ["version"],
    registers,
  }).set({ version: options.version }, 1);

  const requests = new Histogram({
    name: "steward_http_request_seconds",
    help: "Time to answer a request, by route pattern, method and class of status.",
    labelNames: ["route", "method", "status"],
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    registers,
  });
  const work = new Histogram({
    name: "steward_stage_seconds",
    help: "Time of one piece of work of a stage, by stage and outcome.",
    labelNames: ["stage", "outcome"],
    buckets: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 900],
    registers,
  });
  const deliveries = counter("steward_webhook_deliveries_total", "Webhook deliveries, by what became of them.", [
    "outcome",
  ]);
  const alerts = counter("steward_alerts_total", "Alerts in accepted deliveries.", []);
  const investigations = counter("steward_investigations_total", "Investigations that ended, by who diagnosed.", [
    "by",
  ]);
  const tokens = counter("steward_model_tokens_total", "Tokens used by investigations.", []);
  const steps = counter("steward_steps_total", "Steps on the audit trail, by verb and status.", ["verb", "status"]);
  const sent = counter("steward_deliveries_total", "Cards and lines given to a channel, by outcome.", [
    "channel",
    "outcome",
  ]);

  const gauge = (
    name: string,
    help: string,
    labelNames: readonly string[],
    set: (gauge: Gauge, now: Snapshot) => void,
  ) =>
    new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers,
      collect() {
        this.reset();
        const now = options.snapshot();
        if (now !== null) set(this, now);
        else if (labelNames.length === 0) this.remove();
      },
    });
  gauge("steward_queue_size", "Deliveries not worked on yet.", [], (it, now) => it.set(now.queued));
  gauge("steward_open_incidents", "Incidents that are open.", [], (it, now) => it.set(now.openIncidents));
  gauge("steward_proposals", "Proposals that are not finished, by state.", ["state"], (it, now) => {
    for (const state of unfinished) it.set({ state }, now.proposals[state] ?? 0);
  });
  gauge("steward_outbox_size", "Cards and lines not delivered yet, by channel.", ["channel"], (it, now) => {
    for (const { channel, queued } of now.backlog) it.set({ channel }, queued);
  });
  gauge("steward_outbox_oldest_seconds", "Age of the oldest undelivered item, by channel.", ["channel"], (it, now) => {
    for (const { channel, oldest } of now.backlog) {
      it.set({ channel }, oldest === null ? 0 : Math.max(0, options.now().getTime() - oldest.getTime()) / 1_000);
    }
  });
  gauge("steward_channel_connected", "1 while a channel's link is up, else 0.", ["channel"], (it, now) => {
    for (const { channel, connected } of now.links) it.set({ channel }, connected ? 1 : 0);
  });
  gauge("steward_lease", "1 for the state the Lease is in.", ["state"], (it, now) => {
    for (const state of ["holding", "standby", "unknown"] as const) it.set({ state }, now.leader === state ? 1 : 0);
  });
  gauge("steward_paused", "1 while the stop switch is on, else 0.", [], (it, now) => it.set(now.paused ? 1 : 0));
  gauge("steward_store_bytes", "Size of the store.", [], (it, now) => it.set(now.storeBytes));
  gauge("steward_audit_records", "Number of the newest audit record.", [], (it, now) => it.set(now.auditRecords));

  return {
    http: {
      async expose() {
        return { contentType: registry.contentType, text: await registry.metrics() };
      },
      request(route, method, status, seconds) {
        requests.observe({ route, method, status: `${Math.floor(status / 100)}xx` }, seconds);
      },
    },
    outbox: {
      delivered: (channel) => sent.inc({ channel, outcome: "delivered" }),
      failed: (channel) => sent.inc({ channel, outcome: "failed" }),
      dead: (channel) => sent.inc({ channel, outcome: "dead" }),
      digested: (channel, cards) => sent.inc({ channel, outcome: "digested" }, cards),
    },
    async timed(stage, piece) {
      const end = work.startTimer({ stage });
      try {
        const result = await piece();
        end({ outcome: "done" });
        return result;
      } catch (error) {
        end({ outcome: "failed" });
        throw error;
      }
    },
    delivery(outcome, count) {
      deliveries.inc({ outcome });
      if (outcome === "accepted") alerts.inc(count);
    },
    investigation(by, used) {
      investigations.inc({ by });
      tokens.inc(used);
    },
    step(actionType, status) {
      const verb = actionType.split("_", 1)[0] ?? "";
      steps.inc({ verb: verbs.has(verb) ? verb : "other", status });
    },
  };

  function counter(name: string, help: string, labelNames: readonly string[]): Counter {
    return new Counter({ name, help, labelNames: [...labelNames], registers });
  }
}

/** The same store, whose audit records are counted once they are on disk. */
export function countSteps(store: Store, metrics: Pick<Metrics, "step">): Store {
  return {
    ...store,
    audit: {
      ...store.audit,
      append(entry) {
        const record = store.audit.append(entry);
        store.afterCommit(() => metrics.step(record.action_type, record.status));
        return record;
      },
    },
  };
}

const unfinished = (Object.keys(proposalMoves) as ProposalState[]).filter((state) =>
  proposalMoves[state].some((next) => next !== "undone"),
);

/** First words of the action types of SPEC 13. */
const verbs = new Set([
  "approve",
  "ask",
  "cancel",
  "claim",
  "deny",
  "escalate",
  "execute",
  "expire",
  "export",
  "gate",
  "ignore",
  "incident",
  "investigate",
  "login",
  "logout",
  "pause",
  "policy",
  "propose",
  "prune",
  "refuse",
  "renew",
  "resume",
  "setup",
  "stale",
  "undo",
  "user",
  "verify",
  "withdraw",
]);
