import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CoreV1Api, KubeConfig, type V1Node } from "@kubernetes/client-node";
import { until } from "../until.ts";
import type { Certificate } from "./certificates.ts";

export interface KwokStart {
  dir: string;
  kubeconfig: string;
  /** Where kwok serves the kubelet's side of logs and exec, for all nodes. */
  port: number;
  serving: Certificate;
}

/** Arguments for a kwok that plays every node of the cluster by kwok.yaml, its log files and commands in `dir`. */
export function kwokArguments({ dir, kubeconfig, port, serving }: KwokStart): string[] {
  const streams = join(dir, "kwok-streams.yaml");
  writeFileSync(streams, streamConfiguration(dir));
  return [
    ...["--config", join(import.meta.dirname, "kwok.yaml"), "--config", streams],
    ...["--kubeconfig", kubeconfig, "--manage-all-nodes"],
    ...["--node-ip=127.0.0.1", `--server-address=127.0.0.1:${port}`],
    ...[`--tls-cert-file=${serving.cert}`, `--tls-private-key-file=${serving.key}`],
    "--node-lease-duration-seconds=40",
  ];
}

/** Every container has the same two logs; what is executed in one runs on this host, in `dir`. */
function streamConfiguration(dir: string): string {
  const logsFile = join(dir, "pod.log");
  const previousLogsFile = join(dir, "pod-previous.log");
  writeFileSync(logsFile, containerLog(["starting", "listening on :8080", "ready"]));
  writeFileSync(previousLogsFile, containerLog(["starting", "listening on :8080", "allocating 700 MiB"]));
  const apiVersion = "kwok.x-k8s.io/v1alpha1";
  const metadata = { name: "all" };
  return [
    { apiVersion, kind: "ClusterLogs", metadata, spec: { logs: [{ logsFile, previousLogsFile }] } },
    { apiVersion, kind: "ClusterExec", metadata, spec: { execs: [{ local: { workDir: dir } }] } },
  ]
    .map((document) => JSON.stringify(document))
    .join("\n---\n");
}

/** In the form in which container runtimes keep logs; one second between the lines. */
function containerLog(lines: readonly string[]): string {
  return lines
    .map((line, second) => `${new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString()} stdout F ${line}\n`)
    .join("");
}

/**
 * Registers `node-1` … `node-COUNT` as kubelets do, and waits until each is Ready and pods may be created.
 * @param port where the API server reaches their kubelet's side
 */
export async function registerNodes(kubeconfig: string, count: number, port: number): Promise<void> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const core = config.makeApiClient(CoreV1Api);
  for (let index = 1; index <= count; index += 1) await core.createNode({ body: node(`node-${index}`, port) });
  await until(
    `${count} nodes Ready`,
    async () => {
      const { items } = await core.listNode();
      return items.every(({ spec, status }) => {
        const isReady = status?.conditions?.some(({ type, status: state }) => type === "Ready" && state === "True");
        return isReady === true && spec?.taints === undefined;
      });
    },
    60_000,
  );
  await until("the default service account", () =>
    core.readNamespacedServiceAccount({ namespace: "default", name: "default" }),
  );
}

function node(name: string, port: number): V1Node {
  const capacity = { cpu: "8", memory: "16Gi", pods: "110", "ephemeral-storage": "100Gi" };
  return {
    metadata: {
      name,
      annotations: { "kwok.x-k8s.io/node": "fake" },
      labels: { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64" },
    },
    status: {
      capacity,
      allocatable: capacity,
      addresses: [
        { type: "InternalIP", address: "127.0.0.1" },
        { type: "Hostname", address: name },
      ],
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
    },
  };
}
