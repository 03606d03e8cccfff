import { z } from "zod";
import { Action } from "../../../shared/action.ts";
import {
  type Decision,
  type Execution,
  type ExecutionState,
  executionMoves,
  gateReasonCodes,
  type Platform,
  type Proposal,
  type ProposalState,
  proposalMoves,
  type Risk,
  ranStates,
  type Verification,
} from "../../../shared/approval.ts";
import { StewardError } from "../../../shared/errors.ts";
import type { ProposalStore } from "../../store.ts";
import type { Connection } from "./connection.ts";

const Gate = z.object({
  allowed: z.boolean(),
  reasons: z.array(z.object({ code: z.enum(gateReasonCodes), text: z.string() })),
  used: z.int(),
  limit: z.int(),
  nextAt: z.coerce.date().nullable(),
});
const Request = z.object({
  method: z.enum(["PATCH", "DELETE", "POST", "PUT"]),
  path: z.string(),
  contentType: z.string(),
  body: z.string(),
});
const Requirement = z.object({
  roles: z.array(z.string()),
  approvals: z.int(),
  selfApproval: z.boolean(),
  kubernetesRights: z.boolean().optional(),
});
const Texts = z.array(z.string());
const Checks = z.array(z.object({ name: z.string(), ok: z.boolean(), text: z.string() }));
const Baseline = z.record(z.string(), z.unknown());

interface ProposalRow {
  id: string;
  code: string;
  op: string;
  incident_id: string | null;
  card_id: string | null;
  state: ProposalState;
  action: string;
  kind: string;
  namespace: string | null;
  target: string;
  owner_key: string;
  target_uid: string;
  summary: string;
  kubectl: string;
  diff: string;
  risk: Risk;
  warnings: string;
  gate: string;
  reason: string | null;
  request: string | null;
  digest: string;
  inverse: string | null;
  origin: Proposal["origin"];
  requested_by: string;
  requested_via: Platform;
  rule: string | null;
  derived: 0 | 1;
  requirement: string;
  undo_of: string | null;
  created_at: string;
  updated_at: string;
  expires_at: string;
}

interface ExecutionRow {
  op: string;
  proposal_id: string;
  state: ExecutionState;
  owner_key: string;
  origin: Execution["origin"];
  epoch: number;
  started_at: string;
  sent_at: string | null;
  finished_at: string | null;
  outcome: string | null;
  message: string | null;
}

interface DecisionRow {
  user_id: string;
  username: string;
  verdict: Decision["verdict"];
  reason: string | null;
  platform: Platform;
  at: string;
}

interface VerificationRow {
  proposal_id: string;
  verdict: Verification["verdict"];
  checks: string;
  progress: number;
  log_tail: string;
  baseline: string;
  started_at: string;
  deadline_at: string;
  finished_at: string | null;
}

const columns = [
  "id",
  "code",
  "op",
  "incident_id",
  "card_id",
  "state",
  "action",
  "kind",
  "namespace",
  "target",
  "owner_key",
  "target_uid",
  "summary",
  "kubectl",
  "diff",
  "risk",
  "warnings",
  "gate",
  "reason",
  "request",
  "digest",
  "inverse",
  "origin",
  "requested_by",
  "requested_via",
  "rule",
  "derived",
  "requirement",
  "undo_of",
  "created_at",
  "updated_at",
  "expires_at",
] as const satisfies readonly (keyof ProposalRow)[];

/**
 * Proposals, their decisions, executions and verifications. `move` and `moveExecution` are the only statements of the project
 * that write a state, each guarded by the table of legal moves in shared/approval.ts.
 */
export function createProposalStore({ db, now }: Connection): ProposalStore {
  const select = `SELECT ${columns.join(", ")} FROM proposals`;
  const insert = db.prepare(
    `INSERT INTO proposals (${columns.join(", ")}) VALUES (${columns.map((name) => `@${name}`).join(", ")})`,
  );
  const byId = db.prepare<[string], ProposalRow>(`${select} WHERE id = ?`);
  const byIdOrCode = db.prepare<[string, string], ProposalRow>(`${select} WHERE id = ? OR code = ?`);
  const byCode = db.prepare<[string], number>("SELECT 1 FROM proposals WHERE code = ?").pluck();
  const byIncident = db.prepare<[string], ProposalRow>(`${select} WHERE incident_id = ? ORDER BY created_at, rowid`);
  const byState = db.prepare<[string], ProposalRow>(
    `${select} WHERE state IN (SELECT value FROM json_each(?)) ORDER BY created_at, rowid`,
  );
  const holding = db.prepare<[string], ProposalRow>(
    `${select} WHERE owner_key = ? AND state IN ('approved', 'executing', 'verifying', 'unknown')`,
  );
  const ran = db.prepare<[string, string, string, number], ProposalRow>(
    `${select} WHERE owner_key = ? AND kind = ? AND state IN (SELECT value FROM json_each(?)) ORDER BY updated_at DESC LIMIT ?`,
  );
  const undoing = db.prepare<[string], ProposalRow>(`${select} WHERE undo_of = ? ORDER BY created_at DESC, rowid DESC`);
  const setState = db.prepare(
    `UPDATE proposals SET state = @to, updated_at = @at,
       reason = CASE WHEN @hasReason THEN @reason ELSE reason END,
       gate = coalesce(@gate, gate), warnings = coalesce(@warnings, warnings),
       card_id = CASE WHEN @hasCard THEN @cardId ELSE card_id END
     WHERE id = @id AND state = @from`,
  );
  const setGate = db.prepare("UPDATE proposals SET gate = ?, updated_at = ? WHERE id = ?");

  const putDecision = db.prepare(
    `INSERT INTO decisions (proposal_id, user_id, username, verdict, reason, platform, at) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (proposal_id, user_id) DO UPDATE SET
       username = excluded.username, verdict = excluded.verdict, reason = excluded.reason, platform = excluded.platform,
       at = excluded.at, voided_at = NULL`,
  );
  const decided = db.prepare<[string], DecisionRow>(
    `SELECT user_id, username, verdict, reason, platform, at FROM decisions
     WHERE proposal_id = ? AND voided_at IS NULL ORDER BY at, user_id`,
  );
  const voteOf = db
    .prepare<[string], string>(
      `SELECT proposal_id FROM decisions JOIN proposals ON proposals.id = proposal_id
       WHERE user_id = ? AND voided_at IS NULL AND state = 'pending'`,
    )
    .pluck();
  const voidVote = db.prepare("UPDATE decisions SET voided_at = ? WHERE proposal_id = ? AND user_id = ?");

  const executionColumns =
    "op, proposal_id, state, owner_key, origin, epoch, started_at, sent_at, finished_at, outcome, message";
  const insertExecution = db.prepare(
    `INSERT INTO executions (op, proposal_id, state, owner_key, origin, request, digest, epoch, started_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const executionOf = db.prepare<[string], ExecutionRow>(
    `SELECT ${executionColumns} FROM executions WHERE proposal_id = ?`,
  );
  const executionsByState = db.prepare<[string], ExecutionRow>(
    `SELECT ${executionColumns} FROM executions WHERE state IN (SELECT value FROM json_each(?)) ORDER BY started_at, op`,
  );
  const setExecution = db.prepare(
    `UPDATE executions SET state = @to,
       sent_at = CASE WHEN @to = 'sent' THEN @at ELSE sent_at END,
       finished_at = CASE WHEN @final THEN @at ELSE finished_at END,
       outcome = coalesce(@outcome, outcome), message = coalesce(@message, message)
     WHERE op = @op AND state = @from`,
  );
  const attempts = db
    .prepare<[string, string], string>(
      "SELECT started_at FROM executions WHERE owner_key = ? AND origin = 'autofix' AND started_at > ? ORDER BY started_at",
    )
    .pluck();
  // By what happened, not by the state now: an automatic run that failed and was then undone has failed.
  const failures = db
    .prepare<[string], string>(
      `SELECT coalesce(v.finished_at, e.finished_at, p.updated_at) AS at
       FROM executions e JOIN proposals p ON p.id = e.proposal_id LEFT JOIN verifications v ON v.proposal_id = e.proposal_id
       WHERE e.origin = 'autofix' AND (e.state = 'failed' OR v.verdict = 'failed' OR p.state = 'needs_human') AND at > ?
       ORDER BY at`,
    )
    .pluck();

  const putVerification = db.prepare(
    `INSERT INTO verifications (proposal_id, verdict, checks, progress, log_tail, baseline, started_at, deadline_at, finished_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (proposal_id) DO UPDATE SET
       verdict = excluded.verdict, checks = excluded.checks, progress = excluded.progress, log_tail = excluded.log_tail,
       baseline = excluded.baseline, started_at = excluded.started_at, deadline_at = excluded.deadline_at,
       finished_at = excluded.finished_at`,
  );
  const verificationOf = db.prepare<[string], VerificationRow>("SELECT * FROM verifications WHERE proposal_id = ?");

  const insertDowngrade = db.prepare("INSERT INTO downgrades (rule, owner_key, proposal_id, at) VALUES (?, ?, ?, ?)");
  const downgraded = db
    .prepare<[string, string], number>("SELECT 1 FROM downgrades WHERE rule = ? AND owner_key = ? AND ended_at IS NULL")
    .pluck();
  const endDowngrades = db.prepare("UPDATE downgrades SET ended_at = ? WHERE ended_at IS NULL");

  return {
    insert(proposal) {
      now();
      insert.run(toRow(proposal));
    },
    get: (id) => proposalOrNull(byId.get(id)),
    find: (idOrCode) => proposalOrNull(byIdOrCode.get(idOrCode.toLowerCase(), idOrCode.toUpperCase())),
    codeInUse: (code) => byCode.get(code) !== undefined,
    ofIncident: (incidentId) => byIncident.all(incidentId).map(toProposal),
    inState: (...states) => byState.all(JSON.stringify(states)).map(toProposal),
    holder: (ownerKey) => proposalOrNull(holding.get(ownerKey)),
    history: (ownerKey, kind, limit) => ran.all(ownerKey, kind, JSON.stringify(ranStates), limit).map(toProposal),
    undosOf: (proposalId) => undoing.all(proposalId).map(toProposal),

    page({ limit, cursor, since, state, namespace }) {
      const where: string[] = [];
      const values: string[] = [];
      if (cursor !== null) {
        const [, at, id] = /^(\d{4}-[0-9T:.-]{18}Z)_([a-z2-7]{26})$/.exec(cursor) ?? [];
        if (at === undefined || id === undefined)
          throw new StewardError("invalid", "not a cursor of this list", { path: "cursor" });
        where.push("(created_at, id) < (?, ?)");
        values.push(at, id);
      }
      const add = (clause: string, value: string | undefined) => {
        if (value === undefined) return;
        where.push(clause);
        values.push(value);
      };
      add("created_at >= ?", since?.toISOString());
      add("state = ?", state);
      add("namespace = ?", namespace);
      const items = db
        .prepare<(string | number)[], ProposalRow>(
          `${select} ${where.length > 0 ? `WHERE ${where.join(" AND ")}` : ""} ORDER BY created_at DESC, id DESC LIMIT ?`,
        )
        .all(...values, limit)
        .map(toProposal);
      const last = items.at(-1);
      return {
        items,
        next: items.length === limit && last !== undefined ? `${last.createdAt.toISOString()}_${last.id}` : null,
      };
    },

    move(id, from, to, patch = {}) {
      const at = now().toISOString();
      if (!proposalMoves[from].includes(to)) throw new Error(`no proposal moves from ${from} to ${to}`);
      try {
        return (
          setState.run({
            id,
            from,
            to,
            at,
            hasReason: patch.reason === undefined ? 0 : 1,
            reason: patch.reason ?? null,
            gate: patch.gate === undefined ? null : JSON.stringify(patch.gate),
            warnings: patch.warnings === undefined ? null : JSON.stringify(patch.warnings),
            hasCard: patch.cardId === undefined ? 0 : 1,
            cardId: patch.cardId ?? null,
          }).changes === 1
        );
      } catch (error) {
        // The index proposals_holding: another proposal holds this owner.
        if (error instanceof Error && "code" in error && error.code === "SQLITE_CONSTRAINT_UNIQUE") return false;
        throw error;
      }
    },
    setGate(id, gate) {
      setGate.run(JSON.stringify(gate), now().toISOString(), id);
    },

    addDecision(proposalId, { userId, user, verdict, reason, platform, at }) {
      now();
      putDecision.run(proposalId, userId, user, verdict, reason, platform, at.toISOString());
    },
    decisions: (proposalId) =>
      decided.all(proposalId).map(({ user_id, username, verdict, reason, platform, at }) => ({
        user: username,
        userId: user_id,
        verdict,
        reason,
        at: new Date(at),
        platform,
      })),
    voidVotes(userId) {
      const at = now().toISOString();
      const concerned = voteOf.all(userId);
      for (const proposalId of concerned) voidVote.run(at, proposalId, userId);
      return concerned;
    },

    insertExecution({ op, proposalId, state, ownerKey, origin, epoch, startedAt }, request, digest) {
      now();
      insertExecution.run(op, proposalId, state, ownerKey, origin, request, digest, epoch, startedAt.toISOString());
    },
    execution(proposalId) {
      const row = executionOf.get(proposalId);
      return row === undefined ? null : toExecution(row);
    },
    executionsIn: (...states) => executionsByState.all(JSON.stringify(states)).map(toExecution),
    moveExecution(op, from, to, patch = {}) {
      const at = now().toISOString();
      if (!executionMoves[from].includes(to)) throw new Error(`no execution moves from ${from} to ${to}`);
      const final = executionMoves[to].length === 0 ? 1 : 0;
      const { outcome = null, message = null } = patch;
      return setExecution.run({ op, from, to, at, final, outcome, message }).changes === 1;
    },
    automaticAttempts: (ownerKey, since) => attempts.all(ownerKey, since.toISOString()).map((at) => new Date(at)),
    automaticFailures: (since) => failures.all(since.toISOString()).map((at) => new Date(at)),

    putVerification(verification) {
      now();
      putVerification.run(
        verification.proposalId,
        verification.verdict,
        JSON.stringify(verification.checks),
        verification.progress,
        verification.logTail,
        JSON.stringify(verification.baseline),
        verification.startedAt.toISOString(),
        verification.deadlineAt.toISOString(),
        verification.finishedAt?.toISOString() ?? null,
      );
    },
    verification(proposalId) {
      const row = verificationOf.get(proposalId);
      return row === undefined ? null : toVerification(row);
    },

    downgrade(rule, ownerKey, proposalId) {
      insertDowngrade.run(rule, ownerKey, proposalId, now().toISOString());
    },
    isDowngraded: (rule, ownerKey) => downgraded.get(rule, ownerKey) !== undefined,
    endDowngrades: () => endDowngrades.run(now().toISOString()).changes,
  };
}

function toRow(proposal: Proposal): ProposalRow {
  return {
    id: proposal.id,
    code: proposal.code,
    op: proposal.op,
    incident_id: proposal.incidentId,
    card_id: proposal.cardId,
    state: proposal.state,
    action: JSON.stringify(proposal.action),
    kind: proposal.action.kind,
    namespace: proposal.namespace,
    target: proposal.target,
    owner_key: proposal.ownerKey,
    target_uid: proposal.targetUid,
    summary: proposal.summary,
    kubectl: proposal.kubectl,
    diff: proposal.diff,
    risk: proposal.risk,
    warnings: JSON.stringify(proposal.warnings),
    gate: JSON.stringify(proposal.gate),
    reason: proposal.reason,
    request: proposal.request === null ? null : JSON.stringify(proposal.request),
    digest: proposal.digest,
    inverse: proposal.inverse === null ? null : JSON.stringify(proposal.inverse),
    origin: proposal.origin,
    requested_by: proposal.requestedBy,
    requested_via: proposal.requestedVia,
    rule: proposal.rule,
    derived: proposal.derived ? 1 : 0,
    requirement: JSON.stringify(proposal.requirement),
    undo_of: proposal.undoOf,
    created_at: proposal.createdAt.toISOString(),
    updated_at: proposal.updatedAt.toISOString(),
    expires_at: proposal.expiresAt.toISOString(),
  };
}

function proposalOrNull(row: ProposalRow | undefined): Proposal | null {
  return row === undefined ? null : toProposal(row);
}

function toProposal(row: ProposalRow): Proposal {
  return {
    id: row.id,
    code: row.code,
    op: row.op,
    incidentId: row.incident_id,
    cardId: row.card_id,
    state: row.state,
    action: Action.parse(JSON.parse(row.action)),
    namespace: row.namespace,
    target: row.target,
    ownerKey: row.owner_key,
    targetUid: row.target_uid,
    summary: row.summary,
    kubectl: row.kubectl,
    diff: row.diff,
    risk: row.risk,
    warnings: Texts.parse(JSON.parse(row.warnings)),
    gate: Gate.parse(JSON.parse(row.gate)),
    reason: row.reason,
    request: row.request === null ? null : Request.parse(JSON.parse(row.request)),
    digest: row.digest,
    inverse: row.inverse === null ? null : Action.parse(JSON.parse(row.inverse)),
    origin: row.origin,
    requestedBy: row.requested_by,
    requestedVia: row.requested_via,
    rule: row.rule,
    derived: row.derived === 1,
    requirement: Requirement.parse(JSON.parse(row.requirement)),
    undoOf: row.undo_of,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
    expiresAt: new Date(row.expires_at),
  };
}

function toExecution(row: ExecutionRow): Execution {
  return {
    op: row.op,
    proposalId: row.proposal_id,
    state: row.state,
    ownerKey: row.owner_key,
    origin: row.origin,
    epoch: row.epoch,
    startedAt: new Date(row.started_at),
    sentAt: row.sent_at === null ? null : new Date(row.sent_at),
    finishedAt: row.finished_at === null ? null : new Date(row.finished_at),
    outcome: row.outcome,
    message: row.message,
  };
}

function toVerification(row: VerificationRow): Verification {
  return {
    proposalId: row.proposal_id,
    verdict: row.verdict,
    checks: Checks.parse(JSON.parse(row.checks)),
    progress: row.progress,
    logTail: row.log_tail,
    baseline: Baseline.parse(JSON.parse(row.baseline)),
    startedAt: new Date(row.started_at),
    deadlineAt: new Date(row.deadline_at),
    finishedAt: row.finished_at === null ? null : new Date(row.finished_at),
  };
}
