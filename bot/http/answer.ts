import type { ServerResponse } from "node:http";

/** What a route answers: a whole body, or a stream it writes itself. */
export type Answer = WholeAnswer | StreamAnswer;

export interface WholeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface StreamAnswer {
  readonly status: 200;
  readonly headers: Readonly<Record<string, string>>;
  /** Writes until it is done or the signal aborts: the client went away, or the server stops. */
  readonly stream: (out: Output, signal: AbortSignal) => Promise<void>;
}

export interface Output {
  /** Resolves when the client can take more. */
  write(text: string): Promise<void>;
  /** Bytes that the client has not taken yet. */
  waiting(): number;
}

const common = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
};

export function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): WholeAnswer {
  return {
    status,
    headers: { ...common, "content-type": "application/json; charset=utf-8", ...headers },
    body: `${JSON.stringify(body)}\n`,
  };
}

export function plain(status: number, body: string, headers: Readonly<Record<string, string>> = {}): WholeAnswer {
  return { status, headers: { ...common, "content-type": "text/plain; charset=utf-8", ...headers }, body };
}

export function stream(contentType: string, write: StreamAnswer["stream"]): StreamAnswer {
  return { status: 200, headers: { ...common, "content-type": contentType, "x-accel-buffering": "no" }, stream: write };
}

/** Writes a whole answer, all but its end: the caller ends it when the request too has come to its end. */
export function writeWhole(response: ServerResponse, answer: WholeAnswer, close: boolean): void {
  response.writeHead(answer.status, {
    ...answer.headers,
    "content-length": Buffer.byteLength(answer.body),
    ...(close ? { connection: "close" } : {}),
  });
  response.write(answer.body);
}

/** Sends a streamed answer, for as long as it has something to say. */
export async function sendStream(response: ServerResponse, answer: StreamAnswer, signal: AbortSignal): Promise<void> {
  response.writeHead(answer.status, answer.headers);
  response.flushHeaders();
  const out: Output = {
    write(text) {
      if (signal.aborted || response.destroyed || response.write(text)) return Promise.resolve();
      return new Promise((resolve) => {
        const go = () => {
          response.off("drain", go).off("close", go);
          resolve();
        };
        response.once("drain", go).once("close", go);
      });
    },
    waiting: () => response.writableLength,
  };
  await answer.stream(out, signal);
  response.end();
}
