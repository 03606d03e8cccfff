import type { IncomingMessage } from "node:http";
import { request as plainRequest, type RequestOptions } from "node:http";
import { request as tlsRequest } from "node:https";
import type { Duplex } from "node:stream";
import { exit, Failure } from "./exit.ts";

/** A way to the bot. */
export interface Transport {
  /** How it is called in messages: `http://127.0.0.1:8080`, `pod steward/steward-0 in context prod`. */
  readonly where: string;
  /** Under which its session is kept: another bot must never be sent this one's. */
  readonly key: string;
  /** Sends one request. Throws Failure (unreachable) when no answer comes. */
  send(request: HttpRequest): Promise<IncomingMessage>;
}

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  /** null: as long as it takes. */
  readonly timeoutMs: number | null;
  readonly signal: AbortSignal;
}

/** Speaks to a URL. */
export function urlTransport(url: URL): Transport {
  const where = url.origin;
  return {
    where,
    key: `server ${where}`,
    send: (request) => {
      const target = {
        host: url.hostname.replace(/^\[|\]$/g, ""),
        port: url.port || (url.protocol === "https:" ? 443 : 80),
        // A connection that is kept for a next request keeps the process from ending.
        agent: false,
      };
      return exchange(url.protocol === "https:" ? tlsRequest : plainRequest, target, request, where);
    },
  };
}

/** Speaks over a connection that `open` makes for each request. */
export function tunnelTransport(where: string, key: string, open: () => Promise<Duplex>): Transport {
  return {
    where,
    key,
    async send(request) {
      const tunnel = await open();
      try {
        const response = await exchange(
          plainRequest,
          { host: "steward", createConnection: () => tunnel },
          request,
          where,
        );
        response.once("close", () => tunnel.destroy());
        return response;
      } catch (error) {
        tunnel.destroy();
        throw error;
      }
    },
  };
}

function exchange(
  start: typeof plainRequest,
  target: RequestOptions,
  { method, path, headers, body, timeoutMs, signal }: HttpRequest,
  where: string,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const deadline = timeoutMs === null ? signal : AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const request = start(
      { ...target, method, path, signal: deadline, headers: { ...headers, ...lengthOf(body) } },
      resolve,
    );
    request.on("error", (error) => {
      const late = timeoutMs !== null && !signal.aborted && deadline.aborted;
      reject(
        new Failure(
          exit.unreachable,
          `cannot reach the bot at ${where}: ${late ? `no answer in ${timeoutMs / 1000} s` : reasonOf(error)}`,
          error,
        ),
      );
    });
    request.end(body ?? undefined);
  });
}

function lengthOf(body: string | null): Record<string, string> {
  return body === null ? {} : { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)) };
}

/** A socket's error, also where several addresses were tried. */
function reasonOf(error: Error): string {
  if (error instanceof AggregateError)
    return error.errors.map((one: unknown) => (one instanceof Error ? one.message : String(one))).join("; ");
  return error.message;
}
