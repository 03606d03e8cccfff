import type { Incident } from "../../shared/incident.ts";
import type { Text } from "../card.ts";
import { foreign, own, say } from "../text.ts";
import type { View } from "./view.ts";

type Level = "critical" | "warning" | "info";

export function levelOf(severity: string): Level {
  return severity === "critical" ? "critical" : severity === "warning" ? "warning" : "info";
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
export function nameOf({ target, namespace, alertname }: Incident): string {
  if (target === null) return namespace ?? alertname;
  const name = target.slice(target.indexOf("/") + 1);
  return namespace === null ? target : `${namespace}/${name}`;
}
