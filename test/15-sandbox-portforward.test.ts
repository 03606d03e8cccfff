/** pods/portforward of the sandbox, by both ways clients use it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, createServer as createListener } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { KubeConfig, PortForward } from "@kubernetes/client-node";
import { type Sandbox, startSandbox } from "../bot/sandbox/index.ts";
import { until } from "./until.ts";

const large = "x".repeat(300_000);

describe("port forwarding into the sandbox", () => {
  let sandbox: Sandbox;
  let target: Server;

  before(async () => {
    target = createServer((request, response) =>
      response.end(request.url === "/large" ? large : `you asked for ${request.url}`),
    );
    await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve));
    sandbox = await startSandbox({ speed: 20 });
    sandbox.apply([
      {
        apiVersion: "v1",
        kind: "Node",
        metadata: { name: "node" },
        status: { allocatable: { cpu: "1", memory: "1Gi" }, conditions: [{ type: "Ready", status: "True" }] },
      },
      {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "web", namespace: "default" },
        spec: { containers: [{ name: "web", image: "web" }] },
      },
    ]);
    sandbox.forward("default", "web", 8080, (target.address() as AddressInfo).port);
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromString(sandbox.kubeconfig());
    const { CoreV1Api } = await import("@kubernetes/client-node");
    const core = kubeConfig.makeApiClient(CoreV1Api);
    await until(
      "the pod runs",
      async () => (await core.readNamespacedPod({ name: "web", namespace: "default" })).status?.phase === "Running",
    );
  });
  after(async () => {
    await sandbox.stop();
    target.close();
    target.closeAllConnections();
  });

  function ask(port: number, path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () =>
        socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
      );
      let text = "";
      // Read to the announced length: the Node client leaves its socket open when the other side is done.
      socket.on("data", (data) => {
        text += data.toString();
        const [head = "", body = ""] = text.split("\r\n\r\n");
        if (body.length < Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Number.POSITIVE_INFINITY)) return;
        resolve(text);
        socket.destroy();
      });
      socket.on("error", reject);
    });
  }

  it("carries a request and its answer over WebSocket channels, as the Node client does it", async () => {
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromString(sandbox.kubeconfig());
    const forward = new PortForward(kubeConfig);
    const listener = createListener((socket) => {
      socket.on("error", () => undefined);
      void forward.portForward("default", "web", [8080], socket, null, socket);
    });
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    const { port } = listener.address() as AddressInfo;
    assert.match(await ask(port, "/hello"), /you asked for \/hello/);
    assert.ok((await ask(port, "/large")).endsWith(large));
    listener.close();
  });

  it("carries many connections for kubectl port-forward", async () => {
    const dir = mkdtempSync(join(tmpdir(), "sandbox-"));
    const path = join(dir, "kubeconfig");
    writeFileSync(path, sandbox.kubeconfig());
    for (const websockets of ["true", "false"]) {
      const kubectl = spawn("kubectl", ["port-forward", "pod/web", ":8080"], {
        env: { ...process.env, KUBECONFIG: path, HOME: dir, KUBECTL_PORT_FORWARD_WEBSOCKETS: websockets },
      });
      let output = "";
      for (const stream of [kubectl.stdout, kubectl.stderr]) {
        stream.on("data", (data: Buffer) => {
          output += data.toString();
        });
      }
      const ended = new Promise((resolve) => kubectl.on("exit", resolve));
      await until("kubectl listens", () => /127\.0\.0\.1:(\d+)/.test(output));
      const port = Number(/127\.0\.0\.1:(\d+)/.exec(output)?.[1]);
      const answers = await Promise.all(["/a", "/b", "/c"].map((path) => ask(port, path)));
      assert.deepEqual(
        answers.map((answer) => answer.split("\r\n\r\n")[1]),
        ["you asked for /a", "you asked for /b", "you asked for /c"],
        output,
      );
      assert.ok((await ask(port, "/large")).endsWith(large));
      kubectl.kill();
      await ended;
    }
    rmSync(dir, { recursive: true });
  });
});
