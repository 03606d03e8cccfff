import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { until } from "../until.ts";
import { type Alertmanager, amtool, startAlertmanager } from "./alertmanager.ts";
import { startPrometheus } from "./prometheus.ts";

interface Notification {
  status: string;
  groupKey: string;
  alerts: { status: string; labels: Record<string, string> }[];
}

test("a metric that rises fires an alert at the receiver, and resolves it when it falls", async (t) => {
  const dir = folder(t);
  let broken = 1;
  const metrics = await serve(t, () => `broken ${broken}\n`);
  const received: Notification[] = [];
  const receiver = await serve(t, (body) => {
    received.push(JSON.parse(body) as Notification);
    return "";
  });
  const alertmanager = await startAlertmanager({ dir, config: receiverConfig(receiver) });
  t.after(() => alertmanager.stop());
  const prometheus = await startPrometheus({
    dir,
    config: {
      global: { scrape_interval: "200ms", evaluation_interval: "200ms" },
      scrape_configs: [{ job_name: "test", static_configs: [{ targets: [new URL(metrics).host] }] }],
      alerting: { alertmanagers: [{ static_configs: [{ targets: [new URL(alertmanager.url).host] }] }] },
    },
    rules: {
      groups: [{ name: "test", rules: [{ alert: "Broken", expr: "broken > 0", labels: { severity: "critical" } }] }],
    },
  });
  t.after(() => prometheus.stop());

  const firing = await until("firing", () => received.find(({ status }) => status === "firing"), 20_000);
  assert.equal(firing.alerts[0]?.labels["alertname"], "Broken");
  broken = 0;
  const resolved = await until("resolved", () => received.find(({ status }) => status === "resolved"), 20_000);
  assert.equal(resolved.groupKey, firing.groupKey);
});

test("two Alertmanagers of one cluster know each other", async (t) => {
  const dir = folder(t);
  const receiver = await serve(t, () => "");
  const config = receiverConfig(receiver);
  const first = await startAlertmanager({ dir, config });
  t.after(() => first.stop());
  const second = await startAlertmanager({ dir, config, peers: [first.peer] });
  t.after(() => second.stop());
  await until("two peers each", async () => (await peers(first)) === 2 && (await peers(second)) === 2, 20_000);
});

test("amtool tells a configuration that Alertmanager takes from one that it does not", async (t) => {
  const dir = folder(t);
  const good = join(dir, "good.yml");
  const bad = join(dir, "bad.yml");
  writeFileSync(good, JSON.stringify(receiverConfig("http://127.0.0.1:1")));
  writeFileSync(bad, "route: { receiver: nobody }\n");
  assert.equal((await amtool(["check-config", good])).code, 0);
  const refusal = await amtool(["check-config", bad]);
  assert.equal(refusal.code, 1);
  assert.match(refusal.output, /undefined receiver "nobody"/);
});

function receiverConfig(url: string): Readonly<Record<string, unknown>> {
  return {
    route: { receiver: "test", group_by: ["alertname"], group_wait: "100ms", group_interval: "500ms" },
    receivers: [{ name: "test", webhook_configs: [{ url, send_resolved: true }] }],
  };
}

async function peers({ url }: Alertmanager): Promise<number> {
  const response = await fetch(`${url}/api/v2/status`);
  const { cluster } = (await response.json()) as { cluster: { peers?: unknown[] } };
  return cluster.peers?.length ?? 0;
}

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "steward-programs-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A server that answers every request with what `answer` makes of its body. */
async function serve(t: TestContext, answer: (body: string) => string): Promise<string> {
  const server: Server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => {
      body += chunk;
    });
    request.on("end", () => {
      response.setHeader("content-type", "text/plain; version=0.0.4");
      response.end(answer(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
