import type { Alert } from "../../shared/alert.ts";
import { newCardId, newId } from "../../shared/ids.ts";
import type { Incident, RootObject, Route } from "../../shared/incident.ts";
import { type Decision, moreCareful } from "../../shared/policy.ts";
import type { Notify } from "../notify.ts";
import type { FoundRoot } from "../root-object.ts";
import type { IncidentPatch, Store } from "../store.ts";
import { graver, isCritical, keyOf, namesOf, type Report } from "./report.ts";
import { incidentEntry } from "./trail.ts";

/**
 * How incidents change: each function is one change of state with its audit record. Made for one transaction, inside of it; what has to be shown
 * again is shown once, by `show`, at its end.
 */
export interface Ledger {
  /** Keeps one alert in its incident, opening it if there is none. Answers the incident. `late`: no webhook named it. */
  take(report: Report, root: FoundRoot | null, late: boolean): Incident;
  /** An alert has ended without anybody saying so. */
  end(alert: Alert): void;
  /** The object turned out to be another than was guessed, or was confirmed. */
  retarget(incident: Incident, root: FoundRoot): void;
  /** Puts an incident under another that began before it; two given the wrong way round are turned. Answers the earlier. */
  join(later: Incident, earlier: Incident, why: string): Incident;
  /** Makes the cards anew of what was changed since the last call, and answers what should be investigated. */
  show(): readonly string[];
}

export interface LedgerDeps {
  store: Store;
  /** The route of one alert. */
  decide: (labels: Readonly<Record<string, string>>, now: Date) => Decision;
  notify: Pick<Notify, "incident" | "need">;
  /** Withdraws the pending proposals of an incident. */
  withdraw: (incidentId: string, why: string) => void;
}

const hourMs = 3_600_000;
/** SPEC 3: so many changes of state within an hour are flapping. */
const flappingChanges = 4;
/** SPEC 6, built-in escalation. */
const criticalAfterMs = 600_000;

export function openLedger({ store, decide, notify, withdraw }: LedgerDeps, now: Date): Ledger {
  const { incidents, audit } = store;
  const changed = new Set<string>();
  const ringing = new Set<string>();
  const wanted = new Set<string>();

  return { take, end, retarget, join, show };

  function take(report: Report, root: FoundRoot | null, late: boolean): Incident {
    endSame(report);
    const known = incidents.alert(report.fingerprint, report.startsAt);
    if (known !== null) return late ? present(known.incidentId) : repeat(report, known.incidentId);
    const newest = incidents.latestAlert(report.fingerprint);
    if (newest !== null && newest.startsAt > report.startsAt) return past(report, newest.incidentId, newest.startsAt);

    // The same alert cannot have begun twice: what began before has ended, and nobody told us.
    const ended = incidents.olderFiring(report.fingerprint, report.startsAt);
    for (const older of ended) incidents.upsertAlert({ ...older, status: "resolved", endsAt: report.startsAt });
    const key = keyOf(report.alertname, root, report.groupKey);
    const live = incidents.live(key);
    const incident = live === null ? open(report, root, key, late) : enter(live, report, late);
    keep(report, incident.id);
    for (const id of new Set([incident.id, ...ended.map(({ incidentId }) => incidentId)])) settle(id);
    if (live === null && root?.nodeDown === true) joinUnderNode(incident.id, root);
    return incident;
  }

  /**
   * One alert that two Prometheus evaluate begins at two times, and Alertmanager goes over to the earlier when it hears of it: its end under that
   * name is the end of what was told under the later.
   */
  function endSame({ fingerprint, status, startsAt, endsAt }: Report): void {
    if (status !== "resolved" || endsAt === null) return;
    const newest = incidents.latestAlert(fingerprint);
    if (newest?.status !== "firing" || newest.startsAt <= startsAt || newest.startsAt > endsAt) return;
    incidents.upsertAlert({ ...newest, status, endsAt });
    changed.add(newest.incidentId);
    settle(newest.incidentId);
  }

  /** One that was told before: it may have ended since. It never begins again. */
  function repeat(report: Report, incidentId: string): Incident {
    const { changed: isNew } = keep(report, incidentId);
    const incident = present(incidentId);
    if (!incident.groupKeys.includes(report.groupKey)) {
      incidents.patch(incidentId, { groupKeys: [...incident.groupKeys, report.groupKey] });
      if (incident.late && incident.root === null && incident.groupKeys.length === 0) enterGroup(incident, report);
    }
    const home = incidents.alert(report.fingerprint, report.startsAt)?.incidentId ?? incidentId;
    if (isNew) {
      changed.add(home);
      settle(home);
    }
    return present(home);
  }

  /** An incident about no object that was found late learns which group it is of, and may turn out to be that group's own. */
  function enterGroup(incident: Incident, { alertname, groupKey }: Report): void {
    if (incident.state === "resolved") return;
    const key = keyOf(alertname, null, groupKey);
    const other = incidents.live(key);
    if (other === null) incidents.patch(incident.id, { key });
    else if (other.id !== incident.id) absorb(incident, other, { key });
  }

  /** A word of the past that arrives after a newer one: kept as ended. */
  function past(report: Report, incidentId: string, endsAt: Date): Incident {
    keep({ ...report, status: "resolved", endsAt: report.endsAt ?? endsAt }, incidentId);
    return present(incidentId);
  }

  function end(alert: Alert): void {
    if (!incidents.upsertAlert({ ...alert, status: "resolved", endsAt: now }).changed) return;
    changed.add(alert.incidentId);
    settle(alert.incidentId);
  }

  function keep(report: Report, incidentId: string): { changed: boolean } {
    const { fingerprint, status, labels, annotations, generatorUrl, groupKey, startsAt, endsAt } = report;
    const alert = { fingerprint, status, labels, annotations, generatorUrl, groupKey, startsAt, endsAt, incidentId };
    // First and last seen are the store's to fill in.
    return incidents.upsertAlert({ ...alert, id: newId(), firstSeenAt: startsAt, lastSeenAt: startsAt });
  }

  function open(report: Report, root: FoundRoot | null, key: string, late: boolean): Incident {
    const decision = decide(report.labels, now);
    const previous = incidents.latest(key);
    const fires = report.status === "firing";
    const incident: Incident = {
      id: newId(),
      cardId: newCardId(),
      key,
      alertname: report.alertname,
      severity: report.severity,
      ...namesOf(root, report.labels),
      state: "open",
      route: decision.route,
      rule: decision.rule,
      allow: decision.allow,
      mode: decision.mode,
      labels: report.labels,
      annotations: report.annotations,
      groupKeys: late ? [] : [report.groupKey],
      late,
      flapping: false,
      claimedBy: null,
      joined: null,
      previousId: previous?.id ?? null,
      investigation: fires && decision.route !== "ignore" ? "queued" : "none",
      facts: [],
      diagnosis: null,
      startedAt: now,
      updatedAt: now,
      resolvedAt: null,
      ignoredUntil: null,
    };
    incidents.insert(incident);
    audit.append(
      incidentEntry("incident_open", incident, {
        route: decision.route,
        rule: decision.rule,
        severity: incident.severity,
        fingerprint: report.fingerprint,
        previous: incident.previousId,
        ...(late ? { late } : {}),
      }),
    );
    changed.add(incident.id);
    noteChange(incident, "open");
    if (fires) ask(incident, decision);
    return incident;
  }

  /** A new alert in an incident that is there: the more careful route holds, and the graver severity. */
  function enter(incident: Incident, report: Report, late: boolean): Incident {
    changed.add(incident.id);
    const patch: IncidentPatch = {};
    if (!late && !incident.groupKeys.includes(report.groupKey))
      patch.groupKeys = [...incident.groupKeys, report.groupKey];
    const severity = graver(incident.severity, report.severity);
    if (severity !== incident.severity) patch.severity = severity;
    const decision = decide(report.labels, now);
    if (report.status === "firing") Object.assign(patch, moreCareful(incident, decision));
    if (incident.route === "ignore" && (patch.route ?? "ignore") !== "ignore") patch.investigation = "queued";
    incidents.patch(incident.id, patch);
    // Who ignored it knew of nothing this grave.
    if (incident.state === "ignored" && patch.route !== undefined && patch.route !== incident.route)
      wake(incident, patch.route);
    const grown = present(incident.id);
    if (report.status === "firing") ask(grown, decision, incident);
    return grown;
  }

  function wake(incident: Incident, route: Route): void {
    incidents.move(incident.id, "ignored", "open", { ignoredUntil: null });
    audit.append(incidentEntry("incident_wake", incident, { route, before: incident.route }));
  }

  /** What an alert that fires asks of people and of the investigation; `before` is the incident without it. */
  function ask(incident: Incident, decision: Decision, before: Incident | null = null): void {
    if (incident.state !== "open" || incident.route === "ignore") return;
    if (incident.route === "notify" && before?.route !== "notify") ringing.add(incident.id);
    if (incident.investigation === "queued" && before?.investigation !== "queued") wanted.add(incident.id);
    const after = decision.escalate?.after ?? (isCritical(incident.severity) ? criticalAfterMs : null);
    if (after !== null) incidents.escalateBy(incident.id, new Date(now.getTime() + after));
  }

  /** Resolves an incident whose alerts have all ended. */
  function settle(id: string): void {
    const incident = present(id);
    if (incident.state === "resolved" || incidents.countAlerts(id).firing > 0) return;
    close(incident);
    audit.append(incidentEntry("incident_resolve", incident, { after: now.getTime() - incident.startedAt.getTime() }));
    noteChange(incident, "resolved");
  }

  function close(incident: Incident, patch: IncidentPatch = {}): void {
    incidents.move(incident.id, incident.state, "resolved", { ...patch, resolvedAt: now, ignoredUntil: null });
    withdraw(incident.id, patch.joined === undefined ? "resolved" : "joined");
    changed.add(incident.id);
  }

  function noteChange(incident: Incident, state: string): void {
    incidents.noteChange(incident.key, state, now);
    if (incident.flapping) return;
    const changes = incidents.countChanges(incident.key, new Date(now.getTime() - hourMs));
    if (changes < flappingChanges) return;
    incidents.patch(incident.id, { flapping: true });
    audit.append(incidentEntry("incident_flapping", incident, { changes }));
    changed.add(incident.id);
  }

  function retarget(incident: Incident, root: FoundRoot): void {
    const key = keyOf(incident.alertname, root, "");
    const names = namesOf(root, incident.labels);
    changed.add(incident.id);
    if (key === incident.key) {
      incidents.patch(incident.id, names);
    } else {
      const other = incidents.live(key);
      if (other === null) {
        incidents.patch(incident.id, { key, ...names });
        audit.append(incidentEntry("incident_retarget", present(incident.id), { from: incident.target }));
      } else {
        absorb(incident, other, { key, ...names });
        return;
      }
    }
    if (root.nodeDown) joinUnderNode(incident.id, root);
  }

  /** Two incidents turn out to be one: the later ends, and its alerts go on in the earlier, under the true key. */
  function absorb(guessed: Incident, other: Incident, truth: IncidentPatch): void {
    const [earlier, later] = inOrder(guessed, other);
    incidents.moveAlerts(later.id, earlier.id);
    close(later, { joined: earlier.id });
    adopt(later, earlier);
    audit.append(incidentEntry("incident_join", later, { to: earlier.id, why: "same object" }));
    incidents.patch(earlier.id, {
      ...truth,
      ...moreCareful(earlier, later),
      severity: graver(earlier.severity, later.severity),
      groupKeys: [...new Set([...earlier.groupKeys, ...later.groupKeys])],
    });
    changed.add(earlier.id);
    settle(earlier.id);
  }

  /** Everything that has its cause in a node that is down is one matter: it goes under whatever was first told of this node. */
  function joinUnderNode(id: string, { kind, namespace, name }: RootObject): void {
    const incident = present(id);
    if (incident.state !== "open" || incident.joined !== null) return;
    for (const other of incidents.liveOn(kind, namespace, name)) {
      if (other.id !== id) return void join(incident, other, "node not ready");
    }
  }

  function join(one: Incident, other: Incident, why: string): Incident {
    const [earlier, later] = inOrder(one, other);
    incidents.patch(later.id, { joined: earlier.id });
    adopt(later, earlier);
    withdraw(later.id, "joined");
    audit.append(incidentEntry("incident_join", later, { to: earlier.id, why }));
    changed.add(later.id);
    changed.add(earlier.id);
    ringing.delete(later.id);
    return earlier;
  }

  /** What was joined to the later follows it, so that a pointer never points to a pointer. */
  function adopt(later: Incident, earlier: Incident): void {
    for (const id of incidents.joinedTo(later.id)) {
      incidents.patch(id, { joined: earlier.id });
      changed.add(id);
    }
  }

  function show(): readonly string[] {
    for (const id of changed) notify.incident(id);
    for (const id of ringing) if (present(id).state === "open") notify.need({ incidentId: id }, "notify");
    return [...wanted].filter((id) => {
      const { state, joined } = present(id);
      return state === "open" && joined === null;
    });
  }

  function present(id: string): Incident {
    const incident = incidents.get(id);
    if (incident === null) throw new Error(`incident ${id} is not there`);
    return incident;
  }
}

/** The earlier first. Of two that began in the same moment, `other` counts as the earlier. */
function inOrder(one: Incident, other: Incident): [earlier: Incident, later: Incident] {
  return one.startedAt < other.startedAt ? [one, other] : [other, one];
}
