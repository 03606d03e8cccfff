import type { Actor } from "../../shared/approval.ts";
import type { AuditEntry, AuditStatus } from "../../shared/audit.ts";

/** An audit entry about a user: who did what to whom. Never a password, a token or a name that nobody has. */
export function identityRecord(
  actor: Actor,
  actionType: string,
  username: string | null,
  status: AuditStatus = "SUCCESS",
  detail: Readonly<Record<string, unknown>> | null = null,
): AuditEntry {
  return {
    userId: actor.userId,
    intent: null,
    actionType,
    targetResource: username === null ? null : `user/${username}`,
    commandSnapshot: null,
    status,
    clientIp: actor.clientIp,
    platform: actor.platform,
    incidentId: null,
    proposalId: null,
    detail,
  };
}
