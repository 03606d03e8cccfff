import assert from "node:assert/strict";
import { test } from "node:test";
import { createClock } from "../bot/adapters/clock.ts";
import { condense, foldLines, isDeciding } from "../bot/tools/fold.ts";
import { toolRules, tools } from "../bot/tools/index.ts";
import { StewardError } from "../shared/errors.ts";
import { kinds } from "../shared/kube.ts";
import { deployment, type Lab, type LabOptions, namespace, openLab, space } from "./lab.ts";
import { until } from "./until.ts";

const target = "deployment/checkout";

async function withLab(options: LabOptions, use: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = await openLab(options);
  try {
    await use(lab);
  } finally {
    await lab.stop();
  }
}

const checkoutReady = (lab: Lab) =>
  until("ready", async () => {
    const object = await lab.cluster.read.get({ type: kinds.deployment, namespace, name: "checkout" });
    return Object(object?.["status"]).readyReplicas === 3;
  });

test("tools declare reads and nothing else", () => {
  for (const [name, { rbac }] of Object.entries(tools)) {
    // Prometheus is no part of the cluster: nothing there needs to allow it.
    assert.equal(rbac.length > 0, name !== "prometheus_query", name);
    for (const { apiGroups, resources, verbs } of rbac) {
      for (const verb of verbs) assert.match(verb, /^(?:get|list|watch)$/, name);
      for (const resource of [...resources, ...apiGroups]) assert.notEqual(resource, "*", name);
      for (const resource of resources) {
        assert.doesNotMatch(resource, /^secrets$|\/(?:exec|attach|portforward|proxy|token|ephemeralcontainers)$/, name);
      }
    }
  }
});

test("what the tools declare is enough for all of them, on every kind they look at", () =>
  withLab(
    {
      reader: "steward-read",
      world: {
        images: { "shop/checkout:2": { exit: { code: 1, afterMs: 50, log: ["no"] } } },
        objects: [
          deployment("shop/checkout:1"),
          {
            apiVersion: "rbac.authorization.k8s.io/v1",
            kind: "ClusterRole",
            metadata: { name: "steward-read" },
            rules: toolRules().map((rule) => ({ ...rule })),
          },
          {
            apiVersion: "rbac.authorization.k8s.io/v1",
            kind: "ClusterRoleBinding",
            metadata: { name: "steward-read" },
            roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "steward-read" },
            subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "steward-read" }],
          },
        ],
      },
    },
    async (lab) => {
      await checkoutReady(lab);
      lab.sandbox.apply([deployment("shop/checkout:2")]);
      await until("a crash", async () =>
        JSON.stringify(await lab.cluster.read.list({ type: kinds.pod, namespace })).includes("CrashLoopBackOff"),
      );
      const { items } = await lab.cluster.read.list({ type: kinds.pod, namespace });
      const pod = `pod/${items.find((item) => JSON.stringify(item).includes("CrashLoopBackOff"))?.metadata.name}`;
      const looks = lab.looks();
      const seen = [
        await looks.look("kubectl_describe", { target, namespace }),
        await looks.look("kubectl_describe", { target: pod, namespace }),
        await looks.look("kubectl_describe", { target: "node/node-1" }),
        await looks.look("kubectl_rollout_history", { target, namespace }),
        await looks.look("kubectl_logs", { target, namespace, previous: true }),
        await looks.look("kubectl_events", { namespace }),
        await looks.look("kubectl_events", { namespace, target }),
        await looks.look("recent_changes", { namespace }),
        await looks.look("recent_changes", { namespace, target }),
        await looks.look("kubectl_get", { resource: "po" }),
        await looks.look("kubectl_get", { resource: "deploy", name: "checkout", namespace, output: "yaml" }),
      ];
      for (const { unseen, evidence } of seen) assert.deepEqual(unseen, [], evidence.tool);
    },
  ));

test("Secrets, kinds like them and Steward's own namespace are closed, by every word and every tool", () =>
  withLab(
    {
      world: {
        objects: [
          space("steward"),
          { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "own", namespace: "steward" } },
        ],
      },
    },
    async (lab) => {
      const looks = lab.looks();
      for (const resource of ["secrets", "Secret", "secret", "secrets.v1.", "certificatesigningrequests"]) {
        await assert.rejects(
          looks.look("kubectl_get", { resource, namespace }),
          (error) => error instanceof StewardError && (error.code === "refused" || error.code === "invalid"),
          resource,
        );
      }
      await assert.rejects(looks.look("kubectl_describe", { target: "secret/x", namespace }), { code: "refused" });
      const own = "steward";
      await assert.rejects(looks.look("kubectl_get", { resource: "configmaps", namespace: own }), { code: "refused" });
      await assert.rejects(looks.look("kubectl_describe", { target, namespace: own }), { code: "refused" });
      await assert.rejects(looks.look("kubectl_logs", { target, namespace: own }), { code: "refused" });
      await assert.rejects(looks.look("kubectl_events", { namespace: own }), { code: "refused" });
      await assert.rejects(looks.look("kubectl_rollout_history", { target, namespace: own }), { code: "refused" });
      await assert.rejects(looks.look("recent_changes", { namespace: own }), { code: "refused" });
      const everywhere = await looks.look("kubectl_get", { resource: "configmaps" });
      assert.doesNotMatch(everywhere.evidence.text, /\bown\b/);
      assert.equal(
        lab.sandbox.requests().some(({ path }) => path.includes("/secrets") || path.includes("/namespaces/steward/")),
        false,
      );
    },
  ));

test("the same look is taken once in a run, and again in the next", () =>
  withLab({ world: { objects: [deployment("shop/checkout:1")] } }, async (lab) => {
    const looks = lab.looks();
    const [first, second] = await Promise.all([
      looks.look("kubectl_get", { resource: "po", namespace }),
      looks.look("kubectl_get", { namespace, resource: "po", output: "table" }),
    ]);
    assert.equal(first.evidence.id, second.evidence.id);
    const again = await looks.call("kubectl_get", `{"resource":"po","namespace":"${namespace}"}`);
    assert.equal(again.id, first.evidence.id);
    assert.deepEqual(looks.calls(), { made: 1, remembered: 2, unanswered: 0 });
    assert.equal(lab.sandbox.requests().length, 1);
    assert.notEqual(
      (await lab.looks().look("kubectl_get", { resource: "po", namespace })).evidence.id,
      first.evidence.id,
    );
    assert.deepEqual(lab.store.evidence.get(first.evidence.id)?.text, first.evidence.text);
  }));

test("a model's words are held against each tool's schema, and told what does not fit", () =>
  withLab({}, async (lab) => {
    const looks = lab.looks();
    const wrong: [string, string, RegExp][] = [
      ["kubectl_exec", "{}", /no tool "kubectl_exec"; there are kubectl_get/],
      ["kubectl_get", "{", /not JSON/],
      ["kubectl_get", "{}", /kubectl_get: resource/],
      ["kubectl_get", '{"resource":"pods","raw":"/x"}', /raw/],
      ["kubectl_get", '{"resource":"pods/exec"}', /is not a kind/],
      ["kubectl_logs", '{"target":"pod/--server=x","namespace":"payment"}', /is not a kind, a slash and a name/],
      ["kubectl_logs", '{"target":"pod/x","namespace":"../x"}', /is not a namespace/],
      ["kubectl_get", '{"resource":"gizmos"}', /serves no "gizmos"/],
      ["__proto__", "{}", /no tool/],
    ];
    for (const [name, args, told] of wrong) {
      await assert.rejects(
        looks.call(name, args),
        (error) => error instanceof StewardError && error.code === "invalid" && told.test(error.message),
        `${name} ${args}`,
      );
    }
    for (const { name, parameters, description } of lab.toolbox.schemas()) {
      assert.equal(parameters["type"], "object", name);
      assert.equal(parameters["additionalProperties"], false, name);
      assert.ok(description.length > 20);
    }
  }));

test("nothing found says what was searched, where and when", () =>
  withLab({ clock: { ...createClock(), now: () => new Date(Date.now() + 3_600_000) } }, async (lab) => {
    const looks = lab.looks();
    const text = async (name: Parameters<typeof looks.call>[0], args: object) =>
      (await looks.call(name, JSON.stringify(args))).text;
    assert.match(
      await text("kubectl_get", { resource: "deploy", namespace, labelSelector: "a=b" }),
      /^deployments\.apps in payment with labels a=b \(read 20.*Z\)\nnone found/,
    );
    assert.match(
      await text("kubectl_describe", { target: "deploy/x", namespace }),
      /Deployment payment\/x: there is none \(read 20/,
    );
    assert.match(await text("kubectl_events", { namespace }), /none: the API server keeps events for about an hour/);
    const changes = await text("recent_changes", { namespace, target: "deploy/x", since: "5m" });
    assert.match(changes, /last 5m to deploy\/x in payment, newest last \(read 20/);
    assert.match(changes, /none found among rollouts, edits, scaling/);
    assert.match(changes, /not seen: deploy\/x: there is none/);
    await assert.rejects(text("kubectl_logs", { target: "deploy/x", namespace }), { code: "not_found" });
  }));

test("a long list shows what is not well first, says what it left out, and keeps to its size", () =>
  withLab({ bytesPerResult: 4_096, world: { images: { "shop/bad:1": { notFound: true } } } }, async (lab) => {
    const pod = (name: string, image: string) => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace },
      spec: { containers: [{ name: "app", image }] },
    });
    lab.sandbox.apply(Array.from({ length: 90 }, (_, i) => pod(`web-${String(i).padStart(3, "0")}`, "shop/web:1")));
    lab.sandbox.apply([pod("zz-broken", "shop/bad:1")]);
    await until("a failing pull", async () =>
      JSON.stringify(
        await lab.cluster.read.list({ type: kinds.pod, namespace, fieldSelector: "metadata.name=zz-broken" }),
      ).includes("ImagePull"),
    );
    await until(
      "the others run",
      async () =>
        (await lab.cluster.read.list({ type: kinds.pod, namespace, fieldSelector: "status.phase=Running" })).items
          .length === 90,
    );
    const { evidence } = await lab.looks().look("kubectl_get", { resource: "pods", namespace });
    assert.ok(Buffer.byteLength(evidence.text) <= 4_096);
    assert.match(evidence.text, /31 more left out, those that look healthy first/);
    assert.match(evidence.text.split("\n")[3] ?? "", /^zz-broken/);
  }));

test("repeated lines of a log take two lines, its end and its reasons are kept, whatever was written between", () => {
  const noise = Array.from(
    { length: 5_000 },
    (_, i) =>
      `2026-11-22T10:00:00.${i}Z INFO handled request ${i} in ${i % 90}ms id=${(i * 7919).toString(16).padStart(8, "0")}`,
  );
  const lines = [
    ...noise.slice(0, 2_000),
    "FATAL: cannot open /data/wal: no space left on device",
    ...noise.slice(2_000),
    "shutting down",
  ];
  const { lines: shown, left } = condense(lines, 2_000);
  assert.ok(shown.length <= 6, shown.join("\n"));
  assert.equal(left, 0);
  assert.ok(shown.some((line) => line.startsWith("FATAL: cannot open")));
  assert.match(shown.join("\n"), /\[4998 more like this before\]/);
  assert.equal(shown.at(-1), "shutting down");

  const different = Array.from(
    { length: 3_000 },
    (_, i) =>
      `step ${"abcdefghij"[i % 10]}${"klmnopqrst"[Math.floor(i / 10) % 10]}${"uvwxyzabcd"[Math.floor(i / 100) % 10]}x${"q".repeat(i % 29)} done`,
  );
  const cut = condense([...different.slice(0, 1_500), "panic: boom", ...different.slice(1_500)], 2_000);
  assert.ok(Buffer.byteLength(cut.lines.join("\n")) < 4_000);
  assert.ok(cut.lines.includes("panic: boom"));
  assert.equal(cut.lines.at(-1), different.at(-1));
  assert.ok(cut.left > 0 && cut.lines.some((line) => /lines left out/.test(line)));
});

test("folding tells numbers, times and ids apart from words", () => {
  assert.equal(foldLines(["a 1", "a 2", "a 3", "b"]).length, 3);
  assert.equal(foldLines(["open file a", "open file b"]).length, 2);
  assert.ok(isDeciding("Caused by: java.net.ConnectException: refused"));
  assert.ok(isDeciding("连接数据库失败"));
  assert.ok(!isDeciding("finished with 0 errors"));
});

test("a release's effect is in the history: when it began, how it fares, what it changed, no value of a variable", () =>
  withLab(
    {
      world: {
        images: { "shop/checkout:2": { exit: { code: 1 } } },
        objects: [deployment("shop/checkout:1", { env: [{ name: "KEYRING", value: "one-secret" }] })],
      },
    },
    async (lab) => {
      await checkoutReady(lab);
      lab.sandbox.apply([
        deployment("shop/checkout:2", {
          env: [{ name: "KEYRING", value: "two-secret" }],
          resources: { limits: { memory: "1Gi" } },
        }),
      ]);
      await until(
        "a second revision",
        async () => (await lab.cluster.read.list({ type: kinds.replicaset, namespace })).items.length === 2,
      );
      const { data, evidence } = await lab.looks().look("kubectl_rollout_history", { target, namespace });
      assert.deepEqual(
        data.map(({ number }) => number),
        [1, 2],
      );
      const changes = data[1]?.changes.join("\n") ?? "";
      assert.match(changes, /containers\[app\]\.image: shop\/checkout:1 → shop\/checkout:2/);
      assert.match(changes, /containers\[app\]\.resources\.limits\.memory: added 1Gi/);
      assert.match(changes, /env\[KEYRING\]\.value: \[masked:env:[0-9a-f]{4}\] → \[masked:env:[0-9a-f]{4}\]/);
      assert.doesNotMatch(evidence.text, /one-secret|two-secret/);
      const changed = await lab.looks().look("recent_changes", { namespace, since: "1h" });
      assert.match(changed.evidence.text, /deployment\/checkout\s+rolled out revision 2: .*shop\/checkout:2/);
    },
  ));
