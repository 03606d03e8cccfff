import type { ApprovalAnswer } from "../../shared/api/approval.ts";
import type { CardEvent } from "../../shared/api/card.ts";
import type { GateAnswer as GateView, SwitchAnswer } from "../../shared/api/gate.ts";
import type { IncidentAnswer, IncidentDetail } from "../../shared/api/incident.ts";
import type { UserAnswer } from "../../shared/api/user.ts";
import type { GateAnswer, Proposal } from "../../shared/approval.ts";
import type { Incident } from "../../shared/incident.ts";
import type { Store, StoredCard } from "../store.ts";
import type { Account, SwitchState } from "./services.ts";

/** What the API says of an incident (SPEC 4). */
export function incidentView(store: Store, incident: Incident): IncidentAnswer {
  return {
    id: incident.id,
    cardId: incident.cardId,
    alertname: incident.alertname,
    severity: incident.severity,
    namespace: incident.namespace,
    target: incident.target,
    state: incident.state,
    route: incident.route,
    rule: incident.rule,
    labels: incident.labels,
    groupKeys: [...incident.groupKeys],
    late: incident.late,
    flapping: incident.flapping,
    claimedBy: incident.claimedBy,
    joined: incident.joined,
    startedAt: incident.startedAt.toISOString(),
    updatedAt: incident.updatedAt.toISOString(),
    resolvedAt: time(incident.resolvedAt),
    ignoredUntil: time(incident.ignoredUntil),
    alerts: store.incidents.countAlerts(incident.id).total,
    diagnosis: incident.diagnosis,
    approvals: store.proposals.ofIncident(incident.id).map(({ code }) => code),
  };
}

/** As `incidentView`, with everything that was read. */
export function incidentDetail(store: Store, incident: Incident): IncidentDetail {
  return {
    ...incidentView(store, incident),
    evidence: store.evidence
      .ofIncident(incident.id)
      .map(({ id, tool, args, text, at }) => ({ id, tool, args, text, at: at.toISOString() })),
  };
}

/** What the API says of a proposal: with its decisions, its execution and its verification. */
export function approvalView(store: Store, proposal: Proposal): ApprovalAnswer {
  const execution = store.proposals.execution(proposal.id);
  const verification = store.proposals.verification(proposal.id);
  return {
    id: proposal.id,
    code: proposal.code,
    state: proposal.state,
    action: proposal.action,
    namespace: proposal.namespace,
    target: proposal.target,
    summary: proposal.summary,
    kubectl: proposal.kubectl,
    diff: proposal.diff,
    risk: proposal.risk,
    warnings: [...proposal.warnings],
    gate: gateView(proposal.gate),
    reason: proposal.reason,
    reversible: proposal.inverse !== null,
    requestedBy: proposal.requestedBy,
    origin: proposal.origin,
    rule: proposal.rule,
    undoOf: proposal.undoOf,
    createdAt: proposal.createdAt.toISOString(),
    expiresAt: proposal.expiresAt.toISOString(),
    incidentId: proposal.incidentId,
    requirement: { ...proposal.requirement, roles: [...proposal.requirement.roles] },
    decisions: store.proposals
      .decisions(proposal.id)
      .map(({ user, verdict, reason, at, platform }) => ({ user, verdict, reason, at: at.toISOString(), platform })),
    execution: execution && {
      op: execution.op,
      state: execution.state,
      startedAt: execution.startedAt.toISOString(),
      sentAt: time(execution.sentAt),
      finishedAt: time(execution.finishedAt),
      outcome: execution.outcome,
      message: execution.message,
    },
    verification: verification && {
      verdict: verification.verdict,
      checks: [...verification.checks],
      progress: verification.progress,
      logTail: verification.logTail,
      finishedAt: time(verification.finishedAt),
    },
  };
}

export function gateView({ allowed, reasons, used, limit, nextAt }: GateAnswer): GateView {
  return { allowed, reasons: reasons.map(({ code, text }) => ({ code, text })), used, limit, nextAt: time(nextAt) };
}

/** The stop switch as it stands. */
export function switchView({ pauses, breakerOpenSince }: SwitchState): SwitchAnswer {
  return {
    paused: pauses.length > 0,
    breakerOpenSince: time(breakerOpenSince),
    pauses: pauses.map(({ id, namespace, autofixOnly, reason, by, startedAt, until }) => ({
      id,
      namespace,
      autofixOnly,
      reason,
      by,
      startedAt: startedAt.toISOString(),
      until: time(until),
    })),
  };
}

export function userView({ user, identities }: Account): UserAnswer {
  return {
    id: user.id,
    username: user.username,
    role: user.role,
    createdAt: user.createdAt.toISOString(),
    password: user.passwordHash !== null,
    identities: identities.map(({ channel, id, display }) => ({ channel, id, display })),
  };
}

/** The data of one `card` event. */
export function cardView({ id, version, kind, incidentId, proposalId, state, card }: StoredCard): CardEvent {
  return { cardId: id, version, kind, incidentId, approvalId: proposalId, state, card: { ...card } };
}

function time(at: Date | null): string | null {
  return at === null ? null : at.toISOString();
}
