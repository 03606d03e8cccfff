import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent, type RequestOptions } from "node:https";
import { KubeConfig } from "@kubernetes/client-node";
import { StewardError } from "../../../shared/errors.ts";
import { redactText } from "../../../shared/redact.ts";
import { type Environment, isLoopback, proxyFor } from "./proxy.ts";

export interface ConnectionOptions {
  /** null: the pod's own account, else the default kubeconfig. */
  kubeconfig: string | null;
  /** null: the kubeconfig's current context. */
  context: string | null;
  env: Environment;
}

/** What a request needs to be let in, fresh for each one: tokens and certificates are rotated under a running process. */
export interface Entry {
  server: URL;
  headers: Readonly<Record<string, string>>;
  agent: HttpAgent;
}

export interface Connection {
  /** `fresh`: a connection of its own, so that an error before it is up proves that nothing was sent. */
  enter(use: "pooled" | "fresh"): Promise<Entry>;
  /** Reads the kubeconfig again: the server no longer accepts what it said. */
  renew(): void;
}

const tokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/**
 * Credentials, trust and proxy of one cluster. `KubeConfig` knows kubeconfig files, credential plugins, token files and the pod's own account.
 * Throws `invalid` with the path in the configuration when the kubeconfig cannot be used.
 */
export function createConnection(options: ConnectionOptions): Connection {
  let config = load(options);
  let material: string | null = null;
  let pool: HttpAgent | null = null;

  return { enter, renew };

  /** A file that is just being replaced is read the next time. */
  function renew(): void {
    try {
      config = load(options);
      material = null;
    } catch (error) {
      if (!(error instanceof StewardError)) throw error;
    }
  }

  async function enter(use: "pooled" | "fresh"): Promise<Entry> {
    let request = await authenticated(config);
    const found = fingerprint(request);
    if (material !== null && material !== found) {
      renew(); // KubeConfig keeps the agent of a proxy, and with it the certificate of its first request
      request = await authenticated(config);
    }
    if (material !== found) pool = null;
    material = found;
    const cluster = config.getCurrentCluster();
    const server = new URL(cluster?.server ?? "");
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(request.headers ?? {})) headers[name] = String(value);
    if (typeof request.auth === "string")
      headers["Authorization"] = `Basic ${Buffer.from(request.auth).toString("base64")}`;
    return { server, headers, agent: agentFor(use, server, request) };
  }

  function agentFor(use: "pooled" | "fresh", server: URL, request: RequestOptions): HttpAgent {
    if (config.getCurrentCluster()?.proxyUrl !== undefined && request.agent instanceof HttpAgent) return request.agent;
    if (use === "fresh") return directAgent(server, request, false);
    pool ??= directAgent(server, request, true);
    return pool;
  }
}

function directAgent(server: URL, request: RequestOptions, keepAlive: boolean): HttpAgent {
  if (server.protocol === "http:") return new HttpAgent({ keepAlive });
  const { ca, cert, key, passphrase, servername, rejectUnauthorized } = request;
  const tls = { ca, cert, key, passphrase, servername, rejectUnauthorized };
  const given = Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined));
  return new HttpsAgent({ keepAlive, ...given });
}

async function authenticated(config: KubeConfig): Promise<RequestOptions> {
  const request: RequestOptions = {};
  try {
    await config.applyToHTTPSOptions(request);
  } catch (error) {
    const words = error instanceof Error ? redactText(error.message.trim().split("\n")[0] ?? "").slice(0, 200) : "";
    throw new StewardError("unavailable", `the credentials for the API server cannot be had: ${words}`, {
      cause: error,
    });
  }
  return request;
}

function fingerprint({ ca, cert, key }: RequestOptions): string {
  const hash = createHash("sha256");
  for (const part of [ca, cert, key]) {
    hash.update("|");
    if (typeof part === "string" || Buffer.isBuffer(part)) hash.update(part);
  }
  return hash.digest("hex");
}

function load({ kubeconfig, context, env }: ConnectionOptions): KubeConfig {
  const config = new KubeConfig();
  try {
    if (kubeconfig !== null) config.loadFromFile(kubeconfig);
    else if (existsSync(tokenFile) && env["KUBERNETES_SERVICE_HOST"] !== undefined) config.loadFromCluster();
    else config.loadFromDefault();
  } catch (error) {
    throw unusable(
      `${kubeconfig ?? "the default kubeconfig"} cannot be read: ${reasonOf(error)}`,
      "cluster.kubeconfig",
      error,
    );
  }
  if (context !== null) {
    if (config.getContextObject(context) === null)
      throw unusable(`there is no context "${context}"`, "cluster.context");
    config.setCurrentContext(context);
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null || !URL.canParse(cluster.server)) {
    throw unusable("the kubeconfig names no cluster with a server", "cluster.kubeconfig");
  }
  const server = new URL(cluster.server);
  const plain = server.protocol === "http:";
  if (plain && !isLoopback(server.hostname) && !cluster.skipTLSVerify) {
    throw unusable("the server of the kubeconfig is plain http and not on this machine", "cluster.kubeconfig");
  }
  const proxyUrl = cluster.proxyUrl ?? proxyFor(server, env) ?? undefined;
  config.clusters = config.clusters.map((entry) =>
    entry.name === cluster.name
      ? { ...entry, skipTLSVerify: plain || entry.skipTLSVerify, ...(proxyUrl === undefined ? {} : { proxyUrl }) }
      : entry,
  );
  return config;
}

function unusable(message: string, path: string, cause?: unknown): StewardError {
  return new StewardError("invalid", message, { path, cause });
}

function reasonOf(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return error instanceof Error ? (error.message.split("\n")[0] ?? "").slice(0, 200) : "unknown";
}
