/**
 * Time of the sandbox. A world may begin in the past: until it goes live everything that was due is run at once, in
 * order, each at its own moment, so that its history is what would have happened. Afterwards time is the real one.
 */
export interface Clock {
  now(): Date;
}

export interface Timers {
  /** Runs once, `ms` of sandbox time from now (divided by speed). Returns the way to call it off. */
  after(ms: number, run: () => void): () => void;
  /** Runs as soon as what goes on now is done. */
  soon(run: () => void): () => void;
  /** Sandbox milliseconds in a millisecond of the clock. */
  readonly speed: number;
  stop(): void;
}

export interface SandboxTime {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Lets the past go by up to that moment. Only before goLive. */
  runUntil(moment: Date): void;
  goLive(): void;
}

export const systemClock: Clock = { now: () => new Date() };

/** metav1.Time: whole seconds, UTC. */
export function timestamp(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}

/** metav1.MicroTime: six digits of a second, UTC. */
export function microTimestamp(date: Date): string {
  return `${date.toISOString().slice(0, 23)}000Z`;
}

interface Pending {
  readonly due: number;
  readonly run: () => void;
  cancelled: boolean;
  /** Once live: how to take the real timer back. */
  cancelReal: (() => void) | undefined;
}

const longest = 0x7fffffff;

export function createTime(real: Clock, speed: number, start: Date): SandboxTime {
  const running = new Set<() => void>();
  let past: Pending[] = [];
  let moment = start.getTime();
  let live = false;
  let stopped = false;

  function realTimer(ms: number, run: () => void): () => void {
    const timer = setTimeout(
      () => {
        running.delete(cancel);
        run();
      },
      Math.min(Math.max(0, ms), longest),
    );
    const cancel = () => {
      running.delete(cancel);
      clearTimeout(timer);
    };
    running.add(cancel);
    return cancel;
  }
  function realSoon(run: () => void): () => void {
    const immediate = setImmediate(() => {
      running.delete(cancel);
      run();
    });
    const cancel = () => {
      running.delete(cancel);
      clearImmediate(immediate);
    };
    running.add(cancel);
    return cancel;
  }
  function later(due: number, run: () => void): () => void {
    const pending: Pending = { due, run, cancelled: false, cancelReal: undefined };
    const before = past.findLastIndex((other) => other.due <= due);
    past.splice(before + 1, 0, pending);
    return () => {
      pending.cancelled = true;
      pending.cancelReal?.();
    };
  }
  function runUntil(end: Date): void {
    for (let next = past[0]; next && next.due <= end.getTime(); next = past[0]) {
      past.shift();
      moment = Math.max(moment, next.due);
      if (!next.cancelled) next.run();
    }
    moment = Math.max(moment, end.getTime());
  }
  return {
    clock: { now: () => (live ? real.now() : new Date(moment)) },
    timers: {
      speed,
      after(ms, run) {
        if (stopped) return () => undefined;
        const wait = Math.max(0, ms) / speed;
        return live ? realTimer(wait, run) : later(moment + wait, run);
      },
      soon(run) {
        if (stopped) return () => undefined;
        return live ? realSoon(run) : later(moment, run);
      },
      stop() {
        stopped = true;
        for (const cancel of [...running]) cancel();
      },
    },
    runUntil,
    goLive() {
      const now = real.now();
      // Nothing due this very moment runs yet: the world's last manifests are seen to by live controllers.
      runUntil(new Date(now.getTime() - 1));
      live = true;
      for (const pending of past)
        if (!pending.cancelled) pending.cancelReal = realTimer(pending.due - now.getTime(), pending.run);
      past = [];
    },
  };
}
