/** A work queue: each key is handled once however often it was added, never twice at a time, and later when asked. */
import type { Timers } from "../timers.ts";

export interface Queue {
  add(key: string): void;
  /** After `ms` of sandbox time; an earlier wish for the same key stands. */
  addAfter(key: string, ms: number): void;
  stop(): void;
}

export function createQueue(timers: Timers, handle: (key: string) => void): Queue {
  const waiting = new Set<string>();
  const delayed = new Map<string, { at: number; cancel: () => void }>();
  let scheduled: NodeJS.Immediate | undefined;
  let stopped = false;
  function drain() {
    scheduled = undefined;
    const keys = [...waiting];
    waiting.clear();
    for (const key of keys) if (!stopped) handle(key);
  }
  function add(key: string) {
    if (stopped) return;
    waiting.add(key);
    scheduled ??= setImmediate(drain);
  }
  return {
    add,
    addAfter(key, ms) {
      const at = performance.now() + ms;
      const existing = delayed.get(key);
      if (existing && existing.at <= at) return;
      existing?.cancel();
      const cancel = timers.after(ms, () => {
        delayed.delete(key);
        add(key);
      });
      delayed.set(key, { at, cancel });
    },
    stop() {
      stopped = true;
      if (scheduled) clearImmediate(scheduled);
    },
  };
}
