import { request as httpRequest } from "node:http";
import { request as httpsRequest, type RequestOptions } from "node:https";
import { KubeConfig } from "@kubernetes/client-node";

export interface RawRequest {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path and query. */
  path: string;
  headers?: Readonly<Record<string, string>>;
  /** A string is sent as it is, anything else as JSON. */
  body?: unknown;
  /** Sends no client certificate and no token of the kubeconfig. */
  anonymous?: boolean;
  /** Resolves after the first line of the answer, and closes: for watches. */
  firstLine?: boolean;
}

export interface RawAnswer {
  code: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Parsed when it is one JSON value, else the text: words, or the lines of a watch. */
  body: unknown;
}

export type RawClient = (request: RawRequest) => Promise<RawAnswer>;

/** Speaks to an API server without any client library's opinion of what comes back, errors least of all. */
export function createRawClient(kubeconfig: string, deadline = 30_000): RawClient {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const server = config.getCurrentCluster()?.server;
  if (server === undefined) throw new Error(`${kubeconfig} names no cluster`);
  const send = server.startsWith("https:") ? httpsRequest : httpRequest;

  return async ({ method, path, headers = {}, body, anonymous = false, firstLine = false }) => {
    const options: RequestOptions = {};
    await config.applyToHTTPSOptions(options);
    const credentials = anonymous ? { ca: options.ca } : options;
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const call = send(new URL(path, server), {
        ...credentials,
        agent: false,
        method,
        headers: {
          ...(anonymous ? {} : options.headers),
          accept: "application/json",
          // Without its length node sends no body with DELETE, and the options in it count for nothing.
          ...(text === undefined
            ? {}
            : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
          ...headers,
        },
        timeout: deadline,
      });
      call.once("response", (response) => {
        let received = "";
        const done = () =>
          resolve({ code: response.statusCode ?? 0, headers: response.headers, body: parsed(received) });
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          received += chunk;
          if (!firstLine || !received.includes("\n")) return;
          received = received.slice(0, received.indexOf("\n"));
          done();
          call.destroy();
        });
        response.once("end", done);
        response.once("error", reject);
      });
      call.once("timeout", () => call.destroy(new Error(`${method} ${path}: no answer within ${deadline} ms`)));
      call.once("error", reject);
      call.end(text);
    });
  };
}

function parsed(text: string): unknown {
  if (!/^[{[]/.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
