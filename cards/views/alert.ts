import type { Alert } from "../../shared/alert.ts";
import type { Incident } from "../../shared/incident.ts";
import { truncate } from "../../shared/text.ts";
import type { Fact, Section } from "../card.ts";
import { foreign, foreignBlock, own, say } from "../text.ts";
import type { IncidentFacts, View } from "./view.ts";

const labelsShown = 40;

/** What the author of the alert wrote for people: its summary, else its description. */
export function saidByAlert(incident: Incident, alerts: readonly Alert[]): string | null {
  const annotations = alerts[0]?.annotations ?? incident.annotations;
  const text = annotations["description"] ?? annotations["message"] ?? annotations["summary"];
  return text === undefined || text.trim() === "" ? null : text;
}

/** How many alerts there are and, where there are several, what tells the newest apart; and how many were not even delivered. */
export function alertFacts({ alerts, counts, leftOut }: IncidentFacts, { words }: View): Fact[] {
  if (counts.total <= 1 && leftOut === 0) return [];
  const unsent = own(leftOut === 0 ? "" : `${words.semicolon}${words.leftOut(leftOut)}`);
  const count = own(words.alertCount(counts.firing, counts.total - counts.firing));
  const names = [...new Set(distinctNames(alerts))].slice(0, 3);
  const more = counts.total - names.length;
  const value =
    names.length === 0
      ? say`${count}${unsent}`
      : say`${count}${own(words.colon)}${foreign("cluster", names.join(words.comma), 200)}${own(more > 0 ? `${words.comma}${words.more(more)}` : "")}${unsent}`;
  return [{ label: words.fact.alerts, value }];
}

/** The labels in which the alerts of one incident differ, as short as they name them: `checkout-7d9f-x2x`. */
function distinctNames(alerts: readonly Alert[]): string[] {
  const [first] = alerts;
  if (first === undefined || alerts.length < 2) return [];
  const preferred = ["pod", "container", "instance", "node", "persistentvolumeclaim", "job_name"];
  const differs = (name: string) => alerts.some(({ labels }) => labels[name] !== first.labels[name]);
  const name = preferred.find(differs) ?? Object.keys(first.labels).find(differs);
  return name === undefined
    ? []
    : alerts.flatMap(({ labels }) => (labels[name] === undefined ? [] : [truncate(labels[name], 63)]));
}

/** The alert as it came, folded: labels and what its author wrote. */
export function alertSections({ incident, alerts }: IncidentFacts, { words }: View): Section[] {
  const labels = Object.entries(alerts[0]?.labels ?? incident.labels);
  const annotations = Object.entries(alerts[0]?.annotations ?? incident.annotations);
  const lines = [...labels, ...annotations]
    .slice(0, labelsShown)
    .map(([name, value]) => `${truncate(name, 80)} = ${truncate(value.replace(/\s+/g, " "), 300)}`);
  if (lines.length === 0) return [];
  const left = labels.length + annotations.length - lines.length;
  return [
    {
      title: own(words.section.alert),
      ref: null,
      body: { form: "preformatted", text: foreignBlock("cluster", lines.join("\n")) },
      note: left > 0 ? own(words.linesLeft(left)) : null,
    },
  ];
}
