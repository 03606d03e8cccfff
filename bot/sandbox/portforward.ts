/** pods/portforward over WebSocket: every port is a pair of channels, data and error, piped to a loopback port. */
import type { IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import type { Pod } from "./object.ts";
import type { Registry } from "./registry/registry.ts";
import type { RequestInfo } from "./request.ts";
import { acceptSpdy, acceptTunnel, spdyProtocol, tunnelProtocol } from "./spdy.ts";
import { badRequest, noSuchPath, notImplemented } from "./status.ts";

export interface Forwards {
  set(namespace: string, pod: string, containerPort: number, loopbackPort: number): void;
  get(namespace: string, pod: string, containerPort: number): number | undefined;
}

export function createForwards(): Forwards {
  const table = new Map<string, number>();
  const key = (namespace: string, pod: string, port: number) => `${namespace}/${pod}:${port}`;
  return {
    set: (namespace, pod, from, to) => void table.set(key(namespace, pod, from), to),
    get: (namespace, pod, from) => table.get(key(namespace, pod, from)),
  };
}

const channelProtocol = "v4.channel.k8s.io";

/** Opens the connection that a container port stands for; without one nothing listens there. */
export type Dial = (containerPort: number) => { socket: Socket } | { refused: string };

function dialer(forwards: Forwards, namespace: string, pod: string, uid: string): Dial {
  return (containerPort) => {
    const port = forwards.get(namespace, pod, containerPort);
    if (port === undefined) {
      return {
        refused: `error forwarding port ${containerPort} to pod ${uid}, uid : failed to execute portforward in network namespace: failed to connect to localhost:${containerPort} inside namespace "${uid}": dial tcp4 127.0.0.1:${containerPort}: connect: connection refused`,
      };
    }
    return { socket: connect(port, "127.0.0.1") };
  };
}

export function acceptPortForward(
  registry: Registry,
  forwards: Forwards,
  info: RequestInfo,
  query: URLSearchParams,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  if (info.resource !== "pods" || info.subresource === "") throw noSuchPath();
  if (info.subresource !== "portforward") throw notImplemented(`pods/${info.subresource}`);
  const pod = registry.get(registry.kinds.resource("", "pods"), info.namespace, info.name) as Pod;
  if (pod.status.phase !== "Running")
    throw badRequest(`unable to forward port because pod is not running. Current status=${pod.status.phase}`);
  const dial = dialer(forwards, info.namespace, info.name, pod.metadata.uid ?? "");
  if (request.headers.upgrade?.toLowerCase() === spdyProtocol.toLowerCase()) {
    acceptSpdy(request, socket, head, dial);
    return;
  }
  if (request.headers.upgrade?.toLowerCase() !== "websocket") throw badRequest("Upgrade request required");
  const asked = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
  if (asked.includes(tunnelProtocol)) {
    acceptTunnel(request, socket, head, dial);
    return;
  }
  const ports = query
    .getAll("ports")
    .flatMap((list) => list.split(","))
    .map(Number);
  if (ports.length === 0 || ports.some((port) => !Number.isInteger(port) || port < 1 || port > 65535)) {
    throw badRequest(`query parameter "ports" is required`);
  }
  if (asked.length > 0 && asked[0] !== "" && !asked.includes(channelProtocol)) {
    throw badRequest(
      `unable to negotiate a websocket subprotocol: only ${channelProtocol} and ${tunnelProtocol} are served`,
    );
  }
  const server = new WebSocketServer({ noServer: true, handleProtocols: () => channelProtocol });
  server.handleUpgrade(request, socket, head, (client) => forwardPorts(client, ports, dial));
}

function forwardPorts(client: WebSocket, ports: readonly number[], dial: Dial): void {
  const opened: (Socket | undefined)[] = [];
  const send = (channel: number, data: Buffer) => client.send(Buffer.concat([Buffer.from([channel]), data]));
  for (const [i, port] of ports.entries()) {
    const number = Buffer.alloc(2);
    number.writeUInt16LE(port);
    send(i * 2, number);
    send(i * 2 + 1, number);
    const target = dial(port);
    if ("refused" in target) {
      send(i * 2 + 1, Buffer.from(target.refused));
      continue;
    }
    const { socket } = target;
    opened[i] = socket;
    socket.on("data", (data) => {
      send(i * 2, data);
      // Back pressure: stop reading while the client is behind.
      if (client.bufferedAmount > 1 << 20) {
        socket.pause();
        const resume = () => (client.bufferedAmount > 1 << 19 ? setTimeout(resume, 10) : socket.resume());
        setTimeout(resume, 10);
      }
    });
    socket.on("error", (error) => send(i * 2 + 1, Buffer.from(error.message)));
    socket.on("close", () => {
      opened[i] = undefined;
      if (opened.every((other) => other === undefined)) client.close();
    });
  }
  client.on("message", (message: RawData) => {
    const data = Buffer.isBuffer(message)
      ? message
      : Array.isArray(message)
        ? Buffer.concat(message)
        : Buffer.from(message);
    const channel = data[0] ?? 0;
    if (channel % 2 === 0) opened[channel / 2]?.write(data.subarray(1));
  });
  client.on("close", () => {
    for (const socket of opened) socket?.destroy();
  });
  client.on("error", () => client.terminate());
}
