import { z } from "zod";
import { StewardError } from "../../shared/errors.ts";
import type { Alertmanager, HeldAlert } from "../edges.ts";
import { createSourceClient } from "./source.ts";

const Labels = z.record(z.string(), z.string());
const Ids = z.array(z.unknown()).nullish();

/** Source: prometheus/alertmanager api/v2/openapi.yaml, gettableAlert. */
const GettableAlert = z.object({
  fingerprint: z.string().min(1),
  labels: Labels,
  annotations: Labels.default({}),
  generatorURL: z.string().default(""),
  startsAt: z.iso.datetime({ offset: true }),
  status: z.object({ state: z.string(), silencedBy: Ids, inhibitedBy: Ids, mutedBy: Ids }).default({ state: "active" }),
});
const Alerts = z.array(GettableAlert);
const Made = z.object({ silenceID: z.string() });

/** A client of Alertmanager's HTTP API, version 2, at the configured address. */
export function createAlertmanager({ url }: { url: string }): Alertmanager {
  const client = createSourceClient({ name: "Alertmanager", url, bearerToken: null });

  return { alerts, silence };

  async function alerts(
    { muted, alertname }: { muted: boolean; alertname?: string },
    signal?: AbortSignal,
  ): Promise<HeldAlert[]> {
    const query = {
      active: "true",
      silenced: String(muted),
      inhibited: String(muted),
      ...(alertname === undefined ? {} : { filter: `alertname=${JSON.stringify(alertname)}` }),
    };
    const held = fitting(Alerts, await client.ask("api/v2/alerts", { query }, signal)).map(heldAlert);
    return muted ? held : held.filter(({ notifies }) => notifies);
  }

  async function silence(
    { labels, from, to, by, comment }: Parameters<Alertmanager["silence"]>[0],
    signal?: AbortSignal,
  ): Promise<string> {
    const matchers = Object.entries(labels).map(([name, value]) => ({ name, value, isRegex: false, isEqual: true }));
    const body = { matchers, startsAt: from.toISOString(), endsAt: to.toISOString(), createdBy: by, comment };
    return fitting(Made, await client.ask("api/v2/silences", { body }, signal)).silenceID;
  }
}

function heldAlert({ generatorURL, startsAt, status, ...rest }: z.output<typeof GettableAlert>): HeldAlert {
  const isMuted = [status.silencedBy, status.inhibitedBy, status.mutedBy].some((ids) => (ids ?? []).length > 0);
  return {
    ...rest,
    generatorUrl: generatorURL,
    startsAt: new Date(startsAt),
    notifies: status.state !== "suppressed" && !isMuted,
  };
}

function fitting<Schema extends z.ZodType>(schema: Schema, answer: unknown): z.output<Schema> {
  const fit = schema.safeParse(answer);
  if (fit.success) return fit.data;
  throw new StewardError("unavailable", "Alertmanager does not answer as its API says; is it its address?", {
    retryable: false,
  });
}
