import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createClock } from "../bot/adapters/clock.ts";
import { proxyFor } from "../bot/adapters/kubernetes/proxy.ts";
import { createCluster } from "../bot/adapters/kubernetes.ts";
import type { Cluster, WatchEvent } from "../bot/edges.ts";
import type { ClusterRequest } from "../shared/approval.ts";
import { StewardError } from "../shared/errors.ts";
import { kinds, pathOf, type ResourceType } from "../shared/kube.ts";
import { deployment, type Lab, namespace, openLab, quiet } from "./lab.ts";
import { until } from "./until.ts";

const configMap = (name: string, data: Record<string, string> = {}) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace, labels: { made: "here" } },
  data,
});

async function withLab(use: (lab: Lab) => Promise<void>, options: Parameters<typeof openLab>[0] = {}): Promise<void> {
  const lab = await openLab(options);
  try {
    await use(lab);
  } finally {
    await lab.stop();
  }
}

// Reads --------------------------------------------------------------------------------------------------------------

test("reads: an object, none, a whole list in pages, and how many more there are beyond a limit", () =>
  withLab(async ({ cluster: { read }, sandbox }) => {
    const names = Array.from({ length: 1_203 }, (_, i) => `map-${i}`);
    sandbox.apply(names.map((name) => configMap(name)));
    const one = await read.get({ type: kinds.configmap, namespace, name: "map-7" });
    assert.deepEqual([one?.apiVersion, one?.kind, one?.metadata.name], ["v1", "ConfigMap", "map-7"]);
    assert.equal(await read.get({ type: kinds.configmap, namespace, name: "map-x" }), null);
    const all = await read.list({ type: kinds.configmap, namespace, labelSelector: "made=here" });
    assert.deepEqual([all.items.length, all.remaining], [1_203, 0]);
    assert.ok(
      all.items.every(({ apiVersion, kind }) => apiVersion === "v1" && kind === "ConfigMap"),
      "list items have a kind",
    );
    const some = await read.list({ type: kinds.configmap, namespace, limit: 3 });
    assert.equal(some.items.length, 3);
    assert.ok(some.remaining > 0);
  }));

test("a name that is no path segment reaches nothing", () =>
  withLab(async ({ cluster: { read }, sandbox }) => {
    for (const name of ["..", ".", "a/b", "a%2fb", "x?watch=1", "x#", "", "a\nb", "../../nodes/node-1"]) {
      await assert.rejects(
        read.get({ type: kinds.configmap, namespace, name }),
        { code: "invalid" },
        JSON.stringify(name),
      );
    }
    await assert.rejects(read.list({ type: kinds.configmap, namespace: "a/../b" }), { code: "invalid" });
    assert.deepEqual(sandbox.requests(), []);
  }));

test("tables are the server's own, with the namespace first over all of them", () =>
  withLab(
    async ({ cluster: { read } }) => {
      const here = await read.table({ type: kinds.deployment, namespace });
      assert.equal(here.columns[0]?.name, "Name");
      assert.equal(here.rows[0]?.[0], "checkout");
      const everywhere = await read.table({ type: kinds.deployment, namespace: null });
      assert.deepEqual(everywhere.rows[0]?.slice(0, 2), [namespace, "checkout"]);
      assert.equal(everywhere.columns.length, everywhere.rows[0]?.length);
      assert.deepEqual((await read.table({ type: kinds.deployment, namespace, name: "nope" })).rows, []);
    },
    { world: { objects: [deployment("shop/checkout:1")] } },
  ));

test("kinds are found by every word kubectl takes, custom ones too", () =>
  withLab(async ({ cluster: { read }, sandbox }) => {
    for (const word of [
      "deploy",
      "deployment",
      "deployments",
      "Deployment",
      "deployments.apps",
      "deployments.v1.apps",
    ]) {
      assert.deepEqual(await read.resolve(word), kinds.deployment, word);
    }
    assert.equal((await read.resolve("ing"))?.group, "networking.k8s.io");
    assert.equal((await read.resolve("pods"))?.group, "");
    assert.equal(await read.resolve("deploy.batch"), null);
    assert.equal(await read.resolve("gizmos"), null);
    assert.match(await read.version(), /^v1\.\d+/);
    const asked = sandbox.requests().length;
    assert.equal((await read.resolve("ing"))?.kind, "Ingress");
    assert.equal(sandbox.requests().length, asked, "discovery is remembered");
  }));

test("logs: the end, the run before, and why there is none in the server's words", () =>
  withLab(
    async ({ cluster: { read } }) => {
      const pod = await until("a second run", async () => {
        const { items } = await read.list({ type: kinds.pod, namespace });
        return items.find((item) => JSON.stringify(item["status"]).includes('"restartCount":1'));
      });
      const where = { namespace, pod: pod.metadata.name };
      assert.match(await read.logs({ ...where, previous: true }), /one\ntwo\nthree/);
      assert.equal((await read.logs({ ...where, previous: true, tailLines: 1 })).trim(), "three");
      await assert.rejects(read.logs({ namespace, pod: "nobody" }), { code: "not_found" });
      await assert.rejects(
        read.logs({ ...where, container: "nobody" }),
        (error) => error instanceof StewardError && /container nobody is not valid/.test(error.message),
      );
    },
    {
      world: {
        images: { "shop/checkout:1": { exit: { code: 1, afterMs: 50, log: ["one", "two", "three"] } } },
        objects: [deployment("shop/checkout:1")],
      },
    },
  ));

test("the previous log of a container that never ended is not found, and says so", () =>
  withLab(
    async ({ cluster: { read } }) => {
      const pod = await until("running", async () => {
        const { items } = await read.list({ type: kinds.pod, namespace, fieldSelector: "status.phase=Running" });
        return items[0];
      });
      await assert.rejects(
        read.logs({ namespace, pod: pod.metadata.name, previous: true }),
        (error) =>
          error instanceof StewardError &&
          error.code === "not_found" &&
          /previous terminated container/.test(error.message),
      );
    },
    { world: { objects: [deployment("shop/checkout:1")] } },
  ));

test("a followed log goes on line by line over a lost connection, tells none twice, and ends with the signal", () =>
  withLab(
    async ({ cluster: { read }, sandbox }) => {
      const pod = await until("running", async () => {
        const { items } = await read.list({ type: kinds.pod, namespace, fieldSelector: "status.phase=Running" });
        return items[0];
      });
      const lines: string[] = [];
      const stop = new AbortController();
      sandbox.fault({ match: { path: "/log" }, drop: "before" });
      const following = read.followLogs(
        { namespace, pod: pod.metadata.name },
        (line) => void lines.push(line),
        stop.signal,
      );
      await until("lines", () => lines.length >= 5);
      stop.abort();
      await following;
      assert.ok(
        lines.every((line) => line === "tick"),
        lines.join("|"),
      );
    },
    {
      world: {
        images: { "shop/checkout:1": { periodic: [{ everyMs: 100, line: "tick" }] } },
        objects: [deployment("shop/checkout:1")],
      },
    },
  ));

// Watch --------------------------------------------------------------------------------------------------------------

test("a watch tells what is there and what changes, over dropped connections, and each thing once", () =>
  withLab(async ({ cluster: { read }, sandbox }) => {
    sandbox.apply([configMap("a", { v: "1" }), configMap("b", { v: "1" })]);
    sandbox.fault({ match: { path: "/configmaps" }, drop: "before", times: 2 });
    const events: string[] = [];
    const stop = new AbortController();
    const tell = ({ type, object }: WatchEvent) => void events.push(`${type} ${object.metadata.name}`);
    const watching = read.watch({ type: kinds.configmap, namespace, labelSelector: "made=here" }, tell, stop.signal);
    await until("the present ones", () => events.length === 2);
    sandbox.apply([configMap("a", { v: "2" })]);
    await until("a change", () => events.includes("MODIFIED a"));

    sandbox.apply([configMap("c", { v: "1" })]);
    await until("a new one", () => events.includes("ADDED c"));
    stop.abort();
    await watching;
    assert.deepEqual(events.slice(0, 2).sort(), ["ADDED a", "ADDED b"]);
    assert.deepEqual([...events].sort(), [...new Set(events)].sort(), "nothing is told twice");
  }));

test("when the history is gone the list is compared with what was told: changed, gone and new ones, and nothing else", async (t) => {
  const map = (name: string, resourceVersion: string) => ({
    metadata: { name, namespace, uid: name, resourceVersion },
  });
  const expired = { kind: "Status", code: 410, reason: "Expired", message: "too old resource version" };
  const bookmark = { type: "BOOKMARK", object: { kind: "ConfigMap", metadata: { resourceVersion: "6" } } };
  const forms: [string, (response: ServerResponse) => void][] = [
    ["as an event", (response) => response.end(`${JSON.stringify({ type: "ERROR", object: expired })}\n`)],
    ["as the answer", (response) => response.writeHead(410).end(JSON.stringify(expired))],
  ];
  for (const [form, expire] of forms) {
    await t.test(form, async () => {
      const lists = [
        { metadata: { resourceVersion: "5" }, items: [map("same", "1"), map("changed", "2"), map("gone", "3")] },
        { metadata: { resourceVersion: "9" }, items: [map("same", "1"), map("changed", "8"), map("new", "9")] },
      ];
      const streams: ((response: ServerResponse) => void)[] = [
        (response) => response.end(`${JSON.stringify(bookmark)}\n`),
        expire,
        (response) => response.write(`${JSON.stringify({ type: "DELETED", object: map("new", "10") })}\n`),
      ];
      const from: (string | null)[] = [];
      await withServer(
        (request, response) => {
          const query = new URL(request.url ?? "", "http://x").searchParams;
          if (query.get("watch") === null) return void response.end(JSON.stringify(lists.shift()));
          from.push(query.get("resourceVersion"));
          streams.shift()?.(response);
        },
        async (cluster) => {
          const events: string[] = [];
          const stop = new AbortController();
          const tell = ({ type, object }: WatchEvent) => void events.push(`${type} ${object.metadata.name}`);
          const watching = cluster.read.watch({ type: kinds.configmap, namespace }, tell, stop.signal);
          await until("the end", () => events.includes("DELETED new"));
          stop.abort();
          await watching;
          const first = ["ADDED same", "ADDED changed", "ADDED gone"];
          assert.deepEqual(events, [...first, "DELETED gone", "MODIFIED changed", "ADDED new", "DELETED new"]);
          assert.deepEqual(from, ["5", "6", "9"]);
        },
      );
    });
  }
});

test("a fault of whoever is told ends the watch, and a server that hangs up at once is not pestered", async () => {
  let asked = 0;
  await withServer(
    (request, response) => {
      const listing = !(request.url ?? "").includes("watch=true");
      if (!listing) asked++;
      response.end(listing ? JSON.stringify({ metadata: { resourceVersion: "1" }, items: [] }) : "");
    },
    async (cluster) => {
      const stop = new AbortController();
      const watching = cluster.read.watch({ type: kinds.configmap, namespace }, () => undefined, stop.signal);
      await createClock().sleep(1_000);
      stop.abort();
      await watching;
      assert.ok(asked >= 1 && asked <= 4, String(asked));
    },
  );
  await withServer(
    (_, response) => response.end(JSON.stringify({ metadata: { resourceVersion: "1" }, items: [configMap("a")] })),
    async (cluster) => {
      const fault = () => {
        throw new TypeError("x is undefined");
      };
      await assert.rejects(
        cluster.read.watch({ type: kinds.configmap, namespace }, fault, AbortSignal.timeout(5_000)),
        TypeError,
      );
    },
  );
});

test("a watch of what may not be read, or is not served, ends with the server's words", () =>
  withLab(
    async ({ cluster: { read } }) => {
      const never = new AbortController().signal;
      await assert.rejects(
        read.watch({ type: kinds.pod, namespace }, () => undefined, never),
        { code: "forbidden" },
      );
    },
    { reader: "nobody" },
  ));

// Identities ---------------------------------------------------------------------------------------------------------

test("reading and acting are different people to the cluster, and the Lease is the pod's own", () =>
  withLab(async ({ sandbox, kubeconfig }) => {
    const cluster = createCluster({
      kubeconfig: kubeconfig(),
      context: null,
      identities: { read: "reader", act: "actor" },
      clock: createClock(),
      log: quiet,
      env: {},
    });
    await assert.rejects(
      cluster.read.list({ type: kinds.pod, namespace }),
      (error) =>
        error instanceof StewardError &&
        error.code === "forbidden" &&
        /User "reader" cannot list resource "pods"/.test(error.message),
    );
    const answer = await cluster.act.send(patchOf({ data: { v: "1" } }), { dryRun: true });
    assert.ok(answer.outcome === "rejected" && answer.status === 403 && /User "actor"/.test(answer.message));
    assert.equal(await cluster.self.readLease(namespace, "steward"), null);
    assert.deepEqual(new Set(sandbox.requests().map(({ user }) => user)), new Set(["reader", "actor", "admin"]));
  }));

test("a Lease is made once and renewed only by who saw it last", () =>
  withLab(async ({ cluster: { self } }) => {
    const lease = {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: "steward", namespace },
      spec: { holderIdentity: "a" },
    };
    const made = await self.writeLease(lease);
    await assert.rejects(self.writeLease(lease), { code: "conflict" });
    await self.writeLease({ ...made, spec: { holderIdentity: "b" } });
    await assert.rejects(self.writeLease({ ...made, spec: { holderIdentity: "c" } }), { code: "conflict" });
  }));

test("the setup token goes into its Secret where there is one, and is taken out again", () =>
  withLab(async ({ cluster: { self, read }, sandbox }) => {
    assert.equal(await self.writeSetupToken(namespace, "t0ken"), false);
    sandbox.apply([{ apiVersion: "v1", kind: "Secret", metadata: { name: "steward-setup", namespace } }]);
    const secret = () => read.get({ type: kinds.secret, namespace, name: "steward-setup" });
    assert.equal(await self.writeSetupToken(namespace, "t0ken"), true);
    assert.deepEqual((await secret())?.["data"], { token: Buffer.from("t0ken").toString("base64") });
    assert.equal(await self.writeSetupToken(namespace, null), true);
    assert.doesNotMatch(JSON.stringify(await secret()), /token"/);
  }));

// Writes -------------------------------------------------------------------------------------------------------------

const merge = "application/merge-patch+json";
const patchOf = (body: unknown, name = "a"): ClusterRequest => ({
  method: "PATCH",
  path: pathOf(kinds.configmap, namespace, name),
  contentType: merge,
  body: JSON.stringify(body),
});
const dataOf = async ({ cluster: { read } }: Lab) =>
  Object(await read.get({ type: kinds.configmap, namespace, name: "a" })).data?.v;

test("a dry run changes nothing, the same bytes without it change it once, as field manager steward", () =>
  withLab(async (lab) => {
    lab.sandbox.apply([configMap("a", { v: "1" })]);
    const request = patchOf({ data: { v: "2" } });
    const dry = await lab.cluster.act.send(request, { dryRun: true });
    assert.equal(dry.outcome === "done" ? Object(dry.object)["data"].v : dry, "2");
    assert.equal(await dataOf(lab), "1");
    assert.equal((await lab.cluster.act.send(request, { dryRun: false })).outcome, "done");
    assert.equal(await dataOf(lab), "2");
    const [first, second] = lab.sandbox.requests().filter(({ method }) => method === "PATCH");
    assert.deepEqual([first?.body, second?.body], [{ data: { v: "2" } }, { data: { v: "2" } }]);
    const object = await lab.cluster.read.get({ type: kinds.configmap, namespace, name: "a" });
    assert.ok(object?.metadata.managedFields?.some((entry) => Object(entry).manager === "steward"));
  }));

test("the dry run of a deletion deletes nothing, although the server reads its options from the body", () =>
  withLab(async (lab) => {
    lab.sandbox.apply([configMap("a")]);
    const object = await lab.cluster.read.get({ type: kinds.configmap, namespace, name: "a" });
    const body = JSON.stringify({
      apiVersion: "v1",
      kind: "DeleteOptions",
      preconditions: { uid: object?.metadata.uid },
    });
    const request: ClusterRequest = {
      method: "DELETE",
      path: pathOf(kinds.configmap, namespace, "a"),
      contentType: "application/json",
      body,
    };
    assert.equal((await lab.cluster.act.send(request, { dryRun: true })).outcome, "done");
    assert.notEqual(await lab.cluster.read.get({ type: kinds.configmap, namespace, name: "a" }), null);
    const sent = lab.sandbox.requests().findLast(({ method }) => method === "DELETE");
    assert.deepEqual(Object(sent?.body).dryRun, ["All"]);
    assert.equal((await lab.cluster.act.send(request, { dryRun: false })).outcome, "done");
    assert.equal(await lab.cluster.read.get({ type: kinds.configmap, namespace, name: "a" }), null);
  }));

test("a refusal is told in the server's words, and an unknown field is one", () =>
  withLab(async (lab) => {
    lab.sandbox.apply([configMap("a")]);
    const missing = await lab.cluster.act.send(patchOf({}, "nope"), { dryRun: false });
    assert.ok(
      missing.outcome === "rejected" &&
        missing.reason === "NotFound" &&
        /configmaps "nope" not found/.test(missing.message),
    );
    const unknown = await lab.cluster.act.send(patchOf({ dataa: {} }), { dryRun: true });
    assert.ok(unknown.outcome === "rejected" && /unknown field "dataa"/.test(unknown.message), JSON.stringify(unknown));
    await assert.rejects(lab.cluster.act.send({ ...patchOf({}), path: "/api/v1/../../healthz" }, { dryRun: true }), {
      code: "invalid",
    });
    await assert.rejects(lab.cluster.act.send({ ...patchOf({}), path: "/api/v1/x?force=true" }, { dryRun: true }), {
      code: "invalid",
    });
  }));

test("a write that may have happened is in doubt, one that surely did not is not: never the one for the other", async (t) => {
  await t.test("cut off after the effect", () =>
    withLab(async (lab) => {
      lab.sandbox.apply([configMap("a", { v: "1" })]);
      lab.sandbox.fault({ match: { method: "PATCH" }, drop: "after" });
      assert.equal((await lab.cluster.act.send(patchOf({ data: { v: "2" } }), { dryRun: false })).outcome, "in_doubt");
      assert.equal(await dataOf(lab), "2");
      assert.equal(
        lab.sandbox.requests().filter(({ method }) => method === "PATCH").length,
        1,
        "and it is not repeated",
      );
    }),
  );
  await t.test("cut off before the effect, which cannot be told from after", () =>
    withLab(async (lab) => {
      lab.sandbox.fault({ match: { method: "PATCH" }, drop: "before" });
      assert.equal((await lab.cluster.act.send(patchOf({}), { dryRun: false })).outcome, "in_doubt");
    }),
  );
  await t.test("stopped while it waits for the answer", () =>
    withLab(async (lab) => {
      lab.sandbox.fault({ match: { method: "PATCH" }, hang: true });
      const stop = new AbortController();
      const sending = lab.cluster.act.send(patchOf({}), { dryRun: false }, stop.signal);
      await until("sent", () => lab.sandbox.requests().some(({ method }) => method === "PATCH"));
      stop.abort();
      assert.equal((await sending).outcome, "in_doubt");
    }),
  );
  await t.test("stopped before it began, refused connections, a name that does not exist, another certificate", () =>
    withLab(async (lab) => {
      assert.equal(
        (await lab.cluster.act.send(patchOf({}), { dryRun: false }, AbortSignal.abort())).outcome,
        "not_sent",
      );
      const closed = await freePort();
      for (const server of [`https://127.0.0.1:${closed}`, "https://steward.invalid:6443"]) {
        const answer = await withKubeconfig(server, (cluster) => cluster.act.send(patchOf({}), { dryRun: false }));
        assert.equal(answer.outcome, "not_sent", server);
      }
      const secure = /server: (\S+)/.exec(lab.sandbox.kubeconfig())?.[1] ?? "";
      const distrusted = await withKubeconfig(secure, (cluster) => cluster.act.send(patchOf({}), { dryRun: false }));
      assert.ok(
        distrusted.outcome === "not_sent" && /certificate is not accepted/.test(distrusted.message),
        JSON.stringify(distrusted),
      );
    }),
  );
  await t.test("a server error, unless an admission webhook said it", async () => {
    const answers: [number, unknown][] = [
      [504, { kind: "Status", reason: "Timeout", message: "request did not complete" }],
      [
        500,
        {
          kind: "Status",
          reason: "InternalError",
          message: 'Internal error occurred: failed calling webhook "x": connection refused',
        },
      ],
      [429, { kind: "Status", reason: "TooManyRequests", message: "slow down" }],
    ];
    await withServer(
      (_, response) => {
        const [status, body] = answers.shift() ?? [500, {}];
        response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
      },
      async (cluster) => {
        const outcomes: string[] = [];
        for (let i = 0; i < 3; i++) outcomes.push((await cluster.act.send(patchOf({}), { dryRun: false })).outcome);
        assert.deepEqual(outcomes, ["in_doubt", "rejected", "rejected"]);
      },
    );
  });
});

test("a write sends exactly its bytes and the query it should, and carries the server's warnings", async () => {
  const sent: { url: string; body: string; type: string | undefined }[] = [];
  await withServer(
    (request, response, body) => {
      sent.push({ url: request.url ?? "", body, type: request.headers["content-type"] });
      const warning = '299 - "spec.x is \\"old\\"", 299 - "second"';
      response.writeHead(200, { "Content-Type": "application/json", Warning: warning });
      response.end(JSON.stringify(configMap("a")));
    },
    async (cluster) => {
      const request = { ...patchOf({}), body: '{ "data":{"v" : "é\\u00e9"}}\n' };
      const answer = await cluster.act.send(request, { dryRun: true });
      assert.deepEqual(answer.outcome === "done" ? answer.warnings : answer, ['spec.x is "old"', "second"]);
      await cluster.act.send(request, { dryRun: false });
      const [dry, real] = sent;
      assert.equal(dry?.url, `${request.path}?dryRun=All&fieldManager=steward&fieldValidation=Strict`);
      assert.equal(real?.url, `${request.path}?fieldManager=steward&fieldValidation=Strict`);
      assert.deepEqual([dry?.body, real?.body, real?.type], [request.body, request.body, merge]);
    },
  );
});

// Faults of reads ----------------------------------------------------------------------------------------------------

test("a read waits as long as the server asks, and gives up within its deadline", async () => {
  const times: number[] = [];
  await withServer(
    (_, response) => {
      times.push(performance.now());
      if (times.length === 1) response.writeHead(429, { "Retry-After": "1" }).end("{}");
      else if (times.length === 2) response.writeHead(200).end(JSON.stringify(configMap("a")));
      else response.writeHead(503, { "Retry-After": "60" }).end("{}");
    },
    async (cluster) => {
      const ref = { type: kinds.configmap, namespace, name: "a" };
      assert.equal((await cluster.read.get(ref))?.metadata.name, "a");
      assert.ok((times[1] ?? 0) - (times[0] ?? 0) >= 950);
      await assert.rejects(cluster.read.get(ref, AbortSignal.timeout(200)), { name: "TimeoutError" });
    },
  );
});

test("errors name no address, no token and no path of this machine; redirects are not followed", async () => {
  await withServer(
    (_, response) => response.writeHead(302, { Location: "http://169.254.169.254/latest" }).end(),
    async (cluster) => {
      await assert.rejects(
        cluster.read.get({ type: kinds.configmap, namespace, name: "a" }),
        (error) => error instanceof StewardError && error.code === "unavailable",
      );
    },
  );
  const closed = await freePort();
  const failing = (use: (cluster: Cluster) => Promise<unknown>) => withKubeconfig(`https://127.0.0.1:${closed}`, use);
  await assert.rejects(
    failing((cluster) => cluster.read.version()),
    (error) =>
      error instanceof StewardError &&
      error.code === "unavailable" &&
      error.message === "the API server refuses connections",
  );
  await withServer(
    (_, response) =>
      response.writeHead(500).end(
        JSON.stringify({
          kind: "Status",
          message: 'failed: Post "https://hook.svc:443/x?token=abc": Authorization: Bearer abcdef123456',
        }),
      ),
    async (cluster) => {
      await assert.rejects(
        cluster.read.version(),
        (error) =>
          error instanceof StewardError && !/hook\.svc|abcdef/.test(error.message) && /\[url\]/.test(error.message),
      );
    },
  );
});

test("an answer that stops half way, is not JSON, or is no object is an error, never half an object", async () => {
  const bodies = [
    '{"kind":"ConfigMap","meta',
    "<html>",
    '{"kind":"ConfigMap"}',
    '{"kind":"ConfigMap","metadata":{"name":"a","labels":{"x":1}}}',
  ];
  await withServer(
    (_, response) => {
      const body = bodies.shift() ?? "";
      response.writeHead(200, { "Content-Length": String(body.length + (bodies.length === 3 ? 10 : 0)) });
      response.write(body);
      if (bodies.length === 3) setImmediate(() => response.destroy());
      else response.end();
    },
    async (cluster) => {
      for (let i = 0; i < 4; i++)
        await assert.rejects(cluster.read.get({ type: kinds.configmap, namespace, name: "a" }), {
          code: "unavailable",
        });
    },
  );
});

// Credentials --------------------------------------------------------------------------------------------------------

test("credentials come from a plugin too, and its failure is said without its output's secrets", async () => {
  const folder = mkdtempSync(join(tmpdir(), "steward-plugin-"));
  const plugin = join(folder, "plugin.sh");
  const seen: (string | undefined)[] = [];
  await withServer(
    (request, response) => {
      seen.push(request.headers.authorization);
      response.end(JSON.stringify({ gitVersion: "v1.99.0" }));
    },
    async (_, server) => {
      const credential = {
        apiVersion: "client.authentication.k8s.io/v1",
        kind: "ExecCredential",
        status: { token: "from-the-plugin" },
      };
      writeFileSync(plugin, `#!/bin/sh\necho '${JSON.stringify(credential)}'\n`);
      chmodSync(plugin, 0o755);
      const exec = { exec: { apiVersion: "client.authentication.k8s.io/v1", command: plugin } };
      assert.equal(await withKubeconfig(server, (cluster) => cluster.read.version(), exec), "v1.99.0");
      assert.deepEqual(seen, ["Bearer from-the-plugin"]);
      writeFileSync(plugin, "#!/bin/sh\necho 'password=hunter2 refused' >&2\nexit 1\n");
      await assert.rejects(
        withKubeconfig(server, (cluster) => cluster.read.version(), exec),
        (error) => error instanceof StewardError && error.code === "unavailable" && !/hunter2/.test(error.message),
      );
    },
  );
  await rm(folder, { recursive: true });
});

test("a kubeconfig that cannot be used is said with its place in the configuration", () => {
  const make =
    (kubeconfig: string, context: string | null = null) =>
    () =>
      createCluster({
        kubeconfig,
        context,
        identities: { read: null, act: null },
        clock: createClock(),
        log: quiet,
        env: {},
      });
  assert.throws(
    make("/nowhere/config"),
    (error) => error instanceof StewardError && error.path === "cluster.kubeconfig" && /ENOENT/.test(error.message),
  );
  const folder = mkdtempSync(join(tmpdir(), "steward-kubeconfig-"));
  const path = join(folder, "config");
  writeFileSync(path, kubeconfigText("https://127.0.0.1:1"));
  assert.throws(make(path, "other"), { path: "cluster.context" });
  writeFileSync(path, kubeconfigText("http://10.0.0.1:8080"));
  assert.throws(make(path), /plain http and not on this machine/);
});

test("the environment's proxy holds for the API server, with its exceptions", () => {
  const proxy = (url: string, env: Record<string, string>) => proxyFor(new URL(url), env);
  const HTTPS_PROXY = "http://proxy:3128";
  assert.equal(proxy("https://10.1.2.3:6443", { HTTPS_PROXY }), HTTPS_PROXY);
  assert.equal(proxy("https://10.1.2.3:6443", { https_proxy: "proxy:3128" }), HTTPS_PROXY);
  assert.equal(proxy("https://127.0.0.1:6443", { HTTPS_PROXY }), null);
  assert.equal(proxy("https://[::1]:6443", { HTTPS_PROXY }), null);
  const exceptions: [string, string, boolean][] = [
    ["https://10.1.2.3:6443", "10.0.0.0/8", true],
    ["https://11.1.2.3:6443", "10.0.0.0/8,172.16.0.0/12", false],
    ["https://api.corp.example", ".corp.example", true],
    ["https://api.corp.example", "corp.example", true],
    ["https://corp.example.evil.org", "corp.example", false],
    ["https://api.corp.example:6443", "api.corp.example:443", false],
    ["https://api.corp.example:6443", "api.corp.example:6443", true],
    ["https://[fd00::1]:6443", "fd00::/8", true],
    ["https://anything", "*", true],
  ];
  for (const [url, NO_PROXY, direct] of exceptions) {
    assert.equal(proxy(url, { HTTPS_PROXY, NO_PROXY }) === null, direct, `${url} with ${NO_PROXY}`);
  }
});

test("requests go through the proxy that the environment names", async () => {
  const asked: string[] = [];
  const proxy = createServer();
  proxy.on("connect", (request, socket) => {
    asked.push(request.url ?? "");
    socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
  });
  const port = await listen(proxy);
  const env = { HTTPS_PROXY: `http://127.0.0.1:${port}` };
  const answer = await withKubeconfig(
    "https://api.cluster.example:6443",
    (cluster) => cluster.act.send(patchOf({}), { dryRun: false }),
    undefined,
    env,
  );
  assert.equal(answer.outcome, "not_sent");
  assert.deepEqual(asked, ["api.cluster.example:6443"]);
  await new Promise((resolve) => proxy.close(resolve));
});

test("paths name exactly one thing", () => {
  const custom: ResourceType = {
    group: "a.example",
    version: "v1",
    resource: "gizmos",
    kind: "Gizmo",
    namespaced: false,
  };
  assert.equal(pathOf(kinds.pod, "n", "p", "log"), "/api/v1/namespaces/n/pods/p/log");
  assert.equal(pathOf(kinds.deployment, null), "/apis/apps/v1/deployments");
  assert.equal(pathOf(custom, null, "system:x"), "/apis/a.example/v1/gizmos/system:x");
  assert.throws(() => pathOf(custom, "n"), { code: "invalid" });
  assert.throws(() => pathOf(kinds.pod, null, "p"), { code: "invalid" });
});

// A server that answers as the test says -----------------------------------------------------------------------------

function kubeconfigText(server: string, user: Record<string, unknown> = { token: "t" }): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "x",
    contexts: [{ name: "x", context: { cluster: "x", user: "x" } }],
    clusters: [{ name: "x", cluster: { server } }],
    users: [{ name: "x", user }],
  });
}

async function withKubeconfig<T>(
  server: string,
  use: (cluster: Cluster) => Promise<T>,
  user?: Record<string, unknown>,
  env: Record<string, string> = {},
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "steward-kubeconfig-"));
  const kubeconfig = join(folder, "config");
  writeFileSync(kubeconfig, kubeconfigText(server, user));
  try {
    return await use(
      createCluster({
        kubeconfig,
        context: null,
        identities: { read: null, act: null },
        clock: createClock(),
        log: quiet,
        env,
      }),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function withServer(
  answer: (request: IncomingMessage, response: ServerResponse, body: string) => void,
  use: (cluster: Cluster, server: string) => Promise<void>,
): Promise<void> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => void parts.push(part));
    request.on("end", () => answer(request, response, Buffer.concat(parts).toString()));
  });
  const url = `http://127.0.0.1:${await listen(server)}`;
  try {
    await withKubeconfig(url, (cluster) => use(cluster, url));
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

async function listen(server: ReturnType<typeof createServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
