import { z } from "zod";
import { readable, sparkline } from "../../cards/render/drawing.ts";
import { formatDuration, parseDuration } from "../../shared/duration.ts";
import { StewardError } from "../../shared/errors.ts";
import type { Chart } from "../../shared/finding.ts";
import { truncate } from "../../shared/text.ts";
import type { MeasuredSeries } from "../edges.ts";
import { bounded, columns, readAt } from "./print.ts";
import { seriesName } from "./promql.ts";
import { defineTool } from "./tool.ts";

/** What a query may cost (reliability.md E7), in ms; and how finely a window is looked at. */
const longestRange = 24 * 3_600_000;
const leastStep = 15_000;
const mostPoints = 240;

const seriesShown = 20;
const chartsKept = 6;
const chartPoints = 120;

/** A duration within bounds, in ms. */
function duration(what: string, least: number, most: number) {
  const words = `is not a ${what} between ${formatDuration(least)} and ${formatDuration(most)}, such as ${formatDuration(least * 4)}`;
  return z.string().refine((text) => {
    const ms = parseDuration(text);
    return ms !== null && ms >= least && ms <= most;
  }, words);
}

const Args = z.strictObject({
  query: z.string().trim().min(1).max(4_000).describe("PromQL"),
  range: duration("range", leastStep, longestRange)
    .optional()
    .describe("how far back from `at`, as 1h, at most 24h; without it the query is asked for one moment"),
  step: duration("step", leastStep, longestRange).optional().describe("between two points of a range, at least 15s"),
  at: z.iso.datetime({ offset: true }).optional().describe("the moment, or the end of the range; now without it"),
});

/** What was found, for playbooks. */
interface Measured {
  series: readonly MeasuredSeries[];
  /** The number behind each series, in the unit of its chart; finite values only. */
  charts: readonly Chart[];
}

/** What one look asks for. */
interface Window {
  to: Date;
  /** null: one moment. */
  range: { from: Date; stepMs: number; stretched: boolean } | null;
}

export const prometheusQuery = defineTool({
  description:
    "Asks Prometheus a PromQL query, for one moment or (with range) over time; a range comes back as min, median, max and last of each series with a sparkline.",
  args: Args,
  rbac: [],
  async run(args, { prometheus, isOpen, now, signal, maxBytes }) {
    if (prometheus === null) {
      throw new StewardError("unavailable", "no Prometheus is configured", { retryable: false });
    }
    const window = windowOf(args, now);
    const { to, range } = window;
    const answer =
      range === null
        ? await prometheus.instant(args.query, to, signal)
        : await prometheus.range(args.query, { from: range.from, to, stepMs: range.stepMs }, signal);
    const series = answer.filter(({ labels, points }) => points.length > 0 && isOpen(labels["namespace"] ?? ""));
    const hidden = answer.filter(({ labels }) => !isOpen(labels["namespace"] ?? "")).length;
    const unit = unitOf(args.query);
    const drawn = series
      .map((one) => ({ one, chart: chartOf(one, unit) }))
      .sort((a, b) => peak(b.chart) - peak(a.chart));
    const charts = drawn.flatMap(({ chart }) => chart ?? []).slice(0, chartsKept);
    const notes = [
      ...(range?.stretched === true
        ? [`the step was stretched to ${formatDuration(range.stepMs)}: at most ${mostPoints} points`]
        : []),
      ...(hidden > 0 ? [`${hidden} series of Steward's own namespace are not shown`] : []),
      readAt(now),
    ];
    const body =
      series.length === 0
        ? nothing(args.query, window)
        : [title(args.query, window, series.length), ...table(drawn, unit, range !== null)];
    return {
      text: bounded([...body, ...notes].join("\n"), maxBytes, "ask for fewer series, as by topk or a matcher"),
      data: { series, charts } satisfies Measured,
      unseen: [],
      ...(range === null ? {} : { charts }),
    };
  },
});

function windowOf({ at, range, step }: z.output<typeof Args>, now: Date): Window {
  const to = at === undefined ? now : new Date(at);
  if (range === undefined) return { to, range: null };
  const length = parseDuration(range) ?? 0;
  const asked = step === undefined ? leastStep : (parseDuration(step) ?? leastStep);
  const least = Math.ceil(length / mostPoints / leastStep) * leastStep;
  const stepMs = Math.max(asked, least, leastStep);
  return {
    to,
    range: { from: new Date(to.getTime() - length), stepMs, stretched: step !== undefined && stepMs > asked },
  };
}

function whenIs({ to, range }: Window): string {
  if (range === null) return `at ${moment(to)}`;
  return `from ${moment(range.from)} to ${moment(to)}, step ${formatDuration(range.stepMs)}`;
}

function moment(at: Date): string {
  return `${at.toISOString().slice(0, 19)}Z`;
}

function title(query: string, window: Window, count: number): string {
  return `${truncate(query, 600)}\n${count} series ${whenIs(window)}`;
}

/** An empty answer is an answer only for who knows what was asked. */
function nothing(query: string, window: Window): string[] {
  return [
    `nothing: Prometheus has no series for ${truncate(query, 600)} ${whenIs(window)}`,
    "A comparison answers only where it holds; a metric that nobody exports and a label that nothing matches answer the same.",
  ];
}

interface Unit {
  name: string;
  scale: number;
}

/** Bytes are said in Mi, as Kubernetes says them; of anything else the query does not tell the unit. */
function unitOf(query: string): Unit {
  const isBytes = /_bytes\b/.test(query) && !/[/]|\b(?:i?rate|increase|deriv|count|absent)\b/.test(query);
  return isBytes ? { name: "Mi", scale: 2 ** -20 } : { name: "", scale: 1 };
}

/** null where no point is a finite number. */
function chartOf({ labels, points }: MeasuredSeries, unit: Unit): Chart | null {
  const values = points.map(({ value }) => value * unit.scale).filter(Number.isFinite);
  const sorted = values.toSorted((a, b) => a - b);
  const [min] = sorted;
  const max = sorted.at(-1);
  const median = sorted[Math.floor((sorted.length - 1) / 2)];
  if (min === undefined || max === undefined || median === undefined) return null;
  return { label: truncate(seriesName(labels), 300), unit: unit.name, values: thinned(values), min, median, max };
}

/** The largest of each run stays: a peak is what decides. */
function thinned(values: readonly number[]): number[] {
  const run = Math.ceil(values.length / chartPoints);
  if (run <= 1) return [...values];
  return Array.from({ length: Math.ceil(values.length / run) }, (_, i) =>
    Math.max(...values.slice(i * run, (i + 1) * run)),
  );
}

function peak(chart: Chart | null): number {
  return chart?.max ?? Number.NEGATIVE_INFINITY;
}

function table(drawn: readonly { one: MeasuredSeries; chart: Chart | null }[], unit: Unit, isRange: boolean): string[] {
  const common = commonLabels(drawn.map(({ one }) => one));
  const rows = drawn.slice(0, seriesShown).map(({ one, chart }) => {
    const last = one.points.at(-1)?.value ?? Number.NaN;
    const said = (value: number) => `${readable(value)}${unit.name}`;
    const name = truncate(seriesName(without(one.labels, common)), 300);
    if (!isRange) return [said(last * unit.scale), name];
    if (chart === null) return ["-", "-", "-", said(last), "", name];
    return [
      said(chart.min),
      said(chart.median),
      said(chart.max),
      said(last * unit.scale),
      sparkline(chart.values, 24),
      name,
    ];
  });
  const left = drawn.length - rows.length;
  return [
    ...(Object.keys(common).length === 0 ? [] : [`all of ${seriesName(common)}`]),
    ...columns([isRange ? ["MIN", "MEDIAN", "MAX", "LAST", "", "SERIES"] : ["VALUE", "SERIES"], ...rows]),
    ...(left > 0 ? [`${left} more series, smaller than these, are left out`] : []),
  ];
}

function commonLabels(series: readonly MeasuredSeries[]): Record<string, string> {
  const [first, ...others] = series;
  if (first === undefined || others.length === 0) return {};
  return Object.fromEntries(
    Object.entries(first.labels).filter(([name, value]) => others.every(({ labels }) => labels[name] === value)),
  );
}

function without(labels: Readonly<Record<string, string>>, common: Readonly<Record<string, string>>) {
  return Object.fromEntries(Object.entries(labels).filter(([name]) => !Object.hasOwn(common, name)));
}
