import type { Alert } from "../shared/alert.ts";
import { StewardError } from "../shared/errors.ts";
import type { Locale } from "../shared/locale.ts";
import { redactObject } from "../shared/redact.ts";
import type { AlertingRule, Clock, MeasuredSeries, Prometheus } from "./edges.ts";
import type { Store } from "./store.ts";

/** Whether the alerts of an incident are still true by their own expressions, asked of Prometheus now. */
export type Truth = { state: "holds" | "over" } | { state: "unmeasured"; why: string };

export interface Expression {
  /** Never throws for what Prometheus does: what cannot be measured is said. Throws the signal's reason. */
  ask(incidentId: string, signal: AbortSignal): Promise<Truth>;
  /** The expression of the rule that an alert with these labels came of; null where it cannot be known. Throws the signal's reason. */
  query(labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<string | null>;
}

interface Deps {
  /** null where none is configured. */
  prometheus: Prometheus | null;
  store: Pick<Store, "incidents">;
  clock: Clock;
  locale: Locale;
}

/** The newest of an incident are asked about: one that holds is enough. */
const alertsAsked = 50;
/** Rules of one name, as the same alert with another severity has. */
const rulesAsked = 5;

/**
 * Runs the expressions of an incident's firing alerts again (SPEC 9, verification). An alert that no longer holds is over before Alertmanager says
 * so, which waits for its `group_interval`; one that holds is not, whatever the object looks like.
 */
export function createExpression({ prometheus, store, clock, locale }: Deps): Expression {
  const say = words[locale];

  return { ask, query };

  async function ask(incidentId: string, signal: AbortSignal): Promise<Truth> {
    if (prometheus === null) return { state: "unmeasured", why: say.none };
    const alerts = store.incidents.newestAlerts(incidentId, alertsAsked).filter(({ status }) => status === "firing");
    try {
      for (const [name, same] of Map.groupBy(alerts, ({ labels }) => labels["alertname"] ?? "")) {
        const truth = await askRules(prometheus, name, same, signal);
        if (truth.state !== "over") return truth;
      }
      return { state: "over" };
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof StewardError) || error.code === "internal") throw error;
      return { state: "unmeasured", why: error.message };
    }
  }

  async function query(labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<string | null> {
    if (prometheus === null) return null;
    try {
      const rules = await prometheus.alertingRules(labels["alertname"] ?? "", signal);
      return rules.find((rule) => isOf({ labels }, rule))?.query ?? null;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof StewardError) || error.code === "internal") throw error;
      return null;
    }
  }

  async function askRules(
    source: Prometheus,
    alertname: string,
    alerts: readonly Alert[],
    signal: AbortSignal,
  ): Promise<Truth> {
    const rules = await source.alertingRules(alertname, signal);
    const found = rules.filter((rule) => alerts.some((alert) => isOf(alert, rule))).slice(0, rulesAsked);
    if (found.length === 0) return { state: "unmeasured", why: say.noRule(alertname) };
    for (const rule of found) {
      const series = await source.instant(rule.query, clock.now(), signal);
      if (series.some((one) => alerts.some((alert) => isAlertOf(alert, one, rule)))) return { state: "holds" };
    }
    return { state: "over" };
  }
}

/** Whether an alert may come of a rule: what the rule adds as it stands is on it. */
function isOf({ labels }: Pick<Alert, "labels">, rule: AlertingRule): boolean {
  return Object.entries(rule.labels).every(([name, value]) => value.includes("{{") || labels[name] === value);
}

/**
 * Whether a series is what an alert came of. What the rule sets is the rule's; labels that Alertmanager or Prometheus dropped on the way are not
 * on the alert, so only those that both have are held against each other, masked as the alert's were when it was kept.
 */
function isAlertOf({ labels }: Alert, series: MeasuredSeries, rule: AlertingRule): boolean {
  return Object.entries(redactObject({ ...series.labels })).every(
    ([name, value]) =>
      name === "__name__" || Object.hasOwn(rule.labels, name) || labels[name] === undefined || labels[name] === value,
  );
}

const words: Readonly<Record<Locale, { none: string; noRule: (alertname: string) => string }>> = {
  en: {
    none: "no Prometheus is configured",
    noRule: (alertname) => `Prometheus has no rule for ${alertname}`,
  },
  "zh-CN": {
    none: "没有配置 Prometheus",
    noRule: (alertname) => `Prometheus 中没有 ${alertname} 的规则`,
  },
};
