/** A work queue: each key is handled once however often it was added, never twice at a time, and later when asked. */
import type { Clock, Timers } from "../timers.ts";

export interface Queue {
  add(key: string): void;
  /** After `ms` of sandbox time; an earlier wish for the same key stands. */
  addAfter(key: string, ms: number): void;
  stop(): void;
}

export function createQueue({ timers, clock }: { timers: Timers; clock: Clock }, handle: (key: string) => void): Queue {
  const waiting = new Set<string>();
  const delayed = new Map<string, { due: number; cancel: () => void }>();
  let cancelDrain: (() => void) | undefined;
  let stopped = false;
  function drain() {
    cancelDrain = undefined;
    const keys = [...waiting];
    waiting.clear();
    for (const key of keys) if (!stopped) handle(key);
  }
  function add(key: string) {
    if (stopped) return;
    waiting.add(key);
    cancelDrain ??= timers.soon(drain);
  }
  return {
    add,
    addAfter(key, ms) {
      const due = clock.now().getTime() + ms / timers.speed;
      const existing = delayed.get(key);
      if (existing && existing.due <= due) return;
      existing?.cancel();
      const cancel = timers.after(ms, () => {
        delayed.delete(key);
        add(key);
      });
      delayed.set(key, { due, cancel });
    },
    stop() {
      stopped = true;
      cancelDrain?.();
    },
  };
}
