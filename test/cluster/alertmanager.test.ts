import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import type { CardEvent } from "../../shared/api/card.ts";
import type { ApiClient } from "../api-client.ts";
import { readCards } from "../card-stream.ts";
import type { Ground } from "../contracts/ground.ts";
import { type Alertmanager, startAlertmanager } from "../programs/alertmanager.ts";
import { until } from "../until.ts";
import {
  alertmanagerConfig,
  cardText,
  type Front,
  folder,
  type Item,
  incidents,
  send,
  signIn,
  startFront,
  startGround,
  startSteward,
  token,
} from "./alerting.ts";

interface Bench {
  ground: Ground;
  dir: string;
  /** The namespace of this Steward's Lease. */
  own: string;
  front: Front;
  alertmanager(config?: Parameters<typeof alertmanagerConfig>): Promise<Alertmanager>;
  /** Started, signed in to, and put behind the front, unless that is null. */
  steward(config?: Readonly<Record<string, unknown>>, behind?: Front | null): Promise<ApiClient>;
}

async function openBench(t: TestContext): Promise<Bench> {
  const ground = startGround(t);
  const dir = folder(t);
  const own = await ground.namespace("steward");
  const front = await startFront(t);
  return {
    ground,
    dir,
    own,
    front,
    async alertmanager(config = [front.url]) {
      const started = await startAlertmanager({ dir, config: alertmanagerConfig(...config) });
      t.after(() => started.stop());
      return started;
    },
    async steward(config = {}, behind = front) {
      const run = await startSteward({ kubeconfig: ground.kubeconfig, dir, namespace: own, config });
      t.after(() => run.stop());
      if (behind !== null) behind.behind = run;
      return signIn(run);
    },
  };
}

/** An alert of a workload that is in no cluster: the labels are all there is. */
function alert(name: string, more: Readonly<Record<string, string>> = {}) {
  return { labels: { alertname: name, namespace: "shop", severity: "warning", ...more } };
}

function whenIncidents(api: ApiClient, what: string, are: (items: Item[]) => boolean, deadlineMs = 30_000) {
  return until(
    what,
    async () => {
      const items = await incidents(api);
      if (are(items)) return items;
      throw new Error(JSON.stringify(items.map(({ alertname, state, alerts }) => ({ alertname, state, alerts }))));
    },
    deadlineMs,
    100,
  );
}

test("two Alertmanagers of one cluster that both deliver a group make one incident and one card", async (t) => {
  const bench = await openBench(t);
  const api = await bench.steward();
  const one = await bench.alertmanager();
  const config = alertmanagerConfig(bench.front.url);
  const two = await startAlertmanager({ dir: bench.dir, config, peers: [one.peer] });
  t.after(() => two.stop());
  await until("the two know each other", async () => (await peersOf(one)) === 2 && (await peersOf(two)) === 2, 20_000);

  const fired = alert("KubeDeploymentReplicasMismatch", { deployment: "web" });
  await Promise.all([send(one, [fired]), send(two, [fired])]);
  const [incident] = await whenIncidents(api, "one incident", (items) => items.length === 1);
  assert.ok(incident);
  const resolved = { ...fired, endsAt: new Date() };
  await Promise.all([send(one, [resolved]), send(two, [resolved])]);
  await whenIncidents(api, "it resolves", (items) => items.length === 1 && items[0]?.state === "resolved");
  assert.equal(new Set((await cardsOf(api)).map(({ cardId }) => cardId)).size, 1);
});

test("two Alertmanagers that do not know each other deliver everything twice, and it is still one incident", async (t) => {
  const bench = await openBench(t);
  const api = await bench.steward();
  const [one, two] = await Promise.all([bench.alertmanager(), bench.alertmanager()]);
  const fired = { ...alert("KubeDeploymentReplicasMismatch", { deployment: "web" }), startsAt: new Date() };
  await Promise.all([send(one, [fired]), send(two, [fired])]);
  await until("both have delivered", async () => (await delivered(one)) > 0 && (await delivered(two)) > 0, 20_000);
  await whenIncidents(api, "one incident", (items) => items.length === 1 && items[0]?.alerts === 1);
  const resolved = { ...fired, endsAt: new Date() };
  await send(one, [resolved]);
  await whenIncidents(api, "it resolves", (items) => items[0]?.state === "resolved");
  await send(two, [resolved]);
  await until("both have delivered its end", async () => (await delivered(two)) > 1, 20_000);
  assert.equal((await incidents(api)).length, 1);
});

test("an alert whose start Alertmanager moves back, as two Prometheus make it, is one incident and ends", async (t) => {
  const bench = await openBench(t);
  const api = await bench.steward();
  const alertmanager = await bench.alertmanager();
  const later = new Date(Date.now() - 10_000);
  const earlier = new Date(later.getTime() - 15_000);
  const fired = alert("KubeDeploymentReplicasMismatch", { deployment: "web" });
  await send(alertmanager, [{ ...fired, startsAt: later }]);
  await whenIncidents(api, "one incident", (items) => items.length === 1);
  await send(alertmanager, [{ ...fired, startsAt: earlier }]);
  // Another of its group makes Alertmanager tell it again, under its earlier start.
  await send(alertmanager, [alert("KubeDeploymentReplicasMismatch", { deployment: "web", container: "b" })]);
  await whenIncidents(api, "told again", ([one]) => (one?.alerts ?? 0) >= 2);
  const over = { endsAt: new Date() };
  await send(alertmanager, [
    { ...fired, startsAt: earlier, ...over },
    { ...alert("KubeDeploymentReplicasMismatch", { deployment: "web", container: "b" }), ...over },
  ]);
  await whenIncidents(api, "it resolves", (items) => items.length === 1 && items[0]?.state === "resolved");
});

test("a Watchdog that stops is said, and makes no incident", async (t) => {
  const bench = await openBench(t);
  const api = await bench.steward();
  const alertmanager = await bench.alertmanager();
  const watchdog = { ...alert("Watchdog", { severity: "none" }), startsAt: new Date() };
  await send(alertmanager, [watchdog]);
  await until("it was delivered", async () => (await delivered(alertmanager)) > 0, 20_000);
  // What Alertmanager does when Prometheus has sent nothing until the alert's own end: it resolves it.
  await send(alertmanager, [{ ...watchdog, endsAt: new Date() }]);
  const said = await until(
    "people are told",
    async () => {
      return (await cardsOf(api)).find(({ kind }) => kind === "notice");
    },
    20_000,
  );
  assert.match(JSON.stringify(said.card), /may be blind/);
  assert.deepEqual(await incidents(api), []);
});

test("a Steward that is not there yet loses nothing: Alertmanager comes again", async (t) => {
  const bench = await openBench(t);
  const alertmanager = await bench.alertmanager();
  await send(alertmanager, [alert("KubeNodeUnreachable")]);
  await until("a delivery has failed", async () => (await failed(alertmanager)) > 0, 20_000);
  const api = await bench.steward();
  await whenIncidents(api, "the alert is an incident", (items) => items.length === 1);
});

test("a standby answers 503, and what was sent to it arrives when it has taken over", async (t) => {
  const bench = await openBench(t);
  const settings = { kubeconfig: bench.ground.kubeconfig, dir: bench.dir, namespace: bench.own };
  const first = await startSteward(settings);
  t.after(() => first.stop());
  const standby = await startSteward(settings);
  t.after(() => standby.stop());
  const refused = await fetch(`${standby.url}/api/v1/webhook/alertmanager`, { method: "POST", body: "{}" });
  assert.equal(refused.status, 503);
  bench.front.behind = standby;

  const alertmanager = await bench.alertmanager();
  await send(alertmanager, [alert("KubeNodeUnreachable")]);
  await until("a delivery was refused", async () => (await failed(alertmanager)) > 0, 20_000);
  await first.stop();
  const api = await signIn(standby);
  await whenIncidents(api, "the alert is an incident", (items) => items.length === 1);
});

test("a full queue answers 503, and every alert of the rush is an incident in the end", async (t) => {
  const bench = await openBench(t);
  const api = await bench.steward({ queue: { capacity: 1, workers: 1 } });
  const alertmanager = await bench.alertmanager();
  const alerts = Array.from({ length: 60 }, (_, i) => alert(`Rush${i}`));
  await send(alertmanager, alerts);
  const found = await whenIncidents(api, "all are incidents", (items) => items.length >= alerts.length, 60_000);
  assert.equal(found.length, alerts.length);
  const refused = /steward_\w*deliver\w*\{[^}]*outcome="unavailable"[^}]*\} (\d+)/.exec(
    await metricsOf(bench.front.url),
  );
  assert.ok(Number(refused?.[1] ?? 0) > 0, "no delivery was refused, so nothing was tried");
});

test("a store that cannot be written answers 503, and what was sent arrives when it can be again", async (t) => {
  const bench = await openBench(t);
  const api = await bench.steward();
  const alertmanager = await bench.alertmanager();
  const other = new Database(join(bench.dir, "data", "steward.db"), { timeout: 5_000 });
  t.after(() => other.close());
  other.exec("BEGIN IMMEDIATE");
  await send(alertmanager, [alert("KubeNodeUnreachable")]);
  await until("a delivery was refused", async () => (await failed(alertmanager)) > 0, 20_000);
  other.exec("ROLLBACK");
  await whenIncidents(api, "the alert is an incident", (items) => items.length === 1);
  assert.match(await metricsOf(bench.front.url), /outcome="unavailable"[^}]*\} [1-9]/);
});

test("what max_alerts leaves out is said on the card", async (t) => {
  const bench = await openBench(t);
  const api = await bench.steward();
  const alertmanager = await bench.alertmanager([
    bench.front.url,
    { max_alerts: 3 },
    { group_by: ["alertname"], group_wait: "1s" },
  ]);
  await send(
    alertmanager,
    Array.from({ length: 8 }, (_, i) => alert("TooManyTargetsDown", { instance: `10.0.0.${i}` })),
  );
  const [incident] = await whenIncidents(api, "an incident of three alerts", ([one]) => one?.alerts === 3);
  assert.ok(incident);
  assert.match(await cardText(api, incident.cardId), /Alertmanager left out 5 more of the group/);
});

test("a group that grows and shrinks stays one incident until its last alert has ended", async (t) => {
  const bench = await openBench(t);
  const api = await bench.steward();
  const alertmanager = await bench.alertmanager([bench.front.url, {}, { group_by: ["alertname"] }]);
  const of = (instance: string) => ({ ...alert("TargetDown", { job: "node", instance }), startsAt: new Date() });
  const [a, b, c] = [of("a:9100"), of("b:9100"), of("c:9100")];
  await send(alertmanager, [a]);
  await whenIncidents(api, "one alert", ([one]) => one?.alerts === 1);
  await send(alertmanager, [b]);
  await whenIncidents(api, "two alerts", ([one]) => one?.alerts === 2);
  // In one delivery the two that fired have ended and a third begins: it goes on, and is not a new one.
  await send(alertmanager, [{ ...a, endsAt: new Date() }, { ...b, endsAt: new Date() }, c]);
  const grown = await whenIncidents(api, "three alerts", ([one]) => one?.alerts === 3);
  assert.equal(grown.length, 1);
  assert.equal(grown[0]?.state, "open");
  await send(alertmanager, [{ ...c, endsAt: new Date() }]);
  const ended = await whenIncidents(api, "the end", ([one]) => one?.state === "resolved");
  assert.equal(ended.length, 1);
  assert.equal(new Set((await cardsOf(api)).map(({ cardId }) => cardId)).size, 1);
});

test("Alertmanager's own bearer and basic credentials are taken, wrong ones are not", async (t) => {
  const bench = await openBench(t);
  const api = await bench.steward({
    webhook: {
      bearerToken: ["the-token-of-yesterday", token],
      basic: { username: "alertmanager", password: "s3cret pass" },
    },
  });
  const with_ = (http_config: object) => bench.alertmanager([bench.front.url, { http_config }]);
  const bearer = await with_({ authorization: { credentials: "the-token-of-yesterday" } });
  const basic = await with_({ basic_auth: { username: "alertmanager", password: "s3cret pass" } });
  const wrong = await with_({ basic_auth: { username: "alertmanager", password: "another" } });
  await Promise.all([
    send(bearer, [alert("ByBearer")]),
    send(basic, [alert("ByBasic")]),
    send(wrong, [alert("ByNobody")]),
  ]);
  await whenIncidents(api, "two incidents", (items) => items.length === 2);
  // 4xx is final for Alertmanager: it counts as failed at once.
  await until("the third was refused", async () => (await failed(wrong)) > 0, 20_000);
  assert.deepEqual((await incidents(api)).map(({ alertname }) => alertname).sort(), ["ByBasic", "ByBearer"]);
});

test("an alert that no webhook named is found late, and its webhook joins it", async (t) => {
  const bench = await openBench(t);
  const alertmanager = await bench.alertmanager();
  const old = { ...alert("KubeJobFailed", { env: "dev" }), startsAt: new Date(Date.now() - 20 * 60_000) };
  const grouped = { ...alert("TargetDown", { job: "node" }), startsAt: new Date(Date.now() - 15 * 60_000) };
  const young = { ...alert("KubeNodePressure"), startsAt: new Date(Date.now() - 60_000) };
  await send(alertmanager, [old, grouped, young]);
  await until("its own way to Steward fails", async () => (await failed(alertmanager)) > 0, 20_000);

  const api = await bench.steward({ sources: { alertmanager: { url: alertmanager.url } } }, null);
  const found = await whenIncidents(api, "the old ones are incidents", (items) => items.length === 2);
  for (const { late, cardId, groupKeys } of found) {
    assert.equal(late, true);
    assert.deepEqual(groupKeys, []);
    assert.match(await cardText(api, cardId), /Found late/);
  }

  // The way opens: everything is delivered, to a Steward that knows two of the three.
  bench.front.behind = api;
  const all = await whenIncidents(
    api,
    "the webhooks have come",
    (items) => items.length >= 3 && items.every(({ groupKeys }) => groupKeys.length === 1),
    90_000,
  );
  assert.equal(all.length, 3, JSON.stringify(all));
  assert.deepEqual(all.map(({ alertname, late, alerts, joined }) => [alertname, late, alerts, joined]).sort(), [
    ["KubeJobFailed", true, 1, null],
    ["KubeNodePressure", false, 1, null],
    ["TargetDown", true, 1, null],
  ]);
  await send(alertmanager, [{ ...old, endsAt: new Date() }]);
  await whenIncidents(api, "it resolves by its webhook", (items) =>
    items.some(({ alertname, state }) => alertname === "KubeJobFailed" && state === "resolved"),
  );
});

test("what is silenced or inhibited in Alertmanager is not found", async (t) => {
  const bench = await openBench(t);
  const config = alertmanagerConfig("http://127.0.0.1:1", {}, { receiver: "nobody" });
  const alertmanager = await startAlertmanager({
    dir: bench.dir,
    config: {
      ...config,
      inhibit_rules: [{ source_matchers: ['alertname="NodeDown"'], target_matchers: ['alertname="PodDown"'] }],
    },
  });
  t.after(() => alertmanager.stop());
  const startsAt = new Date(Date.now() - 20 * 60_000);
  const made = await fetch(`${alertmanager.url}/api/v2/silences`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      matchers: [{ name: "alertname", value: "Noise", isRegex: false, isEqual: true }],
      startsAt: new Date().toISOString(),
      endsAt: new Date(Date.now() + 3_600_000).toISOString(),
      createdBy: "test",
      comment: "test",
    }),
  });
  assert.equal(made.status, 200);
  const alerts = ["NodeDown", "PodDown", "Noise", "Watchdog"].map((name) => ({ ...alert(name), startsAt }));
  await send(alertmanager, alerts);
  await until(
    "Alertmanager has muted two of them",
    async () => {
      const held = (await (await fetch(`${alertmanager.url}/api/v2/alerts`)).json()) as { status: { state: string } }[];
      return held.filter(({ status }) => status.state === "suppressed").length === 2;
    },
    20_000,
  );
  const api = await bench.steward({ sources: { alertmanager: { url: alertmanager.url } } });
  await whenIncidents(api, "one is found", (items) => items.length === 1);
  await until("the source was asked", async () => {
    const links = (await api.get("/readyz")).body["links"] as { name: string; state: string }[];
    return links.some(({ name, state }) => name === "alertmanager" && state === "connected");
  });
  assert.deepEqual(
    (await incidents(api)).map(({ alertname }) => alertname),
    ["NodeDown"],
  );
});

/** Every card there has been. */
async function cardsOf(api: ApiClient): Promise<CardEvent[]> {
  const cards: CardEvent[] = [];
  const wanted = (await incidents(api)).map(({ cardId }) => cardId);
  const stream = await readCards(api, (card) => cards.push(card), 0);
  await until("the cards so far", () => wanted.every((id) => cards.some(({ cardId }) => cardId === id)));
  stream.close();
  return cards;
}

async function peersOf({ url }: Alertmanager): Promise<number> {
  const { cluster } = (await (await fetch(`${url}/api/v2/status`)).json()) as { cluster: { peers?: unknown[] } };
  return cluster.peers?.length ?? 0;
}

async function metricsOf(url: string): Promise<string> {
  return (await fetch(`${url}/metrics`)).text();
}

/** Requests for notifications that Alertmanager has sent to webhooks. */
async function delivered({ url }: Alertmanager): Promise<number> {
  const text = await metricsOf(url);
  return sum(text, /^alertmanager_notifications_total\{.*integration="webhook".*\} (\d+)$/gm) - sum(text, failures);
}

async function failed({ url }: Alertmanager): Promise<number> {
  return sum(await metricsOf(url), failures);
}

const failures = /^alertmanager_notification_requests_failed_total\{.*integration="webhook".*\} (\d+)$/gm;

function sum(text: string, pattern: RegExp): number {
  return [...text.matchAll(pattern)].reduce((total, [, count]) => total + Number(count), 0);
}
