import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "../edges.ts";

/**
 * The system's clock. Periodic work never keeps the process alive, and a run that is still busy when the next is due lets that one pass.
 * `onError` receives what a periodic function throws or rejects with; without it such a fault ends the process, as any unhandled one.
 */
export function createClock(onError?: (error: unknown) => void): Clock {
  return {
    now: () => new Date(),
    async sleep(ms, signal) {
      try {
        await delay(ms, undefined, signal === undefined ? {} : { signal });
      } catch (error) {
        throw signal?.aborted === true ? signal.reason : error;
      }
    },
    every(ms, fn) {
      let busy = false;
      const run = async () => {
        if (busy) return;
        busy = true;
        try {
          await fn();
        } catch (error) {
          if (onError === undefined) throw error;
          onError(error);
        } finally {
          busy = false;
        }
      };
      const timer = setInterval(() => void run(), ms);
      timer.unref();
      return () => clearInterval(timer);
    },
  };
}
