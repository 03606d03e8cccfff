import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClock } from "../bot/adapters/clock.ts";
import { openStore } from "../bot/adapters/sqlite.ts";
import { createAudit } from "../bot/audit.ts";
import { createTerminal, type Terminal } from "../bot/channels/terminal.ts";
import type { Clock, Log } from "../bot/edges.ts";
import { createHttpServer, type HttpServer } from "../bot/http/server.ts";
import type { Readiness, Services } from "../bot/http/services.ts";
import { createIdentity, type IdentityModule } from "../bot/identity.ts";
import type { CardContent, Pause, Store, StoredCard } from "../bot/store.ts";
import type { Card } from "../cards/card.ts";
import type { Actor, Proposal, Role } from "../shared/approval.ts";
import { StewardError } from "../shared/errors.ts";
import { newCardId, newId } from "../shared/ids.ts";
import type { Incident } from "../shared/incident.ts";

/** The real HTTP server over the real store and identity. The stages behind it are stand-ins that keep state and leave audit records. */
export interface ApiServer {
  readonly url: string;
  readonly port: number;
  readonly store: Store;
  readonly http: HttpServer;
  readonly identity: IdentityModule;
  readonly services: Services;
  /** What was logged. */
  readonly logged: readonly { level: string; message: string; fields: Readonly<Record<string, unknown>> }[];
  /** Proposals handed over to be executed. */
  readonly carriedOut: readonly string[];
  /** Bodies the webhook took, and deliveries that were cut off. */
  readonly delivered: readonly Buffer[];
  readonly oversized: { count: number };
  readonly setupToken: string;
  readiness: Readiness;
  /** Changes the one card, or the card of a proposal. */
  putCard(state: string, proposalId?: string): StoredCard;
  putIncident(given?: Partial<Incident>): Incident;
  putProposal(given?: Partial<Proposal>): Proposal;
  stop(): Promise<void>;
}

export interface ApiServerOptions {
  clock?: Clock;
  tls?: { cert: string; key: string };
  /** Begins without a backend, as a standby does. */
  standby?: boolean;
  setupSecret?: { written: (string | null)[] };
}

/** What every test's admin is called, and the password of everybody. */
export const admin = "ada";
export const password = "correct horse";

export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const folder = mkdtempSync(join(tmpdir(), "steward-http-"));
  const clock = options.clock ?? createClock();
  const store = openStore({ path: join(folder, "steward.db"), clock, holder: "test" });
  const logged: { level: string; message: string; fields: Readonly<Record<string, unknown>> }[] = [];
  const log = recorder(logged);
  const { setupSecret } = options;
  const identity = createIdentity({
    store,
    clock,
    log,
    sessionTtl: 12 * 3_600_000,
    setupSecret:
      setupSecret === undefined
        ? null
        : {
            namespace: "steward",
            self: {
              readLease: async () => null,
              writeLease: async (lease) => lease,
              writeSetupToken: async (_namespace, token) => setupSecret.written.push(token) > 0,
            },
          },
    refreshProposal: () => {},
    passwordCost: 4,
  });
  await identity.begin({ adminPassword: null });
  const told = logged.map(({ fields }) => fields["setupToken"]).find((token) => typeof token === "string");
  const setupToken = typeof told === "string" ? told : (setupSecret?.written[0] ?? "");

  const carriedOut: string[] = [];
  const delivered: Buffer[] = [];
  const oversized = { count: 0 };
  const cards = createCards(store, clock, log);
  const services = standIns({ store, clock, identity, cards, carriedOut, delivered, oversized });
  const requests: string[] = [];
  const state: { readiness: Readiness } = { readiness: ready };
  const http = createHttpServer({
    http: { host: "127.0.0.1", port: 0 },
    tls: options.tls ?? null,
    readiness: () => state.readiness,
    clock,
    log,
    metrics: {
      expose: async () => ({
        contentType: "text/plain; version=0.0.4",
        text: `steward_http_requests ${requests.length}\n`,
      }),
      request: (route, method, status) => void requests.push(`${method} ${route} ${status}`),
    },
  });
  if (options.standby !== true) http.attach({ services, store });
  const { port } = await http.start();

  return {
    url: `${options.tls === undefined ? "http" : "https"}://127.0.0.1:${port}`,
    port,
    store,
    http,
    identity,
    services,
    logged,
    carriedOut,
    delivered,
    oversized,
    setupToken,
    get readiness() {
      return state.readiness;
    },
    set readiness(next) {
      state.readiness = next;
    },
    putCard: cards.put,
    putIncident(given = {}) {
      const incident = incidentWith(given, clock.now());
      store.transact(() => store.incidents.insert(incident));
      return incident;
    },
    putProposal(given = {}) {
      const proposal = proposalWith(given, clock.now());
      store.transact(() => store.proposals.insert(proposal));
      return proposal;
    },
    async stop() {
      identity.stop();
      await http.stop(1_000);
      store.close();
      if (process.env["KEEP_DB"] === undefined) await rm(folder, { recursive: true, force: true });
      else console.error(`kept ${folder}`);
    },
  };
}

/** One request; the answer with its JSON, or its text where it is none. */
export async function ask(
  url: string,
  method: string,
  path: string,
  options: { body?: unknown; cookie?: string; headers?: Readonly<Record<string, string>> } = {},
): Promise<{ status: number; body: Record<string, unknown>; text: string; headers: Headers; cookie: string }> {
  const { body, cookie, headers = {} } = options;
  const response = await fetch(new URL(path, url), {
    method,
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(cookie === undefined ? {} : { cookie }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    signal: AbortSignal.timeout(20_000),
  });
  const text = await response.text();
  const set = response.headers.getSetCookie()[0]?.split(";")[0] ?? "";
  return {
    status: response.status,
    body:
      response.headers.get("content-type")?.startsWith("application/json") === true
        ? (JSON.parse(text) as Record<string, unknown>)
        : {},
    text,
    headers: response.headers,
    cookie: set,
  };
}

/** Makes the first admin; answers its cookie. */
export async function setUp(server: ApiServer): Promise<string> {
  const answer = await ask(server.url, "POST", "/api/v1/setup", {
    body: { token: server.setupToken, username: admin, password },
  });
  if (answer.status !== 200) throw new Error(`setup answered ${answer.status}: ${answer.text}`);
  return answer.cookie;
}

/** Adds a user of a role and signs in as them; answers the cookie. */
export async function signInAs(server: ApiServer, adminCookie: string, username: string, role: Role): Promise<string> {
  await ask(server.url, "POST", "/api/v1/users", { cookie: adminCookie, body: { username, role, password } });
  const answer = await ask(server.url, "POST", "/api/v1/login", { body: { username, password } });
  if (answer.status !== 200) throw new Error(`login answered ${answer.status}: ${answer.text}`);
  return answer.cookie;
}

export const ready: Readiness = {
  ready: true,
  state: "ready",
  version: "0.0.0",
  checks: [{ name: "store", ok: true, text: "writable" }],
  links: [{ name: "kubernetes", state: "connected", since: "2026-01-05T09:00:00.000Z", detail: null }],
};

function recorder(into: { level: string; message: string; fields: Readonly<Record<string, unknown>> }[]): Log {
  const at =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}) =>
      void into.push({ level, message, fields });
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

interface Cards {
  put(state: string, proposalId?: string): StoredCard;
  readonly terminal: Terminal;
}

function createCards(store: Store, clock: Clock, log: Log): Cards {
  const id = newCardId();
  const terminal = createTerminal({ cards: store.cards, clock, log });
  return {
    terminal,
    put(state, proposalId) {
      const content: CardContent = {
        id: proposalId === undefined ? id : newCardId(),
        incidentId: null,
        proposalId: proposalId ?? null,
        state,
        urgent: false,
        card: noticeCard(state),
        translations: {},
      };
      const { stored } = store.transact(() => store.cards.put(content));
      void terminal.update("all", "all", content.card);
      return stored;
    },
  };
}

function noticeCard(state: string): Card {
  return {
    schema: 1,
    kind: "notice",
    locale: "en",
    tone: "info",
    title: "Notice",
    headline: [`state ${state}`],
    status: state,
    marks: [],
    lead: [],
    facts: [],
    sections: [],
    links: [],
    buttons: [],
    footer: "",
  };
}

function standIns(parts: {
  store: Store;
  clock: Clock;
  identity: IdentityModule;
  cards: Cards;
  carriedOut: string[];
  delivered: Buffer[];
  oversized: { count: number };
}): Services {
  const { store, clock, identity, cards, carriedOut, delivered, oversized } = parts;

  const record = (actor: Actor, actionType: string, proposalId: string | null = null) =>
    store.audit.append({
      userId: actor.userId,
      intent: null,
      actionType,
      targetResource: null,
      commandSnapshot: null,
      status: "SUCCESS",
      clientIp: actor.clientIp,
      platform: actor.platform,
      incidentId: null,
      proposalId,
      detail: null,
    });

  const switchState = () => ({ pauses: store.pauses.open(), breakerOpenSince: null });

  const findPending = (idOrCode: string): Proposal => {
    const proposal = store.proposals.find(idOrCode);
    if (proposal === null) throw new StewardError("not_found", "there is no such approval");
    return proposal;
  };

  const again = (idOrCode: string, actor: Actor, given: Partial<Proposal>): Proposal =>
    store.transact((now) => {
      const { id: _id, code: _code, op: _op, ...rest } = findPending(idOrCode);
      const proposal = proposalWith({ ...rest, state: "pending", requestedBy: actor.username, ...given }, now);
      store.proposals.insert(proposal);
      return proposal;
    });

  return {
    identity,
    cards: { subscribe: cards.terminal.subscribe, text: (card) => `card ${card.status}` },
    carryOut: (id) => void carriedOut.push(id),
    ingest: {
      async accept({ body }) {
        delivered.push(body);
        return { status: 202, headers: {}, body: { receipt: newId(), alerts: 1 } };
      },
      tooLarge() {
        oversized.count++;
      },
    },
    incidents: {
      ignore: (id, actor, forMs) =>
        store.transact((now) => {
          store.incidents.move(id, "open", "ignored", { ignoredUntil: new Date(now.getTime() + (forMs ?? 3_600_000)) });
          record(actor, "ignore_incident");
        }),
      silence: async () => undefined,
      claim: (id, actor) =>
        store.transact(() => {
          store.incidents.patch(id, { claimedBy: actor.username });
          record(actor, "claim_incident");
        }),
    },
    propose: {
      parse(line) {
        const match = /^kubectl scale deployment\/(\S+) --replicas=(\d+)$/.exec(line);
        if (match === null) throw new StewardError("not_understood", `not understood: ${line.split(" ")[1] ?? line}`);
        return { kind: "scale", namespace: "payment", target: `deployment/${match[1]}`, replicas: Number(match[2]) };
      },
      propose: async ({ action, actor, incidentId }) =>
        store.transact((now) => {
          const proposal = proposalWith(
            { action, target: action.target, namespace: action.namespace, requestedBy: actor.username, incidentId },
            now,
          );
          store.proposals.insert(proposal);
          record(actor, `propose_${action.kind}`, proposal.id);
          return proposal;
        }),
      undo: async (idOrCode, actor) => again(idOrCode, actor, { undoOf: findPending(idOrCode).id }),
      renew: async (idOrCode, actor) => again(idOrCode, actor, {}),
    },
    gate: {
      decide: (idOrCode, { verdict, reason, actor }) =>
        store.transact((now) => {
          const proposal = findPending(idOrCode);
          if (actor.role === null || !proposal.requirement.roles.includes(actor.role)) {
            throw new StewardError("forbidden", `this needs ${proposal.requirement.roles.join(" or ")}`);
          }
          if (proposal.state !== "pending") {
            const by = store.proposals.decisions(proposal.id)[0]?.user;
            throw new StewardError("conflict", `this is ${proposal.state} already`, {
              state: proposal.state,
              ...(by === undefined ? {} : { by }),
            });
          }
          const decision = {
            user: actor.username,
            userId: actor.userId ?? "",
            verdict,
            reason,
            at: now,
            platform: actor.platform,
          };
          store.proposals.addDecision(proposal.id, decision);
          store.proposals.move(proposal.id, "pending", verdict === "approve" ? "approved" : "denied");
          record(actor, `${verdict}_${proposal.action.kind}`, proposal.id);
          return { proposal, ready: verdict === "approve" };
        }),
      explain: async (target) => {
        if (target === "deployment/missing") throw new StewardError("not_found", "there is no deployment/missing");
        return {
          allowed: true,
          automatic: [],
          reasons: [],
          used: 2,
          limit: 3,
          nextAt: new Date("2026-01-05T10:00:00Z"),
        };
      },
      pause: ({ for: lasts, namespace, autofixOnly, reason }, actor) => {
        store.transact((now) => {
          const until = lasts === null ? null : new Date(now.getTime() + lasts);
          const pause: Pause = {
            id: newId(),
            namespace,
            autofixOnly,
            reason,
            by: actor.username,
            startedAt: now,
            until,
          };
          store.pauses.insert(pause);
          record(actor, "pause");
        });
        return switchState();
      },
      resume: (namespace, actor) => {
        store.transact(() => {
          for (const pause of store.pauses.open()) {
            if (namespace === null || pause.namespace === namespace) store.pauses.end(pause.id, actor.username);
          }
          record(actor, "resume");
        });
        return switchState();
      },
      state: switchState,
    },
    audit: createAudit({ store, clock, signingKey: null, keepFor: Number.POSITIVE_INFINITY, publish: () => {} }),
    policy: {
      test: () => [{ labels: { alertname: "X" }, rule: null, route: "diagnose", because: [] }],
      replay: () => [],
      show: () => ({ builtIn: true, rules: [{ name: "critical", route: "notify" }], warnings: [] }),
      lint: () => [{ rule: "never", text: "can never match" }],
    },
  };
}

function incidentWith(given: Partial<Incident>, now: Date): Incident {
  return {
    id: newId(),
    cardId: newCardId(),
    key: newId(),
    alertname: "KubePodCrashLooping",
    severity: "warning",
    namespace: "payment",
    target: "deployment/checkout",
    root: null,
    state: "open",
    route: "diagnose",
    rule: null,
    allow: [],
    mode: "enforce",
    labels: { alertname: "KubePodCrashLooping", namespace: "payment" },
    annotations: {},
    groupKeys: ["{}:{}"],
    late: false,
    flapping: false,
    claimedBy: null,
    joined: null,
    previousId: null,
    investigation: "none",
    facts: [],
    diagnosis: null,
    startedAt: now,
    updatedAt: now,
    resolvedAt: null,
    ignoredUntil: null,
    ...given,
  };
}

let codes = 0;

function proposalWith(given: Partial<Proposal>, now: Date): Proposal {
  const id = newId();
  return {
    id,
    code: `C${(++codes).toString().padStart(3, "0")}`,
    op: newId(),
    incidentId: null,
    cardId: null,
    state: "pending",
    action: { kind: "restart", namespace: "payment", target: "deployment/checkout" },
    namespace: "payment",
    target: "deployment/checkout",
    ownerKey: `payment/deployment/${id}`,
    targetUid: "uid-1",
    summary: "Restart deployment/checkout",
    kubectl: "kubectl rollout restart deployment/checkout -n payment",
    diff: "+ restartedAt",
    risk: "high",
    warnings: [],
    gate: { allowed: true, reasons: [], used: 0, limit: 3, nextAt: null },
    reason: null,
    request: null,
    digest: "0".repeat(64),
    inverse: null,
    origin: "person",
    requestedBy: "ada",
    requestedVia: "api",
    rule: null,
    derived: false,
    requirement: { roles: ["admin"], approvals: 1, selfApproval: true },
    undoOf: null,
    createdAt: now,
    updatedAt: now,
    expiresAt: new Date(now.getTime() + 900_000),
    ...given,
  };
}
