import type { Alert } from "../../shared/alert.ts";
import type { Actor } from "../../shared/approval.ts";
import { StewardError } from "../../shared/errors.ts";
import type { Incident } from "../../shared/incident.ts";
import { cleanLine, truncate } from "../../shared/text.ts";
import type { Alertmanager, Clock, HeldAlert } from "../edges.ts";
import type { Store } from "../store.ts";
import { incidentEntry } from "./trail.ts";

interface Deps {
  alertmanager: Alertmanager;
  store: Pick<Store, "incidents" | "transact" | "audit">;
  clock: Clock;
}

/** One silence stands for one alert; for more at once somebody has to write the matchers. */
const alertsAtMost = 20;

/**
 * Silences in Alertmanager exactly the alerts of an incident that fire now, one silence each, so that nothing else falls silent with them.
 * Leaves a record of every silence that was made, also when a later one failed. Throws `conflict`, and what asking Alertmanager throws.
 */
export async function silenceAlerts(incident: Incident, actor: Actor, forMs: number, deps: Deps): Promise<void> {
  const { alertmanager, store, clock } = deps;
  const firing = store.incidents.alerts(incident.id).filter(({ status }) => status === "firing");
  if (firing.length > alertsAtMost) {
    throw new StewardError(
      "conflict",
      `${firing.length} alerts fire in it: a silence for all of them must be written in Alertmanager`,
    );
  }
  const held = await heldOf(firing, alertmanager);
  if (held.length === 0) throw new StewardError("conflict", "Alertmanager has none of its alerts now");

  const from = clock.now();
  const to = new Date(from.getTime() + forMs);
  const by = truncate(cleanLine(actor.username), 100);
  const made: string[] = [];
  try {
    for (const { labels } of held) {
      made.push(await alertmanager.silence({ labels, from, to, by, comment: `Steward, incident ${incident.id}` }));
    }
  } finally {
    if (made.length > 0) {
      const detail = { silences: made, of: held.length, until: to.toISOString() };
      store.transact(() => store.audit.append(incidentEntry("incident_silence", incident, detail, actor)));
    }
  }
}

/** The alerts with Alertmanager's own labels: those that are kept here may be masked or cut, and would silence nothing. */
async function heldOf(alerts: readonly Alert[], alertmanager: Alertmanager): Promise<HeldAlert[]> {
  const fingerprints = new Set(alerts.map(({ fingerprint }) => fingerprint));
  const names = new Set(alerts.map(({ labels }) => labels["alertname"] ?? ""));
  const answers = await Promise.all([...names].map((alertname) => alertmanager.alerts({ muted: true, alertname })));
  return answers.flat().filter(({ fingerprint }) => fingerprints.has(fingerprint));
}
