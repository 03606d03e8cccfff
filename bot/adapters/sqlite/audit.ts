import canonicalize from "canonicalize";
import { type AuditRecord, genesisHash, hashRecord } from "../../../shared/audit.ts";
import { StewardError } from "../../../shared/errors.ts";
import { newId } from "../../../shared/ids.ts";
import type { AuditStore } from "../../store.ts";
import type { Connection } from "../sqlite.ts";

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

export function createAuditStore({ db, now, instanceId }: Connection): AuditStore {
  const names = columns.join(", ");
  const insert = db.prepare(
    `INSERT INTO audit_logs (${names}) VALUES (${columns.map((name) => `@${name}`).join(", ")})`,
  );
  const newest = db.prepare<[], { seq: number; hash: string }>(
    "SELECT seq, hash FROM audit_logs ORDER BY seq DESC LIMIT 1",
  );
  const pruned = db.prepare<[], { seq: number; hash: string }>(
    "SELECT seq, hash FROM checkpoints WHERE pruned = 1 ORDER BY seq DESC LIMIT 1",
  );
  const after = db.prepare<[number], AuditRecord>(`SELECT ${names} FROM audit_logs WHERE seq > ? ORDER BY seq`);

  const root = () => pruned.get() ?? { seq: 0, hash: genesisHash(instanceId) };
  const head = () => newest.get() ?? root();

  return {
    head,
    root,
    append(entry) {
      const at = now().toISOString();
      const { seq, hash } = head();
      const record = {
        seq: seq + 1,
        id: newId(),
        user_id: entry.userId,
        intent: entry.intent,
        action_type: entry.actionType,
        target_resource: entry.targetResource,
        command_snapshot: entry.commandSnapshot,
        status: entry.status,
        client_ip: entry.clientIp,
        platform: entry.platform,
        timestamp: at,
        incident_id: entry.incidentId,
        proposal_id: entry.proposalId,
        detail: entry.detail === null ? null : (canonicalize(entry.detail) ?? null),
        prev_hash: hash,
      };
      const complete: AuditRecord = { ...record, hash: hashRecord(record) };
      insert.run(complete);
      return complete;
    },
    iterate: (afterSeq) => after.iterate(afterSeq),
    page({ limit, cursor, since, ...filter }) {
      const where: string[] = [];
      const values: (string | number)[] = [];
      const add = (clause: string, value: string | number | undefined) => {
        if (value === undefined) return;
        where.push(clause);
        values.push(value);
      };
      if (cursor !== null && !/^\d{1,15}$/.test(cursor))
        throw new StewardError("invalid", "not a cursor of this list", { path: "cursor" });
      add("seq < ?", cursor === null ? undefined : Number(cursor));
      add("timestamp >= ?", since?.toISOString());
      add("timestamp < ?", filter.until?.toISOString());
      add("user_id = ?", filter.user);
      add("action_type = ?", filter.action);
      add("target_resource = ?", filter.target);
      add("platform = ?", filter.platform);
      add("status = ?", filter.status);
      add("incident_id = ?", filter.incident);
      add("proposal_id = ?", filter.proposal);
      const items = db
        .prepare<(string | number)[], AuditRecord>(
          `SELECT ${names} FROM audit_logs ${where.length > 0 ? `WHERE ${where.join(" AND ")}` : ""} ORDER BY seq DESC LIMIT ?`,
        )
        .all(...values, limit);
      return { items, next: items.length === limit ? String(items.at(-1)?.seq) : null };
    },
  };
}
