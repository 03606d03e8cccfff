import type { WebhookAlert } from "../../shared/alert.ts";
import type { RootObject } from "../../shared/incident.ts";
import { targetOf } from "../../shared/kube.ts";
import { labelOf } from "../../shared/matcher.ts";

/** One alert of a delivery, as the incidents look at it. */
export interface Report {
  fingerprint: string;
  status: "firing" | "resolved";
  alertname: string;
  severity: string;
  labels: Readonly<Record<string, string>>;
  annotations: Readonly<Record<string, string>>;
  generatorUrl: string;
  groupKey: string;
  startsAt: Date;
  endsAt: Date | null;
}

export function reportOf(alert: WebhookAlert, groupKey: string): Report {
  const { status, labels, annotations, fingerprint, generatorURL, startsAt, endsAt } = alert;
  return {
    fingerprint,
    status,
    alertname: labelOf(labels, "alertname") || "(unnamed)",
    severity: labelOf(labels, "severity") || "none",
    labels,
    annotations,
    generatorUrl: generatorURL,
    groupKey,
    startsAt: new Date(startsAt),
    // Go's zero time stands for "not ended" in what fires.
    endsAt: status === "resolved" && endsAt !== undefined ? new Date(endsAt) : null,
  };
}

/** alertname + root object; without an object the group (SPEC 3). */
export function keyOf(alertname: string, root: RootObject | null, groupKey: string): string {
  const place = root === null ? `group ${groupKey}` : `${root.kind} ${root.namespace ?? ""}/${root.name}`;
  return `${alertname} | ${place}`;
}

/** How an incident about this object names it. */
export function namesOf(root: RootObject | null, labels: Readonly<Record<string, string>>) {
  if (root === null) return { root, target: null, namespace: labelOf(labels, "namespace") || null };
  const { kind, namespace, name, uid, confirmed } = root;
  return { root: { kind, namespace, name, uid, confirmed }, target: targetOf(kind, name), namespace };
}

const ranks: Readonly<Record<string, number>> = {
  page: 5,
  critical: 5,
  error: 4,
  high: 4,
  warning: 3,
  info: 1,
  none: 0,
};
/** A word of the house's own stands between a warning and an information. */
const unknownRank = 2;

/** The graver of two severities. */
export function graver(a: string, b: string): string {
  const rank = (severity: string) => ranks[severity.toLowerCase()] ?? unknownRank;
  return rank(b) > rank(a) ? b : a;
}

export function isCritical(severity: string): boolean {
  return severity.toLowerCase() === "critical";
}
