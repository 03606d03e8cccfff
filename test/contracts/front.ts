import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { request as httpsRequest, type RequestOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { KubeConfig } from "@kubernetes/client-node";

/** What passed: the request as it came, and the body of its answer as far as it came. */
export interface Passage {
  readonly method: string;
  /** Path and query as the client sent them, and as they went on. */
  readonly path: string;
  readonly forwarded: string;
  readonly body: string;
  status: number;
  answer: string;
  ended: boolean;
}

const protobuf = "application/vnd.kubernetes.protobuf";

/** A loopback proxy in front of an API server, which gives everybody the kubeconfig's credentials. */
export interface Front {
  readonly url: string;
  /** A kubeconfig that leads here. */
  readonly kubeconfig: object;
  /** In the order in which they came. */
  readonly passages: readonly Passage[];
  /** Changes the path of what comes from now on; null ends its connection. */
  rewrite(change: (path: string, method: string) => string | null): void;
  /** Ends all connections that are open, as a network does. */
  cut(): void;
  stop(): Promise<void>;
}

export async function startFront(kubeconfig: string): Promise<Front> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const target = config.getCurrentCluster()?.server;
  if (target === undefined) throw new Error(`${kubeconfig} names no cluster`);
  const send = target.startsWith("https:") ? httpsRequest : httpRequest;
  const passages: Passage[] = [];
  let change: (path: string, method: string) => string | null = (path) => path;

  const server = createServer((incoming, outgoing) => void pass(incoming, outgoing).catch(() => outgoing.destroy()));
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = "GET", url: path = "/" } = incoming;
    const body = await bytesOf(incoming);
    const forwarded = change(path, method);
    if (forwarded === null) {
      outgoing.destroy();
      return;
    }
    const passage: Passage = { method, path, forwarded, body: body.toString(), status: 0, answer: "", ended: false };
    passages.push(passage);
    const options: RequestOptions = {};
    await config.applyToHTTPSOptions(options);
    const { host: _, connection: __, "accept-encoding": ___, accept = "*/*", ...headers } = incoming.headers;
    const call = send(new URL(forwarded, target), {
      ...options,
      agent: false,
      method,
      // What is passed on is to be read here too.
      headers: { ...headers, accept: accept.replaceAll(protobuf, "application/json"), ...options.headers },
    });
    outgoing.once("close", () => call.destroy());
    call.once("error", () => outgoing.destroy());
    call.once("response", (answer) => {
      passage.status = answer.statusCode ?? 0;
      outgoing.writeHead(passage.status, answer.headers);
      outgoing.flushHeaders();
      answer.on("data", (chunk: Buffer) => {
        passage.answer += chunk.toString();
        outgoing.write(chunk);
      });
      answer.once("end", () => {
        passage.ended = true;
        outgoing.end();
      });
      answer.once("error", () => outgoing.destroy());
    });
    call.end(body);
  }

  return {
    url,
    kubeconfig: {
      apiVersion: "v1",
      kind: "Config",
      "current-context": "front",
      clusters: [{ name: "front", cluster: { server: url } }],
      contexts: [{ name: "front", context: { cluster: "front", user: "front" } }],
      users: [{ name: "front", user: {} }],
    },
    passages,
    rewrite: (to) => {
      change = to;
    },
    cut: () => server.closeAllConnections(),
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function bytesOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
