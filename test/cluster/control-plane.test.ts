import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { after, before, describe, test } from "node:test";
import {
  ApiException,
  AppsV1Api,
  AuthorizationV1Api,
  CoordinationV1Api,
  CoreV1Api,
  Exec,
  KubeConfig,
  Log,
  setHeaderOptions,
  type V1Deployment,
  type V1Pod,
  type V1Status,
} from "@kubernetes/client-node";
import { until } from "../until.ts";

const kubeconfig = process.env["STEWARD_CONTRACT_KUBECONFIG"];
assert.ok(kubeconfig, "STEWARD_CONTRACT_KUBECONFIG names no cluster");
const config = new KubeConfig();
config.loadFromFile(kubeconfig);
const core = config.makeApiClient(CoreV1Api);
const apps = config.makeApiClient(AppsV1Api);

const namespace = `smoke-${process.pid}`;
const nodes = await core.listNode();
const played = nodes.items.every(({ metadata }) => metadata?.annotations?.["kwok.x-k8s.io/node"] === "fake");

before(() => core.createNamespace({ body: { metadata: { name: namespace } } }));
after(() => core.deleteNamespace({ name: namespace }));

test("a deployment becomes available, and its scale subresource changes how many pods it has", async () => {
  await apps.createNamespacedDeployment({ namespace, body: deployment("web", { replicas: 2 }) });
  await until("2 available", () => available("web", 2), 30_000);
  await apps.patchNamespacedDeploymentScale(
    { namespace, name: "web", body: { spec: { replicas: 3 } } },
    setHeaderOptions("Content-Type", "application/merge-patch+json"),
  );
  await until("3 available", () => available("web", 3), 30_000);
});

test("a server-side dry run answers with the change and keeps nothing of it", async () => {
  await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: "settings" }, data: { mode: "fast" } } });
  const shown = await core.patchNamespacedConfigMap(
    { namespace, name: "settings", dryRun: "All", body: { data: { mode: "slow" } } },
    setHeaderOptions("Content-Type", "application/merge-patch+json"),
  );
  assert.deepEqual(shown.data, { mode: "slow" });
  const kept = await core.readNamespacedConfigMap({ namespace, name: "settings" });
  assert.deepEqual(kept.data, { mode: "fast" });
});

test("a JSON patch whose test fails changes nothing", async () => {
  await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: "tested" }, data: { mode: "fast" } } });
  const status = await refused(
    core.patchNamespacedConfigMap({
      namespace,
      name: "tested",
      body: [
        { op: "test", path: "/data/mode", value: "other" },
        { op: "replace", path: "/data/mode", value: "slow" },
      ],
    }),
  );
  assert.equal(status.code, 422);
  const kept = await core.readNamespacedConfigMap({ namespace, name: "tested" });
  assert.deepEqual(kept.data, { mode: "fast" });
});

test("a delete with another object's uid deletes nothing", async () => {
  await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: "held" } } });
  const uid = "00000000-0000-0000-0000-000000000000";
  const status = await refused(
    core.deleteNamespacedConfigMap({ namespace, name: "held", body: { preconditions: { uid } } }),
  );
  assert.equal(status.code, 409);
  await core.readNamespacedConfigMap({ namespace, name: "held" });
});

test("of two updates of a Lease from the same version, one wins", async () => {
  const coordination = config.makeApiClient(CoordinationV1Api);
  const body = await coordination.createNamespacedLease({ namespace, body: { metadata: { name: "holder" } } });
  const claim = (holderIdentity: string) =>
    coordination.replaceNamespacedLease({ namespace, name: "holder", body: { ...body, spec: { holderIdentity } } });
  const outcomes = await Promise.allSettled([claim("a"), claim("b")]);
  assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
  const lost = outcomes.find((outcome) => outcome.status === "rejected");
  assert.ok(lost?.reason instanceof ApiException);
  assert.equal(lost.reason.code, 409);
});

test("an impersonated user may do what RBAC gives that user, and no more", async () => {
  const as = new KubeConfig();
  as.loadFromFile(kubeconfig);
  const user = as.getCurrentUser();
  assert.ok(user);
  as.users = [{ ...user, impersonateUser: "nobody-in-particular" }];
  const review = await as.makeApiClient(AuthorizationV1Api).createSelfSubjectAccessReview({
    body: { spec: { resourceAttributes: { namespace, verb: "list", resource: "pods" } } },
  });
  assert.equal(review.status?.allowed, false);
  const status = await refused(as.makeApiClient(CoreV1Api).listNamespacedPod({ namespace }));
  assert.equal(status.code, 403);
});

describe("on nodes that kwok plays", { skip: !played && "the nodes of this cluster are real ones" }, () => {
  test("a pod's logs and the logs of its run before are read through the API server", async () => {
    await core.createNamespacedPod({ namespace, body: pod("logged") });
    await until("running", async () => (await phase("logged")) === "Running");
    assert.match(await log("logged", false), /listening on :8080\nready\n$/);
    assert.match(await log("logged", true), /allocating 700 MiB\n$/);
  });

  test("a command runs in a container", async () => {
    await core.createNamespacedPod({ namespace, body: pod("entered") });
    await until("running", async () => (await phase("entered")) === "Running");
    const output = text();
    const status = await new Promise<V1Status>((resolve, reject) => {
      new Exec(config)
        .exec(namespace, "entered", "main", ["echo", "hello"], output.stream, null, null, false, resolve)
        .catch(reject);
    });
    assert.equal(status.status, "Success");
    assert.equal(output.read(), "hello\n");
  });

  test("a pod's template chooses its fate", async () => {
    await core.createNamespacedPod({ namespace, body: pod("oom", { fate: "oom" }) });
    await core.createNamespacedPod({ namespace, body: pod("unready", { fate: "unready" }) });
    await core.createNamespacedPod({ namespace, body: pod("missing", { image: "missing.example/web:1" }) });
    const container = (name: string) => async () => {
      const { status } = await core.readNamespacedPod({ namespace, name });
      return status?.containerStatuses?.[0];
    };
    const oom = await until("oom", container("oom"));
    assert.equal(oom.lastState?.terminated?.reason, "OOMKilled");
    assert.equal(oom.state?.waiting?.reason, "CrashLoopBackOff");
    assert.equal((await until("unready", container("unready"))).ready, false);
    assert.equal((await until("missing", container("missing"))).state?.waiting?.reason, "ImagePullBackOff");
  });
});

function deployment(name: string, { replicas }: { replicas: number }): V1Deployment {
  const { metadata, spec } = pod(name);
  assert.ok(metadata && spec);
  return {
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec },
    },
  };
}

function pod(name: string, { fate, image = "busybox:1" }: { fate?: string; image?: string } = {}): V1Pod {
  return {
    metadata: {
      name,
      labels: { app: name },
      ...(fate === undefined ? {} : { annotations: { "test.steward.io/fate": fate } }),
    },
    spec: { containers: [{ name: "main", image, command: ["sleep", "3600"] }] },
  };
}

async function available(name: string, count: number): Promise<boolean> {
  const { status } = await apps.readNamespacedDeployment({ namespace, name });
  return status?.availableReplicas === count && status.updatedReplicas === count;
}

async function phase(name: string): Promise<string | undefined> {
  return (await core.readNamespacedPod({ namespace, name })).status?.phase;
}

async function log(name: string, previous: boolean): Promise<string> {
  const output = text();
  await new Promise<void>((resolve, reject) => {
    output.stream.once("finish", resolve);
    output.stream.once("error", reject);
    new Log(config).log(namespace, name, "main", output.stream, { previous }).catch(reject);
  });
  return output.read();
}

function text(): { stream: Writable; read(): string } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  return { stream, read: () => Buffer.concat(chunks).toString("utf8") };
}

/** The Status of a request that must fail. */
async function refused(request: Promise<unknown>): Promise<V1Status> {
  const error = await request.then(
    () => assert.fail("the request was not refused"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ApiException, String(error));
  return JSON.parse(String(error.body)) as V1Status;
}
