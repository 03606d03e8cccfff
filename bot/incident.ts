import { type Alert, isHeartbeat, WebhookBody } from "../shared/alert.ts";
import type { Actor } from "../shared/approval.ts";
import { StewardError } from "../shared/errors.ts";
import type { Incident } from "../shared/incident.ts";
import type { Locale } from "../shared/locale.ts";
import { evaluate, type Rule } from "../shared/policy.ts";
import type { Alertmanager, Clock, Log } from "./edges.ts";
import { type LedgerDeps, openLedger } from "./incident/ledger.ts";
import { type Report, reportOf } from "./incident/report.ts";
import { createRoots } from "./incident/roots.ts";
import { silenceAlerts } from "./incident/silence.ts";
import { incidentEntry } from "./incident/trail.ts";
import { createWatch } from "./incident/watch.ts";
import type { Notify } from "./notify.ts";
import type { FindRoot } from "./root-object.ts";
import type { Store } from "./store.ts";

export interface Incidents {
  /**
   * Makes incidents of a delivery, shows them, and marks it done. Answers the incidents that want an investigation. May be called again after a
   * crash at any point: what is known stays as it is.
   */
  receive(receiptId: string): Promise<readonly string[]>;
  /** Takes an open incident off people's hands, for a time or (null) until it resolves. Throws `not_found`, `conflict`, `invalid` for longer than a year. */
  ignore(id: string, actor: Actor, forMs: number | null): Incident;
  /** Silences its alerts in Alertmanager and ignores it for the same time. Throws `not_found`, `conflict`, `unavailable`. */
  silence(id: string, actor: Actor, forMs: number): Promise<Incident>;
  /** Says who has it in hand; a later one takes over. Throws `not_found`, `conflict`. */
  claim(id: string, actor: Actor): Incident;
  /** Puts an incident under an earlier one that has the same cause. Throws `not_found`, `conflict`. */
  join(laterId: string, earlierId: string): void;
  /** Ends alerts that Alertmanager no longer has although it never said that they resolved; those that are not known to fire are left. */
  end(alerts: readonly Pick<Alert, "fingerprint" | "startsAt">[]): void;
  /** What time brings: escalation, "still fires", the end of an ignore, another look for owners. Answers what wants an investigation. */
  tick(): readonly string[];
  /** Resolves when no look for an owner is under way. */
  idle(): Promise<void>;
}

export interface IncidentsDeps {
  store: Store;
  findRoot: FindRoot;
  /** The rules in force. */
  rules: readonly Rule[];
  notify: Pick<Notify, "incident" | "need">;
  /** Withdraws the pending proposals of an incident; called inside a transaction. */
  withdraw: (incidentId: string, why: string) => void;
  /** Where silences are made; null or absent where none is configured. */
  alertmanager?: Alertmanager | null;
  clock: Clock;
  log: Log;
  locale: Locale;
  timezone: string;
}

/** Times behind the year 9999 sort before all others, and would end the ignore at once. */
const longestIgnore = 365 * 86_400_000;

/** Alerts kept in one transaction: a delivery of ten thousand must not hold up the ones beside it. */
const chunkSize = 200;

/** From deliveries to incidents and their first cards (SPEC 3). */
export function createIncidents(deps: IncidentsDeps): Incidents {
  const { store, rules, notify, withdraw, alertmanager = null, clock, log, locale, timezone } = deps;
  const ledgerDeps: LedgerDeps = {
    store,
    decide: (labels, now) => evaluate(rules, labels, now, { timezone, locale }),
    notify,
    withdraw,
  };
  const roots = createRoots({ ...ledgerDeps, findRoot: deps.findRoot, clock, log });
  const watch = createWatch({ store, rules, notify });

  return { receive, ignore, silence, claim, join, end, tick, idle: roots.idle };

  async function receive(receiptId: string): Promise<readonly string[]> {
    const receipt = store.receipts.get(receiptId);
    if (receipt === null || receipt.state !== "queued") return [];
    const { groupKey, alerts } = WebhookBody.parse(JSON.parse(receipt.body));
    const reports = inOrder(alerts.filter((alert) => !isHeartbeat(alert)).map((alert) => reportOf(alert, groupKey)));
    const look = roots.beginDelivery();
    const wanted = new Set<string>();
    const guessed = false;
    for (let at = 0; at === 0 || at < reports.length; at += chunkSize) {
      const chunk = reports.slice(at, at + chunkSize);
      const found = await look(chunk.filter(isNew));
      const isLast = at + chunkSize >= reports.length;
      const ids = await store.group((now) => {
        const ledger = openLedger(ledgerDeps, now);
        for (const report of chunk) {
          store.receipts.linkIncident(receiptId, ledger.take(report, found(report), receipt.late).id);
        }
        if (isLast) store.receipts.finish(receiptId, "done");
        return ledger.show();
      });
      for (const id of ids) wanted.add(id);
    }
    if (guessed) roots.confirm();
    return [...wanted];
  }

  /**
   * What fires before what has ended, so that an incident whose alert went to another pod does not end in between; and what is known before what
   * is new, so that the new finds the incident of its group.
   */
  function inOrder(reports: readonly Report[]): Report[] {
    const rank = (report: Report) => (report.status === "resolved" ? 2 : isNew(report) ? 1 : 0);
    return reports
      .map((report) => ({ report, rank: rank(report) }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ report }) => report);
  }

  /** Whether an alert has to find its incident; one that is known stays with its own. */
  function isNew({ fingerprint, startsAt }: Report): boolean {
    return store.incidents.alert(fingerprint, startsAt) === null;
  }

  function ignore(id: string, actor: Actor, forMs: number | null): Incident {
    if (forMs !== null && forMs > longestIgnore) {
      throw new StewardError("invalid", "an incident is ignored for a year at most, or until it resolves", {
        path: "for",
      });
    }
    return store.transact((now) => {
      const incident = present(id);
      if (incident.joined !== null) throw conflict(incident, `it was joined to ${incident.joined}`);
      if (incident.state === "resolved") throw conflict(incident, "it has resolved");
      const ignoredUntil = forMs === null ? null : new Date(now.getTime() + forMs);
      if (incident.state === "ignored") store.incidents.patch(id, { ignoredUntil });
      else store.incidents.move(id, "open", "ignored", { ignoredUntil });
      withdraw(id, "ignored");
      store.audit.append(
        incidentEntry("incident_ignore", incident, { until: ignoredUntil?.toISOString() ?? null }, actor),
      );
      notify.incident(id);
      return present(id);
    });
  }

  async function silence(id: string, actor: Actor, forMs: number): Promise<Incident> {
    const incident = present(id);
    if (alertmanager === null) throw conflict(incident, "there is no Alertmanager to silence it in");
    if (incident.state === "resolved") throw conflict(incident, "it has resolved");
    await silenceAlerts(incident, actor, forMs, { alertmanager, store, clock });
    return ignore(id, actor, forMs);
  }

  function claim(id: string, actor: Actor): Incident {
    return store.transact(() => {
      const incident = present(id);
      if (incident.state === "resolved") throw conflict(incident, "it has resolved");
      if (incident.claimedBy === actor.username) return incident;
      store.incidents.patch(id, { claimedBy: actor.username });
      store.audit.append(incidentEntry("incident_claim", incident, { from: incident.claimedBy }, actor));
      notify.incident(id);
      return present(id);
    });
  }

  function join(laterId: string, earlierId: string): void {
    store.transact((now) => {
      const later = present(laterId);
      const given = present(earlierId);
      const earlier = given.joined === null ? given : present(given.joined);
      if (later.id === earlier.id || later.joined === earlier.id) return;
      if (later.joined !== null) throw conflict(later, `it was joined to ${later.joined}`);
      for (const incident of [later, earlier]) {
        if (incident.state === "resolved") throw conflict(incident, "it has resolved");
      }
      const ledger = openLedger(ledgerDeps, now);
      ledger.join(later, earlier, "same cause");
      ledger.show();
    });
  }

  function end(gone: readonly Pick<Alert, "fingerprint" | "startsAt">[]): void {
    store.transact((now) => {
      const ledger = openLedger(ledgerDeps, now);
      for (const { fingerprint, startsAt } of gone) {
        const alert = store.incidents.alert(fingerprint, startsAt);
        if (alert?.status === "firing") ledger.end(alert);
      }
      ledger.show();
    });
  }

  function tick(): readonly string[] {
    roots.confirm();
    return watch.tick(clock.now());
  }

  function present(id: string): Incident {
    const incident = store.incidents.get(id);
    if (incident === null) throw new StewardError("not_found", "there is no such incident", { path: "id" });
    return incident;
  }
}

function conflict({ state, claimedBy }: Incident, why: string): StewardError {
  return new StewardError("conflict", `nothing was changed: ${why}`, {
    state,
    ...(claimedBy === null ? {} : { by: claimedBy }),
  });
}
