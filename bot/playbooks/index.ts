import { configError } from "./config-error.ts";
import { crashLoop } from "./crash-loop.ts";
import { imagePull } from "./image-pull.ts";
import { oomKilled } from "./oom-killed.ts";
import { pending } from "./pending.ts";
import type { Playbook, Scene } from "./playbook.ts";
import { livenessProbe, readinessProbe } from "./probes.ts";
import { podsRefused, stuckRollout } from "./rollout.ts";
import { unexplained } from "./unexplained.ts";

/** From the most telling sign to the least. A container that cannot start or is killed says more than the rollout it holds up. */
const playbooks: readonly Playbook[] = [
  configError,
  imagePull,
  oomKilled,
  livenessProbe,
  crashLoop,
  pending,
  podsRefused,
  readinessProbe,
  stuckRollout,
];

/** The playbook for what the scene shows; the last resort is an honest list of facts. */
export function playbookFor(scene: Scene): Playbook {
  return playbooks.find((playbook) => playbook.recognises(scene)) ?? unexplained;
}
