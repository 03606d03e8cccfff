/** What Steward shows of a cluster against what kubectl prints: tables, and which kind a word means. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createClock } from "../../bot/adapters/clock.ts";
import { openStore } from "../../bot/adapters/sqlite.ts";
import { createToolbox } from "../../bot/tools/index.ts";
import { type KubeObject, kinds, stringField } from "../../shared/kube.ts";
import { configMap, daemonSet, definition, deployment, missingImage, statefulSet } from "../contracts/drafts.ts";
import { pluginBundle } from "../plugin.ts";
import { until } from "../until.ts";
import { createOracle, type Oracle } from "./oracle.ts";

describe("reads and kubectl", () => {
  let oracle: Oracle;
  let ns: string;

  before(async () => {
    oracle = createOracle("reads");
    ns = await oracle.namespace("x");
    const group = `${ns}.example`;
    await oracle.create(
      ns,
      deployment("web"),
      deployment("bad", { replicas: 1 }, { image: missingImage }),
      deployment("large", { replicas: 1 }, { container: { resources: { requests: { cpu: "64" } } } }),
      statefulSet("db", { replicas: 1 }),
      daemonSet("agent"),
      configMap("settings", { a: "1", b: "2" }),
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "web" },
        spec: { selector: { app: "web" }, ports: [{ port: 80, targetPort: 8080 }] },
      },
      {
        apiVersion: "batch/v1",
        kind: "CronJob",
        metadata: { name: "nightly" },
        spec: {
          schedule: "0 3 * * *",
          jobTemplate: {
            spec: {
              template: {
                spec: { restartPolicy: "Never", containers: [{ name: "main", image: "batch.example/run:1" }] },
              },
            },
          },
        },
      },
      {
        apiVersion: "batch/v1",
        kind: "Job",
        metadata: { name: "once" },
        spec: {
          template: { spec: { restartPolicy: "Never", containers: [{ name: "main", image: "batch.example/run:1" }] } },
        },
      },
      {
        apiVersion: "policy/v1",
        kind: "PodDisruptionBudget",
        metadata: { name: "web" },
        spec: { minAvailable: 1, selector: { matchLabels: { app: "web" } } },
      },
      {
        apiVersion: "autoscaling/v2",
        kind: "HorizontalPodAutoscaler",
        metadata: { name: "web" },
        spec: {
          minReplicas: 1,
          maxReplicas: 3,
          scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "web" },
        },
      },
      {
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        metadata: { name: "data" },
        spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
      },
    );
    await oracle.create(null, definition(group));
    const path = `/apis/${group}/v1/namespaces/${ns}/gadgets`;
    await until("gadgets are served", async () => (await oracle.raw({ method: "GET", path })).code === 200, 30_000);
    const gadget = { apiVersion: `${group}/v1`, kind: "Gadget", metadata: { name: "g" }, spec: { size: 3 } };
    await oracle.raw({ method: "POST", path, body: gadget });
    for (const name of ["deployment/web", "statefulset/db", "daemonset/agent"]) {
      await oracle.ok("rollout", "status", name, "-n", ns, "--timeout=60s");
    }
    await until("all has come to rest", async () => {
      const { items } = await oracle.cluster.read.list({ type: kinds.pod, namespace: ns });
      const phases = (app: string) =>
        items.filter(({ metadata }) => metadata.name.startsWith(app)).map((pod) => stringField(pod, "status", "phase"));
      return phases("once").join() === "Succeeded" && JSON.stringify(items).includes("ImagePullBackOff");
    });
  });
  after(async () => {
    await oracle.raw({
      method: "DELETE",
      path: `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets.${ns}.example`,
    });
    await oracle.close();
  });

  const printed = [
    "pods",
    "deployments",
    "replicasets",
    "statefulsets",
    "daemonsets",
    "services",
    "configmaps",
    "cronjobs",
    "jobs",
    "poddisruptionbudgets",
    "horizontalpodautoscalers",
    "persistentvolumeclaims",
    "events",
    "endpointslices",
    "controllerrevisions",
    "serviceaccounts",
    "leases",
    "gadgets",
    "nodes",
    "namespaces",
    "storageclasses",
  ];
  const empty = new Set(["leases", "storageclasses"]);
  for (const word of printed) {
    for (const wide of [false, true]) {
      test(`the table of ${word}${wide ? ", wide," : ""} is what kubectl get prints`, async () => {
        const { read } = oracle.cluster;
        const name = word === "gadgets" ? `gadgets.${ns}.example` : word;
        const type = await read.resolve(name);
        assert.ok(type);
        const namespace = type.namespaced ? ns : null;
        // Other suites come and go beside this one: of what is not in a namespace only what stays is compared.
        const mine = (cells: readonly string[]) => type.namespaced || /^(node-\d|default|kube-)/.test(cells[0] ?? "");
        const output = await oracle.ok(
          "get",
          name,
          ...(namespace === null ? [] : ["-n", ns]),
          ...(wide ? ["-o", "wide"] : []),
        );
        const table = await read.table({ type, namespace });
        const shown = table.columns.map(({ priority }) => wide || priority === 0);
        const pick = (cells: readonly string[]) => cells.filter((_, i) => shown[i] === true);
        const rows = table.rows.filter(mine).map((row) => pick(row).map(steady).join(" "));
        const [head = "", ...lines] = output === "" ? [] : output.trimEnd().split("\n");
        const starts = [...head.matchAll(/\S+(?: \S+)*/g)].map(({ index }) => index);
        const cut = (line: string) => starts.map((start, i) => line.slice(start, starts[i + 1]).trim());
        assert.equal(table.rows.length > 0, !empty.has(word), word);
        if (table.rows.length > 0) {
          assert.deepEqual(pick(table.columns.map((column) => column.name.toUpperCase())), cut(head));
        }
        const theirs = lines
          .map(cut)
          .filter(mine)
          .map((cells) => cells.map(steady).join(" "));
        assert.deepEqual(rows.map(squeezed), theirs.map(squeezed));
      });
    }
  }

  test("the tool's text has kubectl's rows under kubectl's heads", async () => {
    const dir = mkdtempSync(join(tmpdir(), "steward-oracle-"));
    const clock = createClock();
    const store = openStore({ path: join(dir, "steward.db"), clock, holder: "test" });
    try {
      const toolbox = createToolbox({ read: oracle.cluster.read, store, clock, ownNamespace: null });
      const investigationId = store.transact(() =>
        store.evidence.begin({ incidentId: null, by: "rules", model: null }),
      );
      const looks = toolbox.open({ incidentId: null, investigationId, signal: AbortSignal.timeout(30_000) });
      for (const resource of ["po", "deploy", "rs", "sts", "ds", "svc", "pdb", "hpa"]) {
        const { evidence } = await looks.look("kubectl_get", { resource, namespace: ns });
        const output = await oracle.ok("get", resource, "-n", ns);
        const [, ...ours] = evidence.text.split("\n");
        const cells = (line: string) =>
          line
            .trimEnd()
            .split(/\s{2,}/)
            .map(steady)
            .join("|");
        assert.deepEqual(ours.map(cells), output.trimEnd().split("\n").map(cells), resource);
      }
    } finally {
      store.close();
      rmSync(dir, { recursive: true });
    }
  });

  test("every word for a kind means what it means to kubectl", async () => {
    const lines = (await oracle.ok("api-resources", "--no-headers")).trimEnd().split("\n");
    const served = lines.map((line) => {
      const cells = line.trim().split(/\s+/);
      const [kind = "", namespaced = "", apiVersion = ""] = cells.toReversed();
      const [resource = "", short = ""] = cells.length === 5 ? cells : [cells[0]];
      const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
      const names = [resource, kind.toLowerCase(), ...short.split(",").filter((name) => name !== "")];
      return {
        type: { group, version, resource, kind, namespaced: namespaced === "true" },
        names: new Set(names),
      };
    });
    assert.ok(served.length > 50, `${served.length} kinds`);
    for (const { type, names } of served) {
      for (const name of names) {
        // Other suites come and go with kinds of the same names.
        if (type.resource === "gadgets") continue;
        const first = served.find((other) => other.names.has(name));
        const found = await oracle.cluster.read.resolve(name);
        assert.deepEqual(found, first?.type, name);
        const whole = type.group === "" ? `${name}.${type.version}.` : `${name}.${type.version}.${type.group}`;
        if (type.group !== "") assert.deepEqual(await oracle.cluster.read.resolve(whole), type, whole);
      }
    }
  });

  test("of a word that several groups have, kubectl takes the one that we take", async () => {
    for (const word of ["events", "ev", "ingresses"]) {
      const explained = await oracle.ok("explain", word);
      const kind = /^KIND: +(\S+)/m.exec(explained)?.[1];
      const group = /^GROUP: +(\S+)/m.exec(explained)?.[1] ?? "";
      const version = /^VERSION: +(\S+)/m.exec(explained)?.[1];
      const found = await oracle.cluster.read.resolve(word);
      assert.deepEqual([found?.group, found?.version, found?.kind], [group, version, kind], word);
    }
  });

  test("an object is the same to both", async () => {
    const theirs = JSON.parse(
      await oracle.ok("get", "deployment", "web", "-n", ns, "-o", "json", "--show-managed-fields"),
    ) as KubeObject;
    assert.deepEqual(await oracle.get(kinds.deployment, ns, "web"), theirs);
    const logs = await until("a pod's log", async () => {
      const { items } = await oracle.cluster.read.list({ type: kinds.pod, namespace: ns, labelSelector: "app=web" });
      return items[0]?.metadata.name;
    });
    assert.equal(
      await oracle.cluster.read.logs({ namespace: ns, pod: logs, tailLines: 2 }),
      await oracle.ok("logs", logs, "-n", ns, "--tail=2"),
    );
  });

  describe("the plugin", () => {
    let bin: string;
    const env = () => ({ PATH: [bin, process.env["PATH"] ?? "", dirname(process.execPath)].join(delimiter) });
    before(() => {
      bin = mkdtempSync(join(tmpdir(), "steward-bin-"));
      for (const name of ["kubectl-steward", "kubectl_complete-steward"]) symlinkSync(pluginBundle, join(bin, name));
    });
    after(() => rmSync(bin, { recursive: true }));

    test("kubectl lists it, without a complaint", async () => {
      const { code, stdout, stderr } = await oracle.kubectl(["plugin", "list"], { env: env() });
      assert.equal(code, 0, stderr);
      assert.ok(stdout.split("\n").includes(join(bin, "kubectl-steward")), stdout);
      assert.doesNotMatch(stdout + stderr, /not executable|overshadowed/);
    });

    test("kubectl runs it and completes its words", async () => {
      const version = await oracle.kubectl(["steward", "version"], { env: env() });
      assert.equal(version.code, 0, version.stderr);
      const { stdout } = await oracle.kubectl(["__complete", "steward", "app"], { env: env() });
      assert.match(stdout, /^approvals\t.*\napprove\t.*\n:4\n/);
    });
  });
});

/** Ages go on between two questions. */
function steady(cell: string): string {
  return /^(\d+[smhdy])+( ago)?$/.test(cell.trim()) ? "AGE" : cell.trim();
}

/** A cell may end in blanks, or be empty. */
function squeezed(line: string): string {
  return line
    .replaceAll(/\(\d+[smhd]\S* ago\)/g, "(AGE)")
    .replaceAll(/\s+/g, " ")
    .trim();
}
