import type { IncomingHttpHeaders } from "node:http";
import { z } from "zod";
import { Nothing, parseSince } from "../../shared/api/common.ts";
import type { Role } from "../../shared/approval.ts";
import { StewardError } from "../../shared/errors.ts";
import { parse } from "../../shared/parse.ts";
import type { Clock } from "../edges.ts";
import type { PageQuery, Store } from "../store.ts";
import type { Answer } from "./answer.ts";
import type { Caller, HttpMetrics, Readiness, Services, Session } from "./services.ts";

/**
 * Who may call a route (SPEC 4): a role and those above it; `link`, a session or the signature of a card's deep link;
 * `open`, anybody (the webhook has credentials of its own).
 */
export type Access = "open" | "link" | Role;

/** What the bot is made of once its store is open. */
export interface Backend {
  readonly services: Services;
  readonly store: Store;
}

/** A request as the wrapper hands it to a route: admitted, but not yet understood. */
export interface Admitted extends Backend {
  readonly headers: IncomingHttpHeaders;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
  readonly caller: Caller;
  /** null on open routes and for a deep link's signature. */
  readonly session: Session | null;
  readonly now: Date;
  readonly clock: Clock;
  /** Whether the connection is encrypted: a cookie is then marked Secure. */
  readonly secure: boolean;
}

/** One row of the route table: the single source for the server, and for the test that walks every route and role. */
export type Route = BackedRoute | ProcessRoute;

/** Answered by the process itself, also while it stands by. */
export interface ProcessRoute {
  readonly method: "GET";
  readonly path: string;
  readonly access: "open";
  readonly answer: (about: ProcessView) => Promise<Answer>;
}

/** What is known of the process from its first moment on. */
export interface ProcessView {
  readonly readiness: () => Readiness;
  readonly metrics: HttpMetrics;
}

/** Answered by the bot behind it. */
export interface BackedRoute {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly access: Access;
  /** Answers even while there is no admin yet. */
  readonly beforeSetup: boolean;
  /** Largest body it takes, in bytes. */
  readonly limit: number;
  /** Reads bytes of its own kind; every other route takes JSON. */
  readonly rawBody: boolean;
  /** For `link`: whether the request's own signature admits it. */
  readonly admitsLink: (query: Readonly<Record<string, unknown>>, services: Services) => boolean;
  readonly run: (request: Admitted) => Promise<Answer>;
}

export interface Understood<Body, Query> extends Backend {
  readonly headers: IncomingHttpHeaders;
  readonly body: Body;
  readonly query: Query;
  readonly caller: Caller;
  readonly now: Date;
  readonly clock: Clock;
  readonly secure: boolean;
  /** A named part of the path, decoded. */
  param(name: string): string;
}

interface Spec<Body extends z.ZodType, Query extends z.ZodType> {
  method: BackedRoute["method"];
  path: string;
  body?: Body;
  query?: Query;
  limit?: number;
  beforeSetup?: boolean;
}

type Handler<Request> = (request: Request) => Answer | Promise<Answer>;

const smallBody = 64 * 1024;
const NoQuery = z.strictObject({});

/** A route for those who have signed in with at least this role. */
export function forRole<Body extends z.ZodType = typeof Nothing, Query extends z.ZodType = typeof NoQuery>(
  role: Role,
  spec: Spec<Body, Query>,
  handle: Handler<Understood<z.output<Body>, z.output<Query>> & { session: Session }>,
): BackedRoute {
  return row(role, spec, (request) => {
    const { session } = request;
    if (session === null) throw new StewardError("unauthenticated", "sign in first");
    return handle({ ...understand(spec, request), session });
  });
}

/** A route for anybody. */
export function open<Body extends z.ZodType = typeof Nothing, Query extends z.ZodType = typeof NoQuery>(
  spec: Spec<Body, Query>,
  handle: Handler<Understood<z.output<Body>, z.output<Query>>>,
): BackedRoute {
  return row("open", spec, (request) => handle(understand(spec, request)));
}

/** A route that a session or the request's own signature opens. */
export function byLink<Query extends z.ZodType>(
  spec: Omit<Spec<typeof Nothing, Query>, "body"> & { query: Query },
  admits: (query: z.output<Query>, services: Services) => boolean,
  handle: Handler<Understood<unknown, z.output<Query>>>,
): BackedRoute {
  return {
    ...row("link", spec, (request) => handle(understand(spec, request))),
    admitsLink(query, services) {
      const { success, data } = spec.query.safeParse(query);
      return success && admits(data, services);
    },
  };
}

/** A route that takes the bytes as they are. */
export function raw(spec: { method: "POST"; path: string; limit: number }, handle: Handler<Admitted>): BackedRoute {
  return { ...row("open", { ...spec, beforeSetup: true }, handle), rawBody: true };
}

function row<Body extends z.ZodType, Query extends z.ZodType>(
  access: Access,
  spec: Spec<Body, Query>,
  run: Handler<Admitted>,
): BackedRoute {
  return {
    method: spec.method,
    path: spec.path,
    access,
    beforeSetup: spec.beforeSetup ?? false,
    limit: spec.limit ?? smallBody,
    rawBody: false,
    admitsLink: () => false,
    run: async (request) => run(request),
  };
}

function understand<Body extends z.ZodType, Query extends z.ZodType>(
  spec: Spec<Body, Query>,
  request: Admitted,
): Understood<z.output<Body>, z.output<Query>> {
  const { headers, caller, now, clock, secure, services, store, params } = request;
  return {
    headers,
    caller,
    now,
    clock,
    secure,
    services,
    store,
    query: parse(spec.query ?? NoQuery, request.query) as z.output<Query>,
    body: parse(spec.body ?? Nothing, spec.method === "GET" ? {} : parseJson(request.body)) as z.output<Body>,
    param(name) {
      const value = params[name];
      if (value === undefined) throw new Error(`the path ${spec.path} has no part called ${name}`);
      return decode(value);
    },
  };
}

function parseJson(body: Buffer): unknown {
  if (body.length === 0) return {};
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw new StewardError("invalid", "the body is not JSON");
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new StewardError("invalid", "the path is not valid percent-encoding");
  }
}

/** The page a list's query asks for. Throws `invalid` for a `since` that is no time. */
export function pageOf(
  query: { limit: number; cursor?: string | undefined; since?: string | undefined },
  now: Date,
): PageQuery {
  return { limit: query.limit, cursor: query.cursor ?? null, since: timeOf("since", query.since, now) };
}

/** A date, time or duration before now out of a query; null when it is not given. */
export function timeOf(path: string, text: string | undefined, now: Date): Date | null {
  if (text === undefined) return null;
  const at = parseSince(text, now);
  if (at === null)
    throw new StewardError("invalid", `${path}: is neither a date, a time nor a duration such as 24h`, { path });
  return at;
}
