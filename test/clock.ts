import type { Clock } from "../bot/edges.ts";

export interface FakeClock extends Clock {
  /** Moves time on, firing what falls due in its order; what was fired has run on as far as it could without I/O. */
  advance(ms: number): Promise<void>;
  /** Sets the wall clock forward or back without any timer noticing: what a wrong NTP server does. */
  jump(ms: number): void;
  /** How many sleeps and periodic functions are waiting. */
  readonly waiting: number;
}

interface Timer {
  due: number;
  fire(): void;
}

/** A clock that stands still until the test moves it. Errors of periodic functions are thrown by the `advance` that ran them. */
export function createFakeClock(start: Date | string = "2026-01-05T09:00:00.000Z"): FakeClock {
  const base = new Date(start).getTime();
  let elapsed = 0;
  let jumped = 0;
  const timers = new Set<Timer>();
  const faults: unknown[] = [];

  return {
    now: () => new Date(base + elapsed + jumped),
    sleep(ms, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted === true) return reject(signal.reason);
        if (ms <= 0) return void setImmediate(resolve);
        const abort = () => {
          timers.delete(timer);
          reject(signal?.reason);
        };
        const timer: Timer = {
          due: elapsed + Math.max(0, ms),
          fire() {
            timers.delete(timer);
            signal?.removeEventListener("abort", abort);
            resolve();
          },
        };
        timers.add(timer);
        signal?.addEventListener("abort", abort, { once: true });
      });
    },
    every(ms, fn) {
      let busy = false;
      const timer: Timer = {
        due: elapsed + ms,
        fire() {
          timer.due += ms;
          if (busy) return;
          busy = true;
          void (async () => fn())()
            .catch((error) => void faults.push(error))
            .finally(() => {
              busy = false;
            });
        },
      };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    async advance(ms) {
      const end = elapsed + ms;
      await settle();
      for (let next = earliest(); next !== undefined && next.due <= end; next = earliest()) {
        elapsed = Math.max(elapsed, next.due);
        next.fire();
        await settle();
      }
      elapsed = end;
      await settle();
      if (faults.length > 0) throw faults.shift();
    },
    jump(ms) {
      jumped += ms;
    },
    get waiting() {
      return timers.size;
    },
  };

  function earliest(): Timer | undefined {
    let found: Timer | undefined;
    for (const timer of timers) if (found === undefined || timer.due < found.due) found = timer;
    return found;
  }
}

/** Lets promises and immediates that are ready run. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}
