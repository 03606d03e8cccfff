import { z } from "zod";
import { Action } from "../action.ts";
import { listOf, pageQuery } from "./common.ts";
import { GateAnswer } from "./gate.ts";

const ApprovalState = z.enum([
  "pending",
  "approved",
  "denied",
  "expired",
  "stale",
  "refused",
  "withdrawn",
  "executing",
  "verifying",
  "failed",
  "unknown",
  "cancelled",
  "succeeded",
  "unverified",
  "needs_human",
  "undone",
]);

export const ApprovalQuery = z.strictObject({
  ...pageQuery,
  state: ApprovalState.optional(),
  namespace: z.string().max(63).optional(),
});

export const ApprovalAnswer = z.object({
  id: z.string(),
  code: z.string(),
  state: ApprovalState,
  /** Read loosely: a newer bot may know kinds this client does not. */
  action: z.looseObject({ kind: z.string() }),
  namespace: z.string().nullable(),
  target: z.string(),
  summary: z.string(),
  kubectl: z.string(),
  diff: z.string(),
  risk: z.string(),
  warnings: z.array(z.string()),
  gate: GateAnswer,
  /** Why it is refused or stale, in the words of who refused. */
  reason: z.string().nullable(),
  reversible: z.boolean(),
  requestedBy: z.string(),
  origin: z.enum(["person", "autofix"]),
  rule: z.string().nullable(),
  /** Which proposal this one undoes. */
  undoOf: z.string().nullable(),
  createdAt: z.string(),
  expiresAt: z.string(),
  incidentId: z.string().nullable(),
  /** What the rule asks for: who may decide, and how many. */
  requirement: z.object({ roles: z.array(z.string()), approvals: z.number(), selfApproval: z.boolean() }),
  decisions: z.array(
    z.object({
      user: z.string(),
      verdict: z.enum(["approve", "deny"]),
      reason: z.string().nullable(),
      at: z.string(),
      platform: z.string(),
    }),
  ),
  execution: z
    .object({
      op: z.string(),
      state: z.string(),
      startedAt: z.string(),
      sentAt: z.string().nullable(),
      finishedAt: z.string().nullable(),
      outcome: z.string().nullable(),
      message: z.string().nullable(),
    })
    .nullable(),
  verification: z
    .object({
      verdict: z.enum(["succeeded", "failed", "unverified"]).nullable(),
      checks: z.array(z.object({ name: z.string(), ok: z.boolean(), text: z.string() })),
      progress: z.number(),
      logTail: z.string(),
      finishedAt: z.string().nullable(),
    })
    .nullable(),
});
export type ApprovalAnswer = z.infer<typeof ApprovalAnswer>;

export const ApprovalList = listOf(ApprovalAnswer);

export const DenyRequest = z.strictObject({ reason: z.string().max(1000).optional() });

/** A wish: a kubectl line as a person types it, or a typed action. */
export const ProposalRequest = z.union([
  z.strictObject({
    kubectl: z.string().min(1).max(4000),
    /** Where a line without `-n` means. */
    namespace: z.string().max(63).optional(),
    incidentId: z.string().max(64).optional(),
  }),
  z.strictObject({ action: Action, incidentId: z.string().max(64).optional() }),
]);
export type ProposalRequest = z.infer<typeof ProposalRequest>;
