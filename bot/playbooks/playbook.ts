import { Action } from "../../shared/action.ts";
import type { Diagnosis, Finding } from "../../shared/finding.ts";
import { kinds, targetOf } from "../../shared/kube.ts";
import type { Locale } from "../../shared/locale.ts";
import type { Described } from "../tools/describe.ts";
import type { EventFacts } from "../tools/events.ts";
import type { ToolRun } from "../tools/index.ts";
import { type ContainerFacts, endOf, type PodFacts } from "../tools/pod.ts";
import type { RevisionFacts } from "../tools/revisions.ts";

/** What every playbook starts from: the object with its pods and events, and its revisions, each with the evidence it came from. */
export interface Scene {
  locale: Locale;
  now: Date;
  namespace: string;
  /** `deployment/checkout`: the root object, the workload above it where there is one. */
  target: string;
  described: Described;
  describeId: string;
  /** Oldest first; empty where the kind has none or they could not be read. */
  revisions: readonly RevisionFacts[];
  historyId: string | null;
  /** The pod of the alert, if it is one of these and not well; else the sickest; null without any. */
  pod: PodFacts | null;
  /** When the alert began to fire; null when nobody has alerted. */
  startedAt: Date | null;
}

/** What a playbook came to. Texts are in the scene's locale; every finding cites evidence. */
export type Explanation = Pick<
  Diagnosis,
  "conclusion" | "cause" | "confidence" | "findings" | "ruledOut" | "unseen"
> & {
  /** Best first. */
  remedies: readonly Action[];
};

/** One way things go wrong: how it is recognised, and what it means. */
export interface Playbook {
  /** The word for the cause; ends up in `Diagnosis.cause` unless the explanation is more exact. */
  readonly name: string;
  recognises(scene: Scene): boolean;
  explain(scene: Scene, look: ToolRun["look"]): Promise<Explanation>;
}

/** The container of the scene's pod that fits; null without one. */
export function containerWhere(scene: Scene, fits: (container: ContainerFacts) => boolean): ContainerFacts | null {
  return scene.pod?.containers.find(fits) ?? null;
}

/** All pods of the scene that have such a container. */
export function podsWhere({ described }: Scene, fits: (container: ContainerFacts) => boolean): PodFacts[] {
  return described.pods.filter(({ deleting, containers }) => !deleting && containers.some(fits));
}

export function hasFailed(container: ContainerFacts): boolean {
  const end = endOf(container);
  return end !== null && end.exitCode !== 0;
}

/** Events that fit, newest first. */
export function eventsWhere({ described }: Scene, reason: RegExp, message = /^/): EventFacts[] {
  return (described.events ?? []).filter((event) => reason.test(event.reason) && message.test(event.message)).reverse();
}

/** A claim and what it rests on; evidence that is not there is left out. */
export function finding(text: string, ...evidence: readonly (string | null)[]): Finding {
  return { text, evidence: evidence.filter((id) => id !== null) };
}

const workloads: readonly string[] = [kinds.deployment.kind, kinds.statefulset.kind, kinds.daemonset.kind];

/** The workload a remedy acts on, as an action names it; null for anything else. */
export function workloadOf({ described: { object } }: Scene): string | null {
  return object !== null && workloads.includes(object.kind) ? targetOf(object.kind, object.metadata.name) : null;
}

/** A remedy in the form of section 8; null where names or values do not fit it. */
export function remedy(wish: unknown): Action | null {
  const action = Action.safeParse(wish);
  return action.success ? action.data : null;
}

export function remedies(...wishes: readonly (Action | null)[]): Action[] {
  return wishes.filter((action) => action !== null);
}
