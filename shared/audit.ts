import { createHash } from "node:crypto";
import { z } from "zod";
import type { Platform } from "./approval.ts";
import { type Checkpoint, isSigned } from "./checkpoint.ts";

export type AuditStatus = "SUCCESS" | "FAILED" | "PENDING";

/** What a caller says of one step; the store adds seq, id, time and the chain. */
export interface AuditEntry {
  userId: string | null;
  /** What was meant, in plain words or as it was typed. */
  intent: string | null;
  /** verb_thing: `approve_restart`, `execute_setResources`, `login`. */
  actionType: string;
  /** `namespace/deployment/checkout`, or what was acted on. */
  targetResource: string | null;
  /** The command or request as it ran. */
  commandSnapshot: string | null;
  status: AuditStatus;
  clientIp: string | null;
  platform: Platform;
  incidentId: string | null;
  proposalId: string | null;
  detail: Readonly<Record<string, unknown>> | null;
}

/** A row of `audit_logs`, under the names of its columns. Strict: an export with a key more was not written by Steward. */
export const AuditRecord = z.strictObject({
  seq: z.int().positive(),
  id: z.string(),
  user_id: z.string().nullable(),
  intent: z.string().nullable(),
  action_type: z.string(),
  target_resource: z.string().nullable(),
  command_snapshot: z.string().nullable(),
  status: z.enum(["SUCCESS", "FAILED", "PENDING"]),
  client_ip: z.string().nullable(),
  platform: z.enum(["dingtalk", "feishu", "slack", "terminal", "api", "system"]),
  timestamp: z.string(),
  incident_id: z.string().nullable(),
  proposal_id: z.string().nullable(),
  /** Canonical JSON text or null. */
  detail: z.string().nullable(),
  prev_hash: z.string(),
  hash: z.string(),
});
export type AuditRecord = z.infer<typeof AuditRecord>;

const domain = "steward-audit-v1\n";

/** The hash before the first record of an instance. */
export function genesisHash(instanceId: string): string {
  return createHash("sha256")
    .update(domain + instanceId)
    .digest("hex");
}

/**
 * The hash of a record: SHA-256 over a domain tag and the canonical JSON (RFC 8785) of every column but `hash`, `prev_hash` among
 * them. Of texts, whole numbers and null under keys in their order, JSON.stringify writes just that form, at half the cost of
 * canonicalizing; a test holds the two together.
 */
export function hashRecord(record: Omit<AuditRecord, "hash">): string {
  const body = JSON.stringify({
    action_type: record.action_type,
    client_ip: record.client_ip,
    command_snapshot: record.command_snapshot,
    detail: record.detail,
    id: record.id,
    incident_id: record.incident_id,
    intent: record.intent,
    platform: record.platform,
    prev_hash: record.prev_hash,
    proposal_id: record.proposal_id,
    seq: record.seq,
    status: record.status,
    target_resource: record.target_resource,
    timestamp: record.timestamp,
    user_id: record.user_id,
  });
  return createHash("sha256").update(domain).update(body).digest("hex");
}

export type ChainAnswer = { ok: true; records: number; head: string } | { ok: false; brokenAt: number; reason: string };

type Broken = Extract<ChainAnswer, { ok: false }>;

/** A walk along the chain, one record at a time: a million of them are neither held in memory nor taken in one breath. */
export interface Chain {
  /** Takes the next record. The first fault, or null while there is none. */
  next(record: AuditRecord): Broken | null;
  /** The answer when there are no more records. */
  end(): ChainAnswer;
}

/**
 * Begins a walk in order of `seq`. The first record must follow `root`: the genesis hash, or the checkpoint retention left; null
 * takes the first record's own word for it, as with a part of the chain. Every checkpoint within the walk must agree with it, and
 * the walk must reach the newest. The fault names the first record that does not fit: a gap, a changed column, a broken link, a
 * history that was rewritten, or an end that was cut off.
 */
export function walkChain(root: { seq: number; hash: string } | null, checkpoints: readonly Checkpoint[]): Chain {
  const sealed = new Map(checkpoints.map((checkpoint) => [checkpoint.seq, checkpoint]));
  const newest = checkpoints.reduce<Checkpoint | null>((a, b) => (a === null || b.seq > a.seq ? b : a), null);
  let last = root;
  let records = 0;

  const disagreement = (): Broken | null => {
    const seal = last === null ? undefined : sealed.get(last.seq);
    if (seal === undefined) return null;
    if (!isSigned(seal)) return forged(seal);
    if (seal.hash === last?.hash) return null;
    return broken(
      seal.seq,
      `record ${seal.seq} is not the one the checkpoint of ${seal.at} saw: what led to it was rewritten`,
    );
  };

  return {
    next(record) {
      last ??= { seq: record.seq - 1, hash: record.prev_hash };
      if (records === 0) {
        const before = disagreement();
        if (before !== null) return before;
      }
      if (record.seq !== last.seq + 1) {
        return broken(last.seq + 1, `record ${last.seq + 1} is missing: the next one is ${record.seq}`);
      }
      if (record.prev_hash !== last.hash) {
        return broken(record.seq, `record ${record.seq} does not follow the one before it`);
      }
      if (hashRecord(record) !== record.hash) {
        return broken(record.seq, `record ${record.seq} was changed: its content does not give its hash`);
      }
      last = { seq: record.seq, hash: record.hash };
      records++;
      return disagreement();
    },
    end() {
      const at = last?.seq ?? 0;
      if (newest !== null && !isSigned(newest)) return forged(newest);
      if (newest !== null && newest.seq > at) {
        return broken(
          at + 1,
          `records ${at + 1} to ${newest.seq} are missing: the checkpoint of ${newest.at} saw them`,
        );
      }
      return { ok: true, records, head: last?.hash ?? "" };
    },
  };
}

function forged({ seq }: Checkpoint): Broken {
  return broken(seq, `the checkpoint of record ${seq} was changed: its signature does not fit`);
}

function broken(brokenAt: number, reason: string): Broken {
  return { ok: false, brokenAt, reason };
}
