import type { Actor, Proposal } from "../shared/approval.ts";
import type { AuditEntry, AuditStatus } from "../shared/audit.ts";

/** What is said of one step of a proposal, beyond the proposal itself. */
export interface TrailStep {
  /** The verb: `approve` becomes `approve_restart`. */
  verb: string;
  status: AuditStatus;
  actor: Actor;
  /** What was meant or why it went so, in words. */
  intent?: string | null;
  detail?: Readonly<Record<string, unknown>>;
}

/**
 * The audit record of a step of a proposal. The request's bytes are named by their digest, not written out: a template in them
 * may carry values that must not leave with an export.
 */
export function trailEntry(
  proposal: Proposal,
  { verb, status, actor, intent = null, detail = {} }: TrailStep,
): AuditEntry {
  return {
    userId: actor.userId,
    intent,
    actionType: `${verb}_${proposal.action.kind}`,
    targetResource: `${proposal.namespace === null ? "" : `${proposal.namespace}/`}${proposal.target}`,
    commandSnapshot: proposal.kubectl,
    status,
    clientIp: actor.clientIp,
    platform: actor.platform,
    incidentId: proposal.incidentId,
    proposalId: proposal.id,
    detail: { code: proposal.code, by: actor.username, digest: proposal.digest, ...detail },
  };
}

/** `gate_refuse`: the gate said no to a proposal. */
export function refusalEntry(
  proposal: Proposal,
  actor: Actor,
  reasons: readonly { code: string; text: string }[],
): AuditEntry {
  return {
    ...trailEntry(proposal, {
      verb: "gate",
      status: "FAILED",
      actor,
      intent: reasons.map(({ text }) => text).join("; "),
      detail: { reasons: reasons.map(({ code }) => code) },
    }),
    actionType: "gate_refuse",
  };
}
