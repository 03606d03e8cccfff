import { z } from "zod";

/** Bytes of one delivery; a larger one is refused (SPEC 4). */
export const largestDelivery = 4 * 1024 * 1024;

const label = z.record(z.string(), z.string());

/** One alert of a webhook body, as Alertmanager sends it. Fields it may add later are kept out, not refused. */
export const WebhookAlert = z.object({
  status: z.enum(["firing", "resolved"]),
  labels: label,
  annotations: label.default({}),
  startsAt: z.iso.datetime({ offset: true }),
  endsAt: z.iso.datetime({ offset: true }).optional(),
  generatorURL: z.string().default(""),
  fingerprint: z.string().default(""),
});
export type WebhookAlert = z.infer<typeof WebhookAlert>;

/** Alertmanager's webhook body, version "4". Source: prometheus/alertmanager notify/webhook (Message) and template.Data. */
export const WebhookBody = z.object({
  version: z.literal("4"),
  groupKey: z.string().min(1),
  truncatedAlerts: z.int().nonnegative().default(0),
  status: z.enum(["firing", "resolved"]),
  receiver: z.string().default(""),
  groupLabels: label.default({}),
  commonLabels: label.default({}),
  commonAnnotations: label.default({}),
  externalURL: z.string().default(""),
  alerts: z.array(WebhookAlert).min(1),
});
export type WebhookBody = z.infer<typeof WebhookBody>;

/** Alerts that say that the sender lives, and nothing else (SPEC 3). */
export function isHeartbeat({ labels }: { labels: Readonly<Record<string, string>> }): boolean {
  return labels["alertname"] === "Watchdog";
}

/** An alert as Steward keeps it: one row for each (fingerprint, startsAt). */
export interface Alert {
  id: string;
  fingerprint: string;
  status: "firing" | "resolved";
  labels: Readonly<Record<string, string>>;
  annotations: Readonly<Record<string, string>>;
  generatorUrl: string;
  groupKey: string;
  startsAt: Date;
  endsAt: Date | null;
  firstSeenAt: Date;
  lastSeenAt: Date;
  incidentId: string;
}
