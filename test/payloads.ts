import type { WebhookBody } from "../shared/alert.ts";

export interface FiredAlert {
  alertname: string;
  labels?: Readonly<Record<string, string>>;
  annotations?: Readonly<Record<string, string>>;
  startsAt?: Date;
  resolvedAt?: Date;
  fingerprint?: string;
}

/** A webhook body as Alertmanager 0.25 posts it for one group. */
export function webhookBody(alerts: readonly FiredAlert[], groupKey = '{}:{alertname="test"}'): WebhookBody {
  const firing = alerts.some((alert) => alert.resolvedAt === undefined);
  return {
    version: "4",
    groupKey,
    truncatedAlerts: 0,
    status: firing ? "firing" : "resolved",
    receiver: "steward",
    groupLabels: {},
    commonLabels: {},
    commonAnnotations: {},
    externalURL: "http://alertmanager.monitoring:9093",
    alerts: alerts.map((alert) => ({
      status: alert.resolvedAt === undefined ? "firing" : "resolved",
      labels: { alertname: alert.alertname, severity: "warning", ...alert.labels },
      annotations: { ...alert.annotations },
      startsAt: (alert.startsAt ?? new Date("2026-01-01T00:00:00Z")).toISOString(),
      endsAt: (alert.resolvedAt ?? new Date("0001-01-01T00:00:00Z")).toISOString(),
      generatorURL: "http://prometheus.monitoring:9090/graph?g0.expr=up",
      fingerprint: alert.fingerprint ?? "",
    })),
  };
}
