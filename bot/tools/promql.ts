/** A text as PromQL quotes it; nothing in it can end the quotes. Source: prometheus.io, Querying basics, string literals (Go's escapes). */
function quoted(text: string): string {
  return JSON.stringify(text.toWellFormed());
}

/** `metric{name="value", …}`: the values are whatever the cluster says, so they are quoted and never concatenated. */
export function selector(metric: string, labels: Readonly<Record<string, string>>): string {
  const matchers = Object.entries(labels).map(([name, value]) => `${name}=${quoted(value)}`);
  return `${metric}{${matchers.join(", ")}}`;
}

/** `{name="value", …}` as people read the labels of a series; the metric's name stands before. */
export function seriesName(labels: Readonly<Record<string, string>>): string {
  const { __name__: metric = "", ...rest } = labels;
  const matchers = Object.entries(rest).map(([name, value]) => `${name}=${quoted(value)}`);
  return matchers.length === 0 && metric !== "" ? metric : `${metric}{${matchers.join(", ")}}`;
}
