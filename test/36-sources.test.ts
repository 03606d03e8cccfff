import assert from "node:assert/strict";
import { type AddressInfo, createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { createAlertmanager } from "../bot/adapters/alertmanager.ts";
import { createPrometheus } from "../bot/adapters/prometheus.ts";
import { createSourceClient } from "../bot/adapters/source.ts";
import { createExpression } from "../bot/expression.ts";
import { createReconcile } from "../bot/reconcile.ts";
import { createSourceLink } from "../bot/source-link.ts";
import { renderTerminal } from "../cards/render/terminal.ts";
import type { Action } from "../shared/action.ts";
import { StewardError } from "../shared/errors.ts";
import { fingerprintOf } from "../shared/fingerprint.ts";
import { kinds } from "../shared/kube.ts";
import {
  addUser,
  auditRecords,
  type Bench,
  deployment as benchDeployment,
  namespace as benchNamespace,
  node as benchNode,
  insertIncident,
  startBench,
} from "./action-bench.ts";
import { createFakeClock } from "./clock.ts";
import { openDesk } from "./desk.ts";
import { startBot, webhookToken } from "./harness.ts";
import { type Intake, openIntake } from "./intake.ts";
import { deployment, type Lab, openLab } from "./lab.ts";
import { type FakeSource, heldAlert, matrix, ruleGroups, startSource, vector } from "./sources.ts";
import { until } from "./until.ts";

const moment = new Date("2026-11-21T19:12:00.000Z");
const secret = "a-bearer-token-nobody-may-see";

async function failureOf(work: Promise<unknown>): Promise<StewardError> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof StewardError, String(error));
  return error;
}

/** An address where nobody listens. (Port 1 would do for a socket, but is one that fetch refuses by itself.) */
async function nobody(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

// The clients -----------------------------------------------------------------------------------------------------------

test("a source is asked with its token, at the configured address and no other", async (t) => {
  const elsewhere = await startSource(t, () => vector());
  const source = await startSource(t, () => ({ status: 302, headers: { location: `${elsewhere.url}/api/v1/query` } }));
  const prometheus = createPrometheus({ url: `${source.url}/behind/a/path`, bearerToken: secret });
  const error = await failureOf(prometheus.instant("up", moment));
  assert.equal(error.code, "unavailable");
  assert.match(error.message, /redirects, which is not followed/);
  assert.equal(elsewhere.asked.length, 0);
  assert.equal(source.asked[0]?.path, "/behind/a/path/api/v1/query");
  assert.equal(source.asked[0]?.headers["authorization"], `Bearer ${secret}`);
});

test("credentials in an address are sent as basic auth and never said", async (t) => {
  const source = await startSource(t, () => ({ status: 401, body: "no" }));
  const url = source.url.replace("http://", "http://reader:p%40ss@");
  const error = await failureOf(createAlertmanager({ url }).alerts({ muted: false }));
  assert.equal(error.code, "forbidden");
  assert.equal(source.asked[0]?.headers["authorization"], `Basic ${btoa("reader:p@ss")}`);
  assert.doesNotMatch(error.message, /reader|p@ss|127\.0\.0\.1/);
});

test("what goes wrong with a source is said without its address", async (t) => {
  const source = await startSource(t, () => null);
  const ask = (url: string, answer?: FakeSource["answer"], timeoutMs = 300) => {
    if (answer !== undefined) source.answer = answer;
    return failureOf(createSourceClient({ name: "Prometheus", url, bearerToken: secret, timeoutMs }).ask("x", {}));
  };
  const said = [
    await ask(await nobody()),
    await ask("http://no-such-host.invalid"),
    await ask(source.url),
    await ask(source.url, () => ({ status: 500, body: "<html>" })),
    await ask(source.url, () => ({ body: "<html>hello</html>" })),
    await ask(source.url, () => ({
      status: 422,
      body: { status: "error", error: "query processing would load too many samples" },
    })),
    await ask(source.url, () => ({ body: JSON.stringify("x".repeat(17 * 1024 * 1024)) }), 10_000),
  ];
  assert.deepEqual(
    said.map(({ code, message }) => `${code}: ${message}`),
    [
      "unavailable: Prometheus refuses connections",
      "unavailable: Prometheus cannot be found by its name",
      "unavailable: Prometheus does not answer",
      "unavailable: Prometheus answers 500",
      "unavailable: Prometheus does not answer with JSON; is it its address?",
      "invalid: Prometheus refuses: query processing would load too many samples",
      "unavailable: the answer of Prometheus is too large",
    ],
  );
});

test("a caller that stops waiting is told its own reason", async (t) => {
  const source = await startSource(t, () => null);
  const stop = new AbortController();
  const asking = createPrometheus({ url: source.url, bearerToken: null }).instant("up", moment, stop.signal);
  await until("it is asked", () => source.asked.length > 0);
  stop.abort(new StewardError("unavailable", "stopping"));
  assert.equal((await failureOf(asking)).message, "stopping");
});

test("an answer that is not Prometheus' is refused, not guessed at", async (t) => {
  const source = await startSource(t, () => ({
    body: { status: "success", data: { resultType: "vector", result: [{}] } },
  }));
  const error = await failureOf(createPrometheus({ url: source.url, bearerToken: null }).instant("up", moment));
  assert.match(error.message, /does not answer as its API says/);
});

// The tool --------------------------------------------------------------------------------------------------------------

async function withPrometheus(
  t: TestContext,
  answer: FakeSource["answer"],
  more: Parameters<typeof openLab>[0] = {},
): Promise<{ lab: Lab; source: FakeSource }> {
  const source = await startSource(t, answer);
  const lab = await openLab({ ...more, prometheus: createPrometheus({ url: source.url, bearerToken: null }) });
  t.after(() => lab.stop());
  return { lab, source };
}

const use = { namespace: "payment", pod: "checkout-1" };
const mebi = 2 ** 20;

test("a range comes back as a small table with a sparkline, and its chart is kept with the evidence", async (t) => {
  const { lab, source } = await withPrometheus(t, () =>
    matrix(
      { metric: { ...use, container: "app" }, values: [100, 200, 300, 400, 500].map((mi) => mi * mebi) },
      { metric: { ...use, container: "sidecar" }, values: [10 * mebi, "NaN", 12 * mebi] },
    ),
  );
  const { evidence, data } = await lab.looks().look("prometheus_query", {
    query: "container_memory_working_set_bytes",
    range: "1h",
    at: moment.toISOString(),
  });
  assert.match(evidence.text, /2 series from 2026-11-21T18:12:00Z to 2026-11-21T19:12:00Z, step 15s/);
  assert.match(evidence.text, /all of \{namespace="payment", pod="checkout-1"\}/);
  assert.match(evidence.text, /100Mi +300Mi +500Mi +500Mi +▁▃▅▆█ +\{container="app"\}/);
  assert.match(evidence.text, /10Mi +10Mi +12Mi +12Mi +▁█ +\{container="sidecar"\}/);
  assert.equal(data.series.length, 2);
  assert.deepEqual(lab.store.evidence.get(evidence.id)?.charts?.[0], {
    label: '{namespace="payment", pod="checkout-1", container="app"}',
    unit: "Mi",
    values: [100, 200, 300, 400, 500],
    min: 100,
    median: 300,
    max: 500,
  });
  assert.equal(source.asked[0]?.path, "/api/v1/query_range");
  assert.equal(source.asked[0]?.query["step"], "15");
  assert.equal(source.asked[0]?.query["timeout"], "10s");
});

test("one moment comes back as values, the largest first", async (t) => {
  const { lab } = await withPrometheus(t, () => ({
    body: {
      status: "success",
      data: {
        resultType: "vector",
        result: [
          { metric: { pod: "a" }, value: [1, "0.5"] },
          { metric: { pod: "b" }, value: [1, "+Inf"] },
          { metric: { pod: "c" }, value: [1, "7"] },
        ],
      },
    },
  }));
  const { evidence } = await lab.looks().look("prometheus_query", { query: "rate(x[5m])" });
  assert.match(evidence.text, /7 +\{pod="c"\}\n0\.500 +\{pod="a"\}\nInfinity +\{pod="b"\}/);
  assert.equal(evidence.charts, undefined);
});

test("nothing found says what was asked, where and when", async (t) => {
  const { lab } = await withPrometheus(t, () => vector());
  const { evidence } = await lab.looks().look("prometheus_query", { query: "up == 7", at: moment.toISOString() });
  assert.match(evidence.text, /^nothing: Prometheus has no series for up == 7 at 2026-11-21T19:12:00Z/);
});

test("a query is bounded in range, step, points and series", async (t) => {
  const many = Array.from({ length: 500 }, (_, i) => ({ metric: { pod: `p${i}` }, values: [i, i] }));
  const { lab, source } = await withPrometheus(t, () => matrix(...many));
  const looks = lab.looks();
  for (const bad of [
    { query: "up", range: "25h" },
    { query: "up", range: "1h", step: "5s" },
    { query: "up", range: "tomorrow" },
    { query: "" },
    { query: "x".repeat(5_000) },
    { query: "up", url: "http://169.254.169.254" },
  ]) {
    const error = await failureOf(looks.call("prometheus_query", JSON.stringify(bad)));
    assert.equal(error.code, "invalid", JSON.stringify(bad));
  }
  assert.equal(source.asked.length, 0);
  const { evidence } = await looks.look("prometheus_query", { query: "up", range: "24h", step: "15s" });
  assert.equal(source.asked[0]?.query["step"], "360");
  assert.match(evidence.text, /the step was stretched to 6m: at most 240 points/);
  assert.match(evidence.text, /480 more series, smaller than these, are left out/);
  assert.ok(Buffer.byteLength(evidence.text) < 8_192);
  assert.equal(evidence.charts?.length, 6);
});

test("a query that Prometheus refuses comes back in its own words, and a long one is sent as a form", async (t) => {
  const { lab, source } = await withPrometheus(t, () => ({
    status: 400,
    body: { status: "error", errorType: "bad_data", error: '1:4: parse error: unexpected "="' },
  }));
  const error = await failureOf(lab.looks().look("prometheus_query", { query: `up{${"a".repeat(3_990)}=` }));
  assert.equal(error.code, "invalid");
  assert.match(error.message, /parse error/);
  assert.equal(source.asked[0]?.method, "POST");
  assert.match(source.asked[0]?.query["query"] ?? "", /^up\{a+=$/);
});

test("secrets in labels are masked, and Steward's own namespace is closed to queries too", async (t) => {
  const { lab } = await withPrometheus(t, () =>
    matrix(
      { metric: { namespace: "steward", pod: "steward-0" }, values: [1] },
      { metric: { namespace: "payment", url: "postgres://app:hunter2secret@db/x" }, values: [1] },
    ),
  );
  const { evidence } = await lab.looks().look("prometheus_query", { query: "pg_up", range: "5m" });
  assert.doesNotMatch(JSON.stringify(evidence), /steward-0|hunter2secret/);
  assert.match(evidence.text, /1 series of Steward's own namespace are not shown/);
});

test("without a Prometheus a model is not told of the tool", async (t) => {
  const lab = await openLab();
  t.after(() => lab.stop());
  assert.ok(!lab.toolbox.schemas().some(({ name }) => name === "prometheus_query"));
  assert.match((await failureOf(lab.looks().look("prometheus_query", { query: "up" }))).message, /no Prometheus/);
});

// On the card -----------------------------------------------------------------------------------------------------------

const oomWorld = {
  images: { "shop/checkout:1": { memory: "700Mi", oomAfterMs: 50 } },
  objects: [deployment("shop/checkout:1", { resources: { limits: { memory: "512Mi" } } })],
};

async function oomKilled({ cluster }: Lab): Promise<void> {
  await until("a pod was killed for memory", async () => {
    const pods = JSON.stringify(await cluster.read.list({ type: kinds.pod, namespace: "payment" }));
    return pods.includes("OOMKilled") && pods.includes("CrashLoopBackOff");
  });
}

test("the memory of a container that was killed is a finding with a sparkline on the card", async (t) => {
  const { lab, source } = await withPrometheus(
    t,
    () => matrix({ metric: { pod: "checkout-1" }, values: [200, 350, 510].map((mi) => mi * mebi) }),
    { world: oomWorld },
  );
  await oomKilled(lab);
  const incident = lab.incident({});
  const { diagnosis } = await lab.investigate.run(incident.id, new AbortController().signal);
  assert.match(JSON.stringify(diagnosis.findings), /it used 350Mi in the middle and 510Mi at the most, of 512Mi/);
  assert.doesNotMatch(JSON.stringify(diagnosis.unseen), /Memory use over time/);
  assert.match(
    source.asked[0]?.query["query"] ?? "",
    /^max by \(pod, container\) \(container_memory_working_set_bytes\{namespace="payment", pod="checkout-[^"]+", container="app"\}\)$/,
  );
});

test("a chart is drawn on the card of its incident", async (t) => {
  const intake = openIntake();
  t.after(() => intake.close());
  await intake.deliver([{ alertname: "KubePodCrashLooping", labels: { namespace: "payment", pod: "checkout-1" } }]);
  const { id, cardId } = intake.only();
  const chart = { label: '{pod="checkout-1"}', unit: "Mi", values: [1, 2, 3], min: 1, median: 2, max: 3 };
  const text = "three rows";
  intake.store.transact((at) => {
    const run = intake.store.evidence.begin({ incidentId: id, by: "rules", model: null });
    intake.store.evidence.insert(
      { id: "e1", incidentId: id, tool: "prometheus_query", args: { query: "x" }, text, charts: [chart, chart], at },
      run,
    );
    intake.notify.incident(id);
  });
  const card = intake.store.cards.get(cardId)?.card;
  assert.ok(card);
  const page = renderTerminal(card, { expanded: true, width: 100 });
  assert.match(page, /E1 · prometheus_query x/);
  assert.match(page, /\{pod="checkout-1"\} {2}▁▅█/);
  assert.match(page, /min 1Mi · median 2Mi · max 3Mi/);
  assert.match(page, /1 more series/);
});

test("an alert that names no object is looked at through its own expression", async (t) => {
  const { lab } = await withPrometheus(t, ({ path }) =>
    path.endsWith("/rules")
      ? ruleGroups({ name: "TargetDown", query: "up == 0" }, { name: "Other", query: "other" })
      : matrix({ metric: { job: "node" }, values: [0, 0, 0] }),
  );
  const labels = { alertname: "TargetDown", severity: "warning" };
  const incident = lab.incident({ alertname: "TargetDown", target: null, namespace: null, labels });
  const { diagnosis } = await lab.investigate.run(incident.id, new AbortController().signal);
  const [first] = diagnosis.findings;
  assert.match(first?.text ?? "", /own expression measures, over the last hour/);
  assert.equal(lab.store.evidence.get(first?.evidence[0] ?? "")?.args["query"], "up == 0");
  assert.deepEqual(diagnosis.unseen, []);
});

// Verification ----------------------------------------------------------------------------------------------------------

const crashLooping = { alertname: "KubePodCrashLooping", namespace: "payment", pod: "checkout-1", severity: "warning" };

function ruleOf(holds: () => boolean, labels: Readonly<Record<string, string>> = { severity: "warning" }) {
  return ({ path }: { path: string }) => {
    if (path.endsWith("/rules")) return ruleGroups({ name: "KubePodCrashLooping", query: "waiting > 0", labels });
    return holds()
      ? vector({ __name__: "waiting", namespace: "payment", pod: "checkout-1", extra: "dropped" })
      : vector();
  };
}

async function truthOf(
  t: TestContext,
  answer: FakeSource["answer"],
  labels: Readonly<Record<string, string>> = crashLooping,
) {
  const source = await startSource(t, answer);
  const intake = openIntake();
  t.after(() => intake.close());
  const { alertname = "", ...rest } = labels;
  await intake.deliver([{ alertname, labels: rest }]);
  const expression = createExpression({
    prometheus: createPrometheus({ url: source.url, bearerToken: null }),
    store: intake.store,
    clock: intake.clock,
    locale: "en",
  });
  return expression.ask(intake.only().id, new AbortController().signal);
}

test("an alert holds while its own expression has a series of its labels", async (t) => {
  assert.deepEqual(
    await truthOf(
      t,
      ruleOf(() => true),
    ),
    { state: "holds" },
  );
  assert.deepEqual(
    await truthOf(
      t,
      ruleOf(() => false),
    ),
    { state: "over" },
  );
  const otherPod = { ...crashLooping, pod: "checkout-2" };
  assert.deepEqual(
    await truthOf(
      t,
      ruleOf(() => true),
      otherPod,
    ),
    { state: "over" },
  );
});

test("what cannot be measured is said, never guessed", async (t) => {
  const none = await truthOf(t, () => ruleGroups());
  assert.deepEqual(none, { state: "unmeasured", why: "Prometheus has no rule for KubePodCrashLooping" });
  const other = await truthOf(
    t,
    ruleOf(() => true, { severity: "critical" }),
  );
  assert.equal(other.state, "unmeasured");
  const broken = await truthOf(t, () => ({ status: 404, body: "404 page not found" }));
  assert.deepEqual(broken, { state: "unmeasured", why: "Prometheus answers 404" });
});

async function verifiedWith(
  t: TestContext,
  ask: NonNullable<Parameters<typeof startBench>[0]>["expression"],
  verifyTimeout: number,
  during: (bench: Bench, incidentId: string) => void = () => undefined,
) {
  const bench = await startBench({
    objects: [benchNode(), benchNamespace("payment"), benchDeployment({ namespace: "payment", name: "checkout" })],
    verifyTimeout,
    ...(ask === undefined ? {} : { expression: ask }),
  });
  t.after(() => bench.stop());
  const incident = insertIncident(bench.store, { namespace: "payment", target: "deployment/checkout" });
  fire(bench, incident.id, "firing");
  const action: Action = {
    kind: "setImage",
    namespace: "payment",
    target: "deployment/checkout",
    container: "app",
    image: "shop:2",
  };
  const wish = { action, incidentId: incident.id, origin: "person" as const, actor: bench.admin, rule: null };
  const { id } = await until("the proposal can be made", () => bench.propose.propose(wish).catch(() => null));
  bench.gate.decide(id, { verdict: "approve", reason: null, actor: bench.admin });
  await bench.execute.run(id);
  during(bench, incident.id);
  await bench.verify.run(id);
  const check = bench.store.proposals.verification(id)?.checks.find(({ name }) => name === "alert");
  return { proposal: bench.store.proposals.get(id), check };
}

function fire(bench: Bench, incidentId: string, status: "firing" | "resolved"): void {
  bench.store.transact((at) =>
    bench.store.incidents.upsertAlert({
      id: "a",
      fingerprint: "f",
      status,
      labels: { alertname: "KubePodCrashLooping" },
      annotations: {},
      generatorUrl: "",
      groupKey: "g",
      startsAt: new Date(0),
      endsAt: null,
      firstSeenAt: at,
      lastSeenAt: at,
      incidentId,
    }),
  );
}

test("a fix after which the alert is still true by its own expression at the timeout has failed", async (t) => {
  const { proposal, check } = await verifiedWith(t, async () => ({ state: "holds" }), 4_000);
  assert.equal(proposal?.state, "failed");
  assert.equal(proposal?.reason, "the alert is still true by its own expression");
  assert.deepEqual(check, { name: "alert", ok: false, text: "the alert is still true by its own expression" });
});

test("a fix after which the expression comes right succeeds, though Alertmanager has not said so yet", async (t) => {
  let asked = 0;
  const { proposal, check } = await verifiedWith(t, async () => ({ state: ++asked < 3 ? "holds" : "over" }), 30_000);
  assert.equal(proposal?.state, "succeeded");
  assert.equal(asked, 3);
  assert.match(check?.text ?? "", /own expression is no longer true, it is still clearing/);
});

test("an alert that resolves while it is watched ends the watch", async (t) => {
  const { proposal, check } = await verifiedWith(
    t,
    async () => ({ state: "holds" }),
    30_000,
    (bench, incidentId) => setTimeout(() => fire(bench, incidentId, "resolved"), 2_000).unref(),
  );
  assert.equal(proposal?.state, "succeeded");
  assert.equal(check?.text, "alert cleared");
});

test("an alert that cannot be measured does not fail a fix, and it is said", async (t) => {
  const { proposal, check } = await verifiedWith(
    t,
    async () => ({ state: "unmeasured", why: "Prometheus does not answer" }),
    30_000,
  );
  assert.equal(proposal?.state, "succeeded");
  assert.equal(
    check?.text,
    "fix holds, alert still clearing (its expression could not be measured: Prometheus does not answer)",
  );
});

// Missed alerts ---------------------------------------------------------------------------------------------------------

interface Missed {
  intake: Intake;
  source: FakeSource;
  /** What Alertmanager has. */
  held: ReturnType<typeof heldAlert>[];
  /** One look at it. */
  look(): Promise<void>;
}

/** 72 minutes after the alerts of `heldAlert` began. */
async function openMissed(t: TestContext, rules: readonly unknown[] = []): Promise<Missed> {
  const held: Missed["held"] = [];
  const source = await startSource(t, ({ query, method, path }) => {
    if (method === "POST")
      return { body: { silenceID: `s-${source.asked.filter((one) => one.method === "POST").length}` } };
    assert.equal(path, "/api/v2/alerts");
    const shown = query["silenced"] === "true" ? held : held.filter(({ status }) => status.state === "active");
    return { body: shown };
  });
  const alertmanager = createAlertmanager({ url: source.url });
  const intake = openIntake({ clock: createFakeClock(moment), rules, alertmanager });
  t.after(() => intake.close());
  const reconcile = createReconcile({
    alertmanager,
    store: intake.store,
    found: intake.ingest.found,
    end: intake.incidents.end,
    clock: { ...intake.clock, sleep: async () => undefined },
    log: intake.log,
  });
  return {
    intake,
    source,
    held,
    async look() {
      await reconcile.run(new AbortController().signal);
      await intake.settle();
    },
  };
}

const podLabels = {
  alertname: "KubePodCrashLooping",
  namespace: "payment",
  pod: "checkout-1",
  severity: "warning",
  env: "dev",
};
const held = (labels: Readonly<Record<string, string>>, more = {}) =>
  heldAlert(labels, { fingerprint: fingerprintOf(labels), ...more });
const began = new Date("2026-11-21T18:00:00.000Z");

test("an alert that no webhook named for ten minutes is an incident found late, and never fixed automatically", async (t) => {
  const autofix = { name: "dev", match: ['env="dev"'], route: "autofix", allow: ["restart"] };
  const missed = await openMissed(t, [autofix]);
  missed.held.push(held(podLabels, { startsAt: "2026-11-21T19:02:30.000Z" }));
  await missed.look();
  assert.deepEqual(missed.intake.all(), [], "it has fired for nine and a half minutes");
  await missed.intake.clock.advance(60_000);
  await missed.look();
  await missed.look();
  const incident = missed.intake.only();
  assert.equal(incident.late, true);
  assert.equal(incident.target, "deployment/checkout");
  assert.deepEqual(incident.groupKeys, []);
  assert.deepEqual(missed.intake.wanted, [incident.id]);
  const card = missed.intake.store.cards.get(incident.cardId)?.card;
  assert.match(JSON.stringify(card?.marks), /Found late/);
  assert.match(JSON.stringify(missed.intake.audit("incident_open")[0]), /late[\\\\]*":true/);
});

test("a webhook that comes later joins what was found late, by its fingerprint", async (t) => {
  const missed = await openMissed(t);
  missed.held.push(held(podLabels));
  await missed.look();
  const { alertname, ...labels } = podLabels;
  await missed.intake.deliver([{ alertname, labels, startsAt: began }], '{}:{namespace="payment"}');
  assert.deepEqual(missed.intake.only().groupKeys, ['{}:{namespace="payment"}']);
  assert.equal(missed.intake.store.incidents.alerts(missed.intake.only().id).length, 1);
  await missed.intake.deliver([{ alertname, labels, startsAt: began, resolvedAt: moment }], '{}:{namespace="payment"}');
  assert.equal(missed.intake.only().state, "resolved");
});

test("a group about no object that was found late and then delivered whole is one incident", async (t) => {
  const missed = await openMissed(t);
  const labels = (instance: string) => ({ alertname: "TargetDown", job: "node", severity: "warning", instance });
  missed.held.push(held(labels("a")), held(labels("b")));
  await missed.look();
  const [incident] = missed.intake.all();
  const told = ["c", "a", "b"].map((instance) => {
    const { alertname, ...rest } = labels(instance);
    return { alertname, labels: rest, startsAt: began };
  });
  await missed.intake.deliver(told, '{}:{alertname="TargetDown", job="node"}');
  assert.equal(missed.intake.only().id, incident?.id);
  assert.equal(missed.intake.store.incidents.alerts(missed.intake.only().id).length, 3);
});

test("an alert that max_alerts left out goes to the incident of its group", async (t) => {
  const missed = await openMissed(t);
  const labels = (instance: string) => ({ alertname: "TargetDown", job: "node", severity: "warning", instance });
  const { alertname, ...rest } = labels("a");
  await missed.intake.deliver(
    [{ alertname, labels: rest, startsAt: began }],
    '{}/{x=~"a:{"}:{alertname="TargetDown", job="node"}',
    {
      truncatedAlerts: 1,
    },
  );
  missed.held.push(held(labels("a")), held(labels("b")));
  await missed.look();
  assert.equal(missed.intake.store.incidents.alerts(missed.intake.only().id).length, 2);
  assert.equal(missed.intake.only().late, false);
});

test("what is silenced, inhibited, the Watchdog or named already is not found", async (t) => {
  const missed = await openMissed(t);
  const { alertname, ...labels } = podLabels;
  await missed.intake.deliver([{ alertname, labels, startsAt: began }]);
  missed.held.push(
    held(podLabels),
    held({ alertname: "Watchdog" }),
    held({ alertname: "Quiet" }, { status: { state: "suppressed", silencedBy: ["s"], inhibitedBy: [], mutedBy: [] } }),
  );
  await missed.look();
  assert.equal(missed.intake.all().length, 1);
  assert.equal(missed.intake.only().late, false);
  const { active, silenced, inhibited } = missed.source.asked[0]?.query ?? {};
  assert.deepEqual([active, silenced, inhibited], ["true", "false", "false"]);
});

test("an alert that Alertmanager no longer has is over after five minutes, one that is silenced is not", async (t) => {
  const missed = await openMissed(t);
  missed.held.push(held(podLabels));
  await missed.look();
  const muted = { state: "suppressed", silencedBy: ["s"], inhibitedBy: [], mutedBy: [] };
  const [only] = missed.held;
  assert.ok(only);
  only.status = muted as unknown as typeof only.status;
  for (let minute = 0; minute < 10; minute++) {
    await missed.look();
    await missed.intake.clock.advance(60_000);
  }
  assert.equal(missed.intake.only().state, "open");
  missed.held.length = 0;
  for (let minute = 0; minute < 5; minute++) {
    await missed.look();
    assert.equal(missed.intake.only().state, "open");
    await missed.intake.clock.advance(60_000);
  }
  await missed.look();
  assert.equal(missed.intake.only().state, "resolved");
});

test("labels that came from nobody's webhook are cut and masked as those of one", async (t) => {
  const missed = await openMissed(t);
  missed.held.push(held({ alertname: "Odd", long: "x".repeat(10_000), dsn: "postgres://app:hunter2secret@db/x" }));
  await missed.look();
  const text = JSON.stringify(missed.intake.only());
  assert.doesNotMatch(text, /hunter2secret/);
  assert.ok(text.length < 8_000);
});

test("a silence stands for exactly the alerts of the incident, which is ignored as long", async (t) => {
  const missed = await openMissed(t);
  const secretive = { ...podLabels, dsn: "postgres://app:hunter2secret@db/x" };
  const { alertname, ...labels } = secretive;
  await missed.intake.deliver([{ alertname, labels, startsAt: began, fingerprint: fingerprintOf(secretive) }]);
  missed.held.push(held(secretive), held({ ...podLabels, pod: "other-1" }));
  const actor = addUser(missed.intake.store, "alice", "admin");
  const incident = await missed.intake.incidents.silence(missed.intake.only().id, actor, 4 * 3_600_000);
  assert.equal(incident.state, "ignored");
  const made = missed.source.asked.filter(({ method }) => method === "POST").map(({ body }) => JSON.parse(body));
  assert.deepEqual(made, [
    {
      matchers: Object.entries(secretive).map(([name, value]) => ({ name, value, isRegex: false, isEqual: true })),
      startsAt: moment.toISOString(),
      endsAt: new Date(moment.getTime() + 4 * 3_600_000).toISOString(),
      createdBy: "alice",
      comment: `Steward, incident ${incident.id}`,
    },
  ]);
  const [record] = auditRecords(missed.intake.store, { action: "incident_silence" });
  assert.match(JSON.stringify(record), /s-1/);
});

test("a silence that cannot be made changes nothing and says why", async (t) => {
  const missed = await openMissed(t);
  const { alertname, ...labels } = podLabels;
  await missed.intake.deliver([{ alertname, labels, startsAt: began }]);
  const actor = addUser(missed.intake.store, "alice", "admin");
  const silence = () => failureOf(missed.intake.incidents.silence(missed.intake.only().id, actor, 1_000));
  assert.match((await silence()).message, /has none of its alerts/);
  missed.source.answer = () => ({ status: 503, body: "down" });
  assert.equal((await silence()).code, "unavailable");
  assert.equal(missed.intake.only().state, "open");
});

// Links -----------------------------------------------------------------------------------------------------------------

test("a source that cannot be asked is said once, and again in its place when it is back", async (t) => {
  const desk = openDesk({ clock: createFakeClock(moment) });
  t.after(() => desk.close());
  let broken = true;
  let looks = 0;
  const link = createSourceLink({
    name: "alertmanager",
    async look() {
      looks++;
      if (broken) throw new StewardError("unavailable", "Alertmanager refuses connections");
    },
    store: desk.store,
    notify: desk.notify,
    clock: desk.clock,
    log: desk.log,
    locale: "en",
  });
  assert.equal(link.state().state, "connecting");
  const stop = new AbortController();
  const following = link.follow(stop.signal);
  const notices = () =>
    desk.store.cards.changedAfter(0, 100).map(({ card, version }) => `${version} ${JSON.stringify(card)}`);
  await desk.clock.advance(0);
  assert.equal(link.state().state, "down");
  assert.equal(link.state().detail, "Alertmanager refuses connections");
  assert.deepEqual(notices(), [], "one failure is a hiccup");
  await desk.clock.advance(600_000);
  assert.equal(notices().length, 1);
  assert.match(notices()[0] ?? "", /^1 .*Alertmanager cannot be reached/);
  broken = false;
  await desk.clock.advance(60_000);
  assert.equal(link.state().state, "connected");
  assert.equal(notices().length, 1);
  assert.match(notices()[0] ?? "", /^2 .*Alertmanager can be reached again/);
  const before = looks;
  await desk.clock.advance(600_000);
  assert.equal(looks - before, 10, "a source that answers is asked every minute");
  stop.abort();
  await following;
});

test("sources that are down leave Steward ready, and are named in readyz and in status", async (t) => {
  const prometheus = await startSource(t, () => vector({}));
  const bot = await startBot(t, {
    config: { sources: { prometheus: { url: prometheus.url }, alertmanager: { url: await nobody() } } },
  });
  const links = await until("both were asked", async () => {
    const answer = await bot.admin.api.get("/readyz");
    assert.equal(answer.status, 200);
    const named = answer.body["links"] as { name: string; state: string; detail: string | null }[];
    const sources = named.filter(({ name }) => name !== "terminal");
    return sources.every(({ state }) => state !== "connecting") ? sources : null;
  });
  assert.deepEqual(
    links.map(({ name, state, detail }) => ({ name, state, detail })),
    [
      { name: "prometheus", state: "connected", detail: null },
      { name: "alertmanager", state: "down", detail: "Alertmanager refuses connections" },
    ],
  );
  const receipt = await bot.fire([{ alertname: "TargetDown", labels: { job: "node" } }]);
  assert.equal((await bot.incidentOf(receipt)).late, false);
});

test("a Steward that starts finds what fired while it was away", async (t) => {
  const labels = { alertname: "KubeJobFailed", namespace: "batch", severity: "warning" };
  const startsAt = new Date(Date.now() - 30 * 60_000).toISOString();
  const alertmanager = await startSource(t, () => ({ body: [held(labels, { startsAt })] }));
  const bot = await startBot(t, { config: { sources: { alertmanager: { url: alertmanager.url } } } });
  const found = await until("the alert is an incident", async () => {
    const { body } = await bot.admin.api.get("/api/v1/incidents");
    return (body["items"] as { id: string; late: boolean; cardId: string }[])[0];
  });
  assert.equal(found.late, true);
  assert.match(await bot.cardText(found.cardId), /Found late/);
  const { alertname, ...rest } = labels;
  await bot.fire([{ alertname, labels: rest, startsAt: new Date(startsAt), fingerprint: fingerprintOf(labels) }]);
  await until("the webhook is in it", async () => (await bot.incident(found.id)).groupKeys.length === 1);
  const { body } = await bot.admin.api.get("/api/v1/incidents");
  assert.equal((body["items"] as unknown[]).length, 1);
  assert.notEqual(webhookToken, "");
});
