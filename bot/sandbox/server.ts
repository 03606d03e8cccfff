/** HTTP: who asks, may they, what do they want it as; and the faults that tests switch on. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { type AddressInfo, createServer as createListener, type Server as Listener } from "node:net";
import type { Duplex } from "node:stream";
import { stringify as toYaml } from "yaml";
import { authenticate, type Tokens } from "./authentication.ts";
import { selfSigned } from "./certificate.ts";
import { documentAt } from "./documents.ts";
import type { Faults } from "./faults.ts";
import { type ApiRequest, findResource, handle, parseBody, selection, tokenRequest, UnknownPath } from "./handlers.ts";
import { asList, asObject } from "./json.ts";
import { checkListOptions } from "./list-options.ts";
import { type LogSource, streamLogs } from "./logs.ts";
import type { KubeObject } from "./object.ts";
import { acceptPortForward, type Forwards } from "./portforward.ts";
import { protobufType, readProtobuf } from "./protobuf.ts";
import { type Authorizer, refusal } from "./rbac.ts";
import { isReviewKind, type Resource } from "./registry/kinds.ts";
import type { Caller, Registry, User } from "./registry/registry.ts";
import { createWatchPrinter, represent, shapeOf } from "./representation.ts";
import { type Accepted, type RequestInfo, readAccept, readRequest } from "./request.ts";
import { answerReview } from "./reviews.ts";
import { ApiError, badRequest, type FieldError, forbidden, invalid } from "./status.ts";
import { checkRevision, type WatchEvent, watch } from "./watch.ts";

export interface SandboxRequest {
  readonly time: string;
  readonly method: string;
  readonly path: string;
  /** Who it was carried out as: the impersonated user, if any. */
  readonly user: string;
  readonly impersonator?: string;
  readonly dryRun: boolean;
  readonly body?: unknown;
  readonly status: number;
}

export interface ServerParts {
  readonly registry: Registry;
  readonly tokens: Tokens;
  readonly authorizer: Authorizer;
  readonly logs: LogSource;
  readonly forwards: Forwards;
  readonly faults: Faults;
  record(request: SandboxRequest): void;
}

const bodyLimit = 3 * 1024 * 1024;
const bookmarkEvery = 60_000;

const optionsKind: Readonly<Record<string, string>> = {
  POST: "CreateOptions",
  PUT: "UpdateOptions",
  PATCH: "PatchOptions",
  DELETE: "DeleteOptions",
};

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly info: RequestInfo;
  readonly query: URLSearchParams;
  readonly accepts: readonly Accepted[];
}

export interface Running {
  /** Plain HTTP; the same port speaks TLS too. */
  readonly url: string;
  readonly secureUrl: string;
  /** PEM of the certificate to trust for `secureUrl`. */
  readonly certificate: string;
  close(): Promise<void>;
}

export async function startServer(parts: ServerParts, host: string, port: number): Promise<Running> {
  const { registry, tokens, authorizer } = parts;
  const sockets = new Set<Duplex>();
  const closers = new Set<() => void>();
  const identity = selfSigned(registry.clock.now());
  const plain = createServer((request, response) => void serve(request, response));
  const secure = createSecureServer(identity, (request, response) => void serve(request, response));
  for (const server of [plain, secure])
    server.on("upgrade", (request, socket, head) => void upgrade(request, socket, head));
  // One port for both: a TLS connection begins with a handshake record, 0x16.
  const server = createListener((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.once("readable", () => {
      const first: Buffer | null = socket.read(1);
      if (first === null) return;
      socket.unshift(first);
      (first[0] === 0x16 ? secure : plain).emit("connection", socket);
    });
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://sandbox");
    const info = readRequest(request.method ?? "GET", url.pathname, url.searchParams);
    const exchange: Exchange = {
      request,
      response,
      info,
      query: url.searchParams,
      accepts: readAccept(request.headers.accept),
    };
    let user: User | undefined;
    let impersonator: User | undefined;
    let body = "";
    let status = 0;
    try {
      const raw = await readBody(request);
      // Protobuf is read here and is JSON from then on.
      const isProtobuf = request.headers["content-type"]?.startsWith(protobufType) === true && raw.length > 0;
      body = isProtobuf ? JSON.stringify(readProtobuf(registry.kinds, registry.schema, raw)) : raw.toString("utf8");
      if (isProtobuf) request.headers["content-type"] = "application/json";
      ({ user, impersonator } = authenticate(tokens, authorizer, request.headers, request.rawHeaders));
      const fault = parts.faults.take(request.method ?? "GET", request.url ?? "/");
      if (fault?.kind === "hang") return;
      if (fault?.kind === "drop" && fault.when === "before") {
        request.socket.destroy();
        return;
      }
      if (fault?.kind === "status") throw fault.error;
      authorize(user, info);
      if (fault?.kind === "drop") {
        // Everything happens but the answer.
        answer({ ...exchange, response: mute(response) }, user, body);
        request.socket.destroy();
        return;
      }
      answer(exchange, user, body);
      status = response.statusCode;
    } catch (error) {
      if (error instanceof UnknownPath) {
        status = 404;
        send(exchange, 404, "404 page not found\n", "text/plain; charset=utf-8");
        return;
      }
      const failure = error instanceof ApiError ? error : internal(error);
      status = failure.status.code ?? 500;
      if (!response.headersSent) {
        const retry = failure.status.details?.retryAfterSeconds;
        if (retry) response.setHeader("Retry-After", String(retry));
        send(exchange, status, failure.status);
      } else response.destroy();
    } finally {
      const writes = !["GET", "HEAD"].includes(request.method ?? "GET");
      parts.record({
        time: registry.clock.now().toISOString(),
        method: request.method ?? "GET",
        path: request.url ?? "/",
        user: user?.name ?? "",
        ...(impersonator ? { impersonator: impersonator.name } : {}),
        dryRun: isRehearsal(request, url.searchParams, body),
        ...(writes && body ? { body: readable(request.headers["content-type"] ?? "", body) } : {}),
        status: status || response.statusCode,
      });
    }
  }

  function authorize(user: User, info: RequestInfo): void {
    const { allowed } = authorizer.authorize(user, info);
    if (allowed) return;
    const resource = { group: info.group, resource: info.resource };
    throw forbidden(resource, info.name, refusal(user, info));
  }

  function answer(exchange: Exchange, user: User, body: string): void {
    const { info, query, request, response } = exchange;
    if (!info.isResource) {
      const document = documentAt(registry, info.path, exchange.accepts, request.headers.host ?? "");
      send(exchange, 200, document.body, document.contentType);
      return;
    }
    const resource = findResource(registry, info);
    const contentType = request.headers["content-type"] ?? "application/json";
    const caller = callerOf(exchange, user, contentType);
    if (isReviewKind(resource) && info.verb === "create") {
      const parsed = parseBody(contentType, body);
      const review = answerReview(resource, info.namespace, asObject(parsed), user, authorizer, tokens);
      send(exchange, 201, review);
      return;
    }
    if (info.subresource === "log" && resource.resource === "pods" && info.verb === "get") {
      whenClosed(response, streamLogs(registry, parts.logs, info, query, response));
      return;
    }
    if (info.subresource === "portforward") throw badRequest("Upgrade request required");
    if (info.subresource === "token" && info.verb === "create") {
      const token = tokens.tokenOf(`system:serviceaccount:${info.namespace}:${info.name}`);
      send(exchange, 201, tokenRequest(registry, info, parseBody(contentType, body), token));
      return;
    }
    if (info.verb === "watch") {
      startWatch(exchange, resource);
      return;
    }
    const api: ApiRequest = { info, query, contentType, body, caller };
    const shape = shapeOf(exchange.accepts, query);
    const result = handle(registry, api);
    send(exchange, result.kind === "list" ? 200 : result.code, represent(result, shape, registry.clock.now()));
  }

  function callerOf({ query, request, response }: Exchange, user: User, contentType: string): Caller {
    const dryRun = query.getAll("dryRun");
    const validation = query.get("fieldValidation") || "Warn";
    const known = validation === "Ignore" || validation === "Warn" || validation === "Strict";
    const faults: FieldError[] = [];
    if (dryRun.some((value) => value !== "All" && value !== "")) {
      faults.push({ type: "NotSupported", field: "dryRun", value: dryRun, detail: 'supported values: "All"' });
    }
    if (!known) {
      const detail = 'supported values: "", "Ignore", "Strict", "Warn"';
      faults.push({ type: "NotSupported", field: "fieldValidation", value: validation, detail });
    }
    if (faults.length > 0 || !known)
      throw invalid("meta.k8s.io", optionsKind[request.method ?? ""] ?? "CreateOptions", "", faults);
    const agent = (request.headers["user-agent"] ?? "unknown").split("/")[0] ?? "unknown";
    const warnings: string[] = [];
    return {
      user,
      manager: query.get("fieldManager") || (contentType.startsWith("application/apply-patch") ? "" : agent),
      dryRun: dryRun.includes("All"),
      fieldValidation: validation,
      warn(text) {
        warnings.push(`299 - ${JSON.stringify(text)}`);
        if (!response.headersSent) response.setHeader("Warning", warnings);
      },
    };
  }

  function startWatch({ info, query, accepts, response }: Exchange, resource: Resource): void {
    const resourceVersion = query.get("resourceVersion") ?? "";
    checkListOptions(query, true);
    checkRevision(registry.store, resourceVersion);
    const shape = shapeOf(accepts, query);
    const printer = createWatchPrinter(resource, shape, registry.clock.now);
    const { matches } = selection(resource, query);
    const table = shape.as === "table" ? ";as=Table;g=meta.k8s.io;v=v1" : "";
    response.writeHead(200, {
      "Content-Type": `application/json${table};stream=watch`,
      "Cache-Control": "no-cache, private",
    });
    response.flushHeaders();
    const started = watch(
      registry.store,
      {
        storage: resource.storage,
        namespace: resource.namespaced ? info.namespace : "",
        resourceVersion,
        sendInitialEvents: query.get("sendInitialEvents") === "true",
        matches,
      },
      (event) => response.write(`${JSON.stringify(print(printer, event))}\n`),
    );
    if (!started) {
      response.end();
      return;
    }
    const wantsBookmarks = query.get("allowWatchBookmarks") === "true";
    const interval = wantsBookmarks ? setInterval(() => started.bookmark(), bookmarkEvery) : undefined;
    const seconds = Number(query.get("timeoutSeconds") ?? 0) || 1800 + Math.floor(Math.random() * 1800);
    const limit = setTimeout(() => response.end(), seconds * 1000);
    whenClosed(response, () => {
      started.stop();
      clearInterval(interval);
      clearTimeout(limit);
    });
  }

  /** Once, when the client leaves or the server stops. */
  function whenClosed(response: ServerResponse, close: () => void): void {
    const once = () => {
      if (closers.delete(once)) close();
    };
    closers.add(once);
    response.on("close", once);
  }

  async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    const url = new URL(request.url ?? "/", "http://sandbox");
    const info = readRequest(request.method ?? "GET", url.pathname, url.searchParams);
    try {
      const { user } = authenticate(tokens, authorizer, request.headers, request.rawHeaders);
      authorize(user, info);
      parts.record({
        time: registry.clock.now().toISOString(),
        method: "GET",
        path: request.url ?? "/",
        user: user.name,
        dryRun: false,
        status: 101,
      });
      acceptPortForward(registry, parts.forwards, info, url.searchParams, request, socket, head);
    } catch (error) {
      const failure = error instanceof ApiError ? error : internal(error);
      const body = JSON.stringify(failure.status);
      socket.end(
        `HTTP/1.1 ${failure.status.code} ${failure.status.reason ?? "Error"}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
      );
    }
  }

  await listen(server, host, port);
  const { port: bound } = server.address() as AddressInfo;
  const address = `${host.includes(":") ? `[${host}]` : host}:${bound}`;
  return {
    url: `http://${address}`,
    secureUrl: `https://${address}`,
    certificate: identity.cert,
    close() {
      for (const close of [...closers]) close();
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function listen(server: Listener, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function internal(error: unknown): ApiError {
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new ApiError(500, "InternalError", `Internal error occurred: ${message}`);
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.length;
    if (size > bodyLimit) {
      throw new ApiError(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728");
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Of a delete with a body the query says nothing. */
function isRehearsal({ method, headers }: IncomingMessage, query: URLSearchParams, body: string): boolean {
  if (method !== "DELETE" || body.trim() === "") return query.get("dryRun") === "All";
  const options = readable(headers["content-type"] ?? "application/json", body);
  return asList(asObject(options)["dryRun"]).includes("All");
}

function readable(contentType: string, body: string): unknown {
  try {
    return parseBody(contentType, body);
  } catch {
    return body;
  }
}

function send({ accepts, response, request }: Exchange, code: number, body: unknown, type?: string): void {
  const yaml = type === undefined && accepts[0]?.type === "application/yaml";
  const payload = typeof body === "string" ? body : yaml ? toYaml(body) : `${JSON.stringify(body)}\n`;
  response.writeHead(code, {
    "Content-Type": type ?? (yaml ? "application/yaml" : "application/json"),
    "Cache-Control": "no-cache, private",
    "Content-Length": Buffer.byteLength(payload),
  });
  response.end(request.method === "HEAD" ? "" : payload);
}

function print(printer: ReturnType<typeof createWatchPrinter>, { type, object }: WatchEvent): unknown {
  if (type === "ERROR") return { type, object };
  const shown =
    type === "BOOKMARK"
      ? printer.bookmark(asObject(asObject(object)["metadata"]))
      : printer.object(object as KubeObject);
  return { type, object: shown };
}

/** A response whose writes go nowhere, for the fault that drops the connection after the request took effect. */
function mute(response: ServerResponse): ServerResponse {
  const silent = {
    statusCode: 200,
    headersSent: false,
    writeHead: () => silent,
    end: () => silent,
    write: () => true,
    setHeader: () => silent,
    flushHeaders: () => undefined,
    on: () => silent,
  };
  return Object.setPrototypeOf(silent, response) as ServerResponse;
}
