import { type Proposal, systemActor } from "../../shared/approval.ts";
import type { Rule } from "../../shared/policy.ts";
import type { Notify } from "../notify.ts";
import type { Store } from "../store.ts";
import { incidentEntry } from "./trail.ts";

interface Deps {
  store: Store;
  rules: readonly Rule[];
  notify: Pick<Notify, "incident" | "need">;
}

/** SPEC 6 and 10: nobody decided a proposal for so long; an incident fires for so long. */
const proposalAfterMs = 600_000;
const stillFiringMs = 4 * 3_600_000;

/** What time alone brings about an incident. */
export function createWatch({ store, rules, notify }: Deps): { tick(now: Date): readonly string[] } {
  const { incidents, proposals, audit } = store;

  return { tick };

  function tick(now: Date): readonly string[] {
    const woken = incidents.toWake(now).filter((id) => wake(id));
    for (const id of incidents.toEscalate(now)) escalate(id);
    for (const proposal of proposals.inState("pending")) {
      if (now.getTime() - proposal.createdAt.getTime() >= proposalAfterMs) escalateProposal(proposal);
    }
    for (const id of incidents.toRemind(new Date(now.getTime() - stillFiringMs))) remind(id);
    return woken;
  }

  /** Ends an ignore whose time is over. Answers whether the incident was never looked into. */
  function wake(id: string): boolean {
    return store.transact(() => {
      const incident = incidents.get(id);
      if (incident === null || !incidents.move(id, "ignored", "open", { ignoredUntil: null })) return false;
      audit.append(incidentEntry("incident_wake", incident, {}));
      notify.incident(id);
      return incident.investigation === "queued" && incident.joined === null;
    });
  }

  function escalate(id: string): void {
    store.transact(() => {
      const incident = incidents.get(id);
      if (incident === null) return;
      incidents.noteSaid(id, "escalated");
      if (isDecided(proposals.ofIncident(id))) return;
      notify.need({ incidentId: id }, "escalated", peopleOf(incident.rule));
      audit.append(incidentEntry("escalate", incident, { rule: incident.rule, severity: incident.severity }));
    });
  }

  function escalateProposal(proposal: Proposal): void {
    const incident = proposal.incidentId === null ? null : incidents.get(proposal.incidentId);
    if (incident !== null && (incident.claimedBy !== null || incident.state !== "open")) return;
    if (proposals.decisions(proposal.id).length > 0 || wasEscalated(proposal)) return;
    store.transact(() => {
      notify.need({ proposalId: proposal.id }, "escalated", peopleOf(proposal.rule));
      if (incident !== null) incidents.noteSaid(incident.id, "escalated");
      audit.append({
        userId: null,
        intent: null,
        actionType: "escalate",
        targetResource: proposal.namespace === null ? proposal.target : `${proposal.namespace}/${proposal.target}`,
        commandSnapshot: proposal.kubectl,
        status: "SUCCESS",
        clientIp: null,
        platform: systemActor.platform,
        incidentId: proposal.incidentId,
        proposalId: proposal.id,
        detail: { code: proposal.code, by: systemActor.username },
      });
    });
  }

  /** Whether people were asked for this proposal, or for its incident while it was pending. */
  function wasEscalated({ id, incidentId, createdAt }: Proposal): boolean {
    const about = incidentId === null ? { proposal: id } : { incident: incidentId };
    return audit.page({ limit: 1, cursor: null, since: createdAt, action: "escalate", ...about }).items.length > 0;
  }

  function remind(id: string): void {
    store.transact(() => {
      incidents.noteSaid(id, "reminded");
      notify.need({ incidentId: id }, "still_firing");
    });
  }

  /** Ids of the people a rule names; undefined leaves it to whoever may decide. */
  function peopleOf(rule: string | null): readonly string[] | undefined {
    const named = rules.find(({ name }) => name === rule)?.escalate?.mention ?? [];
    const ids = named.flatMap((username) => store.users.byName(username)?.id ?? []);
    return ids.length > 0 ? ids : undefined;
  }

  /** Whether somebody has voted, or a rule has acted, on anything that was proposed for an incident. */
  function isDecided(proposed: readonly Proposal[]): boolean {
    return proposed.some(
      ({ id, origin, state }) => proposals.decisions(id).length > 0 || (origin === "autofix" && attended.has(state)),
    );
  }
}

/** An automatic run that is under way or has done its work. */
const attended: ReadonlySet<Proposal["state"]> = new Set(["approved", "executing", "verifying", "succeeded"]);
