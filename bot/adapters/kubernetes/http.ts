import { request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { TLSSocket } from "node:tls";
import { StewardError } from "../../../shared/errors.ts";
import type { Entry } from "./connection.ts";

export interface Outgoing {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below the server's root. */
  path: string;
  query?: Readonly<Record<string, string | number | boolean | undefined>>;
  headers?: Readonly<Record<string, string>>;
  body?: string;
}

/** `sent` is false only where it is certain that no byte of the request left. */
export type Exchange = { answer: IncomingMessage } | { failure: Error; sent: boolean; stalePooled: boolean };

/** One HTTP request. Never follows a redirect, never repeats. */
export function exchange(entry: Entry, outgoing: Outgoing, signal: AbortSignal): Promise<Exchange> {
  const { promise, resolve } = Promise.withResolvers<Exchange>();
  const body = outgoing.body === undefined ? null : Buffer.from(outgoing.body);
  const { server, agent } = entry;
  const options: RequestOptions = {
    method: outgoing.method,
    host: server.hostname.replace(/^\[|\]$/g, ""),
    port: server.port === "" ? (server.protocol === "https:" ? 443 : 80) : server.port,
    path: `${server.pathname.replace(/\/$/, "")}${outgoing.path}${queryText(outgoing.query)}`,
    headers: {
      ...entry.headers,
      "User-Agent": "steward",
      Accept: "application/json",
      ...outgoing.headers,
      ...(body === null ? {} : { "Content-Length": String(body.length) }),
    },
    agent,
    signal,
  };
  let sent = false;
  const request = server.protocol === "https:" ? httpsRequest(options) : httpRequest(options);
  request.on("socket", (socket) => {
    socket.setKeepAlive(true, 15_000); // a half-open watch or log stream is found out by the kernel
    // Until the handshake is over the request waits in this process; a plain socket takes it as soon as it is connected.
    if (request.reusedSocket || (!socket.connecting && !(socket instanceof TLSSocket))) sent = true;
    else socket.once(socket instanceof TLSSocket ? "secureConnect" : "connect", () => (sent = true));
  });
  request.on("response", (answer) => resolve({ answer }));
  request.on("error", (failure) => resolve({ failure, sent, stalePooled: request.reusedSocket }));
  request.end(body ?? undefined);
  return promise;
}

function queryText(query: Outgoing["query"]): string {
  const pairs = Object.entries(query ?? {}).flatMap(([name, value]) =>
    value === undefined ? [] : [`${encodeURIComponent(name)}=${encodeURIComponent(value)}`],
  );
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}

/** More than any honest answer: a list comes in pages of 500, a log has its limit. */
const maxAnswerBytes = 64 * 1024 * 1024;

/** The whole body. Throws when the connection ends before it does, or it is larger than `maxAnswerBytes`. */
export async function readAll(answer: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of answer) {
    if (!Buffer.isBuffer(part)) continue;
    size += part.length;
    if (size > maxAnswerBytes) {
      answer.destroy();
      throw new StewardError("unavailable", "the API server's answer is too large", { retryable: false });
    }
    parts.push(part);
  }
  return Buffer.concat(parts, size);
}

const said: Readonly<Record<string, string>> = {
  ECONNREFUSED: "refuses connections",
  ECONNRESET: "closed the connection",
  EPIPE: "closed the connection",
  ENOTFOUND: "cannot be found by its name",
  EAI_AGAIN: "cannot be found by its name",
  EHOSTUNREACH: "cannot be reached",
  ENETUNREACH: "cannot be reached",
  ETIMEDOUT: "does not answer",
};

/** What happened to a request, without an address, a path or a credential. */
export function failureText(failure: unknown): string {
  const code = failure instanceof Error && "code" in failure && typeof failure.code === "string" ? failure.code : "";
  const known = said[code];
  if (known !== undefined) return `the API server ${known}`;
  if (/CERT|SSL|TLS/.test(code)) return `the API server's certificate is not accepted (${code})`;
  return `the connection to the API server failed${code === "" ? "" : ` (${code})`}`;
}
