import assert from "node:assert/strict";
import { clusterContract, type Part } from "../contracts/cluster.ts";

/** Holds parts of the contract against the cluster of the run. */
export function realContract(...which: readonly Part[]): void {
  const kubeconfig = process.env["STEWARD_CONTRACT_KUBECONFIG"];
  assert.ok(kubeconfig, "STEWARD_CONTRACT_KUBECONFIG names no cluster");
  clusterContract("the real control plane", which, async () => ({ kubeconfig, stop: async () => undefined }));
}
