/** The way of an alert up to its incident, over a real store: ingest, queue, incidents, and a desk that shows what people see. */
import type { IncomingHttpHeaders } from "node:http";
import type { Alertmanager } from "../bot/edges.ts";
import { createHeartbeat, type Heartbeat } from "../bot/heartbeat.ts";
import { createIncidents, type Incidents } from "../bot/incident.ts";
import { createIngest, type Ingest, type IngestAnswer } from "../bot/ingest/alertmanager.ts";
import type { CredentialsConfig } from "../bot/ingest/credentials.ts";
import type { DeliveryOutcome } from "../bot/metrics.ts";
import type { Notify } from "../bot/notify.ts";
import { createQueue, type Queue } from "../bot/queue.ts";
import type { FindRoot, FoundRoot } from "../bot/root-object.ts";
import type { WebhookBody } from "../shared/alert.ts";
import type { AuditRecord } from "../shared/audit.ts";
import type { Incident } from "../shared/incident.ts";
import { Rule, rulesInForce } from "../shared/policy.ts";
import { createRedactor, type Redactor } from "../shared/redact.ts";
import type { FakeClock } from "./clock.ts";
import { createFakeChat, type Desk, type FakeChat, openDesk } from "./desk.ts";
import { type FiredAlert, webhookBody } from "./payloads.ts";

export interface Intake extends Omit<Desk, "settle"> {
  folder: string;
  chat: FakeChat;
  ingest: Ingest;
  queue: Queue;
  incidents: Incidents;
  heartbeat: Heartbeat;
  /** Incidents that an investigation was asked for, in order. */
  wanted: string[];
  /** Proposals of which incidents were withdrawn, and why. */
  withdrawn: { incidentId: string; why: string }[];
  outcomes: Partial<Record<DeliveryOutcome, number>>;
  needs: { about: { incidentId?: string; proposalId?: string }; why: string; mention: readonly string[] | undefined }[];
  accept(body: unknown, headers?: IncomingHttpHeaders): Promise<IngestAnswer>;
  /** Delivers one group and waits until it was worked on; answers the receipt. */
  deliver(alerts: readonly FiredAlert[], groupKey?: string, more?: Partial<WebhookBody>): Promise<string>;
  settle(): Promise<void>;
  /** All incidents, in the order they began. */
  all(): Incident[];
  /** The only incident; fails when there is another number of them. */
  only(): Incident;
  audit(action?: string): AuditRecord[];
}

export interface IntakeOptions {
  folder?: string;
  clock?: FakeClock;
  rules?: readonly unknown[];
  credentials?: Partial<CredentialsConfig>;
  findRoot?: FindRoot;
  alertmanager?: Alertmanager;
  capacity?: number;
  workers?: number;
  redact?: Redactor;
  /** Stands in for the incidents' part of the work. */
  work?: (receiptId: string) => Promise<void>;
  /** Runs before the real work of a delivery. */
  before?: (receiptId: string) => Promise<void> | void;
}

export const token = "a-token-of-the-tests-0123456789abcdef";
export const json: IncomingHttpHeaders = { "content-type": "application/json", authorization: `Bearer ${token}` };

/** A cluster in which what the labels name exists as it is: pods of `checkout-…` belong to `deployment/checkout`. */
export const plainCluster: FindRoot = async (labels) => {
  const { namespace = null, pod, deployment, node } = labels as Record<string, string | undefined>;
  const found = (kind: string, name: string, within: string | null = namespace): FoundRoot => ({
    kind,
    namespace: within,
    name,
    uid: `uid-${kind}-${name}`,
    confirmed: true,
    nodeDown: false,
  });
  if (deployment !== undefined) return found("Deployment", deployment);
  if (pod !== undefined) return found("Deployment", pod.replace(/-.*$/, ""));
  return node === undefined ? null : found("Node", node, null);
};

export function openIntake(options: IntakeOptions = {}): Intake {
  const chat = createFakeChat("slack", { cardsPerHour: null });
  const desk = openDesk({
    channels: [chat],
    ...(options.folder === undefined ? {} : { folder: options.folder }),
    ...(options.clock === undefined ? {} : { clock: options.clock }),
  });
  const { store, clock, log } = desk;
  const outcomes: Intake["outcomes"] = {};
  const needs: Intake["needs"] = [];
  const wanted: string[] = [];
  const withdrawn: Intake["withdrawn"] = [];
  const notify: Notify = {
    ...desk.notify,
    need(about, why, mention) {
      needs.push({ about, why, mention });
      desk.notify.need(about, why, mention);
    },
  };
  const incidents = createIncidents({
    store,
    findRoot: options.findRoot ?? plainCluster,
    rules: rulesInForce((options.rules ?? []).map((rule) => Rule.parse(rule))),
    notify,
    withdraw: (incidentId, why) => void withdrawn.push({ incidentId, why }),
    alertmanager: options.alertmanager ?? null,
    clock,
    log,
    locale: "en",
    timezone: "Asia/Shanghai",
  });
  const queue = createQueue({
    capacity: options.capacity ?? 1_000,
    workers: options.workers ?? 4,
    async work(id) {
      await options.before?.(id);
      if (options.work !== undefined) return options.work(id);
      wanted.push(...(await incidents.receive(id)));
    },
    store,
    notify,
    clock,
    log,
    locale: "en",
  });
  const heartbeat = createHeartbeat({ store, notify, clock, locale: "en" });
  const ingest = createIngest({
    store,
    config: { bearerToken: [token], basic: null, hmacSecret: null, insecure: false, ...options.credentials },
    queue,
    heartbeat,
    redact: options.redact ?? createRedactor({ key: "test", own: [token] }),
    notify,
    clock,
    log,
    metrics: {
      delivery(outcome) {
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      },
    },
    locale: "en",
  });

  const accept: Intake["accept"] = (body, headers = json) =>
    ingest.accept({
      headers,
      body: Buffer.isBuffer(body) ? body : Buffer.from(typeof body === "string" ? body : JSON.stringify(body)),
      remote: "10.0.0.9",
    });
  const all = () => store.incidents.page({ limit: 10_000, cursor: null, since: null }).items.reverse();

  return {
    ...desk,
    chat,
    ingest,
    queue,
    incidents,
    heartbeat,
    wanted,
    withdrawn,
    outcomes,
    needs,
    accept,
    async deliver(alerts, groupKey, more = {}) {
      const answer = await accept({ ...webhookBody(alerts, groupKey), ...more });
      if (answer.status !== 202) throw new Error(`answered ${answer.status}: ${JSON.stringify(answer.body)}`);
      await settle();
      return (answer.body as { receipt: string }).receipt;
    },
    settle,
    all,
    only() {
      const found = all();
      const [one] = found;
      if (found.length !== 1 || one === undefined)
        throw new Error(`${found.length} incidents: ${found.map(({ key }) => key).join("; ")}`);
      return one;
    },
    audit: (action) =>
      store.audit
        .page({ limit: 10_000, cursor: null, since: null, ...(action === undefined ? {} : { action }) })
        .items.reverse(),
    async close() {
      const drained = queue.drain(1_000);
      await clock.advance(1_000);
      await drained;
      const idle = incidents.idle();
      await clock.advance(60_000);
      await idle;
      await desk.close();
    },
  };

  async function settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await clock.advance(0);
  }
}
