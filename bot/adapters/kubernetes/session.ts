import type { IncomingMessage } from "node:http";
import { StewardError } from "../../../shared/errors.ts";
import type { Clock } from "../../edges.ts";
import type { Connection } from "./connection.ts";
import { type Exchange, exchange, failureText, type Outgoing, readAll } from "./http.ts";
import { parseJson, type Refusal, readRefusal, refusalError } from "./status.ts";

/** Longest time for one read, waits for `Retry-After` among it. */
const readDeadlineMs = 10_000;

type Answer = { ok: true; status: number; body: Buffer } | { ok: false; refusal: Refusal };

/** Requests as one identity. */
export interface Session {
  /** A request whose whole answer is wanted within the deadline. Waits when the server says `Retry-After`. Throws `unavailable` when there is no answer. */
  read(outgoing: Outgoing, signal?: AbortSignal): Promise<Answer>;
  /** As `read`, for JSON; throws the server's refusal. */
  readJson(outgoing: Outgoing, signal?: AbortSignal): Promise<unknown>;
  /** A request whose answer goes on until the signal aborts: the deadline holds for its beginning only. Throws the server's refusal. */
  stream(outgoing: Outgoing, signal: AbortSignal): Promise<IncomingMessage>;
  /** One attempt on a connection of its own. What it throws, it throws before anything was sent. */
  once(outgoing: Outgoing, signal: AbortSignal): Promise<Exchange>;
}

/** `impersonate`: the user name to act as; null for the kubeconfig's own. */
export function createSession(connection: Connection, impersonate: string | null, clock: Clock): Session {
  return { read, readJson, stream, once };

  async function once(outgoing: Outgoing, signal: AbortSignal): Promise<Exchange> {
    return exchange(await abortable(enter("fresh"), signal), outgoing, signal);
  }

  async function read(outgoing: Outgoing, signal?: AbortSignal): Promise<Answer> {
    return within(readDeadlineMs, signal, async (limit) => {
      const answer = await begin(outgoing, limit);
      const status = answer.statusCode ?? 0;
      const body = await readAll(answer);
      return status >= 200 && status < 300
        ? { ok: true, status, body }
        : { ok: false, refusal: readRefusal(status, body) };
    });
  }

  async function readJson(outgoing: Outgoing, signal?: AbortSignal): Promise<unknown> {
    const answer = await read(outgoing, signal);
    if (!answer.ok) throw refusalError(answer.refusal);
    const value = parseJson(answer.body);
    if (value === undefined) throw new StewardError("unavailable", "the API server's answer is not JSON");
    return value;
  }

  async function stream(outgoing: Outgoing, signal: AbortSignal): Promise<IncomingMessage> {
    const opening = new AbortController();
    const timer = setTimeout(() => opening.abort(tooSlow()), readDeadlineMs);
    const stop = () => opening.abort(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    const done = () => signal.removeEventListener("abort", stop);
    try {
      const answer = await begin(outgoing, opening.signal);
      answer.once("close", done);
      if (answer.statusCode === 200) return answer;
      throw refusalError(readRefusal(answer.statusCode ?? 0, await readAll(answer)));
    } catch (error) {
      done();
      throw asStewardError(error, opening.signal);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Up to the first byte of an answer worth having. */
  async function begin(outgoing: Outgoing, signal: AbortSignal): Promise<IncomingMessage> {
    let renewed = false;
    for (let attempt = 1; ; attempt++) {
      const result = await exchange(await enter("pooled"), outgoing, signal);
      signal.throwIfAborted();
      if ("failure" in result) {
        if (result.stalePooled && attempt <= 3) continue; // the server closed a kept connection while it lay idle
        throw new StewardError("unavailable", failureText(result.failure), { cause: result.failure });
      }
      const { answer } = result;
      const waitMs = retryAfterMs(answer);
      if (answer.statusCode === 401 && !renewed) {
        renewed = true;
        answer.resume();
        connection.renew();
      } else if (waitMs !== null && attempt <= 3) {
        answer.resume();
        await clock.sleep(waitMs, signal);
      } else return answer;
    }
  }

  async function enter(use: "pooled" | "fresh") {
    const entry = await connection.enter(use);
    return impersonate === null ? entry : { ...entry, headers: { ...entry.headers, "Impersonate-User": impersonate } };
  }
}

/** How long the server asks us to wait before we try again; null when it does not. Source: API priority and fairness answers 429 with `Retry-After: 1`. */
function retryAfterMs({ statusCode = 0, headers }: IncomingMessage): number | null {
  if (statusCode !== 429 && statusCode < 500) return null;
  const seconds = headers["retry-after"];
  return seconds !== undefined && /^\d{1,4}$/.test(seconds) ? Number(seconds) * 1_000 : null;
}

async function within<T>(
  ms: number,
  signal: AbortSignal | undefined,
  run: (limit: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(tooSlow()), ms);
  const limit = signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal]);
  try {
    limit.throwIfAborted();
    return await abortable(run(limit), limit); // a credential plugin that hangs does not know of the signal
  } catch (error) {
    throw asStewardError(error, limit);
  } finally {
    clearTimeout(timer);
  }
}

/** Stops waiting when the signal aborts; what is waited for goes on. */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function tooSlow(): StewardError {
  return new StewardError("unavailable", `the API server did not answer within ${readDeadlineMs / 1_000} s`);
}

/** Whoever aborted gets their own reason back; what broke underneath is `unavailable`. */
function asStewardError(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof StewardError) return error;
  return new StewardError("unavailable", failureText(error), { cause: error });
}
