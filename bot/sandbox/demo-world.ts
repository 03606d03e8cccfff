/** The cluster of `npm run demo`: three nodes, two teams, one service that runs out of memory, one about to fail. */
import type { ImageBehaviour, Manifest, World } from "./behaviour.ts";

const minute = 60_000;

function node(name: string, zone: string): Manifest {
  const capacity = { cpu: "4", memory: "16Gi", pods: "110", "ephemeral-storage": "100Gi" };
  const condition = (type: string, status: string, reason: string, message: string) => ({
    type,
    status,
    reason,
    message,
  });
  const last = name.charCodeAt(name.length - 1) - 96;
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      labels: {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/zone": zone,
      },
    },
    spec: { podCIDR: `10.244.${last}.0/24` },
    status: {
      capacity,
      allocatable: { ...capacity, cpu: "3800m", memory: "15Gi" },
      conditions: [
        condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
      ],
      addresses: [
        { type: "InternalIP", address: `10.0.0.${10 + last}` },
        { type: "Hostname", address: name },
      ],
      nodeInfo: {
        machineID: name,
        systemUUID: name,
        bootID: name,
        kernelVersion: "6.12.0",
        osImage: "Debian GNU/Linux 13 (trixie)",
        containerRuntimeVersion: "containerd://2.1.4",
        kubeletVersion: "v1.35.4",
        kubeProxyVersion: "",
        operatingSystem: "linux",
        architecture: "amd64",
      },
    },
  };
}

function namespace(name: string, labels: Record<string, string> = {}): Manifest {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
}

interface App {
  readonly namespace: string;
  readonly name: string;
  readonly image: string;
  readonly replicas: number;
  readonly cpu?: string;
  readonly memory?: string;
  readonly port?: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

function deployment({
  namespace: ns,
  name,
  image,
  replicas,
  cpu = "50m",
  memory,
  port = 8080,
  annotations,
}: App): Manifest {
  const labels = { "app.kubernetes.io/name": name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: ns, labels, ...(annotations ? { annotations } : {}) },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          containers: [
            {
              name,
              image,
              ports: [{ name: "http", containerPort: port }],
              resources: {
                requests: { cpu, memory: memory ?? "64Mi" },
                limits: { memory: memory ?? "256Mi" },
              },
              readinessProbe: { httpGet: { path: "/healthz", port: "http" }, periodSeconds: 5 },
            },
          ],
        },
      },
    },
  };
}

function service(ns: string, name: string): Manifest {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: ns },
    spec: { selector: { "app.kubernetes.io/name": name }, ports: [{ name: "http", port: 80, targetPort: "http" }] },
  };
}

const cause = (text: string) => ({ "kubernetes.io/change-cause": text });

const checkout = (image: string, change: string) =>
  deployment({
    namespace: "payment",
    name: "checkout",
    image,
    replicas: 3,
    memory: "512Mi",
    annotations: cause(change),
  });

/** The release of dev/orders that works, and the one that exits 1. Apply the second to start the story of the rollback. */
export function demoOrders(release: "good" | "bad"): Manifest {
  const image = release === "good" ? "registry.example.com/orders:1.8.0" : "registry.example.com/orders:1.9.0";
  return deployment({
    namespace: "dev",
    name: "orders",
    image,
    replicas: 2,
    annotations: cause(`release ${image.split(":")[1]}`),
  });
}

const serving = (line: string): ImageBehaviour => ({
  log: ["listening on :8080"],
  periodic: [{ everyMs: 15_000, line }],
});

const images: Record<string, ImageBehaviour> = {
  "registry.example.com/checkout:2.3.9": serving('level=info msg="cart settled" took=38ms'),
  "registry.example.com/checkout:2.4.0": {
    log: ["listening on :8080", 'level=info msg="loading price catalogue into memory" entries=4200000'],
    memory: "700Mi",
    oomAfterMs: 4000,
    periodic: [{ everyMs: 15_000, line: 'level=info msg="cart settled" took=9ms' }],
  },
  "registry.example.com/orders:1.8.0": serving('level=info msg="order stored"'),
  "registry.example.com/orders:1.9.0": {
    log: ["starting orders 1.9.0", "connecting to postgres://orders-db:5432/orders"],
    exit: {
      code: 1,
      afterMs: 700,
      log: [
        'level=error msg="migration 0042 failed" err="column \\"tenant_id\\" does not exist"',
        "fatal: cannot start without migrations",
      ],
    },
  },
  "registry.example.com/ledger:5.1.2": serving('level=info msg="entry booked"'),
  "nginx:1.29": {
    log: ["start worker processes"],
    periodic: [{ everyMs: 20_000, line: '"GET /healthz HTTP/1.1" 200 2' }],
  },
};

/** payment/checkout was rolled out 20 minutes ago and has been running out of memory since; all else is well. */
export function demoWorld(): World {
  return {
    images,
    ageMs: 24 * 60 * minute,
    objects: [
      node("node-a", "zone-1"),
      node("node-b", "zone-2"),
      node("node-c", "zone-3"),
      namespace("payment", { team: "payment" }),
      namespace("dev", { env: "dev" }),
      namespace("steward"),
      checkout("registry.example.com/checkout:2.3.9", "release 2.3.9"),
      service("payment", "checkout"),
      deployment({ namespace: "payment", name: "ledger", image: "registry.example.com/ledger:5.1.2", replicas: 2 }),
      service("payment", "ledger"),
      demoOrders("good"),
      service("dev", "orders"),
      deployment({ namespace: "default", name: "nginx", image: "nginx:1.29", replicas: 2, port: 80 }),
      service("default", "nginx"),
    ],
    history: [{ agoMs: 20 * minute, objects: [checkout("registry.example.com/checkout:2.4.0", "release 2.4.0")] }],
  };
}
