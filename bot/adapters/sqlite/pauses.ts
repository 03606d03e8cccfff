import type { Pause, PauseStore } from "../../store.ts";
import type { Connection } from "./connection.ts";

interface PauseRow {
  id: string;
  namespace: string | null;
  autofix_only: 0 | 1;
  reason: string;
  paused_by: string;
  started_at: string;
  until: string | null;
}

/** The stop switch (SPEC 9): every pause that was ever made, and which of them are not ended. */
export function createPauseStore({ db, now }: Connection): PauseStore {
  const insert = db.prepare(
    "INSERT INTO pauses (id, namespace, autofix_only, reason, paused_by, started_at, until) VALUES (?, ?, ?, ?, ?, ?, ?)",
  );
  const open = db.prepare<[], PauseRow>(
    `SELECT id, namespace, autofix_only, reason, paused_by, started_at, until FROM pauses
     WHERE ended_at IS NULL ORDER BY started_at, id`,
  );
  const end = db.prepare("UPDATE pauses SET ended_at = ?, ended_by = ? WHERE id = ? AND ended_at IS NULL");

  return {
    insert({ id, namespace, autofixOnly, reason, by, startedAt, until }) {
      now();
      insert.run(id, namespace, autofixOnly ? 1 : 0, reason, by, startedAt.toISOString(), until?.toISOString() ?? null);
    },
    open: () => open.all().map(toPause),
    end: (id, by) => end.run(now().toISOString(), by, id).changes === 1,
  };
}

function toPause(row: PauseRow): Pause {
  return {
    id: row.id,
    namespace: row.namespace,
    autofixOnly: row.autofix_only === 1,
    reason: row.reason,
    by: row.paused_by,
    startedAt: new Date(row.started_at),
    until: row.until === null ? null : new Date(row.until),
  };
}
