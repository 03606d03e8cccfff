/** The sandbox keeps the contract that the real control plane keeps (test/cluster/contract-*.test.ts). */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Manifest, startSandbox } from "../bot/sandbox/index.ts";
import { clusterContract, type Part, parts } from "./contracts/cluster.ts";
import { batchImage, image, log, missingImage, otherImage } from "./contracts/drafts.ts";

/** As test/cluster/nodes.ts registers them. */
function node(name: string): Manifest {
  const capacity = { cpu: "8", memory: "16Gi", pods: "110", "ephemeral-storage": "100Gi" };
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      labels: { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64" },
    },
    status: {
      capacity,
      allocatable: capacity,
      conditions: [{ type: "Ready", status: "True", reason: "KubeletReady" }],
    },
  };
}

clusterContract("the sandbox", Object.keys(parts) as Part[], async () => {
  const sandbox = await startSandbox({
    speed: 20,
    world: {
      objects: ["node-1", "node-2", "node-3"].map(node),
      images: {
        [image]: { log },
        [otherImage]: { log },
        [missingImage]: { notFound: true },
        [batchImage]: { exit: { code: 0 } },
      },
    },
  });
  const dir = mkdtempSync(join(tmpdir(), "sandbox-"));
  const kubeconfig = join(dir, "kubeconfig");
  writeFileSync(kubeconfig, sandbox.kubeconfig());
  return {
    kubeconfig,
    async stop() {
      await sandbox.stop();
      rmSync(dir, { recursive: true });
    },
  };
});
