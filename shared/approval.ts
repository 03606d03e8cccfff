import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import type { Action } from "./action.ts";

export type ProposalState =
  | "pending"
  | "approved"
  | "denied"
  | "expired"
  | "stale"
  | "refused"
  | "withdrawn"
  | "executing"
  | "verifying"
  | "failed"
  | "unknown"
  | "cancelled"
  | "succeeded"
  | "unverified"
  | "needs_human"
  | "undone";

/**
 * The one table of legal moves (SPEC 9). The store refuses every other pair, and moves only by compare-and-set.
 * `refused` is also where a proposal begins whose dry run failed.
 */
export const proposalMoves: Readonly<Record<ProposalState, readonly ProposalState[]>> = {
  pending: ["approved", "denied", "expired", "stale", "refused", "withdrawn"],
  approved: ["executing", "stale", "refused", "expired"],
  executing: ["verifying", "failed", "unknown", "cancelled"],
  verifying: ["succeeded", "failed", "unverified"],
  unknown: ["verifying", "failed", "needs_human"],
  succeeded: ["undone"],
  failed: ["undone"],
  unverified: ["undone"],
  denied: [],
  expired: [],
  stale: [],
  refused: [],
  withdrawn: [],
  cancelled: [],
  needs_human: [],
  undone: [],
};

/** The states in which a change may have reached the cluster, newest history first: what "last time" is told from. */
export const ranStates: readonly ProposalState[] = ["succeeded", "failed", "unverified", "needs_human", "undone"];

/** States that hold the object: while one proposal of an owner is in one of these, no other of that owner may be approved (SPEC 9, one at a time). */
export const holdingStates: readonly ProposalState[] = ["approved", "executing", "verifying", "unknown"];

/** The exact request an execution sends; `body` is byte for byte what goes over the wire. */
export interface ClusterRequest {
  method: "PATCH" | "DELETE" | "POST" | "PUT";
  /** Path below the API server's root, without query. */
  path: string;
  contentType: string;
  body: string;
}

/** Why the gate says no (SPEC 9). */
export const gateReasonCodes = [
  "protected_namespace",
  "protected_object",
  "protection_unreadable",
  "steward_namespace",
  "busy",
  "paused",
  "autofix_namespace",
  "autofix_limit",
  "autofix_scope",
  "autofix_kind",
  "autofix_mismatch",
  "autofix_direction",
  "autofix_downgraded",
  "autofix_flapping",
  "autofix_late",
  "autofix_shadow",
  "max_affected_pods",
  "breaker_open",
  "setup_required",
  "gitops",
] as const;
export type GateReasonCode = (typeof gateReasonCodes)[number];

export interface GateReason {
  code: GateReasonCode;
  /** For people, in the configured locale. */
  text: string;
}

export interface GateAnswer {
  allowed: boolean;
  reasons: GateReason[];
  /** Automatic fixes used in the last 60 minutes for this top owner, of how many, and when the next one is free. */
  used: number;
  limit: number;
  nextAt: Date | null;
}

export interface Requirement {
  roles: readonly string[];
  approvals: number;
  selfApproval: boolean;
  /** Who approves must have the right in Kubernetes too, by their linked identity on channel `kubernetes` (SPEC 9). */
  kubernetesRights?: boolean | undefined;
}

/** Every change is high risk (SPEC 8); critical is what an outage or a loss may come of. Computed by code from action and live object. */
export type Risk = "high" | "critical";

export interface Proposal {
  id: string;
  code: string;
  /** The operation id, fixed with the request's bytes; the execution takes it over. */
  op: string;
  incidentId: string | null;
  cardId: string | null;
  state: ProposalState;
  action: Action;
  namespace: string | null;
  target: string;
  /** `namespace/kind/name` of the top owner: what "one at a time" and the limit are counted for. */
  ownerKey: string;
  targetUid: string;
  summary: string;
  kubectl: string;
  diff: string;
  risk: Risk;
  warnings: readonly string[];
  gate: GateAnswer;
  /** Why it is refused or stale, in the words of who refused (the API server's own for a failed dry run). */
  reason: string | null;
  request: ClusterRequest | null;
  /** SHA-256 over the canonical JSON of action and request; on the card, in the decision, in the intent. */
  digest: string;
  /** The action that restores the fields Steward would write; null where there is none. */
  inverse: Action | null;
  origin: "person" | "autofix";
  requestedBy: string;
  requestedVia: Platform;
  rule: string | null;
  /** Whether the built-in playbooks, without the model, derived just this action. Nothing else runs without a person. */
  derived: boolean;
  requirement: Requirement;
  undoOf: string | null;
  createdAt: Date;
  updatedAt: Date;
  expiresAt: Date;
}

export interface Decision {
  user: string;
  userId: string;
  verdict: "approve" | "deny";
  reason: string | null;
  at: Date;
  platform: Platform;
}

/** What an approval is bound to: SHA-256 over the canonical JSON (RFC 8785) of the action and of the bytes that will be sent. */
export function digestOf(action: Action, request: ClusterRequest | null): string {
  return createHash("sha256")
    .update("steward-proposal-v1\n")
    .update(canonicalize({ action, request }) ?? "")
    .digest("hex");
}

export type ExecutionState = "intent" | "sent" | "done" | "failed" | "unknown" | "cancelled";

/** The legal moves of an execution. `cancelled` means surely not sent; `unknown` is settled by looking at the cluster, never by sending again. */
export const executionMoves: Readonly<Record<ExecutionState, readonly ExecutionState[]>> = {
  intent: ["sent", "cancelled"],
  sent: ["done", "failed", "unknown", "cancelled"],
  unknown: ["done", "failed"],
  done: [],
  failed: [],
  cancelled: [],
};

export interface Execution {
  /** The operation id; written to the object's annotation `steward.io/op`. */
  op: string;
  proposalId: string;
  state: ExecutionState;
  ownerKey: string;
  origin: "person" | "autofix";
  epoch: number;
  startedAt: Date;
  sentAt: Date | null;
  finishedAt: Date | null;
  outcome: string | null;
  message: string | null;
}

export interface Check {
  name: string;
  ok: boolean;
  text: string;
}

export interface Verification {
  proposalId: string;
  verdict: "succeeded" | "failed" | "unverified" | null;
  checks: readonly Check[];
  /** 0..100, for the progress bar. */
  progress: number;
  /** Newest lines of the new pods' logs, redacted. */
  logTail: string;
  /** What was true before the change (restarts, warnings), to measure against. */
  baseline: Readonly<Record<string, unknown>>;
  startedAt: Date;
  deadlineAt: Date;
  finishedAt: Date | null;
}

export type Platform = "dingtalk" | "feishu" | "slack" | "terminal" | "api" | "system";

/** Who does something, as the audit and the decisions name them. */
export interface Actor {
  userId: string | null;
  username: string;
  role: Role | null;
  platform: Platform;
  clientIp: string | null;
}

export type Role = "viewer" | "approver" | "admin";
export const roles: readonly Role[] = ["viewer", "approver", "admin"];

/** Steward itself, for what it does without a person. */
export const systemActor: Actor = { userId: null, username: "steward", role: null, platform: "system", clientIp: null };
