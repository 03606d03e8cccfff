import type { IncomingMessage, ServerResponse } from "node:http";
import { clientHeader, clientHeaderValue } from "../../shared/api/session.ts";
import { type Role, roles } from "../../shared/approval.ts";
import { type ErrorCode, httpStatus, StewardError } from "../../shared/errors.ts";
import { cleanLine, truncate } from "../../shared/text.ts";
import type { Clock, Log } from "../edges.ts";
import { type Answer, json, sendStream, type WholeAnswer, writeWhole } from "./answer.ts";
import { declaredLength, drainBody, readBody } from "./body.ts";
import { sessionToken } from "./cookie.ts";
import type { BackedRoute, Backend, ProcessView, Route } from "./route.ts";
import type { Caller, HttpMetrics, Session } from "./services.ts";

export interface HandlerDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: HttpMetrics;
  /** The bot behind the routes; throws `unavailable` with its state while there is none. */
  readonly backend: () => Backend;
  /** Aborts when the server stops. */
  readonly stopping: AbortSignal;
}

export interface RawRequest extends IncomingMessage {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
}

/** How much of a refused body is taken in before the connection is cut, and for how long (ms). */
const drain = { bytes: 16 * 1024 * 1024, ms: 1_000 };

/**
 * The one wrapper around every route, because polka catches neither throws nor rejections: who may, how much, in which form;
 * whatever is thrown becomes the API's error.
 */
export function createHandler(
  route: Route,
  deps: HandlerDeps,
  about: ProcessView,
): (request: RawRequest, response: ServerResponse) => void {
  const run = "answer" in route ? () => route.answer(about) : admitting(route, deps);

  return (request, response) => void serve(request, response);

  async function serve(request: RawRequest, response: ServerResponse): Promise<void> {
    const started = performance.now();
    let answer: Answer;
    try {
      answer = await run(request);
    } catch (error) {
      answer = errorAnswer(error, deps.log, `${route.method} ${route.path}`);
    }
    try {
      await send(request, response, answer, deps);
    } catch (error) {
      deps.log.warn("an answer broke off", { route: route.path, error: String(error) });
      response.destroy();
    }
    deps.metrics.request(route.path, route.method, answer.status, (performance.now() - started) / 1000);
  }
}

/** Lets a request through to its route when whoever sent it may call it, in the form and size it takes. */
function admitting(route: BackedRoute, deps: HandlerDeps): (request: RawRequest) => Promise<Answer> {
  return admitAndRun;

  async function admitAndRun(request: RawRequest): Promise<Answer> {
    const backend = deps.backend();
    const { services } = backend;
    if (!route.beforeSetup && services.identity.needsSetup()) {
      throw new StewardError("setup_required", "there is no admin yet: run `kubectl steward setup`");
    }
    const caller = callerOf(request);
    const session = await admit(request, backend, caller);
    if (route.method !== "GET") refuseForeignOrigin(request);
    if (route.method !== "GET" && !route.rawBody) refuseOtherThanJson(request);
    return route.run({
      ...backend,
      headers: request.headers,
      params: request.params,
      query: request.query,
      body: await bodyOf(request, backend),
      caller,
      session,
      now: deps.clock.now(),
      clock: deps.clock,
      secure: "encrypted" in request.socket,
    });
  }

  async function bodyOf(request: RawRequest, { services }: Backend): Promise<Buffer> {
    if (route.method === "GET") return Buffer.alloc(0);
    try {
      return await readBody(request, route.limit);
    } catch (error) {
      if (route.rawBody && error instanceof StewardError && error.code === "too_large") {
        await services.ingest.tooLarge({ headers: request.headers, remote: remoteOf(request) });
      }
      throw error;
    }
  }

  async function admit(request: RawRequest, backend: Backend, caller: Caller): Promise<Session | null> {
    const { services } = backend;
    if (route.access === "open") return null;
    const token = sessionToken(request.headers.cookie);
    const session = token === null ? null : await services.identity.session(token, caller.clientIp);
    if (session === null) {
      if (route.access === "link" && route.admitsLink(request.query, services)) return null;
      throw new StewardError(
        "unauthenticated",
        token === null ? "sign in first" : "the session has ended: sign in again",
      );
    }
    const needed = route.access === "link" ? "viewer" : route.access;
    if (roles.indexOf(session.actor.role) < roles.indexOf(needed)) {
      noteRefused(request, session, needed, backend);
      throw new StewardError(
        "forbidden",
        `this needs the role ${needed}; ${session.actor.username} is ${session.actor.role}`,
      );
    }
    return session;
  }

  /** Who tries what their role does not allow is on the audit (SPEC 13). */
  function noteRefused(request: RawRequest, { actor }: Session, needed: Role, { store }: Backend): void {
    store.transact(() =>
      store.audit.append({
        userId: actor.userId,
        intent: `${route.method} ${route.path}`,
        actionType: "refuse_request",
        targetResource: truncate(cleanLine(request.url?.split("?", 1)[0] ?? ""), 200),
        commandSnapshot: null,
        status: "FAILED",
        clientIp: actor.clientIp,
        platform: actor.platform,
        incidentId: null,
        proposalId: null,
        detail: { by: actor.username, role: actor.role, needed },
      }),
    );
  }
}

/** A request that no route takes. */
export function createNoMatch(deps: HandlerDeps): (request: IncomingMessage, response: ServerResponse) => void {
  const missing = json(404, { error: { code: "not_found", message: "there is nothing at this path" } });
  return (request, response) => {
    send(request, response, missing, deps).catch(() => response.destroy());
    deps.metrics.request("none", "none", 404, 0);
  };
}

async function send(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
  deps: HandlerDeps,
): Promise<void> {
  if (response.destroyed) return;
  if ("stream" in answer) {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    await sendStream(response, answer, AbortSignal.any([gone.signal, deps.stopping]));
    return;
  }
  const inTheMiddle = !request.complete && (declaredLength(request) > 0 || "transfer-encoding" in request.headers);
  writeWhole(response, answer, inTheMiddle || deps.stopping.aborted);
  if (inTheMiddle) await drainFor(request, deps);
  response.end();
}

async function drainFor(request: IncomingMessage, { clock, stopping }: HandlerDeps): Promise<void> {
  const enough = new AbortController();
  const signal = AbortSignal.any([enough.signal, stopping]);
  const timeout = clock.sleep(drain.ms, signal).catch(() => undefined);
  await Promise.race([drainBody(request, drain.bytes, signal), timeout]);
  enough.abort();
}

/** What a caller is told of a failure: StewardErrors as they are, anything else as `internal` and nothing more. */
function errorAnswer(error: unknown, log: Log, route: string): WholeAnswer {
  if (!(error instanceof StewardError)) {
    log.error("a request failed", {
      route,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    return errorJson("internal", "something went wrong inside; the log says what");
  }
  if (httpStatus[error.code] >= 500)
    log.warn("a request could not be served", { route, error: error.message, cause: String(error.cause ?? "") });
  const { code, message, path, state, by } = error;
  return errorJson(code, code === "internal" ? "something went wrong inside; the log says what" : message, {
    ...(path === undefined ? {} : { path }),
    ...(state === undefined ? {} : { state }),
    ...(by === undefined ? {} : { by }),
  });
}

const retryAfter: Partial<Record<ErrorCode, string>> = { unavailable: "10", locked: "60" };

function errorJson(code: ErrorCode, message: string, more: Readonly<Record<string, string>> = {}): WholeAnswer {
  const seconds = retryAfter[code];
  return json(
    httpStatus[code],
    { error: { code, message, ...more } },
    seconds === undefined ? {} : { "retry-after": seconds },
  );
}

function callerOf(request: IncomingMessage): Caller {
  const plugin = request.headers[clientHeader] === clientHeaderValue;
  return { platform: plugin ? "terminal" : "api", clientIp: remoteOf(request) };
}

/** The peer's address, an IPv4 one in its own form. */
function remoteOf(request: IncomingMessage): string {
  return (request.socket.remoteAddress ?? "unknown").replace(/^::ffff:(?=\d+\.)/, "");
}

/** A page of another origin may not act with the visitor's session (SameSite=Strict says the same to browsers that know it). */
function refuseForeignOrigin({ headers }: IncomingMessage): void {
  const { origin, host } = headers;
  if (origin === undefined) return;
  let from: string;
  try {
    from = new URL(origin).host;
  } catch {
    from = "";
  }
  if (from === "" || from !== host) throw new StewardError("forbidden", "a page of another origin may not call this");
}

function refuseOtherThanJson(request: IncomingMessage): void {
  const { headers } = request;
  if (headers["content-encoding"] !== undefined) throw new StewardError("unsupported", "the body must not be encoded");
  const type = (headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
  const empty = declaredLength(request) === 0 && headers["transfer-encoding"] === undefined;
  if (type !== "application/json" && !(empty && type === "")) {
    throw new StewardError("unsupported", "the body must be application/json");
  }
}
