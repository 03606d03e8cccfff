import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { createAlertmanager } from "../../bot/adapters/alertmanager.ts";
import { createPrometheus } from "../../bot/adapters/prometheus.ts";
import { StewardError } from "../../shared/errors.ts";
import { fingerprintOf } from "../../shared/fingerprint.ts";
import { startAlertmanager } from "../programs/alertmanager.ts";
import { startPrometheus } from "../programs/prometheus.ts";
import { until } from "../until.ts";
import { alertmanagerConfig, folder, send } from "./alerting.ts";

test("Steward's client and a real Prometheus understand each other", async (t) => {
  const metrics = createServer((_request, response) => {
    response.setHeader("content-type", "text/plain; version=0.0.4");
    response.end('shop_queue{shop="a"} 3\nshop_queue{shop="b"} NaN\nshop_queue{shop="c"} +Inf\n');
  });
  await new Promise<void>((resolve) => metrics.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    metrics.closeAllConnections();
    metrics.close();
  });
  const running = await startPrometheus({
    dir: folder(t),
    config: {
      global: { scrape_interval: "500ms", evaluation_interval: "500ms" },
      scrape_configs: [
        { job_name: "shop", static_configs: [{ targets: [`127.0.0.1:${(metrics.address() as AddressInfo).port}`] }] },
      ],
    },
    rules: {
      groups: [
        {
          name: "shop",
          rules: [
            {
              alert: "QueueLong",
              expr: "shop_queue > 2",
              for: "1h",
              labels: { severity: "warning", team: "{{ $labels.shop }}" },
            },
            { alert: "QueueLong", expr: "shop_queue > 9", labels: { severity: "critical" } },
            { record: "QueueLong", expr: "vector(1)" },
            { alert: "Other", expr: "vector(1)" },
          ],
        },
      ],
    },
  });
  t.after(() => running.stop());
  const prometheus = createPrometheus({ url: running.url, bearerToken: null });
  await prometheus.probe();
  const found = await until(
    "it has scraped",
    async () => {
      const series = await prometheus.instant("shop_queue", new Date());
      return series.length === 3 ? series : null;
    },
    20_000,
  );
  const values = Object.fromEntries(found.map(({ labels, points }) => [labels["shop"], points[0]?.value]));
  assert.deepEqual(values, { a: 3, b: Number.NaN, c: Number.POSITIVE_INFINITY });

  const now = new Date();
  const [range] = await prometheus.range('shop_queue{shop="a"}', {
    from: new Date(now.getTime() - 60_000),
    to: new Date(now.getTime() + 15_000),
    stepMs: 15_000,
  });
  assert.ok(range !== undefined && range.points.length > 0 && range.points.every(({ value }) => value === 3));
  assert.deepEqual(await prometheus.instant("scalar(vector(7))", now).then(([one]) => one?.points[0]?.value), 7);
  assert.deepEqual(await prometheus.instant("absent_metric", now), []);
  const long = `shop_queue{shop=~"${"x|".repeat(4_000)}a"}`;
  assert.equal((await prometheus.instant(long, new Date())).length, 1);

  const rules = await until("the rules are loaded", async () => {
    const listed = await prometheus.alertingRules("QueueLong");
    return listed.length === 2 ? listed : null;
  });
  assert.deepEqual(rules, [
    { query: "shop_queue > 2", labels: { severity: "warning", team: "{{ $labels.shop }}" } },
    { query: "shop_queue > 9", labels: { severity: "critical" } },
  ]);
  assert.deepEqual(await prometheus.alertingRules("Nobody"), []);
  for (const [query, said] of [
    ["up{", /parse error/],
    ["shop_queue[5m]", /range vector|must be/],
  ] as const) {
    const error = await prometheus
      .range(query, { from: new Date(now.getTime() - 86_400_000), to: now, stepMs: 15_000 })
      .then(
        () => null,
        (thrown: unknown) => thrown,
      );
    assert.ok(error instanceof StewardError && error.code === "invalid", String(error));
    assert.match(error.message, said);
  }
});

test("Steward's client and a real Alertmanager understand each other", async (t) => {
  const config = alertmanagerConfig("http://127.0.0.1:9", {}, { receiver: "nobody" });
  const running = await startAlertmanager({ dir: folder(t), config });
  t.after(() => running.stop());
  const alertmanager = createAlertmanager({ url: running.url });
  assert.deepEqual(await alertmanager.alerts({ muted: false }), []);

  const startsAt = new Date(Date.now() - 60_000);
  const labels = { alertname: 'odd "name"', namespace: "shop", path: "C:\\tmp", 中: "文" };
  const other = { alertname: "Other" };
  await send(running, [
    { labels, annotations: { summary: "s" }, startsAt },
    { labels: other, startsAt },
  ]);
  const held = await until("both are held", async () => {
    const alerts = await alertmanager.alerts({ muted: false });
    return alerts.length === 2 ? alerts : null;
  });
  const [odd] = held.filter(({ labels: { alertname } }) => alertname === labels.alertname);
  assert.deepEqual(odd, {
    fingerprint: fingerprintOf(labels),
    labels,
    annotations: { summary: "s" },
    generatorUrl: "http://prometheus.test/graph",
    startsAt,
    notifies: true,
  });
  assert.equal((await alertmanager.alerts({ muted: true, alertname: labels.alertname })).length, 1);

  const to = new Date(Date.now() + 3_600_000);
  const id = await alertmanager.silence({ labels, from: new Date(), to, by: "alice", comment: "test" });
  assert.match(id, /^[0-9a-f-]{36}$/);
  await until("the silence holds", async () => {
    const alerts = await alertmanager.alerts({ muted: false });
    return alerts.length === 1 && alerts[0]?.labels["alertname"] === "Other";
  });
  const all = await alertmanager.alerts({ muted: true });
  assert.deepEqual(all.map(({ notifies }) => notifies).sort(), [false, true]);
});
