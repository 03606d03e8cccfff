import type { ProposalState } from "../../shared/approval.ts";
import { formatDuration } from "../../shared/duration.ts";
import type { Diagnosis } from "../../shared/finding.ts";
import type { Incident } from "../../shared/incident.ts";
import type { Button, CardOf, Fact, Finding, Mark, Paragraph, Section, Text, Tone } from "../card.ts";
import { foreign, joinText, own, say } from "../text.ts";
import { alertFacts, alertSections, saidByAlert } from "./alert.ts";
import { isRun, settled } from "./decision.ts";
import { evidenceRefs, evidenceSections } from "./evidence.ts";
import { alertLinks } from "./link.ts";
import { changeSection, earlierLine, proposalBlock } from "./proposal.ts";
import { runOf } from "./run.ts";
import { type IncidentFacts, makeButton, type ProposalFacts, type View } from "./view.ts";

/** The label that marks the alerts of `kubectl steward drill`. */
export const drillLabel = "steward_drill";

type Level = "critical" | "warning" | "info";

export function levelOf(severity: string): Level {
  return severity === "critical" ? "critical" : severity === "warning" ? "warning" : "info";
}

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
    marks: marks(facts, view),
    lead: leading(facts, view),
    facts: incidentFacts(facts, view),
    findings: findings(incident.diagnosis, refs),
    proposals: pending.slice(0, 4).map((one) => proposalBlock(one, view, { canRenew: incident.state === "open" })),
    sections: [
      ...pending.slice(0, 4).flatMap(({ proposal }) => changeSection(proposal, view)),
      ...listSection(words.section.ruledOut, incident.diagnosis?.ruledOut ?? [], incident.diagnosis),
      ...listSection(words.section.unseen, incident.diagnosis?.unseen ?? [], incident.diagnosis),
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

/**
 * The first line and the push preview: severity, namespace/name and what. Kept stable over the card's life, so that people recognise it,
 * but for the cause, which is added when it is known.
 */
export function headlineOf(incident: Incident, { words }: Pick<View, "words">): Text {
  const level = levelOf(incident.severity);
  const known = incident.severity === level;
  const severity =
    known || incident.severity === "" ? own(words.severity[level]) : [foreign("cluster", incident.severity, 20)];
  const cause = incident.diagnosis?.cause ?? null;
  const what = foreign("cluster", incident.alertname, 80);
  return say`${severity} · ${[foreign("cluster", nameOf(incident), 120)]} · ${cause === null ? [what] : say`${foreign("cluster", cause, 60)} (${what})`}`;
}

/** `payment/checkout`, or what comes nearest to it. */
function nameOf({ target, namespace, alertname }: Incident): string {
  if (target === null) return namespace ?? alertname;
  const name = target.slice(target.indexOf("/") + 1);
  return namespace === null ? target : `${namespace}/${name}`;
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
  const waiting = newestFirst.filter(({ proposal }) => proposal.state === "pending");
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

function stateOf(incident: Incident, running: ProposalFacts | null, pending: readonly ProposalFacts[]): string {
  if (running !== null && !settled(running.proposal.state)) return running.proposal.state;
  if (incident.state !== "open") return incident.state;
  if (pending.some(({ proposal }) => proposal.state === "pending")) return "pending";
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

function marks({ incident, maintenance, failedFix, returnedAt }: IncidentFacts, { words, times }: View): Mark[] {
  const short = (at: Date) => times.short(at, incident.startedAt);
  const list: Mark[] = [];
  if (incident.labels[drillLabel] !== undefined)
    list.push({ mark: "drill", text: own(words.mark.drill), tone: "info" });
  if (maintenance !== null) {
    const until = maintenance.until === null ? null : short(maintenance.until);
    const text = words.mark.maintenance(until, foreign("person", maintenance.reason, 160));
    list.push({ mark: "maintenance", text, tone: "warning" });
  }
  if (incident.late) list.push({ mark: "late", text: own(words.mark.late), tone: "warning" });
  if (incident.flapping) list.push({ mark: "flapping", text: own(words.mark.flapping), tone: "warning" });
  if (incident.mode === "shadow" && incident.route === "autofix" && incident.rule !== null) {
    list.push({ mark: "shadow", text: words.mark.shadow(foreign("person", incident.rule, 80)), tone: "info" });
  }
  if (returnedAt !== null)
    list.push({ mark: "did_not_hold", text: words.mark.didNotHold(short(returnedAt)), tone: "bad" });
  if (failedFix !== null) {
    list.push({
      mark: "did_not_hold",
      text: words.mark.lastDidNotHold(failedFix.code, short(failedFix.at)),
      tone: "warning",
    });
  }
  if (incident.state === "ignored") {
    const until = incident.ignoredUntil === null ? null : short(incident.ignoredUntil);
    list.push({ mark: "ignored", text: words.mark.ignored(until), tone: "quiet" });
  }
  if (incident.resolvedAt !== null) {
    const took = words.duration(formatDuration(incident.resolvedAt.getTime() - incident.startedAt.getTime()));
    list.push({ mark: "resolved", text: words.mark.resolved(short(incident.resolvedAt), took), tone: "good" });
  }
  return list;
}

/** The conclusion first. Until there is one: what the alert says, and what has been seen. */
function leading({ incident, alerts }: IncidentFacts, { words }: View): Paragraph[] {
  const { diagnosis } = incident;
  const unfinished = incident.investigation === "queued" || incident.investigation === "running";
  const said = saidByAlert(incident, alerts);
  const alertSays: Paragraph[] =
    said === null ? [] : [{ label: words.alertSays, text: [foreign("cluster", said, 400)], frame: null }];
  const seen = incident.facts.slice(0, 8).map((fact): Text => [foreign("cluster", fact, 120)]);
  const quick: Paragraph[] =
    seen.length === 0 ? [] : [{ label: words.quickFacts, text: joinText(seen, " · "), frame: null }];
  if (diagnosis !== null && diagnosis.conclusion !== "") {
    const model = diagnosis.by === "model";
    return [
      {
        label: unfinished ? words.soFar : words.conclusion,
        text: [foreign(model ? "model" : "cluster", diagnosis.conclusion, 600)],
        frame: model ? words.modelFrame : null,
      },
    ];
  }
  const remark: Readonly<Record<Incident["investigation"], string | null>> = {
    queued: words.investigating,
    running: words.investigating,
    failed: words.investigationFailed,
    done: words.nothingFound,
    none: null,
  };
  const text = remark[incident.investigation];
  return [
    ...quick,
    ...alertSays,
    ...(text === null || incident.state !== "open" ? [] : [{ label: null, text: own(text), frame: null }]),
  ];
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

function findings(diagnosis: Diagnosis | null, refs: ReadonlyMap<string, string>): Finding[] {
  if (diagnosis === null) return [];
  const from = diagnosis.by === "model" ? "model" : "cluster";
  return diagnosis.findings.slice(0, 12).map(({ text, evidence }) => ({
    text: [foreign(from, text, 300)],
    evidence: evidence.flatMap((id) => refs.get(id) ?? []).slice(0, 12),
  }));
}

function listSection(title: string, items: readonly string[], diagnosis: Diagnosis | null): Section[] {
  if (items.length === 0 || diagnosis === null) return [];
  const from = diagnosis.by === "model" ? "model" : "cluster";
  const lines = items.slice(0, 20).map((item): Text => [foreign(from, item, 300)]);
  return [{ title: own(`${title} (${items.length})`), ref: null, body: { form: "text", lines }, note: null }];
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

function footer({ incident: { id, diagnosis }, tookMs }: IncidentFacts, { words }: View): string {
  if (diagnosis === null) return words.incident(id);
  const took = tookMs === null ? null : words.duration(formatDuration(tookMs));
  const by = words.footer(words.diagnosedBy[diagnosis.by], diagnosis.calls, diagnosis.tokens, took);
  return `${by} · ${words.incident(id)}`;
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
