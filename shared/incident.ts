import type { Diagnosis } from "./finding.ts";

export type Route = "notify" | "diagnose" | "autofix" | "ignore";

/** From the most careful to the least: an incident takes the first of its alerts' routes in this order (SPEC 6). */
export const routesByCare: readonly Route[] = ["notify", "diagnose", "autofix", "ignore"];

export type IncidentState = "open" | "resolved" | "ignored";

/** The only moves an incident may make. A new `startsAt` after `resolved` makes a new incident instead. */
export const incidentMoves: Readonly<Record<IncidentState, readonly IncidentState[]>> = {
  open: ["resolved", "ignored"],
  ignored: ["open", "resolved"],
  resolved: [],
};

/** The object an incident is about. `confirmed` is false while it could not be looked up in time and was guessed from the labels. */
export interface RootObject {
  kind: string;
  namespace: string | null;
  name: string;
  uid: string | null;
  confirmed: boolean;
}

export interface Incident {
  id: string;
  cardId: string;
  /** alertname and root object; unique among open incidents. */
  key: string;
  alertname: string;
  severity: string;
  namespace: string | null;
  /** `deployment/checkout`, `node/worker-2`; null when the alert names no object. */
  target: string | null;
  root: RootObject | null;
  state: IncidentState;
  route: Route;
  rule: string | null;
  /** What an autofix rule allows; empty on every other route. */
  allow: readonly string[];
  mode: "enforce" | "shadow";
  labels: Readonly<Record<string, string>>;
  annotations: Readonly<Record<string, string>>;
  groupKeys: readonly string[];
  late: boolean;
  flapping: boolean;
  claimedBy: string | null;
  /** Id of the incident this one was joined to. */
  joined: string | null;
  /** Id of the incident before this one with the same key. */
  previousId: string | null;
  investigation: "none" | "queued" | "running" | "done" | "failed";
  /** What was seen in the first second, one short fact each (`last state OOMKilled`, `limit 512Mi`), in the configured locale; empty before. */
  facts: readonly string[];
  diagnosis: Diagnosis | null;
  startedAt: Date;
  updatedAt: Date;
  resolvedAt: Date | null;
  ignoredUntil: Date | null;
}
