import { type Actor, systemActor } from "../../shared/approval.ts";
import type { AuditEntry } from "../../shared/audit.ts";
import type { Incident } from "../../shared/incident.ts";

/** What is recorded of an incident, as `incident_open`, and its going to people, as `escalate`. */
export type IncidentStep =
  | "incident_open"
  | "incident_resolve"
  | "incident_ignore"
  | "incident_silence"
  | "incident_wake"
  | "incident_claim"
  | "incident_join"
  | "incident_retarget"
  | "incident_flapping"
  | "escalate";

/** The audit record of one step of an incident. */
export function incidentEntry(
  actionType: IncidentStep,
  incident: Incident,
  detail: Readonly<Record<string, unknown>>,
  actor: Actor = systemActor,
): AuditEntry {
  return {
    userId: actor.userId,
    intent: null,
    actionType,
    targetResource: placeOf(incident),
    commandSnapshot: null,
    status: "SUCCESS",
    clientIp: actor.clientIp,
    platform: actor.platform,
    incidentId: incident.id,
    proposalId: null,
    detail: { alertname: incident.alertname, by: actor.username, ...detail },
  };
}

function placeOf({ namespace, target }: Incident): string | null {
  if (target === null) return namespace;
  return namespace === null ? target : `${namespace}/${target}`;
}
