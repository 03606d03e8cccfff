import type { Incident } from "../../shared/incident.ts";
import type { Clock, Log } from "../edges.ts";
import type { FindRoot, FoundRoot } from "../root-object.ts";
import { type LedgerDeps, openLedger } from "./ledger.ts";
import type { Report } from "./report.ts";

export interface Roots {
  /** Begins the look-ups of one delivery, which share its deadline. */
  beginDelivery(): (reports: readonly Report[]) => Promise<(report: Report) => FoundRoot | null>;
  /** Looks again, without a hurry, for what was only guessed. Returns at once. */
  confirm(): void;
  idle(): Promise<void>;
}

/** SPEC 3: the owner is looked for so long before the first card; then it leaves without it. */
const deadlineMs = 200;
const atOnce = 8;

/** Later looks at what was guessed: how long each may take, how often, how many at a time, and when to leave it at the guess. */
const again = { deadlineMs: 10_000, everyMs: 20_000, limit: 20, sweepMs: 1_000, untilMs: 3_600_000 } as const;

export function createRoots(deps: LedgerDeps & { findRoot: FindRoot; clock: Clock; log: Log }): Roots {
  const { store, findRoot, clock, log } = deps;
  const running = new Map<string, Promise<void>>();
  const lastLook = new Map<string, number>();
  let lastSweep = Number.NEGATIVE_INFINITY;

  return { beginDelivery, confirm, idle };

  function beginDelivery() {
    const began = clock.now().getTime();
    return async (reports: readonly Report[]) => {
      const found = new Map<Report, FoundRoot | null>();
      const waiting = [...reports];
      const worker = async () => {
        for (let report = waiting.shift(); report !== undefined; report = waiting.shift()) {
          const left = Math.max(0, deadlineMs - (clock.now().getTime() - began));
          found.set(report, await findRoot(report.labels, { deadlineMs: left }));
        }
      };
      await Promise.all(Array.from({ length: Math.min(atOnce, reports.length) }, worker));
      return (report: Report) => found.get(report) ?? null;
    };
  }

  function confirm(): void {
    const now = clock.now().getTime();
    if (now - lastSweep < again.sweepMs) return;
    lastSweep = now;
    const guessed = store.incidents.unconfirmed(new Date(now - again.untilMs), again.limit * 4);
    const known = new Set(guessed.map(({ id }) => id));
    for (const id of lastLook.keys()) if (!known.has(id)) lastLook.delete(id);
    for (const incident of guessed) {
      if (running.size >= again.limit) return;
      if (running.has(incident.id) || now - (lastLook.get(incident.id) ?? Number.NEGATIVE_INFINITY) < again.everyMs)
        continue;
      lastLook.set(incident.id, now);
      running.set(
        incident.id,
        lookAgain(incident)
          .catch((error: unknown) =>
            log.error("an owner could not be kept", { incidentId: incident.id, error: String(error) }),
          )
          .finally(() => running.delete(incident.id)),
      );
    }
  }

  async function lookAgain({ id, labels }: Incident): Promise<void> {
    const root = await findRoot(labels, { deadlineMs: again.deadlineMs });
    if (root === null || !root.confirmed) return;
    store.transact((now) => {
      const incident = store.incidents.get(id);
      if (incident === null || incident.state !== "open" || incident.root?.confirmed !== false) return;
      const ledger = openLedger(deps, now);
      ledger.retarget(incident, root);
      ledger.show();
    });
  }

  async function idle(): Promise<void> {
    while (running.size > 0) await Promise.all(running.values());
  }
}
