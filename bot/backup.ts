import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Clock, Log } from "./edges.ts";
import type { Store } from "./store.ts";

interface Deps {
  store: Store;
  clock: Clock;
  log: Log;
  /** Milliseconds between two copies; null: none. */
  every: number | null;
  /** How many copies are kept. */
  keep: number;
  dir: string;
}

const name = /^steward-\d{8}T\d{6}Z\.db$/;

/** Copies the store while it runs (SPEC 13). Starting with such a file is the restore. Answers how to stop. */
export function scheduleBackups({ store, clock, log, every, keep, dir }: Deps): () => void {
  if (every === null) return () => undefined;
  return clock.every(every, async () => {
    try {
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      const file = join(
        dir,
        `steward-${clock
          .now()
          .toISOString()
          .replace(/[-:]|\.\d+/g, "")}.db`,
      );
      await store.backup(file);
      const old = readdirSync(dir)
        .filter((entry) => name.test(entry))
        .sort()
        .slice(0, -keep);
      for (const entry of old) rmSync(join(dir, entry));
      log.info("the store was copied", { file });
    } catch (error) {
      log.error("the store could not be copied", { dir, error });
    }
  });
}
