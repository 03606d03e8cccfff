import type { Locale } from "../shared/locale.ts";
import type { Clock, Log } from "./edges.ts";
import type { Notify } from "./notify.ts";
import type { QueuedReceipt, Store } from "./store.ts";

export interface Queue {
  /** Queues a delivery that is on disk. False when it stays there only, to be fetched when there is room. */
  push(receipt: QueuedReceipt): boolean;
  /** Deliveries in memory, those being worked on among them. */
  size(): number;
  /** Whether a sender should be told to come again. */
  isFull(): boolean;
  /** Fetches from disk what is not in memory; at start, and by itself whenever there is room again. */
  refill(): void;
  /** Takes nothing new up and waits, at most `ms`, for what is being worked on. */
  drain(ms: number): Promise<void>;
}

interface Deps {
  /** How many deliveries are held in memory. */
  capacity: number;
  /** How many are worked on at the same time. */
  workers: number;
  /** Works on one delivery and marks it done in its own last transaction. Must be repeatable: after a crash it is called again. */
  work: (receiptId: string) => Promise<void>;
  store: Pick<Store, "transact" | "receipts">;
  notify: Pick<Notify, "notice">;
  clock: Clock;
  log: Log;
  locale: Locale;
}

/** One group's deliveries, in their order. */
interface Lane {
  readonly waiting: QueuedReceipt[];
  busy: boolean;
}

/**
 * A storm: more deliveries in the window than this. To be taken in comes before being worked on then, since what is turned away may be lost:
 * workers take turns, and rest `restFactor` times as long as the last piece of work took.
 */
const storm = { windowMs: 500, deliveries: 100, restFactor: 4, maxRestMs: 250 } as const;

/** Waits before the second, third, … try; after the last one a delivery is dead. */
const backoffMs = [1_000, 5_000, 15_000, 60_000];

/** When the store could not be read, how long until it is read again. */
const refillAgainMs = 5_000;

/**
 * The queue between ingest and the incidents: first in, first out within an alert group, side by side across groups. Its rows are the receipts;
 * what is in memory is a window over them, so nothing is lost with the process.
 */
export function createQueue({ capacity, workers, work, store, notify, clock, log, locale }: Deps): Queue {
  const lanes = new Map<string, Lane>();
  const known = new Set<string>();
  const running = new Set<Promise<void>>();
  const stopping = new AbortController();
  const arrivals = createArrivals(clock);
  let busy = 0;
  let resting = false;
  /** Whether rows are waiting that are not in memory. Until they are fetched nothing may be pushed, or it would overtake them. */
  let behind = false;

  return { push, size: () => known.size, isFull: () => behind || known.size >= capacity, refill, drain };

  function push(receipt: QueuedReceipt): boolean {
    if (stopping.signal.aborted) return false;
    if (known.has(receipt.id)) return true;
    arrivals.note();
    if (behind || known.size >= capacity) {
      behind = true;
      fetchWhenLow();
      return false;
    }
    take(receipt);
    startWork();
    return true;
  }

  function refill(): void {
    if (stopping.signal.aborted) return;
    // What is in memory is among the oldest rows, so this many are enough to fill it.
    const rows = store.receipts.queued(capacity + 1);
    for (const row of rows) if (!known.has(row.id) && known.size < capacity) take(row);
    behind = rows.some(({ id }) => !known.has(id));
    startWork();
  }

  function fetchWhenLow(): void {
    if (!behind || known.size > capacity / 2) return;
    try {
      refill();
    } catch (error) {
      log.error("the queue could not be filled from the store", { error: String(error) });
      clock.sleep(refillAgainMs, stopping.signal).then(fetchWhenLow, () => undefined);
    }
  }

  function take(receipt: QueuedReceipt): void {
    known.add(receipt.id);
    const lane = lanes.get(receipt.groupKey);
    if (lane === undefined) lanes.set(receipt.groupKey, { waiting: [receipt], busy: false });
    else lane.waiting.push(receipt);
  }

  function startWork(): void {
    if (stopping.signal.aborted) return;
    for (const [groupKey, lane] of lanes) {
      if (resting || busy >= (arrivals.areMany() ? 1 : workers)) return;
      if (!lane.busy) start(groupKey, lane);
    }
  }

  function start(groupKey: string, lane: Lane): void {
    const receipt = lane.waiting[0];
    if (receipt === undefined) return;
    lane.busy = true;
    busy++;
    const began = clock.now().getTime();
    const run = attempt(receipt).then((outcome) => {
      busy--;
      running.delete(run);
      if (arrivals.areMany()) rest(clock.now().getTime() - began);
      if (outcome.again !== null) {
        startWork();
        return clock.sleep(outcome.again, stopping.signal).then(
          () => release(groupKey, lane),
          () => undefined,
        );
      }
      lane.waiting.shift();
      known.delete(receipt.id);
      release(groupKey, lane);
      return undefined;
    });
    running.add(run);
  }

  /** Leaves the process to what comes in. */
  function rest(workedMs: number): void {
    if (resting) return;
    resting = true;
    const ms = Math.min(storm.maxRestMs, Math.max(1, workedMs) * storm.restFactor);
    clock.sleep(ms, stopping.signal).then(
      () => {
        resting = false;
        startWork();
      },
      () => undefined,
    );
  }

  /** Lets a lane go on, behind the other groups. */
  function release(groupKey: string, lane: Lane): void {
    lane.busy = false;
    lanes.delete(groupKey);
    if (lane.waiting.length > 0) lanes.set(groupKey, lane);
    fetchWhenLow();
    startWork();
  }

  async function attempt({ id }: QueuedReceipt): Promise<{ again: number | null }> {
    try {
      await work(id);
      return { again: null };
    } catch (error) {
      // Work that is cut off by the end of the process is taken up by the next one; it is nobody's failure.
      if (stopping.signal.aborted) return { again: null };
      return noteFailure(id, error);
    }
  }

  function noteFailure(id: string, error: unknown): { again: number | null } {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    try {
      return store.transact(() => {
        const tries = store.receipts.failed(id, reason);
        const again = backoffMs[tries - 1] ?? null;
        log.error("a delivery could not be worked on", { receipt: id, tries, dead: again === null, error: reason });
        if (again === null) bury(id, error, reason);
        return { again };
      });
    } catch (fault) {
      // The store itself cannot be written: that is no try of this delivery, which stays queued on disk.
      log.error("a failed delivery could not be noted", { receipt: id, error: reason, fault: String(fault) });
      return { again: backoffMs[1] ?? 5_000 };
    }
  }

  function bury(id: string, error: unknown, reason: string): void {
    store.receipts.finish(id, "dead", reason);
    notify.notice({
      title: words[locale].title,
      lines: words[locale].lines(id, error instanceof Error ? error.message : String(error)),
      urgent: true,
      dedupe: `dead-receipt:${id}`,
    });
  }

  async function drain(ms: number): Promise<void> {
    stopping.abort();
    const done = new AbortController();
    const timeout = clock.sleep(ms, done.signal).catch(() => undefined);
    await Promise.race([Promise.all(running), timeout]);
    done.abort();
    await timeout;
  }
}

/** Counts what comes in, by two windows: the one that runs and the one before. */
function createArrivals(clock: Clock): { note(): void; areMany(): boolean } {
  let began = Number.NEGATIVE_INFINITY;
  let count = 0;
  let before = 0;
  return {
    note() {
      turn();
      count++;
    },
    areMany() {
      turn();
      return Math.max(count, before) >= storm.deliveries;
    },
  };

  function turn(): void {
    const now = clock.now().getTime();
    const passed = now - began;
    if (passed < storm.windowMs) return;
    before = passed < 2 * storm.windowMs ? count : 0;
    count = 0;
    began = now;
  }
}

const words: Readonly<Record<Locale, { title: string; lines: (id: string, reason: string) => string[] }>> = {
  en: {
    title: "An alert delivery could not be worked on",
    lines: (id, reason) => [
      `Receipt ${id} was tried ${backoffMs.length + 1} times: ${reason}`,
      "Its alerts are kept but have no incident. Alertmanager's next repeat is tried anew.",
    ],
  },
  "zh-CN": {
    title: "一次告警推送无法处理",
    lines: (id, reason) => [
      `回执 ${id} 已尝试 ${backoffMs.length + 1} 次：${reason}`,
      "其中的告警已保存，但没有生成事件；Alertmanager 下次重发时会重新处理。",
    ],
  },
};
