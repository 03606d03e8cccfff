import { ButtonAction, type Card, cardSchema, Text } from "../../../cards/card.ts";
import { newId } from "../../../shared/ids.ts";
import type { CardStore, DigestEntry, StoredCard } from "../../store.ts";
import type { Connection } from "./connection.ts";

interface CardRow {
  id: string;
  incident_id: string | null;
  proposal_id: string | null;
  version: number;
  seq: number;
  state: string;
  urgent: number;
  body: string;
  translations: string;
  created_at: string;
  updated_at: string;
}

export function createCardStore({ db, now }: Connection): CardStore {
  const byId = db.prepare<[string], CardRow>("SELECT * FROM cards WHERE id = ?");
  const nextSeq = db.prepare<[], number>("SELECT coalesce(max(seq), 0) + 1 FROM cards").pluck();
  const latestSeq = db.prepare<[], number>("SELECT coalesce(max(seq), 0) FROM cards").pluck();
  const after = db.prepare<[number, number], CardRow>("SELECT * FROM cards WHERE seq > ? ORDER BY seq LIMIT ?");
  const write = db.prepare(
    `INSERT INTO cards (id, kind, incident_id, proposal_id, version, seq, state, urgent, body, translations, created_at, updated_at)
     VALUES (@id, @kind, @incident_id, @proposal_id, @version, @seq, @state, @urgent, @body, @translations, @created_at, @updated_at)
     ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, incident_id = excluded.incident_id, proposal_id = excluded.proposal_id,
       version = excluded.version, seq = excluded.seq, state = excluded.state, urgent = excluded.urgent, body = excluded.body,
       translations = excluded.translations, updated_at = excluded.updated_at`,
  );

  const knownButton = db
    .prepare<[string, string, string], string>(
      "SELECT id FROM buttons WHERE card_id = ? AND action = ? AND coalesce(proposal_id, '') = ?",
    )
    .pluck();
  const insertButton = db.prepare(
    "INSERT INTO buttons (id, card_id, action, incident_id, proposal_id, created_at) VALUES (?, ?, ?, ?, ?, ?)",
  );
  const button = db.prepare<
    [string],
    { card_id: string; action: string; incident_id: string | null; proposal_id: string | null }
  >("SELECT card_id, action, incident_id, proposal_id FROM buttons WHERE id = ?");

  const message = db.prepare<[string, string, string], { message: string; version: number }>(
    "SELECT message, version FROM card_messages WHERE card_id = ? AND channel = ? AND chat = ?",
  );
  const places = db.prepare<[string], { channel: string; chat: string }>(
    "SELECT channel, chat FROM card_messages WHERE card_id = ? ORDER BY channel, chat",
  );
  const cardOfMessage = db
    .prepare<[string, string, string], string>(
      "SELECT card_id FROM card_messages WHERE channel = ? AND chat = ? AND message = ?",
    )
    .pluck();
  const putMessage = db.prepare(
    `INSERT INTO card_messages (card_id, channel, chat, message, version, sent_at) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (card_id, channel, chat) DO UPDATE SET message = excluded.message, version = excluded.version`,
  );
  const dropMessage = db.prepare("DELETE FROM card_messages WHERE card_id = ? AND channel = ? AND chat = ?");
  const countNew = db
    .prepare<[string, string, string], number>(
      `SELECT count(*) FROM card_messages AS m WHERE m.channel = ? AND m.chat = ? AND m.sent_at > ?
         AND NOT EXISTS (SELECT 1 FROM digest_entries AS d WHERE d.digest_id = m.card_id)`,
    )
    .pluck();

  const digestOf = db
    .prepare<[string, string, string], string>(
      "SELECT digest_id FROM digest_entries WHERE card_id = ? AND channel = ? AND chat = ?",
    )
    .pluck();
  const openDigest = db
    .prepare<[string, string, string], string>(
      `SELECT d.digest_id FROM digest_entries AS d JOIN cards AS c ON c.id = d.digest_id
       WHERE d.channel = ? AND d.chat = ? AND c.created_at > ? ORDER BY c.created_at DESC LIMIT 1`,
    )
    .pluck();
  const putEntry = db.prepare(
    `INSERT INTO digest_entries (card_id, channel, chat, digest_id, severity, waiting, line, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (card_id, channel, chat) DO UPDATE SET severity = excluded.severity, waiting = excluded.waiting, line = excluded.line,
       changed_at = excluded.changed_at`,
  );
  const dropEntry = db.prepare("DELETE FROM digest_entries WHERE card_id = ? AND channel = ? AND chat = ?");
  const entries = db.prepare<[string], { card_id: string; severity: string; waiting: number; line: string }>(
    "SELECT card_id, severity, waiting, line FROM digest_entries WHERE digest_id = ? ORDER BY waiting, changed_at, rowid",
  );

  return {
    put(content) {
      const at = now().toISOString();
      const body = JSON.stringify(content.card);
      const translations = JSON.stringify(content.translations);
      const known = byId.get(content.id);
      const same =
        known !== undefined &&
        known.body === body &&
        known.translations === translations &&
        known.state === content.state &&
        (known.urgent === 1) === content.urgent;
      const row = same
        ? known
        : {
            id: content.id,
            kind: content.card.kind,
            incident_id: content.incidentId,
            proposal_id: content.proposalId,
            version: (known?.version ?? 0) + 1,
            seq: nextSeq.get() ?? 1,
            state: content.state,
            urgent: content.urgent ? 1 : 0,
            body,
            translations,
            created_at: known?.created_at ?? at,
            updated_at: at,
          };
      if (!same) write.run(row);
      return { stored: toStored(row, content.card, content.translations), changed: !same };
    },
    get(id) {
      const row = byId.get(id);
      return row === undefined ? null : readCard(row);
    },
    changedAfter: (seq, limit) =>
      after
        .all(seq, limit)
        .map(readCard)
        .filter((card) => card !== null),
    latestSeq: () => latestSeq.get() ?? 0,

    button(cardId, action, incidentId, proposalId) {
      const at = now().toISOString();
      const known = knownButton.get(cardId, action, proposalId ?? "");
      if (known !== undefined) return known;
      const id = newId();
      insertButton.run(id, cardId, action, incidentId, proposalId, at);
      return id;
    },
    buttonById(id) {
      const row = button.get(id);
      if (row === undefined) return null;
      const action = ButtonAction.parse(row.action);
      return { cardId: row.card_id, action, incidentId: row.incident_id, proposalId: row.proposal_id };
    },

    message: (cardId, channel, chat) => message.get(cardId, channel, chat) ?? null,
    places: (cardId) => places.all(cardId),
    cardOfMessage: (channel, chat, ref) => cardOfMessage.get(channel, chat, ref) ?? null,
    putMessage(cardId, channel, chat, ref, version) {
      putMessage.run(cardId, channel, chat, ref, version, now().toISOString());
    },
    dropMessage(cardId, channel, chat) {
      now();
      dropMessage.run(cardId, channel, chat);
    },
    countNew: (channel, chat, since) => countNew.get(channel, chat, since.toISOString()) ?? 0,

    digestOf: (cardId, channel, chat) => digestOf.get(cardId, channel, chat) ?? null,
    openDigest: (channel, chat, since) => openDigest.get(channel, chat, since.toISOString()) ?? null,
    putDigestEntry(digestId, channel, chat, entry) {
      const at = now().toISOString();
      const { cardId, severity, waiting, line } = entry;
      putEntry.run(cardId, channel, chat, digestId, severity, waiting ? 1 : 0, JSON.stringify(line), at);
    },
    dropDigestEntry(cardId, channel, chat) {
      now();
      dropEntry.run(cardId, channel, chat);
    },
    digestEntries: (digestId) =>
      entries.all(digestId).map(
        (row): DigestEntry => ({
          cardId: row.card_id,
          severity: row.severity,
          waiting: row.waiting === 1,
          line: Text.parse(JSON.parse(row.line)),
        }),
      ),
  };
}

/** null for a card in a shape of another version of Steward: it is made anew at its next change, and must not stop the others until then. */
function readCard(row: CardRow): StoredCard | null {
  const card: unknown = JSON.parse(row.body);
  const translations: unknown = JSON.parse(row.translations);
  return isCurrent(card) && areTranslations(translations) ? toStored(row, card, translations) : null;
}

/** Only `put` writes these, and only whole cards; what may differ is the version that wrote them. A full parse would cost more than all the rest of a delivery. */
function isCurrent(value: unknown): value is Card {
  return typeof value === "object" && value !== null && "schema" in value && value.schema === cardSchema;
}

function areTranslations(value: unknown): value is StoredCard["translations"] {
  return typeof value === "object" && value !== null && Object.values(value).every(isCurrent);
}

function toStored(row: CardRow, card: Card, translations: StoredCard["translations"]): StoredCard {
  return {
    id: row.id,
    kind: card.kind,
    incidentId: row.incident_id,
    proposalId: row.proposal_id,
    version: row.version,
    seq: row.seq,
    state: row.state,
    urgent: row.urgent === 1,
    card,
    translations,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
  };
}
