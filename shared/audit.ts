import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import type { Platform } from "./approval.ts";

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

/** A row of `audit_logs`, under the names of its columns. */
export interface AuditRecord {
  seq: number;
  id: string;
  user_id: string | null;
  intent: string | null;
  action_type: string;
  target_resource: string | null;
  command_snapshot: string | null;
  status: AuditStatus;
  client_ip: string | null;
  platform: Platform;
  timestamp: string;
  incident_id: string | null;
  proposal_id: string | null;
  /** Canonical JSON text or null. */
  detail: string | null;
  prev_hash: string;
  hash: string;
}

/** The hash before the first record of an instance. */
export function genesisHash(instanceId: string): string {
  return createHash("sha256").update(`steward-audit-v1\n${instanceId}`).digest("hex");
}

/** The hash of a record: SHA-256 over a domain tag and the canonical JSON (RFC 8785) of every column but `hash`, `prev_hash` among them. */
export function hashRecord(record: Omit<AuditRecord, "hash">): string {
  const {
    seq,
    id,
    user_id,
    intent,
    action_type,
    target_resource,
    command_snapshot,
    status,
    client_ip,
    platform,
    timestamp,
    incident_id,
    proposal_id,
    detail,
    prev_hash,
  } = record;
  const body = canonicalize({
    seq,
    id,
    user_id,
    intent,
    action_type,
    target_resource,
    command_snapshot,
    status,
    client_ip,
    platform,
    timestamp,
    incident_id,
    proposal_id,
    detail,
    prev_hash,
  });
  return createHash("sha256")
    .update("steward-audit-v1\n")
    .update(body ?? "")
    .digest("hex");
}

export type ChainAnswer = { ok: true; records: number; head: string } | { ok: false; brokenAt: number; reason: string };

/**
 * Walks a chain in order of `seq`. The first record must follow `expected` (the genesis hash, or the checkpoint left by retention).
 * Names the first record that does not fit: a gap, a changed column, or a broken link.
 */
export function verifyChain(records: Iterable<AuditRecord>, expected: { seq: number; hash: string }): ChainAnswer {
  let { seq, hash } = expected;
  let count = 0;
  for (const record of records) {
    if (record.seq !== seq + 1)
      return { ok: false, brokenAt: seq + 1, reason: `record ${seq + 1} is missing: the next one is ${record.seq}` };
    if (record.prev_hash !== hash)
      return { ok: false, brokenAt: record.seq, reason: `record ${record.seq} does not follow the one before it` };
    if (hashRecord(record) !== record.hash)
      return {
        ok: false,
        brokenAt: record.seq,
        reason: `record ${record.seq} was changed: its content does not give its hash`,
      };
    ({ seq, hash } = record);
    count++;
  }
  return { ok: true, records: count, head: hash };
}
