import { z } from "zod";
import { StewardError } from "../../shared/errors.ts";
import type { AlertingRule, MeasuredSeries, Prometheus } from "../edges.ts";
import { createSourceClient } from "./source.ts";

const Labels = z.record(z.string(), z.string());

/** `[1718000000.123, "0.5"]`, the value as Go prints it. */
const Sample = z.tuple([z.number(), z.string()]).transform(([seconds, text]) => ({
  at: new Date(Math.round(seconds * 1_000)),
  value: numberOf(text),
}));

/** Source: prometheus.io/docs/prometheus/latest/querying/api, "Expression query result formats". */
const Result = z.discriminatedUnion("resultType", [
  z.object({
    resultType: z.literal("vector"),
    result: z.array(z.object({ metric: Labels, value: Sample.optional() })),
  }),
  z.object({
    resultType: z.literal("matrix"),
    result: z.array(z.object({ metric: Labels, values: z.array(Sample).default([]) })),
  }),
  z.object({ resultType: z.literal("scalar"), result: Sample }),
  z.object({ resultType: z.literal("string"), result: z.unknown() }),
]);

const QueryAnswer = z.object({ status: z.literal("success"), data: Result });

/** `rule_name[]` is unknown to servers before 2.49, which answer every rule. */
const RulesAnswer = z.object({
  status: z.literal("success"),
  data: z.object({
    groups: z.array(
      z.object({
        rules: z.array(z.object({ type: z.string(), name: z.string(), query: z.string(), labels: Labels.nullish() })),
      }),
    ),
  }),
});

/** How long Prometheus itself may work on one query. */
const queryTimeout = "10s";

/** A client of Prometheus' HTTP API at the configured address. */
export function createPrometheus({ url, bearerToken }: { url: string; bearerToken: string | null }): Prometheus {
  const client = createSourceClient({ name: "Prometheus", url, bearerToken, timeoutMs: 12_000 });

  return {
    instant: (query, at, signal) => ask("api/v1/query", { query, time: seconds(at) }, signal),
    range: (query, { from, to, stepMs }, signal) =>
      ask(
        "api/v1/query_range",
        { query, start: seconds(from), end: seconds(to), step: String(stepMs / 1_000) },
        signal,
      ),
    alertingRules,
    async probe(signal) {
      await ask("api/v1/query", { query: "vector(1)" }, signal);
    },
  };

  async function ask(
    path: string,
    query: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<MeasuredSeries[]> {
    const answer = await client.ask(path, { query: { ...query, timeout: queryTimeout }, formWhenLong: true }, signal);
    return seriesOf(fitting(QueryAnswer, answer).data);
  }

  async function alertingRules(alertname: string, signal?: AbortSignal): Promise<AlertingRule[]> {
    const answer = await client.ask("api/v1/rules", { query: { type: "alert", "rule_name[]": alertname } }, signal);
    return fitting(RulesAnswer, answer)
      .data.groups.flatMap(({ rules }) => rules)
      .filter(({ type, name }) => type === "alerting" && name === alertname)
      .map(({ query, labels }) => ({ query, labels: labels ?? {} }));
  }
}

function seriesOf(data: z.output<typeof Result>): MeasuredSeries[] {
  switch (data.resultType) {
    case "vector":
      return data.result.map(({ metric, value }) => ({ labels: metric, points: value === undefined ? [] : [value] }));
    case "matrix":
      return data.result.map(({ metric, values }) => ({ labels: metric, points: values }));
    case "scalar":
      return [{ labels: {}, points: [data.result] }];
    case "string":
      return [];
  }
}

function fitting<Schema extends z.ZodType>(schema: Schema, answer: unknown): z.output<Schema> {
  const fit = schema.safeParse(answer);
  if (fit.success) return fit.data;
  throw new StewardError("unavailable", "Prometheus does not answer as its API says; is it its address?", {
    retryable: false,
  });
}

function seconds(at: Date): string {
  return String(at.getTime() / 1_000);
}

function numberOf(text: string): number {
  if (text === "+Inf") return Number.POSITIVE_INFINITY;
  if (text === "-Inf") return Number.NEGATIVE_INFINITY;
  return Number(text);
}
