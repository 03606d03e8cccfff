import type { IncomingMessage } from "node:http";
import { StewardError } from "../../shared/errors.ts";

/**
 * Reads a request's body, at most `limit` bytes. Throws `too_large` as soon as that is clear: from the declared length
 * before the first byte, else when the count passes the limit; nothing beyond it is kept.
 */
export function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  if (declaredLength(request) > limit) return Promise.reject(tooLarge(limit));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (finish: () => void) => {
      request.off("data", onData).off("end", onEnd).off("close", onClose).off("error", onClose);
      finish();
    };
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) settle(() => reject(tooLarge(limit)));
      else chunks.push(chunk);
    };
    const onEnd = () =>
      settle(() => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, size)));
    const onClose = () =>
      settle(() => reject(new StewardError("invalid", "the request ended before its body was complete")));
    request.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onClose);
  });
}

/** The bytes a request says it will send; 0 when it does not say. */
export function declaredLength(request: IncomingMessage): number {
  const declared = Number(request.headers["content-length"] ?? 0);
  return Number.isFinite(declared) ? declared : 0;
}

/**
 * Takes in and forgets the rest of a body, so that a sender in the middle of it reads our answer instead of a reset connection.
 * Resolves at its end, or when `limit` more bytes came, or when the signal aborts.
 */
export function drainBody(request: IncomingMessage, limit: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    let size = 0;
    const done = () => {
      request.off("data", onData).off("end", done).off("close", done).off("error", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) done();
    };
    if (request.complete || request.destroyed || signal.aborted) return resolve();
    signal.addEventListener("abort", done, { once: true });
    request.on("data", onData).on("end", done).on("close", done).on("error", done);
    request.resume();
  });
}

function tooLarge(limit: number): StewardError {
  return new StewardError("too_large", `the body is larger than ${Math.round(limit / 1024)} KiB`);
}
