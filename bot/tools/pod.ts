import {
  controllerOf,
  field,
  type KubeObject,
  listField,
  numberField,
  type OwnerReference,
  stringField,
} from "../../shared/kube.ts";
import { timeOf } from "./print.ts";

export interface Termination {
  reason: string;
  exitCode: number;
  message: string;
  startedAt: Date | null;
  finishedAt: Date | null;
}

export interface ContainerFacts {
  name: string;
  init: boolean;
  image: string;
  ready: boolean;
  restarts: number;
  /** Why it does not run, in the kubelet's words; null while it runs or has ended. */
  waiting: { reason: string; message: string } | null;
  runningSince: Date | null;
  /** How it ended, if it has not been started again. */
  terminated: Termination | null;
  /** How it ended the time before. */
  last: Termination | null;
  limits: Readonly<Record<string, string>>;
  requests: Readonly<Record<string, string>>;
  /** The container of the pod's spec. */
  spec: unknown;
}

export interface PodFacts {
  name: string;
  namespace: string;
  uid: string;
  phase: string;
  reason: string;
  message: string;
  node: string | null;
  createdAt: Date | null;
  readySince: Date | null;
  unreadySince: Date | null;
  deleting: boolean;
  ready: boolean;
  /** Why the scheduler found no node; null when it did. */
  unscheduled: { reason: string; message: string } | null;
  containers: readonly ContainerFacts[];
  owner: OwnerReference | null;
  /** Names the revision of its owner that it was made from. */
  revision: string;
  object: KubeObject;
}

export function readPod(pod: KubeObject): PodFacts {
  const conditions = listField(pod, "status", "conditions");
  const condition = (type: string) => conditions.find((entry) => stringField(entry, "type") === type);
  const ready = condition("Ready");
  const isReady = stringField(ready, "status") === "True";
  const changed = timeOf(stringField(ready, "lastTransitionTime"));
  const scheduled = condition("PodScheduled");
  const labels = pod.metadata.labels ?? {};
  return {
    name: pod.metadata.name,
    namespace: pod.metadata.namespace ?? "",
    uid: pod.metadata.uid ?? "",
    phase: stringField(pod, "status", "phase") ?? "Unknown",
    reason: stringField(pod, "status", "reason") ?? "",
    message: stringField(pod, "status", "message") ?? "",
    node: stringField(pod, "spec", "nodeName") ?? null,
    createdAt: timeOf(pod.metadata.creationTimestamp),
    readySince: isReady ? changed : null,
    unreadySince: isReady ? null : changed,
    deleting: pod.metadata.deletionTimestamp !== undefined,
    ready: isReady,
    unscheduled:
      stringField(scheduled, "status") === "False"
        ? { reason: stringField(scheduled, "reason") ?? "", message: stringField(scheduled, "message") ?? "" }
        : null,
    containers: [
      ...readContainers(pod, "initContainers", "initContainerStatuses"),
      ...readContainers(pod, "containers", "containerStatuses"),
    ],
    owner: controllerOf(pod) ?? null,
    revision: labels["pod-template-hash"] ?? labels["controller-revision-hash"] ?? "",
    object: pod,
  };
}

function readContainers(pod: KubeObject, specs: "containers" | "initContainers", statuses: string): ContainerFacts[] {
  const states = listField(pod, "status", statuses);
  return listField(pod, "spec", specs).map((spec) => {
    const name = stringField(spec, "name") ?? "";
    const status = states.find((entry) => stringField(entry, "name") === name);
    const waiting = field(status, "state", "waiting");
    return {
      name,
      init: specs === "initContainers",
      image: stringField(spec, "image") ?? "",
      ready: field(status, "ready") === true,
      restarts: numberField(status, "restartCount") ?? 0,
      waiting:
        waiting === undefined
          ? null
          : { reason: stringField(waiting, "reason") ?? "", message: stringField(waiting, "message") ?? "" },
      runningSince: timeOf(stringField(status, "state", "running", "startedAt")),
      terminated: readTermination(field(status, "state", "terminated")),
      last: readTermination(field(status, "lastState", "terminated")),
      limits: quantities(field(spec, "resources", "limits")),
      requests: quantities(field(spec, "resources", "requests")),
      spec,
    };
  });
}

function readTermination(value: unknown): Termination | null {
  if (value === undefined) return null;
  return {
    reason: stringField(value, "reason") ?? "",
    exitCode: numberField(value, "exitCode") ?? -1,
    message: stringField(value, "message") ?? "",
    startedAt: timeOf(stringField(value, "startedAt")),
    finishedAt: timeOf(stringField(value, "finishedAt")),
  };
}

export function quantities(value: unknown): Record<string, string> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(Object.entries(value).map(([name, amount]) => [name, String(amount)]));
}

/** How it ended last: now, or before it was started again. */
export function endOf(container: ContainerFacts): Termination | null {
  return container.terminated ?? container.last;
}

/** The worse, the greater. Orders pods so that the one that shows the fault comes first. */
export function sickness(pod: PodFacts): number {
  if (pod.deleting || pod.phase === "Succeeded") return 0;
  const worst = Math.max(0, ...pod.containers.map(containerSickness));
  if (worst > 0) return worst;
  if (pod.unscheduled !== null) return 60;
  if (pod.phase === "Failed") return 50;
  return pod.ready ? 0 : 20;
}

function containerSickness({ waiting, terminated, last, ready, init, restarts }: ContainerFacts): number {
  if (waiting !== null && waiting.reason !== "ContainerCreating" && waiting.reason !== "PodInitializing") return 100;
  if (terminated !== null && terminated.exitCode !== 0) return 90;
  if (last !== null && last.exitCode !== 0 && restarts > 0) return ready ? 30 : 80;
  if (terminated !== null && !init) return 40;
  return 0;
}

/** The container that shows the fault of a pod; null for a pod without any. */
export function worstContainer(pod: PodFacts): ContainerFacts | null {
  return (
    [...pod.containers].sort(
      (a, b) => containerSickness(b) - containerSickness(a) || Number(a.ready) - Number(b.ready),
    )[0] ?? null
  );
}
