import { formatDuration } from "../../shared/duration.ts";
import type { Diagnosis } from "../../shared/finding.ts";
import type { Incident } from "../../shared/incident.ts";
import type { Finding, Paragraph, Section, Text } from "../card.ts";
import { foreign, joinText, own } from "../text.ts";
import { saidByAlert } from "./alert.ts";
import type { IncidentFacts, View } from "./view.ts";

/** The conclusion first. Until there is one: what the alert says, and what has been seen. */
export function conclusion({ incident, alerts }: IncidentFacts, { words }: View): Paragraph[] {
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

/** The claims behind it, each with the short names of what it rests on. */
export function findings(diagnosis: Diagnosis | null, refs: ReadonlyMap<string, string>): Finding[] {
  if (diagnosis === null) return [];
  const from = diagnosis.by === "model" ? "model" : "cluster";
  return diagnosis.findings.slice(0, 12).map(({ text, evidence }) => ({
    text: [foreign(from, text, 300)],
    evidence: evidence.flatMap((id) => refs.get(id) ?? []).slice(0, 12),
  }));
}

/** What was ruled out, and what could not be seen: folded, but there. */
export function asideSections({ diagnosis }: Incident, { words }: View): Section[] {
  return [
    ...listSection(words.section.ruledOut, diagnosis?.ruledOut ?? [], diagnosis),
    ...listSection(words.section.unseen, diagnosis?.unseen ?? [], diagnosis),
  ];
}

function listSection(title: string, items: readonly string[], diagnosis: Diagnosis | null): Section[] {
  if (items.length === 0 || diagnosis === null) return [];
  const from = diagnosis.by === "model" ? "model" : "cluster";
  const lines = items.slice(0, 20).map((item): Text => [foreign(from, item, 300)]);
  return [{ title: own(`${title} (${items.length})`), ref: null, body: { form: "text", lines }, note: null }];
}

/** Who diagnosed, at what cost, and the id by which a terminal asks for more. */
export function footer({ incident: { id, diagnosis }, tookMs }: IncidentFacts, { words }: View): string {
  if (diagnosis === null) return words.incident(id);
  const took = tookMs === null ? null : words.duration(formatDuration(tookMs));
  const by = words.footer(words.diagnosedBy[diagnosis.by], diagnosis.calls, diagnosis.tokens, took);
  return `${by} · ${words.incident(id)}`;
}
