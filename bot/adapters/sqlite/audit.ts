import { setImmediate } from "node:timers/promises";
import canonicalize from "canonicalize";
import { type AuditRecord, genesisHash, hashRecord } from "../../../shared/audit.ts";
import type { Checkpoint } from "../../../shared/checkpoint.ts";
import { StewardError } from "../../../shared/errors.ts";
import { newId } from "../../../shared/ids.ts";
import type { AuditFilter, AuditStore, ChainLink } from "../../store.ts";
import type { Connection } from "./connection.ts";

const columns = [
  "seq",
  "id",
  "user_id",
  "intent",
  "action_type",
  "target_resource",
  "command_snapshot",
  "status",
  "client_ip",
  "platform",
  "timestamp",
  "incident_id",
  "proposal_id",
  "detail",
  "prev_hash",
  "hash",
] as const satisfies readonly (keyof AuditRecord)[];

interface CheckpointRow {
  seq: number;
  hash: string;
  at: string;
  epoch: number;
  public_key: string;
  signature: string;
}

const keptCheckpoints = 1_000;
/** Few enough records that reading them is not felt by others. */
const walkStep = 250;
/** How many records are looked at to tell which of several conditions is the narrowest. */
const sample = 500;

export function createAuditStore({ db, now, instanceId, redactor }: Connection): AuditStore {
  const names = columns.join(", ");
  const insert = db.prepare(
    `INSERT INTO audit_logs (${names}) VALUES (${columns.map((name) => `@${name}`).join(", ")})`,
  );
  const newest = db.prepare<[], ChainLink>("SELECT seq, hash FROM audit_logs ORDER BY seq DESC LIMIT 1");
  const after = db.prepare<[number, number], AuditRecord>(
    `SELECT ${names} FROM audit_logs WHERE seq > ? ORDER BY seq LIMIT ?`,
  );
  const lastBefore = db.prepare<[string], ChainLink>(
    "SELECT seq, hash FROM audit_logs WHERE timestamp < ? ORDER BY timestamp DESC, seq DESC LIMIT 1",
  );
  const remove = db.prepare("DELETE FROM audit_logs WHERE seq <= ?");
  const usersNamed = db.prepare<[string], string>("SELECT id FROM users WHERE username = ?").pluck();

  const seal = db.prepare<[], ChainLink>(
    "SELECT seq, hash FROM checkpoints WHERE pruned = 1 ORDER BY seq DESC LIMIT 1",
  );
  const checkpoints = db.prepare<[], CheckpointRow>("SELECT * FROM checkpoints ORDER BY seq");
  const latestCheckpoint = db.prepare<[], CheckpointRow>("SELECT * FROM checkpoints ORDER BY seq DESC LIMIT 1");
  const insertCheckpoint = db.prepare(
    `INSERT INTO checkpoints (pruned, seq, hash, at, epoch, public_key, signature) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (pruned, seq) DO NOTHING`,
  );
  const removeCheckpoints = db.prepare(
    `DELETE FROM checkpoints WHERE pruned = 0
     AND seq <= (SELECT seq FROM checkpoints WHERE pruned = 0 ORDER BY seq DESC LIMIT 1 OFFSET ?)`,
  );
  const removeSealed = db.prepare(
    "DELETE FROM checkpoints WHERE (pruned = 0 AND seq <= ?) OR (pruned = 1 AND seq < ?)",
  );

  const root = () => seal.get() ?? { seq: 0, hash: genesisHash(instanceId) };
  const head = () => newest.get() ?? root();

  return {
    head,
    root,
    append,
    page,
    get: (seq) => after.get(seq - 1, 1) ?? null,
    walk,
    lastBefore: (before) => lastBefore.get(before.toISOString()) ?? null,
    checkpoints: () => checkpoints.all().map(toCheckpoint),
    latestCheckpoint() {
      const row = latestCheckpoint.get();
      return row === undefined ? null : toCheckpoint(row);
    },
    putCheckpoint(checkpoint) {
      now();
      keep(checkpoint, 0);
      removeCheckpoints.run(keptCheckpoints);
    },
    prune(upTo) {
      now();
      keep(upTo, 1);
      removeSealed.run(upTo.seq, upTo.seq);
      return remove.run(upTo.seq).changes;
    },
  };

  async function* walk(from: number, upTo: number) {
    for (let seq = from; seq < upTo; ) {
      const batch = after.all(seq, Math.min(walkStep, upTo - seq));
      yield* batch;
      const last = batch.at(-1);
      if (last === undefined) return;
      seq = last.seq;
      await setImmediate();
    }
  }

  function append(entry: Parameters<AuditStore["append"]>[0]): AuditRecord {
    const { seq, hash } = head();
    const record: Omit<AuditRecord, "hash"> = {
      seq: seq + 1,
      id: newId(),
      user_id: storable(entry.userId),
      intent: masked(entry.intent),
      action_type: entry.actionType,
      target_resource: masked(entry.targetResource),
      command_snapshot: masked(entry.commandSnapshot),
      status: entry.status,
      client_ip: storable(entry.clientIp),
      platform: entry.platform,
      timestamp: now().toISOString(),
      incident_id: entry.incidentId,
      proposal_id: entry.proposalId,
      detail: entry.detail === null ? null : (canonicalize(jsonOf(redactor.object(entry.detail))) ?? null),
      prev_hash: hash,
    };
    const complete: AuditRecord = { ...record, hash: hashRecord(record) };
    insert.run(complete);
    return complete;
  }

  function masked(text: string | null): string | null {
    return text === null ? null : storable(redactor.text(text));
  }

  function keep({ seq, hash, at, epoch, publicKey, signature }: Checkpoint, pruned: 0 | 1): void {
    insertCheckpoint.run(pruned, seq, hash, at, epoch, publicKey, signature);
  }

  function toCheckpoint({ seq, hash, at, epoch, public_key, signature }: CheckpointRow): Checkpoint {
    return { instance: instanceId, seq, hash, at, epoch, publicKey: public_key, signature };
  }

  /** A page is found along one index, that of the narrowest condition; the others are looked at in the rows it gives. */
  function page({
    limit,
    cursor,
    since,
    ...filter
  }: Parameters<AuditStore["page"]>[0]): ReturnType<AuditStore["page"]> {
    const range = { above: since === null ? 0 : seqBefore(since), below: seqBelow(cursor, filter.until) };
    const found = alternatives(filter)
      .flatMap((conditions) => select(conditions, range, limit + 1))
      .sort((a, b) => b.seq - a.seq);
    const items = found.slice(0, limit);
    return { items, next: found.length > limit ? String(items.at(-1)?.seq) : null };
  }

  function select(conditions: readonly Condition[], range: Range, limit: number): AuditRecord[] {
    const [driver, ...others] = narrowestFirst(conditions, range);
    const where = [
      ...(driver === undefined ? [] : [`${driver.expression} = ?`]),
      // The unary plus keeps SQLite from taking this condition's index instead.
      ...others.map(({ expression }) => `+${expression} = ?`),
      "seq > ?",
      "seq < ?",
    ];
    const values = [driver, ...others].flatMap((condition) => (condition === undefined ? [] : [condition.value]));
    return db
      .prepare<(string | number)[], AuditRecord>(
        `SELECT ${names} FROM audit_logs WHERE ${where.join(" AND ")} ORDER BY seq DESC LIMIT ?`,
      )
      .all(...values, range.above, range.below, limit);
  }

  function narrowestFirst(conditions: readonly Condition[], range: Range): Condition[] {
    if (conditions.length < 2) return [...conditions];
    return conditions
      .map((condition) => ({ condition, reach: reach(condition, range) }))
      .sort((a, b) => a.reach - b.reach)
      .map(({ condition }) => condition);
  }

  /** About how many records a condition leaves: counted as far as the sample goes, then by how far apart they stood. */
  function reach({ expression, value }: Condition, { above, below }: Range): number {
    const newest = `SELECT seq FROM audit_logs WHERE ${expression} = ? AND seq > ? AND seq < ? ORDER BY seq DESC LIMIT ${sample}`;
    const found = db
      .prepare<(string | number)[], { size: number; first: number | null; last: number | null }>(
        `SELECT count(*) AS size, min(seq) AS first, max(seq) AS last FROM (${newest})`,
      )
      .get(value, above, below);
    if (found === undefined || found.first === null || found.last === null) return 0;
    if (found.size < sample) return found.size;
    return (found.size / (found.last - found.first)) * (found.last - above);
  }

  /** A name may stand for several things (two users who had it, one after the other); each way of reading it is a list of conditions. */
  function alternatives({ user, target, ...filter }: AuditFilter): Condition[][] {
    const plain: Condition[] = [
      ["proposal_id", filter.proposal],
      ["incident_id", filter.incident],
      ["action_type", filter.action],
      ["platform", filter.platform],
      ["status", filter.status],
    ].flatMap(([expression, value]) =>
      expression === undefined || value === undefined ? [] : [{ expression, value }],
    );
    const users =
      user === undefined
        ? [[]]
        : [...new Set([user, ...usersNamed.all(user)])].map((id) => [{ expression: "user_id", value: id }]);
    const targets =
      target === undefined ? [[]] : targetExpressions(target).map((expression) => [{ expression, value: target }]);
    return users.flatMap((byUser) => targets.map((byTarget) => [...plain, ...byUser, ...byTarget]));
  }

  /** The records of a time lie together in the chain, since time never runs back in it. */
  function seqBefore(time: Date): number {
    return lastBefore.get(time.toISOString())?.seq ?? 0;
  }

  function seqBelow(cursor: string | null, until: Date | undefined): number {
    if (cursor !== null && !/^\d{1,15}$/.test(cursor)) {
      throw new StewardError("invalid", "not a cursor of this list", { path: "cursor" });
    }
    const byCursor = cursor === null ? Number.MAX_SAFE_INTEGER : Number(cursor);
    return until === undefined ? byCursor : Math.min(byCursor, seqBefore(until) + 1);
  }
}

interface Condition {
  expression: string;
  value: string;
}

interface Range {
  above: number;
  below: number;
}

const objectExpression = "substr(target_resource, instr(target_resource, '/') + 1)";

/** `payment/deployment/checkout` is one object; `deployment/checkout` is that of any namespace, or one that has none. */
function targetExpressions(target: string): readonly string[] {
  return target.split("/").length === 2 ? ["target_resource", objectExpression] : ["target_resource"];
}

/** SQLite keeps UTF-8, which has no lone surrogates: what was hashed must be what is read back. */
function storable(text: string | null): string | null {
  return text?.toWellFormed() ?? null;
}

/** JSON data as it can be kept: what JSON has no form for is left out or null, and every text is well-formed. */
function jsonOf(value: unknown): unknown {
  if (typeof value === "string") return value.toWellFormed();
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (typeof value === "boolean") return value;
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(jsonOf);
  if (typeof value !== "object" || value === null) return null;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => (item === undefined ? [] : [[key.toWellFormed(), jsonOf(item)]])),
  );
}
