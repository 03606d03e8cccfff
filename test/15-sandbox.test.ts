/** The sandbox cluster as kubectl sees it. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { demoOrders, demoWorld } from "../bot/sandbox/demo-world.ts";
import { type Sandbox, startSandbox } from "../bot/sandbox/index.ts";

const run = promisify(execFile);

interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

describe("kubectl on the sandbox cluster", () => {
  let sandbox: Sandbox;
  let dir: string;
  let kubeconfig: string;

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "sandbox-"));
    sandbox = await startSandbox({ world: demoWorld(), speed: 10 });
    kubeconfig = join(dir, "kubeconfig");
    writeFileSync(kubeconfig, sandbox.kubeconfig());
  });
  after(async () => {
    await sandbox.stop();
    rmSync(dir, { recursive: true });
  });

  async function kubectl(...args: string[]): Promise<Output> {
    const environment = { ...process.env, KUBECONFIG: kubeconfig, HOME: dir };
    try {
      return { code: 0, ...(await run("kubectl", args, { env: environment, timeout: 30_000 })) };
    } catch (error) {
      const { code, stdout, stderr } = error as { code?: number; stdout?: string; stderr?: string };
      return { code: code ?? 1, stdout: stdout ?? "", stderr: stderr ?? String(error) };
    }
  }
  async function ok(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await kubectl(...args);
    assert.equal(code, 0, `kubectl ${args.join(" ")}: ${stderr}`);
    return stdout;
  }
  function file(name: string, text: string): string {
    const path = join(dir, name);
    writeFileSync(path, text);
    return path;
  }

  it("shows the demo world with its past: a rollout 20 minutes ago and a loop of OOM kills since", async () => {
    assert.match(await ok("get", "deployments", "-n", "payment"), /checkout\s+\d\/3\s+3\s+\d\s+24h/);
    const pods = await ok("get", "pods", "-n", "payment", "-l", "app.kubernetes.io/name=checkout", "-o", "json");
    const [pod] = JSON.parse(pods).items;
    const [status] = pod.status.containerStatuses;
    assert.equal(status.lastState.terminated.reason, "OOMKilled");
    assert.equal(status.lastState.terminated.exitCode, 137);
    assert.ok(status.restartCount >= 5, `restarts ${status.restartCount}`);
    assert.match(await ok("logs", "-n", "payment", pod.metadata.name, "--previous"), /loading price catalogue/);
    assert.match(
      await ok("rollout", "history", "deploy/checkout", "-n", "payment"),
      /1 +release 2\.3\.9\n2 +release 2\.4\.0/,
    );
    assert.match(
      await ok("describe", "pod", "-n", "payment", pod.metadata.name),
      /Back-off restarting failed container/,
    );
  });

  it("repairs the out-of-memory loop when the limit is raised", async () => {
    await ok("set", "resources", "-n", "payment", "deploy/checkout", "--limits=memory=1Gi");
    assert.match(
      await ok("rollout", "status", "-n", "payment", "deploy/checkout", "--timeout=20s"),
      /successfully rolled out/,
    );
  });

  it("rolls a bad release back", async () => {
    sandbox.apply([demoOrders("bad")]);
    const stuck = await kubectl("rollout", "status", "-n", "dev", "deploy/orders", "--timeout=2s");
    assert.notEqual(stuck.code, 0);
    await ok("rollout", "undo", "-n", "dev", "deploy/orders");
    await ok("rollout", "status", "-n", "dev", "deploy/orders", "--timeout=20s");
    assert.match(await ok("get", "deploy", "-n", "dev", "orders", "-o", "wide"), /orders:1\.8\.0/);
    assert.match(await ok("rollout", "history", "deploy/orders", "-n", "dev"), /\n2 .*\n3 /);
  });

  it("restarts, scales, sets images and waits like any cluster", async () => {
    await ok("rollout", "restart", "deploy/nginx");
    await ok("rollout", "status", "deploy/nginx", "--timeout=20s");
    await ok("scale", "deploy/nginx", "--replicas=3");
    await ok("wait", "--for=jsonpath={.status.readyReplicas}=3", "deploy/nginx", "--timeout=10s");
    await ok("set", "image", "deploy/nginx", "nginx=nginx:9.9");
    sandbox.setImage("nginx:gone", { notFound: true });
    await ok("set", "image", "deploy/nginx", "nginx=nginx:gone");
    const deadline = Date.now() + 10_000;
    while (!(await ok("get", "pods")).includes("ImagePull")) assert.ok(Date.now() < deadline, "no ImagePullBackOff");
    await ok("rollout", "undo", "deploy/nginx");
    await ok("rollout", "status", "deploy/nginx", "--timeout=20s");
  });

  it("applies from the client, from the server, and names the other owner in a conflict", async () => {
    const manifest = (value: string) =>
      `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: "${value}"}\n`;
    const path = file("cm.yaml", manifest("1"));
    assert.match(await ok("apply", "-f", path), /created/);
    assert.match(await ok("apply", "-f", path), /unchanged/);
    file("cm.yaml", manifest("2"));
    assert.equal((await kubectl("diff", "-f", path)).code, 1);
    assert.match(await ok("apply", "-f", path), /configured/);
    file("cm.yaml", manifest("3"));
    const refused = await kubectl("apply", "--server-side", "--field-manager=other", "-f", path);
    assert.match(
      refused.stderr,
      /Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: \.data\.a/,
    );
    assert.match(
      await ok("apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", path),
      /serverside-applied/,
    );
    assert.equal(await ok("get", "cm", "settings", "-o", "jsonpath={.data.a}"), "3");
  });

  it("answers typed clients, which speak protobuf", async () => {
    assert.equal(await ok("auth", "can-i", "delete", "pods"), "yes\n");
    assert.match(await ok("auth", "whoami"), /Username\s+admin/);
    assert.equal((await kubectl("auth", "can-i", "delete", "pods", "--as=nobody")).stdout, "no\n");
    await ok("create", "deployment", "made", "--image=made:1", "--replicas=1");
    await ok("rollout", "status", "deploy/made", "--timeout=10s");
    assert.match((await ok("create", "token", "default")).trim(), /^\S{20,}$/);
  });

  it("evicts on drain unless a budget forbids it", async () => {
    const path = file(
      "pdb.yaml",
      "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: ledger, namespace: payment}\nspec: {minAvailable: 2, selector: {matchLabels: {app.kubernetes.io/name: ledger}}}\n",
    );
    await ok("apply", "-f", path);
    await ok("wait", "--for=jsonpath={.status.desiredHealthy}=2", "pdb/ledger", "-n", "payment", "--timeout=5s");
    const node = await ok(
      "get",
      "pods",
      "-n",
      "payment",
      "-l",
      "app.kubernetes.io/name=ledger",
      "-o",
      "jsonpath={.items[0].spec.nodeName}",
    );
    const refused = await kubectl("drain", node, "--ignore-daemonsets", "--force", "--timeout=2s");
    assert.match(refused.stderr + refused.stdout, /Cannot evict pod as it would violate the pod's disruption budget/);
    await ok("delete", "pdb", "ledger", "-n", "payment");
    await ok("drain", node, "--ignore-daemonsets", "--force", "--timeout=20s");
    await ok("uncordon", node);
  });

  it("says why a pod cannot be placed", async () => {
    await ok("create", "deployment", "huge", "--image=huge:1");
    await ok("set", "resources", "deploy/huge", "--requests=cpu=64");
    await ok("wait", "--for=jsonpath={.status.unavailableReplicas}=1", "deploy/huge", "--timeout=5s");
    const described = await ok("events", "--types=Warning");
    assert.match(
      described,
      /FailedScheduling.*0\/3 nodes are available: 3 Insufficient cpu\..*preemption: 0\/3 nodes are available/,
    );
  });

  it("runs stateful sets, daemon sets and jobs", async () => {
    sandbox.setImage("once:1", { exit: { code: 0, afterMs: 50, log: ["done"] } });
    const path = file(
      "sets.yaml",
      `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec: {serviceName: db, replicas: 2, selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, image: "db:1"}]}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec: {selector: {matchLabels: {app: agent}}, template: {metadata: {labels: {app: agent}}, spec: {containers: [{name: agent, image: "agent:1"}]}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: once, image: "once:1"}]}}}
`,
    );
    await ok("apply", "-f", path);
    await ok("rollout", "status", "sts/db", "--timeout=15s");
    await ok("rollout", "status", "ds/agent", "--timeout=15s");
    await ok("wait", "--for=condition=complete", "job/once", "--timeout=10s");
    assert.match(await ok("logs", "job/once"), /done/);
    assert.match(await ok("get", "pods", "-l", "app=db"), /db-0 .*\ndb-1 /);
    await ok("set", "image", "sts/db", "db=db:2");
    await ok("rollout", "status", "sts/db", "--timeout=15s");
  });

  it("serves custom resources", async () => {
    await ok(
      "apply",
      "-f",
      file(
        "crd.yaml",
        `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}, status: {type: object, x-kubernetes-preserve-unknown-fields: true}}}}
`,
      ),
    );
    await ok("wait", "--for=condition=established", "crd/widgets.example.com", "--timeout=5s");
    await ok(
      "apply",
      "-f",
      file("widget.yaml", "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: one}\nspec: {size: 3}\n"),
    );
    assert.match(await ok("get", "wd"), /NAME +SIZE\none +3/);
    await ok("patch", "widget", "one", "--type=merge", "-p", '{"spec":{"size":4}}');
    assert.equal(await ok("get", "widget", "one", "-o", "jsonpath={.spec.size}/{.metadata.generation}"), "4/2");
    await ok("delete", "crd", "widgets.example.com", "--timeout=10s");
  });

  it("empties a namespace before it goes", async () => {
    await ok("create", "namespace", "short-lived");
    await ok("create", "deployment", "x", "--image=x:1", "-n", "short-lived");
    await ok("delete", "namespace", "short-lived", "--timeout=15s");
    assert.match((await kubectl("get", "ns", "short-lived")).stderr, /namespaces "short-lived" not found/);
  });

  it("says honestly what it does not have", async () => {
    assert.match((await kubectl("top", "pods")).stderr, /Metrics API not available/);
  });
});
