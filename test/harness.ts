/**
 * Steward as people meet it: the real app (or the real process) on a sandbox cluster, an Alertmanager that fires at it, people who
 * sign in and decide, the cards they see and the cluster as kubectl would show it. Everything goes over HTTP.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import Database from "better-sqlite3";
import { stringify } from "yaml";
import { z } from "zod";
import { createClock } from "../bot/adapters/clock.ts";
import { createCluster } from "../bot/adapters/kubernetes.ts";
import { createLog } from "../bot/adapters/log.ts";
import { createApp } from "../bot/app.ts";
import { loadConfig } from "../bot/config.ts";
import type { ClusterReader } from "../bot/edges.ts";
import { type Sandbox, type SandboxRequest, startSandbox, type World } from "../bot/sandbox/index.ts";
import { ApprovalAnswer } from "../shared/api/approval.ts";
import { AuditList, type AuditRow, AuditVerdict } from "../shared/api/audit.ts";
import type { CardEvent } from "../shared/api/card.ts";
import { IncidentDetail, IncidentList } from "../shared/api/incident.ts";
import { type KubeObject, kinds } from "../shared/kube.ts";
import { type ApiAnswer, type ApiClient, createApiClient } from "./api-client.ts";
import { startBotProcess } from "./bot-process.ts";
import { type CardStream, readCards } from "./card-stream.ts";
import { quiet } from "./lab.ts";
import { type FiredAlert, webhookBody } from "./payloads.ts";
import { until } from "./until.ts";
import { startWire, type Wire } from "./wire.ts";

export type Approval = z.infer<typeof ApprovalAnswer>;
export type Incident = z.infer<typeof IncidentDetail>;

/** Somebody who is signed in. */
export interface Person {
  readonly name: string;
  readonly api: ApiClient;
  /** Asks for a change in kubectl's words; it must become a card that waits. */
  wish(kubectl: string): Promise<Approval>;
  approve(code: string): Promise<ApiAnswer>;
  deny(code: string, reason: string): Promise<ApiAnswer>;
}

export interface Bot {
  readonly url: string;
  readonly folder: string;
  /** What is in its configuration file. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly sandbox: Sandbox;
  /** The line between the bot and the API server. */
  readonly wire: Wire;
  /** Reads the cluster past that line, with a real client. */
  readonly cluster: ClusterReader;
  readonly admin: Person;
  /** A new user with that role, signed in. */
  person(name: string, role: "viewer" | "approver" | "admin"): Promise<Person>;
  /** Posts an Alertmanager body; it must be taken. Answers the receipt. */
  fire(alerts: readonly FiredAlert[], groupKey?: string): Promise<string>;
  /** The incident that a delivery became. */
  incidentOf(receipt: string): Promise<Incident>;
  incident(id: string): Promise<Incident>;
  /** Waits until the incident is as wanted. */
  incidentWhen(id: string, what: string, is: (incident: Incident) => boolean): Promise<Incident>;
  approval(code: string): Promise<Approval>;
  /** Waits until the approval is in one of these states. */
  approvalIn(code: string, ...states: readonly Approval["state"][]): Promise<Approval>;
  /** The card as it is read, with everything unfolded. */
  cardText(cardId: string): Promise<string>;
  /** The states that cards of this incident or approval went through, in order, without repeats. */
  statesSeen(id: string): readonly string[];
  /** The short lines that ring: who is needed for this incident, and why. */
  callsFor(incidentId: string): readonly string[];
  /** Every change of a card since the start, as the terminal channel told it. */
  readonly cards: readonly CardEvent[];
  deployment(namespace: string, name: string): Promise<KubeObject>;
  /** The writes of this approval that the API server saw, dry runs left out. */
  writesOf(approval: Approval): readonly SandboxRequest[];
  /** Somebody who is not signed in. */
  stranger(): ApiClient;
  audit(query?: string): Promise<readonly AuditRow[]>;
  verifyAudit(): Promise<z.infer<typeof AuditVerdict>>;
  /** Ends the bot. SIGKILL only where it is a process of its own. */
  down(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Starts it again on the same folder. */
  up(): Promise<void>;
  /** `down` and `up`. */
  restart(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Moves the bot's clock ahead; only in this process. */
  ahead(ms: number): void;
}

export interface BotOptions {
  world?: World;
  /** Everything in the cluster that takes time is this many times as fast. */
  speed?: number;
  /** Sections of the configuration beside what every test needs. */
  config?: Readonly<Record<string, unknown>>;
  /** Runs the bundle as a process of its own, as `npm start` does, so that it can be killed. */
  process?: boolean;
}

export const webhookToken = "test-webhook-token";
const password = "correct horse battery staple";

/** One running bot of either kind. */
interface Running {
  url: string;
  setupToken(): string;
  stop(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
}

/**
 * Starts a bot with its first admin, on a cluster of its own. All of it ends with the test. `KEEP_DB=1` keeps the folder of a test that failed,
 * and prints where it is.
 */
export async function startBot(t: TestContext, options: BotOptions = {}): Promise<Bot> {
  const folder = mkdtempSync(join(tmpdir(), "steward-e2e-"));
  const sandbox = await startSandbox({ speed: options.speed ?? 5, world: options.world ?? {} });
  const wire = await startWire(sandbox.kubeconfig());
  const configFile = join(folder, "steward.yaml");
  const straight = join(folder, "straight.kubeconfig");
  writeFileSync(join(folder, "kubeconfig"), wire.kubeconfig, { mode: 0o600 });
  writeFileSync(straight, sandbox.kubeconfig(), { mode: 0o600 });
  const config = {
    cluster: { name: "e2e", kubeconfig: join(folder, "kubeconfig") },
    locale: "en",
    timezone: "UTC",
    data: join(folder, "data"),
    http: { host: "127.0.0.1", port: 0 },
    webhook: { bearerToken: webhookToken },
    verify: { settle: "300ms", timeout: "20s" },
    audit: { checkpoints: { stdout: false } },
    ...options.config,
  };
  let offset = 0;
  const start = () =>
    options.process === true ? startProcess(folder, config) : startInside(configFile, config, folder, () => offset);

  let running: Running | null = null;
  let stream: CardStream | null = null;
  const seen: CardEvent[] = [];
  t.after(async () => {
    stream?.close();
    await running?.stop(options.process === true ? "SIGKILL" : "SIGTERM");
    await wire.stop();
    await sandbox.stop();
    // Node's own types do not know of `passed` yet.
    const passed = "passed" in t && t.passed === true;
    if (process.env["KEEP_DB"] === "1" && !passed) t.diagnostic(`the folder of this test is kept: ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  });

  running = await start();
  let api = createApiClient(running.url);
  const setup = await api.setup(running.setupToken(), "admin", password);
  assert.equal(setup.status, 200, JSON.stringify(setup.body));
  stream = await readCards(api, (event) => seen.push(event));
  const clients = new Map<string, ApiClient>([["admin", api]]);

  function expectRunning(): Running {
    assert.ok(running, "the bot is down");
    return running;
  }
  async function read<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    const answer = await api.get(path);
    assert.equal(answer.status, 200, `GET ${path}: ${JSON.stringify(answer.body)}`);
    return schema.parse(answer.body);
  }
  /** Reads what the person's client is at the call, since a bot that came back has another address. */
  function personOf(name: string): Person {
    const client = () => clients.get(name) ?? api;
    return {
      name,
      get api() {
        return client();
      },
      async wish(kubectl) {
        const asked = await client().post("/api/v1/proposals", { kubectl });
        assert.equal(asked.status, 201, JSON.stringify(asked.body));
        const approval = ApprovalAnswer.parse(asked.body);
        assert.equal(approval.state, "pending", approval.reason ?? "");
        return approval;
      },
      approve: (code) => client().post(`/api/v1/approvals/${code}/approve`),
      deny: (code, reason) => client().post(`/api/v1/approvals/${code}/deny`, { reason }),
    };
  }

  const bot: Bot = {
    get url() {
      return expectRunning().url;
    },
    folder,
    config,
    sandbox,
    wire,
    cluster: createCluster({
      kubeconfig: straight,
      context: null,
      identities: { read: null, act: null },
      clock: createClock(),
      log: quiet,
      env: {},
    }).read,
    admin: personOf("admin"),
    cards: seen,
    async person(name, role) {
      const made = await api.post("/api/v1/users", { username: name, role, password });
      assert.equal(made.status, 201, JSON.stringify(made.body));
      const client = createApiClient(expectRunning().url);
      assert.equal((await client.login(name, password)).status, 200);
      clients.set(name, client);
      return personOf(name);
    },
    async fire(alerts, groupKey) {
      const answer = await bot.stranger().post("/api/v1/webhook/alertmanager", webhookBody(alerts, groupKey), {
        authorization: `Bearer ${webhookToken}`,
      });
      assert.equal(answer.status, 202, JSON.stringify(answer.body));
      return String(answer.body["receipt"]);
    },
    async incidentOf(receipt) {
      const found = await until(
        "the delivery has become an incident",
        async () => (await read(`/api/v1/incidents?receipt=${receipt}`, IncidentList)).items[0],
      );
      return bot.incident(found.id);
    },
    incident: (id) => read(`/api/v1/incidents/${id}`, IncidentDetail),
    incidentWhen: (id, what, is) =>
      until(
        what,
        async () => {
          const incident = await bot.incident(id);
          return is(incident) ? incident : null;
        },
        20_000,
      ),
    approval: (code) => read(`/api/v1/approvals/${code}`, ApprovalAnswer),
    async approvalIn(code, ...states) {
      let last: Approval | null = null;
      return until(
        `${code} is ${states.join(" or ")}`,
        async () => {
          last = await bot.approval(code);
          return states.includes(last.state) ? last : null;
        },
        30_000,
      ).catch((error: unknown) => {
        throw new Error(`${String(error)}; it is ${last?.state} (${last?.reason})`);
      });
    },
    async cardText(cardId) {
      const answer = await api.get(`/chat?card_id=${cardId}`, { accept: "text/plain" });
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      return String(answer.body["text"]);
    },
    statesSeen: (id) =>
      seen
        .filter(({ incidentId, approvalId }) => incidentId === id || approvalId === id)
        .map(({ state }) => state)
        .filter((state, i, all) => state !== all[i - 1]),
    callsFor(incidentId) {
      const db = new Database(join(folder, "data", "steward.db"), { readonly: true });
      try {
        const rows = db
          .prepare(
            `SELECT o.body FROM outbox o JOIN cards c ON c.id = o.card_id WHERE o.kind = 'line' AND c.incident_id = ? ORDER BY o.id`,
          )
          .all(incidentId);
        return z
          .array(z.object({ body: z.string() }))
          .parse(rows)
          .map(({ body }) => body);
      } finally {
        db.close();
      }
    },
    stranger: () => createApiClient(expectRunning().url),
    writesOf: ({ execution }) =>
      sandbox.requests().filter(({ method, dryRun, body }) => {
        const op = execution?.op ?? null;
        return method !== "GET" && !dryRun && op !== null && JSON.stringify(body ?? "").includes(op);
      }),
    async deployment(namespace, name) {
      const found = await bot.cluster.get({ type: kinds.deployment, namespace, name });
      assert.ok(found, `there is no deployment ${namespace}/${name}`);
      return found;
    },
    audit: async (query = "") => (await read(`/api/v1/audit?limit=500&${query}`, AuditList)).items.toReversed(),
    verifyAudit: () => read("/api/v1/audit/verify", AuditVerdict),
    async down(signal = "SIGTERM") {
      const ending = expectRunning();
      running = null;
      stream?.close();
      await ending.stop(signal);
    },
    async up() {
      running = await start();
      for (const [name, client] of clients) clients.set(name, client.at(running.url));
      api = clients.get("admin") ?? api;
      stream = await readCards(api, (event) => seen.push(event), stream?.last());
    },
    async restart(signal) {
      await bot.down(signal);
      await bot.up();
    },
    ahead(ms) {
      assert.notEqual(options.process, true, "another process has its own clock");
      offset += ms;
    },
  };
  return bot;
}

async function startProcess(folder: string, config: Readonly<Record<string, unknown>>): Promise<Running> {
  const child = await startBotProcess(folder, config);
  return {
    url: child.url,
    setupToken: () => String(child.lines.find((line) => typeof line["setupToken"] === "string")?.["setupToken"]),
    async stop(signal) {
      const code = await child.kill(signal);
      if (signal === "SIGTERM") assert.equal(code, 0, "a SIGTERM ends it well");
    },
  };
}

async function startInside(
  file: string,
  config: Readonly<Record<string, unknown>>,
  folder: string,
  offset: () => number,
): Promise<Running> {
  writeFileSync(file, stringify(config));
  const lines: string[] = [];
  const log = createLog({ to: { write: (line: string) => void lines.push(line) } });
  const clock = createClock((error) => log.error("periodic work failed", { error }));
  const app = createApp(
    loadConfig({ argvPath: file, env: {}, cwd: folder, readFile: (path) => readFileSync(path, "utf8") }),
    { clock: { ...clock, now: () => new Date(clock.now().getTime() + offset()) }, log, env: {} },
  );
  const { port } = await app.start();
  return {
    url: `http://127.0.0.1:${port}`,
    setupToken: () => lines.map((line) => /"setupToken":"([^"]+)"/.exec(line)?.[1]).find(Boolean) ?? "",
    stop: () => app.stop(5_000),
  };
}
