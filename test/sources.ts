/** A loopback server in the place of Prometheus or Alertmanager, which answers as a test says. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

export interface Asked {
  method: string;
  path: string;
  /** Of the address, or of a form. */
  query: Readonly<Record<string, string>>;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: string;
}

export interface Answer {
  status?: number;
  headers?: Readonly<Record<string, string>>;
  /** A string is sent as it is, anything else as JSON. */
  body?: unknown;
}

export interface FakeSource {
  readonly url: string;
  readonly asked: readonly Asked[];
  /** null: it never answers. */
  answer: (asked: Asked) => Answer | null;
}

export async function startSource(t: TestContext, answer: FakeSource["answer"]): Promise<FakeSource> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => {
      body += chunk;
    });
    request.on("end", () => {
      const url = new URL(request.url ?? "/", "http://source.test");
      const isForm = request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded") ?? false;
      const query = Object.fromEntries(isForm ? new URLSearchParams(body) : url.searchParams);
      const one = { method: request.method ?? "", path: url.pathname, query, headers: request.headers, body };
      asked.push(one);
      const given = source.answer(one);
      if (given === null) return;
      response.writeHead(given.status ?? 200, { "content-type": "application/json", ...given.headers });
      response.end(typeof given.body === "string" ? given.body : JSON.stringify(given.body ?? null));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const source: FakeSource = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, answer };
  return source;
}

/** What Prometheus answers to an instant query: one sample for each set of labels. */
export function vector(...labels: readonly Readonly<Record<string, string>>[]): Answer {
  const result = labels.map((metric) => ({ metric, value: [1_767_000_000, "1"] }));
  return { body: { status: "success", data: { resultType: "vector", result } } };
}

/** What it answers to a range query: values a minute apart. */
export function matrix(
  ...series: readonly { metric: Readonly<Record<string, string>>; values: readonly (number | string)[] }[]
): Answer {
  const result = series.map(({ metric, values }) => ({
    metric,
    values: values.map((value, i) => [1_767_000_000 + 60 * i, String(value)]),
  }));
  return { body: { status: "success", data: { resultType: "matrix", result } } };
}

/** What it answers of its rules. */
export function ruleGroups(
  ...rules: readonly { name: string; query: string; labels?: Readonly<Record<string, string>> }[]
): Answer {
  const listed = rules.map((rule) => ({ type: "alerting", labels: {}, ...rule }));
  return { body: { status: "success", data: { groups: [{ name: "test", rules: listed }] } } };
}

/** One alert as Alertmanager's API has it. */
export function heldAlert(labels: Readonly<Record<string, string>>, more: Readonly<Record<string, unknown>> = {}) {
  return {
    fingerprint: "",
    labels,
    annotations: {},
    generatorURL: "http://prometheus/graph",
    startsAt: "2026-11-21T18:00:00.000Z",
    endsAt: "2026-11-22T18:00:00.000Z",
    updatedAt: "2026-11-21T18:00:00.000Z",
    receivers: [{ name: "steward" }],
    status: { state: "active", silencedBy: [], inhibitedBy: [], mutedBy: [] },
    ...more,
  };
}
