import type { ProposalState } from "../../shared/approval.ts";
import type { Incident } from "../../shared/incident.ts";
import type { Button, CardOf, Fact, Section, Tone } from "../card.ts";
import { foreign, joinText, own, say } from "../text.ts";
import { alertFacts, alertSections } from "./alert.ts";
import { isRun, settled } from "./decision.ts";
import { asideSections, conclusion, findings, footer } from "./diagnosis.ts";
import { evidenceRefs, evidenceSections } from "./evidence.ts";
import { headlineOf, levelOf, nameOf } from "./headline.ts";
import { alertLinks } from "./link.ts";
import { incidentMarks } from "./marks.ts";
import { changeSection, earlierLine, proposalBlock } from "./proposal.ts";
import { runOf } from "./run.ts";
import { type IncidentFacts, makeButton, type ProposalFacts, type View } from "./view.ts";

/**
 * The one card of an incident. A diagnosis while people think, a status once something runs; joined to another incident it shrinks to a pointer.
 * `state` is the word a machine reads where the card says it to people.
 */
export function incidentCard(
  facts: IncidentFacts,
  view: View,
): { card: CardOf<"diagnosis"> | CardOf<"status">; state: string } {
  const { incident } = facts;
  const { words } = view;
  if (incident.joined !== null) return { card: pointerCard(facts, view), state: "joined" };

  const { lead: running, pending, earlier } = arrange(facts.proposals);
  const state = stateOf(incident, running, pending);
  const refs = evidenceRefs(facts.evidence);
  const common = {
    schema: 1 as const,
    locale: view.locale,
    tone: toneOfCard(incident, running),
    headline: headlineOf(incident, view),
    marks: incidentMarks(facts, view),
    lead: conclusion(facts, view),
    facts: incidentFacts(facts, view),
    findings: findings(incident.diagnosis, refs),
    proposals: pending.slice(0, 4).map((one) => proposalBlock(one, view, { canRenew: incident.state === "open" })),
    sections: [
      ...pending.slice(0, 4).flatMap(({ proposal }) => changeSection(proposal, view)),
      ...asideSections(incident, view),
      ...evidenceSections(facts, refs, view),
      ...alertSections(facts, view),
      ...earlierSection(earlier, view),
    ].slice(0, 16),
    links: alertLinks(facts, view),
    buttons: cardButtons(facts, view),
    footer: footer(facts, view),
  };

  if (running === null) {
    const status = pending.some(({ proposal }) => proposal.state === "pending")
      ? words.proposalState.pending
      : words.incidentState[plainState(incident)];
    return { card: { kind: "diagnosis", ...common, title: alertTitle(incident, view), status }, state };
  }
  const run = runOf(running, view, { firing: facts.counts.firing > 0, clearedAt: incident.resolvedAt });
  const title = settled(running.proposal.state) ? run.label : words.title.running;
  return { card: { kind: "status", ...common, title, status: run.label, run }, state };
}

/** Which proposal leads (what runs, or ran last), which ones wait for somebody, and which are history. */
function arrange(proposals: readonly ProposalFacts[]): {
  lead: ProposalFacts | null;
  pending: ProposalFacts[];
  earlier: ProposalFacts[];
} {
  const newestFirst = [...proposals].sort((a, b) => b.proposal.createdAt.getTime() - a.proposal.createdAt.getTime());
  const runs = newestFirst.filter(({ proposal }) => isRun(proposal.state));
  const lead =
    runs.find(({ proposal }) => !settled(proposal.state)) ??
    [...runs].sort((a, b) => b.proposal.updatedAt.getTime() - a.proposal.updatedAt.getTime())[0] ??
    null;
  // In the order they were proposed: an investigation hands in its best first.
  const waiting = proposals.filter(({ proposal }) => proposal.state === "pending");
  const overtaken = new Set([...(lead === null ? [] : [lead]), ...waiting].map(({ proposal }) => keyOf(proposal)));
  const open = newestFirst.filter(({ proposal }) => leftOpen.has(proposal.state) && !overtaken.has(keyOf(proposal)));
  const latestOpen = open.filter(
    (one, i) => open.findIndex((other) => keyOf(other.proposal) === keyOf(one.proposal)) === i,
  );
  const shown = new Set([...waiting, ...latestOpen]);
  return {
    lead,
    pending: [...shown],
    earlier: newestFirst.filter((one) => one !== lead && !shown.has(one)),
  };
}

/** Ends without an outcome that a person still has to see as long as nothing took their place. */
const leftOpen: ReadonlySet<ProposalState> = new Set(["expired", "stale", "refused", "cancelled"]);

function keyOf({ action }: ProposalFacts["proposal"]): string {
  return `${action.kind} ${action.namespace} ${action.target}`;
}

function plainState(incident: Incident): "investigating" | "open" | "resolved" | "ignored" {
  if (incident.state !== "open") return incident.state;
  return incident.investigation === "queued" || incident.investigation === "running" ? "investigating" : "open";
}

/** What ran last stands until the incident is over or something new is asked: an alternative that waited all along does not hide it. */
function stateOf(incident: Incident, running: ProposalFacts | null, pending: readonly ProposalFacts[]): string {
  if (running !== null && !settled(running.proposal.state)) return running.proposal.state;
  if (incident.state !== "open") return incident.state;
  const since = running?.proposal.updatedAt ?? new Date(0);
  if (pending.some(({ proposal }) => proposal.state === "pending" && proposal.createdAt >= since)) return "pending";
  if (running !== null) return running.proposal.state;
  return plainState(incident);
}

function toneOfCard(incident: Incident, running: ProposalFacts | null): Tone {
  if (running !== null) {
    const { state } = running.proposal;
    if (!settled(state)) return state === "unknown" ? "warning" : "busy";
    if (state === "failed" || state === "needs_human") return "bad";
  }
  if (incident.state === "resolved") return "good";
  if (incident.state === "ignored") return "quiet";
  if (running?.proposal.state === "succeeded") return "good";
  return levelOf(incident.severity);
}

function alertTitle(incident: Incident, { words }: View): string {
  if (incident.state === "resolved") return words.title.resolved;
  if (incident.state === "ignored") return words.title.ignored;
  return words.title.alert[levelOf(incident.severity)];
}

function incidentFacts(facts: IncidentFacts, view: View): Fact[] {
  const { incident, previous, joinedHere } = facts;
  const { words, times } = view;
  const list: Fact[] = [
    { label: words.fact.since, value: own(times.full(incident.startedAt)) },
    ...alertFacts(facts, view),
  ];
  if (incident.diagnosis !== null) {
    list.push({ label: words.fact.confidence, value: own(words.confidence[incident.diagnosis.confidence]) });
  }
  if (incident.claimedBy !== null)
    list.push({ label: words.fact.claimed, value: [foreign("person", incident.claimedBy, 60)] });
  if (joinedHere.length > 0) {
    const names = joinedHere
      .slice(0, 3)
      .map((one) => say`${foreign("cluster", nameOf(one), 80)} ${foreign("cluster", one.alertname, 80)}`);
    list.push({ label: words.fact.joined, value: joinText(names, words.comma) });
  }
  if (previous !== null) {
    const cause = previous.diagnosis?.cause ?? null;
    const at = times.full(previous.startedAt);
    list.push({
      label: words.fact.previous,
      value: words.previousIncident(at, cause === null ? null : foreign("cluster", cause, 60), previous.id),
    });
  }
  return list;
}

function earlierSection(earlier: readonly ProposalFacts[], view: View): Section[] {
  if (earlier.length === 0) return [];
  const lines = earlier.slice(0, 10).map((one) => earlierLine(one, view));
  const title = own(`${view.words.section.earlier} (${earlier.length})`);
  return [{ title, ref: null, body: { form: "text", lines }, note: null }];
}

function cardButtons({ incident, evidence }: IncidentFacts, view: View): Button[] {
  const named = { names: incident.id };
  const buttons: Button[] = [];
  if (incident.state === "open") {
    if (incident.claimedBy === null) buttons.push(makeButton(view, "claim", named));
    buttons.push(makeButton(view, "ignore", named));
    if (view.silences) buttons.push(makeButton(view, "silence", named));
  }
  buttons.push(makeButton(view, "ask", named));
  if (evidence.length > 0) buttons.push(makeButton(view, "more", named));
  return buttons;
}

/** What is left of the card of an incident that turned out to be part of another: where to look. */
function pointerCard({ incident, joinedTo }: IncidentFacts, view: View): CardOf<"diagnosis"> {
  const { words, times } = view;
  const other =
    joinedTo === null
      ? [foreign("cluster", incident.joined ?? "", 40)]
      : joinText([[foreign("cluster", nameOf(joinedTo), 120)], [foreign("cluster", joinedTo.alertname, 80)]], " · ");
  return {
    kind: "diagnosis",
    schema: 1,
    locale: view.locale,
    tone: "quiet",
    title: words.title.joined,
    headline: headlineOf(incident, view),
    status: words.incidentState.joined,
    marks: [{ mark: "joined", text: words.mark.joined(other), tone: "quiet" }],
    lead: [],
    facts: [{ label: words.fact.since, value: own(times.full(incident.startedAt)) }],
    findings: [],
    proposals: [],
    sections: [],
    links: [],
    buttons: [],
    footer: "",
  };
}
