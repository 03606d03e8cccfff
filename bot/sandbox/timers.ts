/** Time of the sandbox: one clock, and timers that all end with it. */
export interface Clock {
  now(): Date;
}

export interface Timers {
  /** Runs once, `ms` of sandbox time from now (divided by speed). Returns the way to call it off. */
  after(ms: number, run: () => void): () => void;
  /** Sandbox milliseconds in a millisecond of the clock. */
  readonly speed: number;
  stop(): void;
}

export const systemClock: Clock = { now: () => new Date() };

/** metav1.Time: whole seconds, UTC. */
export function timestamp(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}

/** metav1.MicroTime. */
export function microTimestamp(date: Date): string {
  return `${date.toISOString().slice(0, 23)}000Z`;
}

export function createTimers(speed: number): Timers {
  const running = new Set<NodeJS.Timeout>();
  let stopped = false;
  return {
    speed,
    after(ms, run) {
      if (stopped) return () => undefined;
      const timer = setTimeout(
        () => {
          running.delete(timer);
          run();
        },
        Math.min(Math.max(0, ms / speed), 0x7fffffff),
      );
      running.add(timer);
      return () => {
        running.delete(timer);
        clearTimeout(timer);
      };
    },
    stop() {
      stopped = true;
      for (const timer of running) clearTimeout(timer);
      running.clear();
    },
  };
}
