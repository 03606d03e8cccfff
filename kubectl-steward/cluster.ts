import { request as plainRequest } from "node:http";
import { type RequestOptions, request as tlsRequest } from "node:https";
import { createRequire } from "node:module";
import { Duplex, PassThrough, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { z } from "zod";
import { exit, Failure } from "./exit.ts";

/** What the plugin needs of the user's cluster. */
export interface Cluster {
  /** `context prod (https://…)`: names the cluster in keys and messages. */
  readonly name: string;
  /** The context's namespace. */
  readonly namespace: string;
  /** The pod of Steward that serves. Throws Failure (unreachable) with what to do when there is none. */
  findBot(namespace: string | null): Promise<BotPod>;
  /** A connection to a port of a pod, through the API server. */
  forward(pod: BotPod): Promise<Duplex>;
  /** The one-time setup token, where this user may read its Secret; else null. */
  setupToken(namespace: string): Promise<string | null>;
}

export interface BotPod {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

const selector = "app.kubernetes.io/name=steward";
const requestTimeoutMs = 10_000;
/** Channels of a forwarded port. Source: Kubernetes, portforward over WebSocket (kubelet remotecommand, v4.channel.k8s.io). */
const dataChannel = 0;
const errorChannel = 1;

const PodList = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string(), namespace: z.string(), deletionTimestamp: z.string().optional() }),
      spec: z.object({
        containers: z.array(
          z.object({ ports: z.array(z.object({ name: z.string().optional(), containerPort: z.number() })).optional() }),
        ),
      }),
      status: z
        .object({
          phase: z.string().optional(),
          conditions: z.array(z.object({ type: z.string(), status: z.string() })).optional(),
        })
        .optional(),
    }),
  ),
});
type Pod = z.infer<typeof PodList>["items"][number];

/** The cluster of a kubeconfig, as kubectl would choose it. Throws Failure (usage) when the configuration cannot be read. */
export async function openCluster(options: {
  kubeconfig: string | undefined;
  context: string | undefined;
}): Promise<Cluster> {
  const { KubeConfig, WebSocketHandler } = await loadClient();
  const config = new KubeConfig();
  try {
    if (options.kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(options.kubeconfig);
    if (options.context !== undefined) {
      if (config.getContextObject(options.context) === null) throw new Error(`there is no context ${options.context}`);
      config.setCurrentContext(options.context);
    }
  } catch (error) {
    throw new Failure(exit.usage, `the kubeconfig cannot be used: ${wordsOf(error)}`, error);
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null)
    throw new Failure(exit.usage, "the kubeconfig has no current context: choose one with --context, or give --server");
  const context = config.getCurrentContext();
  const name = `context ${context} (${cluster.server})`;

  return {
    name,
    namespace: config.getContextObject(context)?.namespace ?? "default",
    findBot,
    forward,
    setupToken,
  };

  async function findBot(namespace: string | null): Promise<BotPod> {
    const folder = namespace === null ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
    const { status, body } = await get(`/api/v1${folder}/pods?labelSelector=${encodeURIComponent(selector)}`);
    if (status === 403 && namespace === null) {
      throw new Failure(
        exit.unreachable,
        "not allowed to look for Steward in all namespaces: say where it runs with STEWARD_NAMESPACE",
      );
    }
    if (status !== 200)
      throw new Failure(exit.unreachable, `${name} does not show the pods of Steward: ${statusWords(status, body)}`);
    const pods = PodList.parse(body).items.filter(
      ({ metadata, status }) => status?.phase === "Running" && metadata.deletionTimestamp === undefined,
    );
    const pod = pods.find(isReady) ?? pods[0];
    if (pod === undefined) {
      throw new Failure(
        exit.unreachable,
        `no running pod with the label ${selector} in ${namespace ?? "any namespace"} of ${name}`,
      );
    }
    const port = pod.spec.containers
      .flatMap(({ ports }) => ports ?? [])
      .find((one) => one.name === "http")?.containerPort;
    if (port === undefined) {
      throw new Failure(
        exit.unreachable,
        `the pod ${pod.metadata.namespace}/${pod.metadata.name} has no container port named http`,
      );
    }
    return { namespace: pod.metadata.namespace, name: pod.metadata.name, port };
  }

  async function forward({ namespace, name, port }: BotPod): Promise<Duplex> {
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}/portforward?ports=${port}`;
    const received = new PassThrough();
    const unopened = new Set<number>([dataChannel, errorChannel]);
    let failed = (_words: string) => {};
    const socket = await new WebSocketHandler(config)
      .connect(path, null, (channel, data) => {
        // Each channel begins with the port it is for, two bytes.
        const payload = unopened.delete(channel) ? data.subarray(2) : data;
        if (channel === dataChannel) received.write(payload);
        else if (channel === errorChannel && payload.length > 0) failed(payload.toString("utf8").trim());
        return true;
      })
      .catch((error: unknown) => {
        throw new Failure(exit.unreachable, `cannot forward to the pod ${namespace}/${name}: ${wordsOf(error)}`, error);
      });
    const sent = new Writable({
      write: (chunk: Buffer, _encoding, done) => socket.send(Buffer.concat([Buffer.of(dataChannel), chunk]), done),
    });
    const tunnel = Duplex.from({ readable: received, writable: sent });
    // Whoever reads from it hears of an error too; here it would end the process.
    tunnel.on("error", () => {});
    failed = (words) => tunnel.destroy(new Error(words));
    socket.onclose = () => received.end();
    tunnel.once("close", () => socket.close());
    return tunnel;
  }

  async function setupToken(namespace: string): Promise<string | null> {
    const { status, body } = await get(`/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets/steward-setup`);
    const secret = z.object({ data: z.object({ token: z.string() }) }).safeParse(body);
    if (status !== 200 || !secret.success || secret.data.data.token === "") return null;
    return Buffer.from(secret.data.data.token, "base64").toString("utf8").trim();
  }

  /** One read of the API server, with the credentials the kubeconfig gives: tokens, certificates, exec plugins, proxies. */
  async function get(path: string): Promise<{ status: number; body: unknown }> {
    const url = new URL(`${cluster?.server.replace(/\/$/, "")}${path}`);
    const options: RequestOptions = {
      headers: { accept: "application/json" },
      signal: AbortSignal.timeout(requestTimeoutMs),
    };
    try {
      await config.applyToHTTPSOptions(options);
      const start = url.protocol === "https:" ? tlsRequest : plainRequest;
      return await new Promise((resolve, reject) => {
        const request = start(
          url,
          { ...options, headers: { accept: "application/json", ...options.headers } },
          (response) => {
            text(response).then((body) => resolve({ status: response.statusCode ?? 0, body: parseJson(body) }), reject);
          },
        );
        request.on("error", reject);
        request.end();
      });
    } catch (error) {
      throw new Failure(exit.unreachable, `cannot reach ${name}: ${wordsOf(error)}`, error);
    }
  }
}

/**
 * The two parts of the client that are needed, loaded late: the whole of it is 17 MB of generated models. Its HTTP library asks at load for
 * two functions that Node 20 does not have, and which nothing here ever calls.
 */
async function loadClient() {
  const require = createRequire(import.meta.url);
  for (const [module, name] of [
    ["node:zlib", "createZstdDecompress"],
    ["node:worker_threads", "markAsUncloneable"],
  ] as const) {
    const exports = require(module) as Record<string, unknown>;
    exports[name] ??= () => {};
  }
  const [{ KubeConfig }, { WebSocketHandler }] = await Promise.all([
    import("@kubernetes/client-node/dist/config.js"),
    import("@kubernetes/client-node/dist/web-socket-handler.js"),
  ]);
  return { KubeConfig, WebSocketHandler };
}

function isReady({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

/** The API server's own words. */
function statusWords(status: number, body: unknown): string {
  const said = z.object({ message: z.string() }).safeParse(body);
  return said.success ? said.data.message : `it answered ${status}`;
}

/** What went wrong, from the many shapes in which sockets and WebSockets say it. */
function wordsOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(wordsOf).join("; ");
  if (error instanceof Error) return error.message;
  const said = z.object({ message: z.string() }).safeParse(error);
  return said.success && said.data.message !== "" ? said.data.message : "the connection failed";
}
