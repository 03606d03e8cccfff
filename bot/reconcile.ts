import { type Alert, isHeartbeat, type WebhookAlert, type WebhookBody } from "../shared/alert.ts";
import { StewardError } from "../shared/errors.ts";
import type { Alertmanager, Clock, HeldAlert, Log } from "./edges.ts";
import type { Store } from "./store.ts";

export interface Reconcile {
  /**
   * Reads once what fires in Alertmanager and mends what Steward does not know: an alert that no webhook named becomes an incident found late,
   * and one that Alertmanager no longer has is over. Throws what reading throws.
   */
  run(signal: AbortSignal): Promise<void>;
}

interface Deps {
  alertmanager: Pick<Alertmanager, "alerts">;
  store: Pick<Store, "incidents" | "receipts" | "audit">;
  /** Takes what no webhook named, as a delivery of its own. */
  found: (body: WebhookBody) => Promise<void>;
  /** Ends alerts that are gone. */
  end: (alerts: readonly { fingerprint: string; startsAt: Date }[]) => void;
  clock: Clock;
  log: Log;
}

/** SPEC 3: so long a webhook has to name an alert. */
const patienceMs = 600_000;
/**
 * An alert that is missing for so long is over. A restarted Alertmanager knows nothing until Prometheus has sent everything again, which it does
 * every minute, and drops what was not sent for four.
 */
const goneAfterMs = 300_000;
/** Deliveries that came but were not worked on may name what seems unnamed; so many reads are waited for them. */
const postponedAtMost = 3;
/** Alerts looked up before other work is let through, and alerts in one delivery. */
const step = 200;

/** Keeps Steward's picture of what fires true to Alertmanager's own (SPEC 3, "Missed alerts"; reliability.md A12). */
export function createReconcile({ alertmanager, store, found, end, clock, log }: Deps): Reconcile {
  /** By fingerprint: alerts that Alertmanager was seen to have, and since when it has them no more (null: it has). */
  const held = new Map<string, { fingerprint: string; startsAt: Date; goneSince: number | null }>();
  let postponed = 0;
  let isFirst = true;

  return { run };

  async function run(signal: AbortSignal): Promise<void> {
    if (isFirst) rememberUntold();
    isFirst = false;
    const alerts = await alertmanager.alerts({ muted: false }, signal);
    const unnamed: HeldAlert[] = [];
    for (const [i, alert] of alerts.entries()) {
      if (i % step === step - 1) await clock.sleep(0, signal);
      if (isHeartbeat(alert)) continue;
      const known = knownAs(alert);
      if (known === null) unnamed.push(alert);
      else if (known.status === "firing") held.set(alert.fingerprint, { ...known, goneSince: null });
    }
    await takeOverdue(unnamed);
    await endGone(new Set(alerts.map(({ fingerprint }) => fingerprint)), signal);
  }

  /** An alert that two Prometheus evaluate may begin earlier in Alertmanager than in the webhook that named it. */
  function knownAs({ fingerprint, startsAt }: HeldAlert): Alert | null {
    const newest = store.incidents.latestAlert(fingerprint);
    return newest !== null && newest.startsAt > startsAt ? newest : store.incidents.alert(fingerprint, startsAt);
  }

  /** Nobody but this tells that an incident has ended that was found late, or whose alerts were silenced; also after a restart. */
  function rememberUntold(): void {
    for (const state of ["open", "ignored"] as const) {
      const { items } = store.incidents.page({ limit: 1_000, cursor: null, since: null, state });
      for (const { id } of items.filter(({ id, late }) => late || wasSilenced(id))) {
        for (const { fingerprint, startsAt, status } of store.incidents.alerts(id)) {
          if (status === "firing") held.set(fingerprint, { fingerprint, startsAt, goneSince: null });
        }
      }
    }
  }

  function wasSilenced(incident: string): boolean {
    const query = { limit: 1, cursor: null, since: null, action: "incident_silence", incident };
    return store.audit.page(query).items.length > 0;
  }

  async function takeOverdue(unnamed: readonly HeldAlert[]): Promise<void> {
    const now = clock.now().getTime();
    const overdue = unnamed.filter(({ startsAt }) => now - startsAt.getTime() >= patienceMs);
    if (overdue.length === 0) return;
    if (store.receipts.countQueued() > 0 && postponed < postponedAtMost) {
      postponed++;
      return;
    }
    postponed = 0;
    const groups = openGroups();
    for (const [groupKey, alerts] of Map.groupBy(overdue, (alert) => groupOf(alert, groups))) {
      for (let at = 0; at < alerts.length; at += step) await take(groupKey, alerts.slice(at, at + step));
    }
    log.warn("alerts that no webhook named were found in Alertmanager", { alerts: overdue.length });
  }

  async function take(groupKey: string, alerts: readonly HeldAlert[]): Promise<void> {
    try {
      await found(bodyOf(groupKey, alerts));
      for (const { fingerprint, startsAt } of alerts) held.set(fingerprint, { fingerprint, startsAt, goneSince: null });
    } catch (error) {
      if (!(error instanceof StewardError) || error.code === "internal") throw error;
      log.error("alerts found late could not be taken", { alerts: alerts.length, reason: error.message });
    }
  }

  async function endGone(present: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    const missing = [...held].filter(([fingerprint]) => !present.has(fingerprint));
    if (missing.length === 0) return;
    // One that is silenced or inhibited has not ended.
    const muted = new Set((await alertmanager.alerts({ muted: true }, signal)).map(({ fingerprint }) => fingerprint));
    const now = clock.now().getTime();
    const over: { fingerprint: string; startsAt: Date }[] = [];
    for (const [fingerprint, alert] of missing) {
      if (store.incidents.alert(fingerprint, alert.startsAt)?.status !== "firing") held.delete(fingerprint);
      else if (muted.has(fingerprint)) alert.goneSince = null;
      else if (alert.goneSince === null) alert.goneSince = now;
      else if (now - alert.goneSince >= goneAfterMs) over.push(alert);
    }
    if (over.length === 0) return;
    end(over);
    for (const { fingerprint } of over) held.delete(fingerprint);
    log.info("alerts that Alertmanager no longer has were ended", { alerts: over.length });
  }

  /** The groups of open incidents about no object, which an alert that a delivery left out (`max_alerts`) may belong to. */
  function openGroups(): { groupKey: string; labels: Readonly<Record<string, string>> }[] {
    const { items } = store.incidents.page({ limit: 1_000, cursor: null, since: null, state: "open" });
    return items
      .filter(({ root }) => root === null)
      .flatMap(({ alertname, groupKeys }) =>
        groupKeys.flatMap((groupKey) => {
          const labels = groupLabels(groupKey);
          return labels === null ? [] : [{ groupKey, labels: { ...labels, alertname } }];
        }),
      );
  }
}

/** Alertmanager's API does not say by which group an alert is delivered; what belongs to no group that is known is a group by its name. */
function groupOf(
  { labels }: HeldAlert,
  groups: ReturnType<() => { groupKey: string; labels: Readonly<Record<string, string>> }[]>,
): string {
  const fits = groups.find((group) => Object.entries(group.labels).every(([name, value]) => labels[name] === value));
  return fits?.groupKey ?? `{}:{alertname=${JSON.stringify(labels["alertname"] ?? "")}}`;
}

/** The labels in `{}/{severity="critical"}:{alertname="X", namespace="y"}`; null for what does not end so. Source: Alertmanager dispatch, GroupKey. */
function groupLabels(groupKey: string): Record<string, string> | null {
  const text = /:(\{(?:[a-zA-Z_]\w*="(?:[^"\\]|\\.)*"(?:, )?)*\})$/.exec(groupKey)?.[1];
  if (text === undefined) return null;
  const labels: Record<string, string> = {};
  for (const [, name = "", value = ""] of text.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)) {
    labels[name] = value.replace(/\\(["\\])/g, "$1");
  }
  return labels;
}

function bodyOf(groupKey: string, alerts: readonly HeldAlert[]): WebhookBody {
  return {
    version: "4",
    groupKey,
    truncatedAlerts: 0,
    status: "firing",
    receiver: "",
    groupLabels: {},
    commonLabels: {},
    commonAnnotations: {},
    externalURL: "",
    alerts: alerts.map(
      ({ fingerprint, labels, annotations, generatorUrl, startsAt }): WebhookAlert => ({
        status: "firing",
        labels: { ...labels },
        annotations: { ...annotations },
        startsAt: startsAt.toISOString(),
        generatorURL: generatorUrl,
        fingerprint,
      }),
    ),
  };
}
