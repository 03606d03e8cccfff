import type { Clock } from "../edges.ts";
import type { Output } from "./answer.ts";

/** How often a quiet stream says that it is alive, in ms: below the idle limits of proxies and of our own server. */
const heartbeatEvery = 15_000;
/** A client this many bytes behind is cut off; it comes back and resumes from the last event it saw. */
const tooFarBehind = 4 * 1024 * 1024;

export interface EventSink {
  /** Sends one event. Never waits: events must not hold up who makes them. */
  event(event: { id: number; event: string; data: unknown }): void;
}

/**
 * Speaks server-sent events on an output until the client goes away, the server stops or `mayGoOn` says no (asked with every
 * heartbeat: a session that was revoked must not go on reading). `subscribe` gets the sink and answers how to stop. The first thing said is
 * the id it begins after, so that a client that is cut off before its first event resumes there.
 */
export async function speakEvents(
  out: Output,
  signal: AbortSignal,
  options: { clock: Clock; from: number; mayGoOn: () => Promise<boolean>; subscribe: (sink: EventSink) => () => void },
): Promise<void> {
  const over = new AbortController();
  const end = () => over.abort();
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();

  await out.write(`retry: 2000\nid: ${options.from}\n: connected\n\n`);
  const unsubscribe = options.subscribe({
    event({ id, event, data }) {
      if (over.signal.aborted) return;
      if (out.waiting() > tooFarBehind) return end();
      void out.write(`id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    },
  });
  const stopHeartbeat = options.clock.every(heartbeatEvery, async () => {
    if (out.waiting() === 0) void out.write(": alive\n\n");
    if (!(await options.mayGoOn())) end();
  });
  try {
    await new Promise<void>((resolve) => {
      if (over.signal.aborted) resolve();
      else over.signal.addEventListener("abort", () => resolve(), { once: true });
    });
  } finally {
    stopHeartbeat();
    unsubscribe();
    signal.removeEventListener("abort", end);
  }
}
