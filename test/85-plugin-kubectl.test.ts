import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Manifest } from "../bot/sandbox/behaviour.ts";
import { type Sandbox, startSandbox } from "../bot/sandbox/index.ts";
import { type ApiServer, admin, password, startApiServer } from "./api-server.ts";
import { createPlugin, nodeOfMajor, onPath, type Plugin, pluginBundle } from "./plugin.ts";
import { until } from "./until.ts";

/** The way in of every user: kubectl finds the plugin on the PATH, the plugin finds the bot through the API server. */
describe("through kubectl", {
  skip: onPath("kubectl").length === 0 ? "there is no kubectl on the PATH" : false,
}, () => {
  let sandbox: Sandbox;
  let server: ApiServer;
  let bin: string;
  let kubectl: Plugin;
  let kubeconfig: string;

  before(async () => {
    server = await startApiServer();
    sandbox = await startSandbox({ speed: 20 });
    sandbox.apply([node("worker-1"), namespace("steward"), namespace("payment"), pod("steward-0", "steward", 8080)]);
    sandbox.forward("steward", "steward-0", 8080, server.port);
    await until("the pod runs", async () => (await podPhase(sandbox, "steward", "steward-0")) === "Running");
    bin = mkdtempSync(join(tmpdir(), "steward-bin-"));
    for (const name of ["kubectl-steward", "kubectl_complete-steward"]) symlinkSync(pluginBundle, join(bin, name));
    kubeconfig = join(bin, "kubeconfig");
    writeFileSync(kubeconfig, sandbox.kubeconfig("admin", "payment"), { mode: 0o600 });
    kubectl = createPlugin({ KUBECONFIG: kubeconfig, PATH: pathWith(bin) }, [onPath("kubectl")[0] ?? "", "steward"]);
  });
  after(async () => {
    await server.stop();
    await sandbox.stop();
    await kubectl.remove();
    rmSync(bin, { recursive: true, force: true });
  });

  test("setup finds its token in the Secret, and the session is kept for this cluster", async () => {
    sandbox.apply([setupSecret(server.setupToken)]);
    const setup = await kubectl.run(["setup", "-u", admin], { input: `${password}\n` });
    assert.equal(setup.code, 0, setup.stderr);
    const who = await kubectl.run(["whoami"]);
    assert.match(who.stdout, /User: +ada/);
  });

  test("a change is proposed in the context's namespace and approved, with kubectl's own exit code", async () => {
    const proposed = await kubectl.run(["propose", "scale", "deployment/web", "--replicas=3", "-o", "name"]);
    assert.equal(proposed.code, 0, proposed.stderr);
    const code = proposed.stdout.trim().replace("approval/", "");
    assert.equal((await kubectl.run(["approve", code])).code, 0);
    assert.equal(server.store.proposals.find(code)?.state, "approved");
    assert.equal((await kubectl.run(["approve", "ZZZZ"])).code, 5);
    const gate = await kubectl.run(["gate", "deployment/web", "-o", "json"]);
    assert.equal(JSON.parse(gate.stdout).namespace, "payment");
  });

  test("a long list and a long export come through the tunnel whole", async () => {
    for (let i = 0; i < 300; i++) server.putProposal({ namespace: "long", diff: "x".repeat(5_000) });
    const { stdout } = await kubectl.run(["approvals", "-n", "long", "-o", "json"]);
    assert.equal((JSON.parse(stdout) as { items: unknown[] }).items.length, 300);
  });

  test("changes are watched through the tunnel, and Ctrl-C ends it", async () => {
    const child = kubectl.start(["watch", "-o", "json"]);
    let out = "";
    let words = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      words += text;
    });
    await until("it watches", () => words.includes("Watching"));
    server.putCard("seen through the tunnel");
    await until("the change", () => out.includes("seen through the tunnel"));
    child.kill("SIGINT");
    await once(child, "close");
    assert.ok(!words.includes("error"), words);
  });

  test("the bot is found wherever it runs, ready ones first, and who finds none is told what to do", async () => {
    const elsewhere = await kubectl.run(["approvals"], { env: { STEWARD_NAMESPACE: "payment" } });
    assert.equal(elsewhere.code, 6);
    assert.match(elsewhere.stderr, /no running pod with the label app\.kubernetes\.io\/name=steward in payment/);
    assert.equal((await kubectl.run(["approvals"], { env: { STEWARD_NAMESPACE: "steward" } })).code, 0);
    const nobody = join(bin, "nobody");
    writeFileSync(nobody, sandbox.kubeconfig("nobody"), { mode: 0o600 });
    const refused = await kubectl.run(["approvals", "--kubeconfig", nobody]);
    assert.equal(refused.code, 6, refused.stderr);
    assert.match(refused.stderr, /STEWARD_NAMESPACE/);
    const wrong = await kubectl.run(["approvals", "--context", "elsewhere"]);
    assert.deepEqual([wrong.code, /there is no context elsewhere/.test(wrong.stderr)], [2, true]);
  });

  test("a port where nothing listens is said to be that", async () => {
    sandbox.apply([namespace("broken"), pod("steward-0", "broken", 9)]);
    await until("the pod runs", async () => (await podPhase(sandbox, "broken", "steward-0")) === "Running");
    const { code, stderr } = await kubectl.run(["status"], { env: { STEWARD_NAMESPACE: "broken" } });
    assert.equal(code, 6);
    assert.match(stderr, /connection refused/);
  });

  test("kubectl completes the plugin's words", async () => {
    const completer = createPlugin({ KUBECONFIG: kubeconfig, PATH: pathWith(bin) }, [
      onPath("kubectl")[0] ?? "",
      "__complete",
      "steward",
    ]);
    const complete = async (...words: string[]) => (await completer.run(words)).stdout;
    assert.match(await complete("app"), /^approvals\t.*\napprove\t.*\n:4\n/);
    assert.match(await complete("approvals", "-o", "y"), /^yaml\n/);
    assert.match(await complete("users", "l"), /^list\t.*\nlink\t/);
    assert.match(await complete("approvals", "--si"), /^--since\t/);
    await completer.remove();
  });

  test("the help says how it is called", async () => {
    const { stdout } = await kubectl.run(["approve", "--help"]);
    assert.match(stdout, /kubectl steward approve CODE\.\.\. \[flags\]/);
  });

  test("it runs on the Node 20 that many machines still have", async (t) => {
    const node20 = nodeOfMajor(20);
    if (node20 === null) return t.skip("there is no Node 20 on the PATH");
    const folder = join(bin, "node20");
    mkdirSync(folder);
    symlinkSync(node20, join(folder, "node"));
    const PATH = [folder, pathWith(bin)].join(delimiter);
    for (const args of [["version"], ["approvals"], ["status", "-o", "yaml"], ["audit", "verify"]]) {
      const { code, stderr } = await kubectl.run(args, { env: { PATH, STEWARD_NAMESPACE: "steward" } });
      assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
      assert.ok(!/Warning/.test(stderr), stderr);
    }
  });
});

/** The machine's own PATH without npm's additions, and the Node that runs this test for `env node`. */
function pathWith(bin: string): string {
  const system = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => !folder.includes("node_modules"));
  return [bin, dirname(process.execPath), ...system].join(delimiter);
}

async function podPhase(sandbox: Sandbox, namespace: string, name: string): Promise<string | undefined> {
  const token = /token: (\S+)/.exec(sandbox.kubeconfig())?.[1] ?? "";
  const response = await fetch(`${sandbox.url}/api/v1/namespaces/${namespace}/pods/${name}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const body = (await response.json()) as { status?: { phase?: string } };
  return body.status?.phase;
}

function namespace(name: string): Manifest {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name } };
}

function node(name: string): Manifest {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name },
    status: {
      capacity: { cpu: "4", memory: "8Gi", pods: "110" },
      allocatable: { cpu: "4", memory: "8Gi", pods: "110" },
      conditions: [{ type: "Ready", status: "True" }],
    },
  };
}

function pod(name: string, namespace: string, port: number): Manifest {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels: { "app.kubernetes.io/name": "steward" } },
    spec: { containers: [{ name: "steward", image: "steward:1", ports: [{ name: "http", containerPort: port }] }] },
  };
}

function setupSecret(token: string): Manifest {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "steward-setup", namespace: "steward" },
    data: { token: Buffer.from(token).toString("base64") },
  };
}
