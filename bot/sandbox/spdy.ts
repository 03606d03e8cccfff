/** SPDY/3.1 port forwarding, as kubectl speaks it: raw after an upgrade, or tunnelled in a WebSocket. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Dial } from "./portforward.ts";
import { notImplemented } from "./status.ts";

export const spdyProtocol = "SPDY/3.1";
export const tunnelProtocol = "SPDY/3.1+portforward.k8s.io";

export function acceptSpdy(_request: IncomingMessage, _socket: Duplex, _head: Buffer, _dial: Dial): void {
  throw notImplemented("SPDY port forwarding");
}

export function acceptTunnel(_request: IncomingMessage, _socket: Duplex, _head: Buffer, _dial: Dial): void {
  throw notImplemented("SPDY port forwarding");
}
