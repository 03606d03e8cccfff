import type { Alert } from "../../shared/alert.ts";
import type { Decision, Execution, Proposal, Verification } from "../../shared/approval.ts";
import type { Evidence } from "../../shared/finding.ts";
import type { Incident } from "../../shared/incident.ts";
import type { Locale } from "../../shared/locale.ts";
import type { Times } from "../../shared/time.ts";
import type { Button, ButtonAction } from "../card.ts";
import type { Words } from "../words/index.ts";

/** What every view is given beside the facts. Views are pure: the same facts make the same card, so nothing in here knows what time it is. */
export interface View {
  locale: Locale;
  words: Words;
  times: Times;
  /** Lower-case host names a link may lead to. */
  linkHosts: ReadonlySet<string>;
  /** Whether a silence can be made (an Alertmanager is configured). */
  silences: boolean;
  /** The opaque id of a button of this card. */
  buttonId(action: ButtonAction, proposalId: string | null): string;
}

export interface ProposalFacts {
  proposal: Proposal;
  decisions: readonly Decision[];
  execution: Execution | null;
  verification: Verification | null;
}

/** All that is known about an incident when its card is made. */
export interface IncidentFacts {
  incident: Incident;
  /** The newest alerts, newest first; not necessarily all. */
  alerts: readonly Alert[];
  counts: { total: number; firing: number };
  /** Alerts of its group that Alertmanager's newest delivery left out. */
  leftOut: number;
  /** Oldest first. */
  evidence: readonly Evidence[];
  /** Oldest first. */
  proposals: readonly ProposalFacts[];
  /** The incident this one was joined to. */
  joinedTo: Incident | null;
  previous: Incident | null;
  /** The fix of the previous incident that this one shows did not hold. */
  failedFix: { code: string; at: Date } | null;
  /** When the same alert came back after this incident's own fix. */
  returnedAt: Date | null;
  /** Incidents that turned out to be part of this one; not necessarily all. */
  joinedHere: readonly Incident[];
  /** How long the run behind the diagnosis took. */
  tookMs: number | null;
  maintenance: { reason: string; until: Date | null } | null;
}

/** A button that stands on its own, or for one proposal. */
export function makeButton(
  view: View,
  action: ButtonAction,
  { names, proposalId = null }: { names: string; proposalId?: string | null },
): Button {
  const style = action === "approve" ? "primary" : action === "deny" ? "danger" : "plain";
  const choices =
    action === "deny" ? Object.entries(view.words.denyReason).map(([value, label]) => ({ value, label })) : [];
  return { id: view.buttonId(action, proposalId), action, label: view.words.button[action], style, names, choices };
}
