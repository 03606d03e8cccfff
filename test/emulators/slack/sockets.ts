import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocket, WebSocketServer } from "ws";

interface Socket {
  ws: WebSocket;
  frozen: boolean;
  retiring: boolean;
}

interface Waiting {
  /** The socket the envelope went to: an acknowledgement on another one does not count. */
  resolve(acknowledgedAfter: number): void;
  at: number;
}

/** How often the server pings, in ms; Slack: about 10 s. */
const pingEvery = 300;
/** After telling that a socket will be replaced Slack keeps it for a while, in ms. */
const graceMs = 1_500;
const mostSockets = 10;

/** The sockets of one app in Socket Mode: frames out, acknowledgements in, and everything that can happen to a connection. */
export function createSockets(deadlineMs: number) {
  const server = new WebSocketServer({ noServer: true, autoPong: false });
  const sockets = new Set<Socket>();
  const waiting = new Map<string, Waiting>();
  const timers = new Set<NodeJS.Timeout>();
  let envelopes = 0;
  const state = { mute: false, repeat: 1 };

  return { state, accept, push, open, drop, freeze, rotate, junk, stop };

  function accept(request: IncomingMessage, raw: Duplex, head: Buffer): void {
    server.handleUpgrade(request, raw, head, (ws) => {
      const socket: Socket = { ws, frozen: false, retiring: false };
      if (sockets.size >= mostSockets) {
        ws.send(JSON.stringify({ type: "disconnect", reason: "too_many_websockets" }));
        ws.close();
        return;
      }
      sockets.add(socket);
      ws.on("close", () => sockets.delete(socket));
      ws.on("error", () => undefined);
      ws.on("ping", (data) => {
        if (!socket.frozen) ws.pong(data);
      });
      ws.on("message", (data) => receive(socket, String(data)));
      if (state.mute) return;
      ws.send(
        JSON.stringify({
          type: "hello",
          num_connections: sockets.size,
          debug_info: { host: "applink-1", build_number: 1, approximate_connection_time: 18_060 },
          connection_info: { app_id: "A1" },
        }),
      );
      const ping = setInterval(() => {
        if (!socket.frozen && ws.readyState === WebSocket.OPEN) ws.ping("server");
      }, pingEvery);
      timers.add(ping);
      ws.on("close", () => {
        clearInterval(ping);
        timers.delete(ping);
      });
    });
  }

  function receive(socket: Socket, text: string): void {
    if (socket.frozen) return;
    const frame: unknown = JSON.parse(text);
    if (typeof frame !== "object" || frame === null || !("envelope_id" in frame)) return;
    const id = String(frame.envelope_id);
    const ack = waiting.get(id);
    waiting.delete(id);
    ack?.resolve(performance.now() - ack.at);
  }

  /** Sockets that something would be sent over: those that will stay before those that will go. */
  function receiving(): Socket[] {
    const usable = [...sockets].filter(({ ws, frozen }) => !frozen && ws.readyState === WebSocket.OPEN);
    const staying = usable.filter(({ retiring }) => !retiring);
    return staying.length > 0 ? staying : usable;
  }

  /**
   * Sends an envelope over one socket, any one. Resolves with the ms until it was acknowledged, or null. Events are sent again while nobody took them; a press
   * is not. A repeated one goes over other sockets too, with an envelope of its own.
   */
  async function push(type: "events_api" | "interactive", payload: unknown): Promise<number | null> {
    const first = type === "interactive" ? await send(type, payload, 0) : await sendUntilTaken(payload);
    for (let again = 1; again < state.repeat; again++) await send(type, payload, again);
    return first;
  }

  async function sendUntilTaken(payload: unknown): Promise<number | null> {
    const end = performance.now() + 10_000;
    for (let attempt = 0; performance.now() < end; attempt++) {
      const taken = receiving().length === 0 ? null : await send("events_api", payload, attempt);
      if (taken !== null) return taken;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    return null;
  }

  function send(type: string, payload: unknown, attempt: number): Promise<number | null> {
    const usable = receiving();
    const socket = usable[envelopes % Math.max(1, usable.length)];
    if (socket === undefined) return Promise.resolve(null);
    envelopes += 1;
    const id = `e${envelopes}`;
    return new Promise((resolve) => {
      const late = setTimeout(() => {
        waiting.delete(id);
        timers.delete(late);
        resolve(null);
      }, deadlineMs);
      timers.add(late);
      waiting.set(id, {
        at: performance.now(),
        resolve(after) {
          clearTimeout(late);
          timers.delete(late);
          resolve(after);
        },
      });
      const retry = type === "events_api" ? { retry_attempt: attempt, retry_reason: attempt > 0 ? "timeout" : "" } : {};
      socket.ws.send(
        JSON.stringify({ type, envelope_id: id, accepts_response_payload: type === "interactive", ...retry, payload }),
      );
    });
  }

  function open(): number {
    return [...sockets].filter(({ ws, frozen }) => !frozen && ws.readyState === WebSocket.OPEN).length;
  }

  function drop(): void {
    for (const { ws } of sockets) ws.terminate();
  }

  function freeze(): void {
    for (const socket of sockets) {
      socket.frozen = true;
      socket.ws.pause();
    }
  }

  function rotate(): void {
    for (const socket of sockets) {
      socket.retiring = true;
      socket.ws.send(
        JSON.stringify({ type: "disconnect", reason: "refresh_requested", debug_info: { host: "applink-1" } }),
      );
      const end = setTimeout(() => {
        timers.delete(end);
        socket.ws.terminate();
      }, graceMs);
      timers.add(end);
    }
  }

  function junk(): void {
    for (const { ws } of sockets) {
      ws.send("not json");
      ws.send(Buffer.from([0, 1, 2, 255]));
      ws.send("null");
      ws.send("[]");
      ws.send(JSON.stringify({ type: "hello?", envelope_id: 7 }));
      // As Slack sends when an app gets too many events: a payload without an event.
      ws.send(
        JSON.stringify({
          type: "events_api",
          envelope_id: "x1",
          payload: { type: "app_rate_limited", minute_rate_limited: 1 },
        }),
      );
      ws.send(JSON.stringify({ type: "events_api", envelope_id: "x2" }));
      ws.send(
        JSON.stringify({ type: "interactive", envelope_id: "x3", payload: { type: "block_actions", actions: [] } }),
      );
      ws.send(JSON.stringify({ type: "interactive", envelope_id: "x4", payload: "text" }));
    }
  }

  function stop(): void {
    for (const timer of timers) {
      clearTimeout(timer);
      clearInterval(timer);
    }
    drop();
    server.close();
  }
}
