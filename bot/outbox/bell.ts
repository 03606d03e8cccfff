import type { Clock } from "../edges.ts";

export interface Bell {
  ring(): void;
  /** Resolves after `ms`, or as soon as the bell rings, also if it rang since the last wait. */
  wait(ms: number): Promise<void>;
}

/** A sleep that others can end. It rings by itself when `ending` aborts. */
export function createBell(clock: Clock, ending: AbortSignal): Bell {
  let rung = false;
  let waiting: AbortController | null = null;
  const ring = () => {
    rung = true;
    waiting?.abort();
  };
  ending.addEventListener("abort", ring, { once: true });
  return {
    ring,
    async wait(ms) {
      if (!rung) {
        waiting = new AbortController();
        await clock.sleep(ms, waiting.signal).catch(() => undefined);
        waiting = null;
      }
      rung = false;
    },
  };
}
