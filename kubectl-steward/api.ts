import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { z } from "zod";
import {
  ApprovalAnswer as Approval,
  type ApprovalAnswer,
  ApprovalList,
  type ProposalRequest,
} from "../shared/api/approval.ts";
import { AuditList, type AuditRow, AuditVerdict, type Change, ChangeList } from "../shared/api/audit.ts";
import { CardEvent } from "../shared/api/card.ts";
import { apiRoot, ErrorAnswer, maxPage } from "../shared/api/common.ts";
import { GateExplanation, SwitchAnswer } from "../shared/api/gate.ts";
import { ReadyAnswer } from "../shared/api/health.ts";
import { type IncidentAnswer, IncidentDetail, IncidentList } from "../shared/api/incident.ts";
import {
  PolicyAnswer,
  PolicyLintAnswer,
  PolicyTestAnswer,
  type PolicyTestRequest,
  type PolicyTestRow,
} from "../shared/api/policy.ts";
import {
  clientHeader,
  clientHeaderValue,
  cookieName,
  SessionAnswer,
  type SetupRequest,
  WhoamiAnswer,
} from "../shared/api/session.ts";
import {
  type AddUserRequest,
  LinkCodeAnswer,
  type UnlinkedAccount,
  UnlinkedList,
  UserAnswer,
  UserList,
} from "../shared/api/user.ts";
import type { ErrorCode } from "../shared/errors.ts";
import { type ExitCode, exit, Failure } from "./exit.ts";
import type { Sessions } from "./sessions.ts";
import type { Transport } from "./transport.ts";

export type Query = Readonly<Record<string, string | undefined>>;

/** The bot's API, by what one asks it. Everything it answers is parsed; everything it refuses becomes a Failure with its exit code. */
export interface Api {
  readonly where: string;
  /** Whether a session is kept for this bot. */
  signedIn(): Promise<boolean>;
  readyz(): Promise<ReadyAnswer>;
  setup(request: SetupRequest): Promise<SessionAnswer>;
  login(username: string, password: string): Promise<SessionAnswer>;
  logout(): Promise<void>;
  whoami(): Promise<WhoamiAnswer>;
  /** All pages, up to `most`. */
  incidents(query: Query, most: number): Promise<IncidentAnswer[]>;
  incident(id: string): Promise<IncidentDetail>;
  approvals(query: Query, most: number): Promise<ApprovalAnswer[]>;
  approval(code: string): Promise<ApprovalAnswer>;
  decide(code: string, verdict: "approve" | "deny", reason?: string): Promise<ApprovalAnswer>;
  /** A new approval out of an old one. */
  again(code: string, how: "undo" | "renew"): Promise<ApprovalAnswer>;
  propose(request: ProposalRequest): Promise<ApprovalAnswer>;
  gate(target: string, namespace: string): Promise<GateExplanation>;
  stopSwitch(): Promise<SwitchAnswer>;
  pause(request: { for?: string; namespace?: string; autofixOnly: boolean; reason: string }): Promise<SwitchAnswer>;
  resume(namespace: string | undefined): Promise<SwitchAnswer>;
  audit(query: Query, most: number): Promise<AuditRow[]>;
  auditVerify(): Promise<AuditVerdict>;
  /** NDJSON lines. */
  auditExport(query: Query): AsyncIterable<string>;
  changes(query: Query, most: number): Promise<Change[]>;
  policy(): Promise<PolicyAnswer>;
  policyTest(request: PolicyTestRequest): Promise<PolicyTestRow[]>;
  policyLint(rules: readonly unknown[]): Promise<PolicyAnswer["warnings"]>;
  users(): Promise<UserAnswer[]>;
  unlinked(): Promise<UnlinkedAccount[]>;
  addUser(request: AddUserRequest): Promise<UserAnswer>;
  setRole(username: string, role: string): Promise<UserAnswer>;
  removeUser(username: string): Promise<void>;
  link(username: string, channel: string, id: string): Promise<UserAnswer>;
  unlink(username: string, channel: string, id: string): Promise<UserAnswer>;
  linkCode(username: string): Promise<LinkCodeAnswer>;
  /**
   * Changes of cards from now on, or after `lastId`, until the stream ends or `signal` aborts. The first one says only where the stream begins
   * (`card` is null): nothing after it can be missed.
   */
  events(lastId: number | null, signal: AbortSignal): AsyncIterable<{ id: number; card: CardEvent | null }>;
}

const requestTimeoutMs = 60_000;
/** Longer silence than this on the event stream, in ms, means that it is dead: the bot says something every 15 s. */
const silenceMs = 45_000;

export function createApi(transport: Transport, sessions: Sessions, signal: AbortSignal): Api {
  const seg = encodeURIComponent;
  const Anything = z.unknown();

  return {
    where: transport.where,
    signedIn: async () => (await sessions.get(transport.key)) !== null,
    readyz: async () =>
      ReadyAnswer.parse(parseJson(await text(await send("GET", "/readyz", undefined, requestTimeoutMs)))),
    setup: (request) => signIn("/setup", request),
    login: (username, password) => signIn("/login", { username, password }),
    async logout() {
      try {
        if ((await sessions.get(transport.key)) !== null) await post("/logout", Anything);
      } catch (error) {
        // A session that has ended already is as good as ended now.
        if (!(error instanceof Failure) || error.code !== exit.notSignedIn) throw error;
      } finally {
        await sessions.drop(transport.key);
      }
    },
    whoami: () => get("/whoami", WhoamiAnswer),
    incidents: (query, most) => pages("/incidents", IncidentList, query, most),
    incident: (id) => get(`/incidents/${seg(id)}`, IncidentDetail),
    approvals: (query, most) => pages("/approvals", ApprovalList, query, most),
    approval: (code) => get(`/approvals/${seg(code)}`, Approval),
    decide: (code, verdict, reason) =>
      post(`/approvals/${seg(code)}/${verdict}`, Approval, reason === undefined ? {} : { reason }),
    again: (code, how) => post(`/approvals/${seg(code)}/${how}`, Approval),
    propose: (request) => post("/proposals", Approval, request),
    gate: (target, namespace) => get(`/gate${queryOf({ target, namespace })}`, GateExplanation),
    stopSwitch: () => get("/pause", SwitchAnswer),
    pause: (request) => post("/pause", SwitchAnswer, request),
    resume: (namespace) => post("/resume", SwitchAnswer, namespace === undefined ? {} : { namespace }),
    audit: (query, most) => pages("/audit", AuditList, query, most),
    auditVerify: () => get("/audit/verify", AuditVerdict),
    async *auditExport(query) {
      const response = await ok(await send("GET", `${apiRoot}/audit/export${queryOf(query)}`, undefined, null));
      yield* linesOf(response);
      if (!response.complete) throw new Failure(exit.unreachable, "the export broke off: it is not the whole");
    },
    changes: (query, most) => pages("/changes", ChangeList, query, most),
    policy: () => get("/policy", PolicyAnswer),
    policyTest: async (request) => (await post("/policy/test", PolicyTestAnswer, request)).items,
    policyLint: async (rules) => (await post("/policy/lint", PolicyLintAnswer, { rules })).warnings,
    users: async () => (await get("/users", UserList)).items,
    unlinked: async () => (await get("/users?unlinked=true", UnlinkedList)).items,
    addUser: (request) => post("/users", UserAnswer, request),
    setRole: (username, role) => call("PUT", `/users/${seg(username)}/role`, UserAnswer, { role }),
    removeUser: async (username) => void (await call("DELETE", `/users/${seg(username)}`, Anything)),
    link: (username, channel, id) => post(`/users/${seg(username)}/identities`, UserAnswer, { channel, id }),
    unlink: (username, channel, id) =>
      call("DELETE", `/users/${seg(username)}/identities/${seg(channel)}/${seg(id)}`, UserAnswer),
    linkCode: (username) => post(`/users/${seg(username)}/link-code`, LinkCodeAnswer),
    events,
  };

  async function* events(
    lastId: number | null,
    until: AbortSignal,
  ): AsyncGenerator<{ id: number; card: CardEvent | null }> {
    const headers: Record<string, string> = {
      accept: "text/event-stream",
      ...(lastId === null ? {} : { "last-event-id": String(lastId) }),
    };
    const response = await ok(await send("GET", `${apiRoot}/events`, undefined, null, headers, until));
    const silent = () => response.destroy(new Failure(exit.unreachable, "the event stream fell silent"));
    let silence = setTimeout(silent, silenceMs);
    try {
      let opened = false;
      let event = { id: lastId ?? 0, name: "", data: "" };
      for await (const line of linesOf(response)) {
        clearTimeout(silence);
        silence = setTimeout(silent, silenceMs);
        if (line === "") {
          if (!opened) yield { id: event.id, card: null };
          opened = true;
          if (event.name === "card") yield { id: event.id, card: CardEvent.parse(parseJson(event.data)) };
          event = { id: event.id, name: "", data: "" };
        } else if (line.startsWith("id: ")) event.id = Number(line.slice(4));
        else if (line.startsWith("event: ")) event.name = line.slice(7);
        else if (line.startsWith("data: ")) event.data += line.slice(6);
      }
    } finally {
      clearTimeout(silence);
      response.destroy();
    }
  }

  async function signIn(path: string, body: object): Promise<SessionAnswer> {
    const response = await ok(await send("POST", apiRoot + path, body, requestTimeoutMs));
    const answer = SessionAnswer.parse(parseJson(await text(response)));
    const cookie = response.headers["set-cookie"]
      ?.map((set) => set.split(";", 1)[0] ?? "")
      .find((set) => set.startsWith(`${cookieName}=`));
    if (cookie === undefined) throw new Failure(exit.failed, `${transport.where} gave no session`);
    await sessions.put(transport.key, { cookie, username: answer.user.username, expiresAt: answer.expiresAt });
    return answer;
  }

  function get<S extends z.ZodType>(path: string, schema: S): Promise<z.output<S>> {
    return call("GET", path, schema);
  }

  function post<S extends z.ZodType>(path: string, schema: S, body: object = {}): Promise<z.output<S>> {
    return call("POST", path, schema, body);
  }

  async function call<S extends z.ZodType>(
    method: string,
    path: string,
    schema: S,
    body?: object,
  ): Promise<z.output<S>> {
    const response = await ok(await send(method, apiRoot + path, body, requestTimeoutMs));
    const parsed = schema.safeParse(parseJson(await text(response)));
    if (!parsed.success) {
      const at = parsed.error.issues[0]?.path.join(".") ?? "";
      throw new Failure(
        exit.failed,
        `${transport.where} does not answer as this plugin understands (${at}): are their versions the same?`,
      );
    }
    return parsed.data;
  }

  async function pages<Item>(
    path: string,
    schema: z.ZodType<{ items: Item[]; next: string | null }>,
    query: Query,
    most: number,
  ): Promise<Item[]> {
    const items: Item[] = [];
    for (let cursor: string | undefined; items.length < most; ) {
      const limit = String(Math.min(maxPage, most - items.length));
      const page = await call("GET", `${path}${queryOf({ ...query, limit, cursor })}`, schema);
      items.push(...page.items);
      if (page.next === null) break;
      cursor = page.next;
    }
    return items;
  }

  async function send(
    method: string,
    path: string,
    body: object | undefined,
    timeoutMs: number | null,
    headers: Readonly<Record<string, string>> = { accept: "application/json" },
    until: AbortSignal = signal,
  ): Promise<IncomingMessage> {
    const session = await sessions.get(transport.key);
    return transport.send({
      method,
      path,
      headers: {
        ...headers,
        [clientHeader]: clientHeaderValue,
        ...(session === null ? {} : { cookie: session.cookie }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      timeoutMs,
      signal: until,
    });
  }

  /** The response, if it is one of success. */
  async function ok(response: IncomingMessage): Promise<IncomingMessage> {
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    const answer = ErrorAnswer.safeParse(parseJson(await text(response)));
    if (!answer.success)
      throw new Failure(exit.unreachable, `${transport.where} answered ${status}, and not as Steward does`);
    const { code, message, state } = answer.data.error;
    if (code === "unauthenticated") await sessions.drop(transport.key);
    throw new Failure(codes[code], advice(code, state) === null ? message : `${message}\n${advice(code, state)}`);
  }
}

/** SPEC 14's codes for the API's. A bot that answers but does not serve is as little help as one that is not reached. */
const codes: Readonly<Record<ErrorCode, ExitCode>> = {
  invalid: exit.usage,
  not_understood: exit.usage,
  too_large: exit.usage,
  unsupported: exit.failed,
  unauthenticated: exit.notSignedIn,
  setup_required: exit.notSignedIn,
  forbidden: exit.notAllowed,
  refused: exit.notAllowed,
  not_found: exit.notFound,
  conflict: exit.failed,
  locked: exit.notSignedIn,
  unavailable: exit.unreachable,
  internal: exit.failed,
};

function advice(code: ErrorCode, state: string | undefined): string | null {
  if (code === "unauthenticated") return "sign in with `kubectl steward login`";
  if (code === "unavailable" && state === "standby") return "another Steward holds the lease; this one stands by";
  return null;
}

/** The lines of an answer as they come. Throws when it breaks off. */
async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  response.setEncoding("utf8");
  let rest = "";
  try {
    for await (const chunk of response) {
      const lines = (rest + String(chunk)).split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
    }
  } catch (error) {
    throw error instanceof Failure ? error : new Failure(exit.unreachable, "the connection to the bot was lost", error);
  }
  if (rest !== "") yield rest;
}

function queryOf(query: Query): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}
