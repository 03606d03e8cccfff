import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { App, Logger, SocketModeReceiver } from "@slack/bolt";
import type { Clock } from "../../edges.ts";
import type { Connection, LinkEvents } from "../link.ts";
import { asStewardError } from "./calls.ts";
import { readFrame } from "./frames.ts";

export interface SocketOptions {
  appToken: string;
  apiUrl: string;
  /** After so long without a pong the SDK gives the socket up, in ms; the link's own watch stands behind it. */
  pingMs: number;
  callMs: number;
}

/** Signs of life below the frames. Source: undici's diagnostics channels, which the SDK itself listens to. */
const signs = ["undici:websocket:ping", "undici:websocket:pong"] as const;
/** A polite end may take this long before it is made, in ms. */
const politeMs = 1_000;

/**
 * One socket of Slack's Socket Mode, for one App. The SDK's reconnecting is off and its handling of frames is stood in for where it would close the
 * socket before there is another, or end the process (im-protocols.md 3.10, 3 to 6).
 */
export async function openSocket(
  Receiver: typeof SocketModeReceiver,
  app: App,
  { appToken, apiUrl, pingMs, callMs }: SocketOptions,
  { logger, clock }: { logger: Logger; clock: Clock },
  events: LinkEvents,
  signal: AbortSignal,
): Promise<Connection> {
  const receiver = new Receiver({
    appToken,
    logger,
    autoReconnectEnabled: false,
    clientPingTimeout: pingMs,
    serverPingTimeout: 6 * pingMs,
    // An object of its own: the SDK writes into it.
    installerOptions: { clientOptions: { slackApiUrl: apiUrl, timeout: callMs, retryConfig: { retries: 0 } } },
  });
  receiver.init(app);
  const { client } = receiver;
  let url = "";
  let closing: Promise<void> | null = null;
  let over = false;

  const heard = (message: unknown) => {
    if (isOf(message, url)) events.heard();
  };
  for (const sign of signs) subscribe(sign, heard);
  client.on("authenticated", (answer: { url?: string }) => {
    url = answer.url === undefined ? "" : new URL(answer.url).href;
  });
  client.on("disconnected", () => {
    over = true;
    events.lost("the socket was closed");
  });
  // A socket whose end was asked for while its address was still being fetched opens all the same.
  client.on("connecting", () => {
    if (closing !== null) queueMicrotask(() => void client.disconnect());
  });
  standInForFrames();

  const abort = () => void close();
  signal.addEventListener("abort", abort, { once: true });
  try {
    await client.start();
  } catch (error) {
    await close();
    throw signal.aborted ? signal.reason : asStewardError(error);
  } finally {
    signal.removeEventListener("abort", abort);
  }
  return { close };

  function standInForFrames(): void {
    const [pass] = client.listeners("ws_message");
    client.removeAllListeners("ws_message");
    client.on("ws_message", (data: unknown, isBinary: boolean) => {
      events.heard();
      const frame = readFrame(data);
      if (frame === null || pass === undefined) return;
      if (frame.type === "disconnect") {
        if (frame.reason === "link_disabled") events.lost("Socket Mode is switched off");
        else events.retiring(frame.reason);
      } else if (frame.type !== "events_api" || frame.hasEvent) {
        Promise.resolve(pass.call(client, data, isBinary)).catch(() => undefined);
      }
    });
  }

  function close(): Promise<void> {
    closing ??= end();
    return closing;
  }

  /** The SDK waits 30 s for the other side to say goodbye; asked a second time it cuts the socket. */
  async function end(): Promise<void> {
    for (const sign of signs) unsubscribe(sign, heard);
    if (over) return;
    const ended = client.disconnect().catch(() => undefined);
    clearTimeout(goodbyeOf(client));
    const patience = new AbortController();
    const late = clock.sleep(politeMs, patience.signal).then(
      () => true,
      () => false,
    );
    if (await Promise.race([ended.then(() => false), late])) void client.disconnect().catch(() => undefined);
    patience.abort();
  }
}

/**
 * The SDK's timer for those 30 s. It loses hold of it when an error of the socket comes between, and then nothing can end it; here `politeMs` stands in
 * for it.
 */
function goodbyeOf(client: object): NodeJS.Timeout | undefined {
  const socket: unknown = Reflect.get(client, "websocket");
  const timer: unknown =
    typeof socket === "object" && socket !== null ? Reflect.get(socket, "closeHandshakeTimeout") : null;
  return timer instanceof Object && "unref" in timer ? (timer as NodeJS.Timeout) : undefined;
}

function isOf(message: unknown, url: string): boolean {
  if (typeof message !== "object" || message === null || !("websocket" in message)) return false;
  const { websocket } = message;
  return typeof websocket === "object" && websocket !== null && "url" in websocket && websocket.url === url;
}
