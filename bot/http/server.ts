import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import polka from "polka";
import { StewardError } from "../../shared/errors.ts";
import type { Clock, Log } from "../edges.ts";
import { declaredLength } from "./body.ts";
import { createHandler, createNoMatch, type HandlerDeps } from "./handler.ts";
import type { Backend } from "./route.ts";
import { routes } from "./routes/index.ts";
import type { HttpMetrics, Readiness } from "./services.ts";

export interface HttpServer {
  /** Throws `conflict` when the address is taken. Listens; from then on health is answered, and everything else with `unavailable` until a backend is attached. */
  start(): Promise<{ port: number }>;
  attach(backend: Backend): void;
  /** Takes the backend away again: what comes now is answered `unavailable` with the state of `readiness`. */
  detach(): void;
  /** Takes no new connections, ends streams, lets requests under way finish within `ms`, then cuts what is left. */
  stop(ms: number): Promise<void>;
}

export interface HttpServerOptions {
  readonly http: { readonly host: string; readonly port: number };
  /** PEM texts; null: plain HTTP. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly readiness: () => Readiness;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: HttpMetrics;
}

/** Times in ms. Headers must be complete within `headers`, the whole request within `request`; a socket idle for `idle` is closed. */
export const limits = {
  headers: 5_000,
  request: 10_000,
  keepAlive: 30_000,
  idle: 60_000,
  check: 500,
  connections: 2_000,
} as const;

/** The HTTP side of the bot (SPEC 4). It listens before there is a store, so that a standby can say what it is. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { http, readiness, clock, log, metrics } = options;
  const stopping = new AbortController();
  let backend: Backend | null = null;

  const deps: HandlerDeps = { clock, log, metrics, stopping: stopping.signal, backend: present };
  const server = createNodeServer(options.tls);
  const app = polka({
    onNoMatch: createNoMatch(deps),
    onError: (error, _request, response) => {
      log.error("a request failed before its route", { error: String(error) });
      response.destroy();
    },
  });
  for (const route of routes) app.add(route.method, route.path, createHandler(route, deps, { readiness, metrics }));

  // A sender that asks before it sends a body too large for any route is told at once, and keeps its bytes.
  server.on("checkContinue", (request, response) => {
    if (declaredLength(request) <= largestBody) response.writeContinue();
    app.handler(request, response);
  });
  server.on("request", (request, response) => app.handler(request, response));

  return {
    async start() {
      await new Promise<void>((resolve, reject) => {
        const refused = (error: NodeJS.ErrnoException) =>
          reject(
            new StewardError(
              "conflict",
              `cannot listen on ${http.host}:${http.port} (${error.code ?? error.message})`,
              {
                path: "http",
                cause: error,
              },
            ),
          );
        server.once("error", refused);
        server.listen(http.port, http.host, () => {
          server.off("error", refused);
          resolve();
        });
      });
      server.on("error", (error) => log.error("the HTTP server failed", { error: error.message }));
      return { port: (server.address() as AddressInfo).port };
    },
    attach(next) {
      backend = next;
    },
    detach() {
      backend = null;
    },
    async stop(ms) {
      stopping.abort();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // A connection that was busy a moment ago is idle now, and would be kept for the next request.
      const stopSweeping = clock.every(50, () => server.closeIdleConnections());
      const done = new AbortController();
      const timeout = clock.sleep(ms, done.signal).then(
        () => server.closeAllConnections(),
        () => undefined,
      );
      await closed;
      stopSweeping();
      done.abort();
      await timeout;
    },
  };

  function present(): Backend {
    if (backend !== null) return backend;
    const { state } = readiness();
    throw new StewardError("unavailable", `this Steward does not serve: ${state}`, { state });
  }
}

const largestBody = Math.max(...routes.map((route) => ("limit" in route ? route.limit : 0)));

function createNodeServer(tls: HttpServerOptions["tls"]): Server {
  const times = {
    headersTimeout: limits.headers,
    requestTimeout: limits.request,
    keepAliveTimeout: limits.keepAlive,
    connectionsCheckingInterval: limits.check,
    noDelay: true,
  };
  const server =
    tls === null
      ? createServer(times)
      : createTlsServer({ ...times, ...tls, minVersion: "TLSv1.2", handshakeTimeout: limits.headers });
  server.timeout = limits.idle;
  server.maxConnections = limits.connections;
  return server;
}
