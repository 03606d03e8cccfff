import type { QueuedReceipt, Receipt, ReceiptStore } from "../../store.ts";
import type { Connection } from "./connection.ts";

interface Row {
  id: string;
  group_key: string;
  receiver: string;
  body: string;
  alerts: number;
  truncated: number;
  late: number;
  state: Receipt["state"];
  tries: number;
  received_at: string;
}

export function createReceiptStore({ db, now }: Connection): ReceiptStore {
  const take = db.prepare<unknown[], { repeats: number; state: Receipt["state"] }>(
    `INSERT INTO receipts (id, group_key, receiver, body, alerts, truncated, late, state, received_at, last_received_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, 'queued', ?, ?)
     ON CONFLICT (id) DO UPDATE SET
       repeats = repeats + 1,
       truncated = excluded.truncated,
       last_received_at = excluded.last_received_at,
       tries = iif(state = 'dead', 0, tries),
       state = iif(state = 'dead', 'queued', state)
     RETURNING repeats, state`,
  );
  const get = db.prepare<[string], Row>(
    "SELECT id, group_key, receiver, body, alerts, truncated, late, state, tries, received_at FROM receipts WHERE id = ?",
  );
  const queued = db.prepare<[number], QueuedReceipt>(
    "SELECT id, group_key AS groupKey FROM receipts WHERE state = 'queued' ORDER BY seq LIMIT ?",
  );
  const count = db.prepare<[], number>("SELECT count(*) FROM receipts WHERE state = 'queued'").pluck();
  const done = db.prepare("UPDATE receipts SET state = 'done', body = '', error = NULL WHERE id = ?");
  const dead = db.prepare("UPDATE receipts SET state = 'dead', error = ? WHERE id = ?");
  const failed = db
    .prepare<[string, string], number>("UPDATE receipts SET tries = tries + 1, error = ? WHERE id = ? RETURNING tries")
    .pluck();
  const leftOut = db
    .prepare<[string], number>(
      `SELECT truncated FROM receipts JOIN receipt_incidents ON receipt_id = id
       WHERE incident_id = ? AND late = 0 ORDER BY last_received_at DESC, seq DESC LIMIT 1`,
    )
    .pluck();
  const link = db.prepare("INSERT OR IGNORE INTO receipt_incidents (receipt_id, incident_id) VALUES (?, ?)");

  return {
    take({ id, groupKey, receiver, body, alerts, truncated, late = false }) {
      const at = now().toISOString();
      const row = take.get(id, groupKey, receiver, body, alerts, truncated, Number(late), at, at);
      return { repeat: row !== undefined && row.repeats > 0, queued: row?.state === "queued" };
    },
    get(id) {
      const row = get.get(id);
      if (row === undefined) return null;
      const { group_key, late, received_at, ...rest } = row;
      return { ...rest, groupKey: group_key, late: late === 1, receivedAt: new Date(received_at) };
    },
    queued: (limit) => queued.all(limit),
    countQueued: () => Number(count.get()),
    finish(id, state, error) {
      now();
      if (state === "done") done.run(id);
      else dead.run(error ?? null, id);
    },
    failed(id, error) {
      now();
      return Number(failed.get(error, id) ?? 0);
    },
    linkIncident(id, incidentId) {
      now();
      link.run(id, incidentId);
    },
    leftOut: (incidentId) => leftOut.get(incidentId) ?? 0,
  };
}
