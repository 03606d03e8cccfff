import { field, type KubeObject, listField, numberField, stringField } from "../../shared/kube.ts";

/** Where a rollout stands, in the words of `kubectl rollout status`. */
export interface Rollout {
  state: "waiting" | "done" | "failed" | "unmeasured";
  text: string;
  /** 0..1: pods of the new revision that are available. */
  share: number;
}

/**
 * The rollout of a workload, by the rules of `kubectl rollout status`. `unmeasured` for kinds and strategies whose status
 * says nothing about one. Source: kubectl pkg/polymorphichelpers/rollout_status.go.
 */
export function rolloutOf(object: KubeObject): Rollout {
  switch (object.kind) {
    case "Deployment":
      return deployment(object);
    case "StatefulSet":
      return statefulSet(object);
    case "DaemonSet":
      return daemonSet(object);
    case "ReplicaSet":
      return replicaSet(object);
    default:
      return { state: "unmeasured", text: `a ${object.kind} has no rollout`, share: 0 };
  }
}

function deployment(object: KubeObject): Rollout {
  const name = JSON.stringify(object.metadata.name);
  if (!observed(object)) return waiting("Waiting for deployment spec update to be observed...", 0);
  const progressing = listField(object, "status", "conditions").find((c) => stringField(c, "type") === "Progressing");
  const wanted = numberField(object, "spec", "replicas") ?? 1;
  const { updatedReplicas, replicas, availableReplicas } = counts(object);
  const share = wanted === 0 ? 1 : Math.min(updatedReplicas, availableReplicas) / wanted;
  if (stringField(progressing, "reason") === "ProgressDeadlineExceeded") {
    return { state: "failed", text: `deployment ${name} exceeded its progress deadline`, share };
  }
  const finish = `Waiting for deployment ${name} rollout to finish:`;
  if (updatedReplicas < wanted) {
    return waiting(`${finish} ${updatedReplicas} out of ${wanted} new replicas have been updated...`, share);
  }
  if (replicas > updatedReplicas) {
    return waiting(`${finish} ${replicas - updatedReplicas} old replicas are pending termination...`, share);
  }
  if (availableReplicas < updatedReplicas) {
    return waiting(`${finish} ${availableReplicas} of ${updatedReplicas} updated replicas are available...`, share);
  }
  return done(`deployment ${name} successfully rolled out`);
}

function statefulSet(object: KubeObject): Rollout {
  if (strategyOf(object) !== "RollingUpdate") return unmeasured(object);
  if ((numberField(object, "status", "observedGeneration") ?? 0) === 0 || !observed(object)) {
    return waiting("Waiting for statefulset spec update to be observed...", 0);
  }
  const wanted = numberField(object, "spec", "replicas") ?? 1;
  const { readyReplicas, updatedReplicas } = counts(object);
  const share = wanted === 0 ? 1 : Math.min(readyReplicas, updatedReplicas) / wanted;
  if (readyReplicas < wanted) return waiting(`Waiting for ${wanted - readyReplicas} pods to be ready...`, share);
  // kubectl goes by the partition wherever the strategy has its parameters, which the API server always fills in.
  if (field(object, "spec", "updateStrategy", "rollingUpdate") !== undefined) {
    const own = wanted - (numberField(object, "spec", "updateStrategy", "rollingUpdate", "partition") ?? 0);
    return updatedReplicas < own
      ? waiting(
          `Waiting for partitioned roll out to finish: ${updatedReplicas} out of ${own} new pods have been updated...`,
          share,
        )
      : done(`partitioned roll out complete: ${updatedReplicas} new pods have been updated...`);
  }
  const update = stringField(object, "status", "updateRevision");
  if (update !== stringField(object, "status", "currentRevision")) {
    return waiting(
      `waiting for statefulset rolling update to complete ${updatedReplicas} pods at revision ${update}...`,
      share,
    );
  }
  const current = numberField(object, "status", "currentReplicas") ?? 0;
  return done(`statefulset rolling update complete ${current} pods at revision ${update}...`);
}

function daemonSet(object: KubeObject): Rollout {
  if (strategyOf(object) !== "RollingUpdate") return unmeasured(object);
  const name = JSON.stringify(object.metadata.name);
  if (!observed(object)) return waiting("Waiting for daemon set spec update to be observed...", 0);
  const wanted = numberField(object, "status", "desiredNumberScheduled") ?? 0;
  const updated = numberField(object, "status", "updatedNumberScheduled") ?? 0;
  const available = numberField(object, "status", "numberAvailable") ?? 0;
  const share = wanted === 0 ? 1 : Math.min(updated, available) / wanted;
  const finish = `Waiting for daemon set ${name} rollout to finish:`;
  if (updated < wanted) return waiting(`${finish} ${updated} out of ${wanted} new pods have been updated...`, share);
  if (available < wanted) return waiting(`${finish} ${available} of ${wanted} updated pods are available...`, share);
  return done(`daemon set ${name} successfully rolled out`);
}

/** kubectl knows no rollout of a ReplicaSet; what it has is its size. */
function replicaSet(object: KubeObject): Rollout {
  if (!observed(object)) return waiting("Waiting for replica set spec update to be observed...", 0);
  const wanted = numberField(object, "spec", "replicas") ?? 1;
  const { replicas, availableReplicas } = counts(object);
  const share = wanted === 0 ? 1 : Math.min(1, availableReplicas / wanted);
  return replicas === wanted && availableReplicas === wanted
    ? done(`replica set ${JSON.stringify(object.metadata.name)} has ${wanted} available replicas`)
    : waiting(`Waiting for ${availableReplicas} of ${wanted} replicas to be available...`, share);
}

function observed(object: KubeObject): boolean {
  return (object.metadata.generation ?? 0) <= (numberField(object, "status", "observedGeneration") ?? 0);
}

function counts(object: KubeObject) {
  const count = (name: string) => numberField(object, "status", name) ?? 0;
  return {
    replicas: count("replicas"),
    updatedReplicas: count("updatedReplicas"),
    readyReplicas: count("readyReplicas"),
    availableReplicas: count("availableReplicas"),
  };
}

function strategyOf(object: KubeObject): string {
  return stringField(field(object, "spec", "updateStrategy"), "type") ?? "RollingUpdate";
}

function unmeasured(object: KubeObject): Rollout {
  const text = `rollout status is only available for RollingUpdate strategy type, this is ${strategyOf(object)}`;
  return { state: "unmeasured", text, share: 0 };
}

function waiting(text: string, share: number): Rollout {
  return { state: "waiting", text, share };
}

function done(text: string): Rollout {
  return { state: "done", text, share: 1 };
}
