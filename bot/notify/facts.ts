import type { IncidentFacts, ProposalFacts } from "../../cards/views/view.ts";
import type { Proposal } from "../../shared/approval.ts";
import type { Incident } from "../../shared/incident.ts";
import type { Store } from "../store.ts";

/** Alerts a card can name; the rest is counted. */
const alertsAtMost = 20;
/** Within this time a returned alert says that the fix did not hold, in ms (SPEC 9). */
const holdsFor = 24 * 60 * 60 * 1_000;
/** How many later incidents of a key are walked back to find the one that followed. */
const walkAtMost = 20;

/** All that the card of an incident is made from, as the store has it now. */
export function gatherIncident(store: Store, incident: Incident): IncidentFacts {
  const { id, previousId, joined, namespace, diagnosis } = incident;
  const previous = previousId === null ? null : store.incidents.get(previousId);
  return {
    incident,
    alerts: store.incidents.newestAlerts(id, alertsAtMost),
    counts: store.incidents.countAlerts(id),
    leftOut: store.receipts.leftOut(id),
    evidence: store.evidence.ofIncident(id),
    proposals: store.proposals.ofIncident(id).map((proposal) => gatherProposal(store, proposal)),
    joinedTo: joined === null ? null : store.incidents.get(joined),
    joinedHere: store.incidents
      .joinedTo(id)
      .slice(0, 3)
      .flatMap((other) => store.incidents.get(other) ?? []),
    previous,
    failedFix: previous === null ? null : fixUndoneBy(store, previous, incident.startedAt),
    returnedAt: returned(store, incident),
    maintenance: maintenance(store, namespace),
    tookMs: diagnosis === null ? null : runTime(store, incident),
  };
}

export function gatherProposal(store: Store, proposal: Proposal): ProposalFacts {
  return {
    proposal,
    decisions: store.proposals.decisions(proposal.id),
    execution: store.proposals.execution(proposal.id),
    verification: store.proposals.verification(proposal.id),
  };
}

/** The newest fix of an incident that had succeeded when the alert came back within a day. */
function fixUndoneBy(store: Store, incident: Incident, returnedAt: Date): IncidentFacts["failedFix"] {
  const fixes = store.proposals.ofIncident(incident.id).flatMap(({ id, code, state }) => {
    const at = state === "succeeded" ? store.proposals.verification(id)?.finishedAt : null;
    const since = at === null || at === undefined ? -1 : returnedAt.getTime() - at.getTime();
    return at !== null && at !== undefined && since >= 0 && since <= holdsFor ? [{ code, at }] : [];
  });
  return fixes.sort((a, b) => b.at.getTime() - a.at.getTime())[0] ?? null;
}

/** When the alert came back after this incident's own fix; null while it holds. */
function returned(store: Store, incident: Incident): Date | null {
  let later = store.incidents.latest(incident.key);
  for (let step = 0; step < walkAtMost && later !== null && later.id !== incident.id; step++) {
    if (later.previousId === incident.id) {
      return fixUndoneBy(store, incident, later.startedAt) === null ? null : later.startedAt;
    }
    later = later.previousId === null ? null : store.incidents.get(later.previousId);
  }
  return null;
}

function maintenance(store: Store, namespace: string | null): IncidentFacts["maintenance"] {
  const pause = store.pauses.open().find((open) => open.namespace === null || open.namespace === namespace);
  return pause === undefined ? null : { reason: pause.reason, until: pause.until };
}

function runTime(store: Store, { id, diagnosis }: Incident): number | null {
  const run = store.evidence
    .investigations(id)
    .findLast(({ by, finishedAt }) => by === diagnosis?.by && finishedAt !== null);
  return run?.finishedAt === undefined || run.finishedAt === null
    ? null
    : run.finishedAt.getTime() - run.startedAt.getTime();
}
