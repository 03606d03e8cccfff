import type { Clock, Log } from "./edges.ts";
import type { Store } from "./store.ts";

interface Deps {
  store: Pick<Store, "transact" | "retention">;
  clock: Clock;
  log: Log;
  /** Milliseconds an incident nobody decided on is kept after it resolved. */
  incidents: number;
  /** Milliseconds of the audit: what somebody decided on lives as long (SPEC 13). */
  audit: number;
}

const everyMs = 3_600_000;
/** So few in one transaction that nobody waits for it. */
const step = 50;

/** Forgets what is old, an hour's worth at a time. The audit has a retention of its own. Answers how to stop. */
export function scheduleRetention({ store, clock, log, incidents, audit }: Deps): () => void {
  return clock.every(everyMs, async () => {
    let removed = 0;
    for (;;) {
      const gone = store.transact((now) => {
        const undecidedBefore = new Date(now.getTime() - incidents);
        const decidedBefore = new Date(now.getTime() - Math.max(incidents, audit));
        return store.retention.prune({ undecidedBefore, decidedBefore, limit: step });
      });
      removed += gone;
      if (gone === 0) break;
      await clock.sleep(20);
    }
    removed += store.transact((now) => store.retention.pruneLeftovers(new Date(now.getTime() - incidents)));
    if (removed > 0) log.info("old incidents were forgotten", { removed });
  });
}
