import type { OutboxItem, OutboxStore } from "../../store.ts";
import type { Connection } from "./connection.ts";

interface OutboxRow {
  id: number;
  channel: string;
  chat: string;
  kind: OutboxItem["kind"];
  card_id: string | null;
  body: string;
  urgent: number;
  tries: number;
  created_at: string;
  due_at: string;
}

export function createOutboxStore({ db, now, epoch }: Connection): OutboxStore {
  const put = db.prepare(
    `INSERT INTO outbox (channel, chat, kind, card_id, body, dedupe, urgent, state, epoch, created_at, due_at)
     VALUES (@channel, @chat, @kind, @cardId, @body, @dedupe, @urgent, 'queued', @epoch, @at, @at) ON CONFLICT DO NOTHING`,
  );
  const raise = db.prepare(
    "UPDATE outbox SET urgent = 1 WHERE channel = ? AND chat = ? AND card_id = ? AND kind = 'card' AND state = 'queued' AND urgent = 0",
  );
  const due = db.prepare<[string, string, number], OutboxRow>(
    `SELECT id, channel, chat, kind, card_id, body, urgent, tries, created_at, due_at FROM outbox AS o
     WHERE channel = ? AND state = 'queued' AND +due_at <= ?
       AND NOT EXISTS (SELECT 1 FROM outbox AS earlier WHERE earlier.state = 'queued' AND earlier.channel = o.channel
         AND earlier.chat = o.chat AND earlier.card_id = o.card_id AND earlier.id < o.id)
     ORDER BY urgent DESC, id LIMIT ?`,
  );
  const nextDue = db
    .prepare<[string, string], string | null>(
      "SELECT min(due_at) FROM outbox WHERE channel = ? AND state = 'queued' AND due_at > ?",
    )
    .pluck();
  const oldest = db
    .prepare<[string], string | null>("SELECT min(created_at) FROM outbox WHERE channel = ? AND state = 'queued'")
    .pluck();
  const countQueued = db
    .prepare<[string], number>("SELECT count(*) FROM outbox WHERE channel = ? AND state = 'queued'")
    .pluck();
  const removeCard = db.prepare("DELETE FROM outbox WHERE id = ? AND kind = 'card'");
  const sent = db.prepare("UPDATE outbox SET state = 'sent', sent_at = ?, error = NULL WHERE id = ?");
  const retry = db.prepare("UPDATE outbox SET tries = tries + 1, due_at = ?, error = ? WHERE id = ?");
  const dead = db.prepare("UPDATE outbox SET state = 'dead', sent_at = ?, error = ? WHERE id = ?");

  return {
    put(item) {
      const at = now().toISOString();
      put.run({ ...item, urgent: item.urgent ? 1 : 0, epoch, at });
      if (item.kind === "card" && item.urgent) raise.run(item.channel, item.chat, item.cardId);
    },
    due: (channel, at, limit) => due.all(channel, at.toISOString(), limit).map(toItem),
    nextDue: (channel, after) => toDate(nextDue.get(channel, after.toISOString())),
    sent(id) {
      const at = now().toISOString();
      if (removeCard.run(id).changes === 0) sent.run(at, id);
    },
    retry(id, dueAt, error) {
      now();
      retry.run(dueAt.toISOString(), error, id);
    },
    dead(id, error) {
      dead.run(now().toISOString(), error, id);
    },
    oldest: (channel) => toDate(oldest.get(channel)),
    countQueued: (channel) => countQueued.get(channel) ?? 0,
  };
}

function toItem(row: OutboxRow): OutboxItem {
  return {
    id: row.id,
    channel: row.channel,
    chat: row.chat,
    kind: row.kind,
    cardId: row.card_id,
    body: row.body,
    urgent: row.urgent === 1,
    tries: row.tries,
    createdAt: new Date(row.created_at),
    dueAt: new Date(row.due_at),
  };
}

function toDate(text: string | null | undefined): Date | null {
  return text === null || text === undefined ? null : new Date(text);
}
