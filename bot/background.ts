import type { Log } from "./edges.ts";

/** Work that nobody waits for: investigations, executions, verifications. What it did is in the store; this only runs it. */
export interface Background {
  /** Runs `work` when there is room. A key that is already running or waiting is not started twice. A failure is logged. */
  start(key: string, work: () => Promise<void>): void;
  /** How many are running or waiting. */
  size(): number;
  /** Starts nothing more; resolves when what runs has ended. */
  drain(): Promise<void>;
}

/** At most `limit` pieces of work at once, in the order they came. */
export function createBackground(limit: number, log: Log): Background {
  const waiting = new Map<string, () => Promise<void>>();
  const running = new Map<string, Promise<void>>();
  let draining = false;

  return {
    start(key, work) {
      if (draining || running.has(key) || waiting.has(key)) return;
      waiting.set(key, work);
      next();
    },
    size: () => running.size + waiting.size,
    async drain() {
      draining = true;
      waiting.clear();
      while (running.size > 0) await Promise.all(running.values());
    },
  };

  function next(): void {
    for (const [key, work] of waiting) {
      if (running.size >= limit) return;
      waiting.delete(key);
      running.set(key, run(key, work));
    }
  }

  async function run(key: string, work: () => Promise<void>): Promise<void> {
    await Promise.resolve();
    try {
      await work();
    } catch (error) {
      log.error("background work failed", {
        work: key,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    } finally {
      running.delete(key);
      if (!draining) next();
    }
  }
}
