import { after, before, describe } from "node:test";
import { createGround, type Ground, type Subject } from "./ground.ts";
import { logsContract } from "./logs.ts";
import { readsContract } from "./reads.ts";
import { removalsContract } from "./removals.ts";
import { rightsContract } from "./rights.ts";
import { watchesContract } from "./watches.ts";
import { workloadsContract } from "./workloads.ts";
import { writesContract } from "./writes.ts";

/** What Steward believes of Kubernetes, part by part. Every part is held against every cluster that there is. */
export const parts = {
  reads: readsContract,
  watches: watchesContract,
  writes: writesContract,
  rights: rightsContract,
  logs: logsContract,
  removals: removalsContract,
  workloads: workloadsContract,
} as const satisfies Record<string, (ground: () => Ground) => void>;

export type Part = keyof typeof parts;

/** Defines the cases of these parts for a cluster. */
export function clusterContract(name: string, which: readonly Part[], start: () => Promise<Subject>): void {
  describe(name, () => {
    let subject: Subject;
    let ground: Ground;
    before(async () => {
      subject = await start();
      ground = createGround(subject.kubeconfig, `contract-${process.pid}`);
    });
    after(async () => {
      await ground.clear();
      await subject.stop();
    });
    for (const part of which) parts[part](() => ground);
  });
}
