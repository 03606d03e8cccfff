import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createClock } from "../bot/adapters/clock.ts";
import { likelyOwner, subjectOf } from "../bot/root-object/subject.ts";
import { createRootFinder, type FindRoot } from "../bot/root-object.ts";
import type { Manifest } from "../bot/sandbox/index.ts";
import { kinds } from "../shared/kube.ts";
import { deployment, type Lab, namespace, node, openLab } from "./lab.ts";
import { until } from "./until.ts";

/** `KIND namespace/name` of what labels name, or null. */
function named(labels: Record<string, string>): string | null {
  const subject = subjectOf(labels);
  return subject === null ? null : `${subject.kind} ${subject.namespace ?? ""}/${subject.name}`;
}

const exporter = {
  job: "kube-state-metrics",
  namespace: "monitoring",
  pod: "kube-state-metrics-6b8f7d9c5-x2x9p",
  container: "kube-rbac-proxy-main",
  service: "kube-state-metrics",
  endpoint: "https-main",
  instance: "10.244.0.9:8443",
};
const nodeExporter = { ...exporter, job: "node-exporter", pod: "node-exporter-7k2vq", service: "node-exporter" };

test("an alert of kube-prometheus is about what was measured, not about who measured it", () => {
  const rows: [string, Record<string, string>, string | null][] = [
    [
      "KubePodCrashLooping",
      { ...exporter, namespace: "payment", pod: "checkout-5d8f7c9b6d-x2b4k", uid: "1" },
      "Pod payment/checkout-5d8f7c9b6d-x2b4k",
    ],
    ["KubePodNotReady", { job: exporter.job, namespace: "payment", pod: "checkout-1" }, "Pod payment/checkout-1"],
    ["of the exporter itself", { ...exporter, uid: "1" }, `Pod monitoring/${exporter.pod}`],
    [
      "KubeDeploymentReplicasMismatch",
      { ...exporter, namespace: "payment", deployment: "checkout" },
      "Deployment payment/checkout",
    ],
    ["KubeStatefulSetUpdateNotRolledOut", { ...exporter, namespace: "db", statefulset: "pg" }, "StatefulSet db/pg"],
    ["KubeDaemonSetRolloutStuck", { ...exporter, namespace: "net", daemonset: "cni" }, "DaemonSet net/cni"],
    ["KubeJobFailed", { ...exporter, namespace: "ops", job_name: "backup-29371240" }, "Job ops/backup-29371240"],
    [
      "KubeHpaMaxedOut",
      { ...exporter, namespace: "payment", horizontalpodautoscaler: "checkout" },
      "HorizontalPodAutoscaler payment/checkout",
    ],
    [
      "KubePdbNotEnoughHealthyPods",
      { namespace: "payment", poddisruptionbudget: "checkout" },
      "PodDisruptionBudget payment/checkout",
    ],
    [
      "KubePersistentVolumeFillingUp",
      { job: "kubelet", node: "w1", namespace: "db", persistentvolumeclaim: "data-pg-0" },
      "PersistentVolumeClaim db/data-pg-0",
    ],
    ["KubePersistentVolumeErrors", { ...exporter, persistentvolume: "pvc-1" }, "PersistentVolume /pvc-1"],
    [
      "KubeQuotaExceeded",
      { namespace: "payment", resourcequota: "team", resource: "pods" },
      "ResourceQuota payment/team",
    ],
    ["KubeNodeNotReady", { ...exporter, node: "worker-2", condition: "Ready" }, "Node /worker-2"],
    ["KubeletTooManyPods", { node: "worker-2" }, "Node /worker-2"],
    [
      "NodeFilesystemAlmostOutOfSpace",
      { ...nodeExporter, instance: "worker-2", device: "/dev/sda1" },
      "Node /worker-2",
    ],
    ["by address", { ...nodeExporter, instance: "10.0.0.5:9100" }, "Node /10.0.0.5"],
    ["KubeletDown of one", { job: "kubelet", instance: "10.0.0.5:10250" }, "Node /10.0.0.5"],
    [
      "CPUThrottlingHigh",
      { job: "kubelet", node: "w1", namespace: "payment", pod: "checkout-1", container: "app" },
      "Pod payment/checkout-1",
    ],
    [
      "PrometheusBadConfig",
      { job: "prometheus-k8s", namespace: "monitoring", pod: "prometheus-k8s-0", service: "prometheus-k8s" },
      "Pod monitoring/prometheus-k8s-0",
    ],
    ["TargetDown", { job: "checkout", namespace: "payment", service: "checkout" }, "Service payment/checkout"],
    [
      "without honorLabels",
      { ...exporter, exported_namespace: "payment", exported_pod: "checkout-1" },
      "Pod payment/checkout-1",
    ],
    ["KubeQuotaAlmostFull", { namespace: "payment", resource: "pods" }, null],
    ["KubeAPIDown", { job: "apiserver" }, null],
    ["KubeVersionMismatch", {}, null],
  ];
  for (const [alert, labels, expected] of rows) assert.equal(named(labels), expected, alert);
});

test("the owner of a pod is guessed from how its controller names pods", () => {
  const rows: [string, string][] = [
    ["checkout-5d8f7c9b6d-x2b4k", "Deployment checkout"],
    ["my-app-v2-7d9f8bb64-kzq5x", "Deployment my-app-v2"],
    ["postgres-0", "StatefulSet postgres"],
    ["shop-12", "StatefulSet shop"],
    ["backup-29371240-x2b4k", "CronJob backup"],
    ["node-exporter-7k2vq", "DaemonSet node-exporter"],
    ["checkout-frontend-abcde", "Pod checkout-frontend-abcde"],
    ["etcd-master", "Pod etcd-master"],
  ];
  for (const [name, expected] of rows) {
    const owner = likelyOwner({ kind: "Pod", namespace: "x", name });
    assert.equal(`${owner.kind} ${owner.name}`, expected);
  }
});

const statefulSet: Manifest = {
  apiVersion: "apps/v1",
  kind: "StatefulSet",
  metadata: { name: "pg", namespace },
  spec: {
    replicas: 1,
    serviceName: "pg",
    selector: { matchLabels: { app: "pg" } },
    template: { metadata: { labels: { app: "pg" } }, spec: { containers: [{ name: "app", image: "ok:1" }] } },
  },
};

const conditions = (ready: "True" | "False") => [{ type: "Ready", status: ready, reason: "Kubelet" }];
const worker = (ready: "True" | "False"): Manifest => {
  const made = node("worker-2") as Manifest & { status: Record<string, unknown> };
  const addresses = [{ type: "InternalIP", address: "10.0.0.5" }];
  return { ...made, status: { ...made.status, addresses, conditions: conditions(ready) } };
};

describe("against a cluster", () => {
  let lab: Lab;
  let find: FindRoot;
  const clock = createClock();

  before(async () => {
    lab = await openLab({
      world: { images: { "ok:1": { log: ["up"] } }, objects: [worker("True"), deployment("ok:1"), statefulSet] },
    });
    find = createRootFinder({ read: lab.cluster.read, clock });
    await until("pods", async () => (await podsOf("checkout")).length === 3 && (await podsOf("pg")).length === 1);
  });
  after(() => lab.stop());

  async function podsOf(app: string) {
    const { items } = await lab.cluster.read.list({ type: kinds.pod, namespace, labelSelector: `app=${app}` });
    return items;
  }

  const at = async (labels: Record<string, string>, deadlineMs = 5_000) => {
    const root = await find(labels, { deadlineMs });
    return root === null ? null : `${root.kind}/${root.name} ${root.confirmed ? "confirmed" : "guessed"}`;
  };

  test("a pod leads to the top owner, with its uid", async () => {
    const [pod] = await podsOf("checkout");
    assert.ok(pod);
    const root = await find({ namespace, pod: pod.metadata.name }, { deadlineMs: 5_000 });
    const owner = await lab.cluster.read.get({ type: kinds.deployment, namespace, name: "checkout" });
    assert.deepEqual(root, {
      kind: "Deployment",
      namespace,
      name: "checkout",
      uid: owner?.metadata.uid,
      confirmed: true,
      nodeDown: false,
    });
    assert.equal(await at({ namespace, pod: "pg-0" }), "StatefulSet/pg confirmed");
  });

  test("a pod that is gone leads to the owner it has left behind", async () => {
    assert.equal(await at({ namespace, pod: "checkout-5d8f7c9b6d-x2b4k" }), "Deployment/checkout confirmed");
    assert.equal(await at({ namespace, pod: "nothing-5d8f7c9b6d-x2b4k" }), "Deployment/nothing guessed");
    assert.equal(await at({ namespace, pod: "alone" }), "Pod/alone guessed");
  });

  test("a node is found by name and by the address it was measured at", async () => {
    assert.equal(await at({ node: "worker-2" }), "Node/worker-2 confirmed");
    assert.equal(await at({ job: "kubelet", instance: "10.0.0.5:10250" }), "Node/worker-2 confirmed");
    assert.equal(await at({ node: "worker-9" }), "Node/worker-9 guessed");
  });

  test("a pod whose controller belongs to something else leads to that, also when it may not be read", async () => {
    const owner = {
      apiVersion: "databases.example.com/v1",
      kind: "Postgres",
      name: "main",
      uid: "u-1",
      controller: true,
    };
    lab.sandbox.apply([
      {
        ...statefulSet,
        metadata: { name: "owned", namespace, ownerReferences: [owner] } as Manifest["metadata"],
        spec: {
          ...(statefulSet["spec"] as Record<string, unknown>),
          selector: { matchLabels: { app: "owned" } },
          template: { metadata: { labels: { app: "owned" } }, spec: { containers: [{ name: "app", image: "ok:1" }] } },
        },
      },
    ]);
    await until("the pod", async () => (await podsOf("owned")).length === 1);
    assert.equal(await at({ namespace, pod: "owned-0" }), "Postgres/main confirmed");
  });

  test("within a deadline that is too short, and without a cluster, it is guessed at once", async () => {
    const [pod] = await podsOf("checkout");
    assert.equal(await at({ namespace, pod: pod?.metadata.name ?? "" }, 0), "Deployment/checkout guessed");
    const never: FindRoot = createRootFinder({
      read: { ...lab.cluster.read, get: () => new Promise(() => {}) },
      clock,
    });
    const started = performance.now();
    const root = await never({ namespace, pod: "pg-0" }, { deadlineMs: 200 });
    assert.deepEqual([root?.kind, root?.name, root?.confirmed], ["StatefulSet", "pg", false]);
    assert.ok(performance.now() - started < 1_000);
  });

  test("pods that sit on a node that is not ready lead to the node, and so does their workload when they are all that ails it", async () => {
    await until("a pod on worker-2", async () => {
      const pods = await podsOf("checkout");
      return pods.some((pod) => nodeOf(pod) === "worker-2");
    });
    lab.sandbox.apply([worker("False")]);
    await until("not ready", async () => {
      const found = await lab.cluster.read.get({ type: kinds.node, namespace: null, name: "worker-2" });
      return JSON.stringify(found).includes('"status":"False"');
    });
    const [on, off] = ["worker-2", "node-1"].map(
      (name) => async () => (await podsOf("checkout")).find((pod) => nodeOf(pod) === name)?.metadata.name,
    );
    const down = await find({ namespace, pod: (await on?.()) ?? "" }, { deadlineMs: 5_000 });
    assert.deepEqual([down?.kind, down?.name, down?.nodeDown], ["Node", "worker-2", true]);
    const up = await off?.();
    if (up !== undefined) assert.equal(await at({ namespace, pod: up }), "Deployment/checkout confirmed");
  });
});

function nodeOf(pod: { [field: string]: unknown }): unknown {
  return Object(pod["spec"]).nodeName;
}
