import type { Locale } from "../shared/locale.ts";
import type { Digest } from "./digest.ts";
import type { Channel, Clock, Log } from "./edges.ts";
import type { Notice } from "./notify.ts";
import { type Lane, openLane } from "./outbox/lane.ts";
import type { Store } from "./store.ts";

/** How long `stop` waits for what is under way, in ms; the rest is tried again after the restart. */
const lastWait = 3_000;

/** Counted for `/metrics`; the channel is the only label. */
export interface OutboxMetrics {
  delivered(channel: string): void;
  failed(channel: string): void;
  dead(channel: string): void;
  digested(channel: string, cards: number): void;
}

export interface Backlog {
  channel: string;
  queued: number;
  /** When the oldest undelivered item was queued. */
  oldest: Date | null;
}

export interface Outbox {
  start(): void;
  /** Says that something was queued. Cheap, and safe to call at any time. */
  wake(): void;
  /** What is waiting, by channel: for `/metrics`, `/readyz` and `status`. */
  backlog(): Backlog[];
  stop(): Promise<void>;
}

export interface OutboxDeps {
  store: Store;
  channels: readonly Channel[];
  digest: Digest;
  /** Tells people on the other channels, inside a transaction. */
  notice: (notice: Notice) => void;
  locale: Locale;
  clock: Clock;
  log: Log;
  metrics: OutboxMetrics;
  /** 0 to 1, for jitter. */
  random?: () => number;
}

/**
 * Delivers what transactions queued: at least once, in order for each card and place, the newest state only. A channel that is down loses
 * nothing and is probed by one operation at a time; when it is back, what no longer matters was merged away and the rest goes out at its pace.
 */
export function createOutbox(deps: OutboxDeps): Outbox {
  const { store, channels, clock, log } = deps;
  const ending = new AbortController();
  let lanes: Lane[] = [];

  return {
    start() {
      if (lanes.length > 0) throw new Error("the outbox has been started before");
      lanes = channels.map((channel) => openLane(channel, deps, ending.signal));
    },
    wake() {
      for (const lane of lanes) lane.ring();
    },
    backlog: () =>
      channels.map(({ name }) => ({
        channel: name,
        queued: store.outbox.countQueued(name),
        oldest: store.outbox.oldest(name),
      })),
    async stop() {
      ending.abort(new Error("stopping"));
      const patience = new AbortController();
      const tooLong = clock.sleep(lastWait, patience.signal).then(
        () => log.warn("deliveries were still under way at the stop; they are tried again"),
        () => undefined,
      );
      await Promise.race([Promise.all(lanes.map(({ done }) => done)), tooLong]);
      patience.abort();
    },
  };
}
