import { StewardError } from "../../shared/errors.ts";
import { field, type KubeObject, listField, numberField, stringField } from "../../shared/kube.ts";
import type { Target } from "./definition.ts";

/** Where the pod template of every workload kind stands. */
export const templatePath = ["spec", "template"] as const;

/** A container of the pod template, with its place for a JSON pointer. */
export interface ContainerPlace {
  list: "containers" | "initContainers";
  index: number;
  container: unknown;
}

/** Every container of the template, the ordinary ones first. */
export function containersOf(object: KubeObject): ContainerPlace[] {
  return (["containers", "initContainers"] as const).flatMap((list) =>
    listField(object, ...templatePath, "spec", list).map((container, index) => ({ list, index, container })),
  );
}

/** Finds a container by name. Throws `invalid`, naming those that are there. */
export function containerNamed(
  object: KubeObject,
  name: string,
  lists: readonly ContainerPlace["list"][] = ["containers"],
): ContainerPlace {
  const candidates = containersOf(object).filter(({ list }) => lists.includes(list));
  const found = candidates.find(({ container }) => stringField(container, "name") === name);
  if (found !== undefined) return found;
  const names = candidates.map(({ container }) => stringField(container, "name")).join(", ");
  throw new StewardError("invalid", `${named(object)} has no container ${name}; it has ${names}`, {
    path: "action.container",
  });
}

/** The steps to a container of the template. */
export function containerPath({ list, index }: ContainerPlace): (string | number)[] {
  return [...templatePath, "spec", list, index];
}

/** Throws `invalid` when a rollout of this workload would not start. The words are kubectl's. */
export function refusePaused(object: KubeObject, verb: string): void {
  if (field(object, "spec", "paused") === true) {
    throw new StewardError("invalid", `${named(object)} is paused: cannot ${verb} it (kubectl rollout resume first)`);
  }
}

/** Pods the object wants to have; a DaemonSet has as many as there are nodes for it. */
export function wantedReplicas(object: KubeObject): number {
  return object.kind === "DaemonSet"
    ? (numberField(object, "status", "desiredNumberScheduled") ?? 0)
    : (numberField(object, "spec", "replicas") ?? 1);
}

/** What makes any rollout of the object more than a routine: a database, or nothing left while it lasts. */
export function rolloutIsCritical({ object }: Target): boolean {
  const stopsFirst = wantedReplicas(object) === 1 && stringField(object, "spec", "strategy", "type") === "Recreate";
  return object.kind === "StatefulSet" || stopsFirst;
}

/** `deployment/checkout`. */
export function named(object: KubeObject): string {
  return `${object.kind.toLowerCase()}/${object.metadata.name}`;
}
