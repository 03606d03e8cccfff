/** Steward behind real Prometheus and Alertmanager programs, on the cluster of the run. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request as callOut, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { stringify } from "yaml";
import { createClock } from "../../bot/adapters/clock.ts";
import { createLog } from "../../bot/adapters/log.ts";
import { createApp } from "../../bot/app.ts";
import { loadConfig } from "../../bot/config.ts";
import type { ClusterReader } from "../../bot/edges.ts";
import { newId } from "../../shared/ids.ts";
import { kinds, listField, numberField, stringField } from "../../shared/kube.ts";
import { type ApiClient, createApiClient } from "../api-client.ts";
import { createGround, type Ground } from "../contracts/ground.ts";
import { until } from "../until.ts";

export const token = "token-between-alertmanager-and-steward";
const password = "correct horse battery staple";

/** The cluster that `npm run test:cluster` gives, with namespaces that go with the test. */
export function startGround(t: TestContext): Ground {
  const kubeconfig = process.env["STEWARD_CONTRACT_KUBECONFIG"];
  assert.ok(kubeconfig, "STEWARD_CONTRACT_KUBECONFIG names no cluster");
  const ground = createGround(kubeconfig, `steward-${newId().slice(-8)}`);
  t.after(() => ground.clear());
  return ground;
}

export function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "steward-alerting-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export interface StewardRun {
  readonly url: string;
  /** Lines of its log, as JSON text. */
  readonly lines: readonly string[];
  stop(): Promise<void>;
}

export interface StewardStart {
  kubeconfig: string;
  /** Its folder: configuration and store. */
  dir: string;
  /** Where its Lease is kept. */
  namespace: string;
  /** Sections of the configuration beside what every test needs. */
  config?: Readonly<Record<string, unknown>>;
}

/** The real app on the cluster of the run, its first admin made. It does not end with the test: who starts it stops it. */
export async function startSteward({ kubeconfig, dir, namespace, config = {} }: StewardStart): Promise<StewardRun> {
  const file = join(dir, `steward-${newId()}.yaml`);
  const given = {
    cluster: { name: "test", kubeconfig },
    locale: "en",
    timezone: "UTC",
    data: join(dir, "data"),
    http: { host: "127.0.0.1", port: 0 },
    webhook: { bearerToken: token },
    verify: { settle: "1s", timeout: "60s" },
    audit: { checkpoints: { stdout: false } },
    backup: { every: null },
    ...config,
  };
  writeFileSync(file, stringify(given));
  const lines: string[] = [];
  const log = createLog({ to: { write: (line: string) => void lines.push(line) } });
  const env = { STEWARD_NAMESPACE: namespace, ADMIN_PASSWORD: password };
  const app = createApp(loadConfig({ argvPath: file, env, cwd: dir, readFile: (path) => readFileSync(path, "utf8") }), {
    clock: createClock((error) => log.error("periodic work failed", { error })),
    log,
    env,
  });
  const listening = await app.start();
  return { url: `http://127.0.0.1:${listening.port}`, lines, stop: () => app.stop(10_000) };
}

/** A client of its API that is signed in as its first admin. */
export async function signIn({ url }: Pick<StewardRun, "url">): Promise<ApiClient> {
  const api = createApiClient(url);
  await until("signed in", async () => (await api.login("admin", password)).status === 200);
  return api;
}

export interface Item {
  id: string;
  cardId: string;
  alertname: string;
  target: string | null;
  namespace: string | null;
  state: string;
  late: boolean;
  alerts: number;
  joined: string | null;
  groupKeys: string[];
  approvals: string[];
  diagnosis: { conclusion: string; unseen: string[] } | null;
}

/** All incidents, oldest first. */
export async function incidents(api: ApiClient): Promise<Item[]> {
  return ((await api.all("/api/v1/incidents")) as unknown as Item[]).reverse();
}

/** The card as it is read on a terminal, unfolded; its lines are put together again. */
export async function cardText(api: ApiClient, cardId: string): Promise<string> {
  const answer = await api.get(`/chat?card_id=${cardId}`, { accept: "text/plain" });
  assert.equal(answer.status, 200);
  return String(answer.body["text"]).replace(/\n┃ (?=\S)/g, " ");
}

/** How an Alertmanager sends to Steward: at once, and again within a second when a group changed. */
export function alertmanagerConfig(
  url: string,
  webhook: Readonly<Record<string, unknown>> = {},
  route: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  return {
    route: {
      receiver: "steward",
      group_by: ["namespace", "alertname"],
      group_wait: "0s",
      group_interval: "1s",
      repeat_interval: "1h",
      ...route,
    },
    receivers: [
      {
        name: "steward",
        webhook_configs: [
          {
            url: `${url}/api/v1/webhook/alertmanager`,
            send_resolved: true,
            http_config: { authorization: { credentials: token } },
            ...webhook,
          },
        ],
      },
      { name: "nobody" },
    ],
  };
}

/** An address that Alertmanager can be given before Steward is there; behind it stands whatever the test puts there. */
export interface Front {
  readonly url: string;
  /** null: nobody, and whoever calls is cut off. */
  behind: { url: string } | null;
}

export async function startFront(t: TestContext): Promise<Front> {
  const server = createServer((request, response) => {
    const { behind } = front;
    if (behind === null) {
      request.socket.destroy();
      return;
    }
    const { host: _, connection: __, ...headers } = request.headers;
    const onward = callOut(
      new URL(request.url ?? "/", behind.url),
      { method: request.method ?? "GET", headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    onward.once("error", () => request.socket.destroy());
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const front: Front = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, behind: null };
  return front;
}

export interface SentAlert {
  labels: Readonly<Record<string, string>>;
  annotations?: Readonly<Record<string, string>>;
  startsAt?: Date;
  /** In the past: it has resolved. */
  endsAt?: Date;
}

/** Puts alerts into an Alertmanager, as Prometheus does. */
export async function send(alertmanager: { url: string }, alerts: readonly SentAlert[]): Promise<void> {
  const now = Date.now();
  // Alertmanager keeps the earlier start of an alert that it knows.
  const body = alerts.map(
    ({ endsAt = new Date(now + 3_600_000), startsAt = new Date(Math.min(now, endsAt.getTime() - 1)), ...rest }) => ({
      ...rest,
      startsAt: startsAt.toISOString(),
      endsAt: endsAt.toISOString(),
      generatorURL: "http://prometheus.test/graph",
    }),
  );
  const answer = await fetch(`${alertmanager.url}/api/v2/alerts`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  assert.equal(answer.status, 200, await answer.text());
}

/**
 * Serves what kube-state-metrics and cAdvisor would say of the pods in some namespaces, read from the cluster at every scrape. In those that are
 * `sticky` nothing is ever forgotten, so that what waited once waits for ever.
 */
export async function serveMetrics(
  t: TestContext,
  read: ClusterReader,
  namespaces: () => readonly { name: string; sticky: boolean }[],
): Promise<string> {
  const kept = new Set<string>();
  const server = createServer((_request, response) => {
    Promise.all(namespaces().map(async ({ name, sticky }) => ({ sticky, lines: await podMetrics(read, name) }))).then(
      (parts) => {
        for (const line of parts.flatMap(({ sticky, lines }) => (sticky ? lines.filter(isWaiting) : [])))
          kept.add(line);
        const now = new Set([...parts.flatMap(({ lines }) => lines), ...kept]);
        response.setHeader("content-type", "text/plain; version=0.0.4");
        response.end([...now, ""].join("\n"));
      },
      () => {
        response.statusCode = 503;
        response.end();
      },
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function isWaiting(line: string): boolean {
  return line.startsWith("kube_pod_container_status_waiting_reason{");
}

async function podMetrics(read: ClusterReader, namespace: string): Promise<string[]> {
  const { items } = await read.list({ type: kinds.pod, namespace });
  return items.flatMap((pod) =>
    listField(pod, "status", "containerStatuses").flatMap((status) => {
      const container = stringField(status, "name") ?? "";
      const labels = `namespace="${namespace}",pod="${pod.metadata.name}",uid="${pod.metadata.uid}",container="${container}"`;
      const reason = stringField(status, "state", "waiting", "reason");
      return [
        `kube_pod_container_status_restarts_total{${labels}} ${numberField(status, "restartCount") ?? 0}`,
        `container_memory_working_set_bytes{${labels}} ${400 * 2 ** 20}`,
        ...(reason === undefined ? [] : [`kube_pod_container_status_waiting_reason{${labels},reason="${reason}"} 1`]),
      ];
    }),
  );
}
