/** Deployment: revisions as ReplicaSets, rolled out within surge and unavailability, with progress told in conditions. */
import { createHash } from "node:crypto";
import { canonicalJson, clone, equal } from "../json.ts";
import { type Condition, controllerOf, type Deployment, type PodTemplate, type ReplicaSet } from "../object.ts";
import { keyOf } from "../storage.ts";
import { timestamp } from "../timers.ts";
import type { Controller, ControllerContext } from "./context.ts";
import { conditionOf, ownerReference, podsOf, resolve } from "./pods.ts";
import { createQueue } from "./queue.ts";

const revisionKey = "deployment.kubernetes.io/revision";
const historyKey = "deployment.kubernetes.io/revision-history";
const desiredKey = "deployment.kubernetes.io/desired-replicas";
const maxKey = "deployment.kubernetes.io/max-replicas";
const hashLabel = "pod-template-hash";
const notCopied = new Set([
  "kubectl.kubernetes.io/last-applied-configuration",
  revisionKey,
  historyKey,
  desiredKey,
  maxKey,
  "deprecated.deployment.rollback.to",
]);

function withoutHash(template: PodTemplate): PodTemplate {
  const copy = clone(template);
  if (copy.metadata?.labels) delete copy.metadata.labels[hashLabel];
  return copy;
}

/** Not Go's hash of Go's dump, but as stable, in the same alphabet and length. */
export function templateHash(template: PodTemplate, collisions = 0): string {
  const alphabet = "bcdfghjklmnpqrstvwxz2456789";
  const digest = createHash("sha256")
    .update(canonicalJson(withoutHash(template)))
    .update(String(collisions))
    .digest();
  return [...digest.subarray(0, 10)].map((byte) => alphabet[byte % alphabet.length]).join("");
}

/** The deployment controller's own way: only status and reason count as a change, and what changed goes last. */
function setCondition(conditions: readonly Condition[] | undefined, next: Condition, now: string): Condition[] {
  const before = conditionOf(conditions, next.type);
  if (before?.status === next.status && before.reason === next.reason) return [...(conditions ?? [])];
  const lastTransitionTime = before?.status === next.status ? before.lastTransitionTime : now;
  const others = (conditions ?? []).filter((condition) => condition.type !== next.type);
  return [...others, { ...next, lastTransitionTime, lastUpdateTime: now }];
}

const replicasOf = (set: ReplicaSet) => set.spec.replicas ?? 0;
const total = (sets: readonly ReplicaSet[]) => sets.reduce((sum, set) => sum + replicasOf(set), 0);
const revisionOf = (set: ReplicaSet) => Number(set.metadata.annotations?.[revisionKey] ?? 0);

export function createDeploymentController({
  registry,
  clock,
  timers,
  caller,
  recorder,
}: ControllerContext): Controller {
  const me = caller("kube-controller-manager");
  const events = recorder("deployment-controller");
  const deployments = registry.kinds.resource("apps", "deployments");
  const replicaSets = registry.kinds.resource("apps", "replicasets");
  const queue = createQueue({ timers, clock }, sync);

  function ownedSets(deployment: Deployment): ReplicaSet[] {
    return registry.store
      .list(replicaSets.storage, deployment.metadata.namespace ?? "")
      .filter((set) => controllerOf(set)?.uid === deployment.metadata.uid)
      .toSorted((a, b) =>
        (a.metadata.creationTimestamp ?? "") < (b.metadata.creationTimestamp ?? "") ? -1 : 1,
      ) as ReplicaSet[];
  }

  function limits(deployment: Deployment): { surge: number; unavailable: number } {
    const { spec } = deployment;
    const replicas = spec.replicas ?? 1;
    if (spec.strategy?.type === "Recreate") return { surge: 0, unavailable: 0 };
    const rolling = spec.strategy?.rollingUpdate;
    const surge = resolve(rolling?.maxSurge, replicas, true);
    const unavailable = Math.min(resolve(rolling?.maxUnavailable, replicas, false), replicas);
    // Both may round to nothing; then one pod at a time must go.
    return { surge, unavailable: surge === 0 && unavailable === 0 ? 1 : unavailable };
  }

  function sync(key: string): void {
    const [namespace = "", name = ""] = key.split("/");
    const deployment = registry.store.get(deployments.storage, namespace, name) as Deployment | undefined;
    if (!deployment) return;
    if (deployment.metadata.deletionTimestamp) {
      writeStatus(deployment, undefined, ownedSets(deployment));
      return;
    }
    const template = withoutHash(deployment.spec.template);
    const sets = ownedSets(deployment);
    let current = sets.find((set) => equal(withoutHash(set.spec.template), template));
    const previous = sets.filter((set) => set !== current);
    if (deployment.spec.paused) {
      scaleAll(deployment, current, previous);
      finish(deployment, current);
      return;
    }
    current = ensureCurrent(deployment, current, previous);
    if (isScaling(deployment, sets)) {
      scaleAll(deployment, current, previous);
      finish(deployment, current);
      return;
    }
    if (deployment.spec.strategy?.type === "Recreate") recreate(deployment, current, previous);
    else roll(deployment, current, previous);
    cleanUp(deployment, current);
    finish(deployment, current);
  }

  function finish(deployment: Deployment, current: ReplicaSet | undefined): void {
    const sets = ownedSets(deployment);
    writeStatus(
      deployment,
      sets.find((set) => set.metadata.uid === current?.metadata.uid),
      sets,
    );
  }

  /** The replica set of the present template, made if there is none, carrying the highest revision. */
  function ensureCurrent(
    deployment: Deployment,
    current: ReplicaSet | undefined,
    previous: readonly ReplicaSet[],
  ): ReplicaSet {
    const { namespace = "", name } = deployment.metadata;
    const revision = String(Math.max(0, ...previous.map(revisionOf)) + 1);
    const copied = Object.fromEntries(
      Object.entries(deployment.metadata.annotations ?? {}).filter(([key]) => !notCopied.has(key)),
    );
    let set = current;
    if (set) {
      const before = set.metadata.annotations?.[revisionKey];
      const own = Number(before ?? 0) >= Number(revision) ? (before ?? revision) : revision;
      const annotations: Record<string, string> = { ...set.metadata.annotations, ...copied, [revisionKey]: own };
      if (before && own !== before) {
        annotations[historyKey] = [set.metadata.annotations?.[historyKey], before].filter(Boolean).join(",");
      }
      if (!equal(annotations, set.metadata.annotations)) {
        set = registry.edit(me, replicaSets, namespace, set.metadata.name, "", (object) => {
          object.metadata.annotations = annotations;
        }) as ReplicaSet;
      }
      if (!conditionOf(deployment.status.conditions, "Progressing")) {
        progress(deployment, {
          type: "Progressing",
          status: "True",
          reason: "FoundNewReplicaSet",
          message: `Found new replica set "${set.metadata.name}"`,
        });
      }
      setRevision(deployment, own);
      return set;
    }
    const hash = templateHash(deployment.spec.template);
    const template = clone(deployment.spec.template);
    template.metadata = { ...template.metadata, labels: { ...template.metadata?.labels, [hashLabel]: hash } };
    const replicas = firstReplicas(deployment, previous);
    set = registry.create(me, replicaSets, namespace, {
      apiVersion: "apps/v1",
      kind: "ReplicaSet",
      metadata: {
        name: `${name}-${hash}`,
        labels: template.metadata.labels,
        annotations: {
          ...copied,
          [revisionKey]: revision,
          [desiredKey]: String(deployment.spec.replicas ?? 1),
          [maxKey]: String((deployment.spec.replicas ?? 1) + limits(deployment).surge),
        },
        ownerReferences: [ownerReference(deployment)],
      },
      spec: {
        replicas,
        ...(deployment.spec.minReadySeconds ? { minReadySeconds: deployment.spec.minReadySeconds } : {}),
        selector: {
          ...deployment.spec.selector,
          matchLabels: { ...deployment.spec.selector.matchLabels, [hashLabel]: hash },
        },
        template,
      },
    }) as ReplicaSet;
    if (replicas > 0)
      events.event(
        deployment,
        "Normal",
        "ScalingReplicaSet",
        `Scaled up replica set ${set.metadata.name} from 0 to ${replicas}`,
      );
    progress(deployment, {
      type: "Progressing",
      status: "True",
      reason: "NewReplicaSetCreated",
      message: `Created new replica set "${set.metadata.name}"`,
    });
    setRevision(deployment, revision);
    return set;
  }

  function fresh(deployment: Deployment): Deployment {
    return registry.get(deployments, deployment.metadata.namespace ?? "", deployment.metadata.name) as Deployment;
  }

  function progress(deployment: Deployment, condition: Condition): void {
    const { namespace = "", name } = deployment.metadata;
    const conditions = setCondition(fresh(deployment).status.conditions, condition, timestamp(clock.now()));
    registry.edit(me, deployments, namespace, name, "status", (object) => {
      (object as Deployment).status.conditions = conditions;
    });
  }

  function setRevision(deployment: Deployment, revision: string): void {
    if (fresh(deployment).metadata.annotations?.[revisionKey] === revision) return;
    registry.edit(
      me,
      deployments,
      deployment.metadata.namespace ?? "",
      deployment.metadata.name,
      "status",
      (object) => {
        object.metadata.annotations = { ...object.metadata.annotations, [revisionKey]: revision };
      },
    );
  }

  function firstReplicas(deployment: Deployment, previous: readonly ReplicaSet[]): number {
    const wanted = deployment.spec.replicas ?? 1;
    if (deployment.spec.strategy?.type === "Recreate") {
      return previous.some((set) => podsOf(registry.store, set).length > 0) ? 0 : wanted;
    }
    const room = wanted + limits(deployment).surge - total(previous);
    return Math.max(0, Math.min(room, wanted));
  }

  /** A changed spec.replicas is spread over the sets before the rollout goes on. */
  function isScaling(deployment: Deployment, sets: readonly ReplicaSet[]): boolean {
    return sets.some((set) => {
      const desired = set.metadata.annotations?.[desiredKey];
      return replicasOf(set) > 0 && desired !== undefined && Number(desired) !== deployment.spec.replicas;
    });
  }

  function scale(deployment: Deployment, set: ReplicaSet, replicas: number): ReplicaSet {
    const { namespace = "", name } = set.metadata;
    const before = replicasOf(set);
    const wanted = deployment.spec.replicas ?? 1;
    const marks = { [desiredKey]: String(wanted), [maxKey]: String(wanted + limits(deployment).surge) };
    if (before === replicas && equal({ ...set.metadata.annotations, ...marks }, set.metadata.annotations)) return set;
    const written = registry.edit(me, replicaSets, namespace, name, "", (object) => {
      (object as ReplicaSet).spec.replicas = replicas;
      object.metadata.annotations = { ...object.metadata.annotations, ...marks };
    }) as ReplicaSet;
    if (before !== replicas) {
      const way = replicas > before ? "up" : "down";
      events.event(
        deployment,
        "Normal",
        "ScalingReplicaSet",
        `Scaled ${way} replica set ${name} from ${before} to ${replicas}`,
      );
    }
    return written;
  }

  function scaleAll(deployment: Deployment, current: ReplicaSet | undefined, previous: readonly ReplicaSet[]): void {
    const all = [...previous, ...(current ? [current] : [])];
    const live = all.filter((set) => replicasOf(set) > 0);
    const wanted = deployment.spec.replicas ?? 1;
    const only = live.length === 0 ? (current ?? previous.at(-1)) : live.length === 1 ? live[0] : undefined;
    if (only) {
      scale(deployment, only, wanted);
      return;
    }
    if (current && current.status.availableReplicas === wanted && replicasOf(current) === wanted) {
      for (const set of previous) if (replicasOf(set) > 0) scale(deployment, set, 0);
      return;
    }
    if (deployment.spec.strategy?.type === "Recreate") return;
    const allowed = wanted > 0 ? wanted + limits(deployment).surge : 0;
    const sum = total(live);
    let left = allowed - sum;
    // Larger sets first when growing, so that rounding falls on the smaller ones.
    for (const set of live.toSorted((a, b) => replicasOf(b) - replicasOf(a))) {
      const share = sum === 0 ? 0 : Math.round((replicasOf(set) * (allowed - sum)) / sum);
      const change = left > 0 ? Math.min(share, left) : Math.max(share, left);
      left -= change;
      scale(deployment, set, Math.max(0, replicasOf(set) + change));
    }
    const first = live[0];
    if (left !== 0 && first) {
      const again = registry.get(replicaSets, first.metadata.namespace ?? "", first.metadata.name) as ReplicaSet;
      scale(deployment, again, Math.max(0, replicasOf(again) + left));
    }
  }

  function roll(deployment: Deployment, current: ReplicaSet, previous: readonly ReplicaSet[]): void {
    const wanted = deployment.spec.replicas ?? 1;
    const { surge, unavailable } = limits(deployment);
    const now = replicasOf(current);
    if (now > wanted) {
      scale(deployment, current, wanted);
      return;
    }
    if (now < wanted) {
      const room = wanted + surge - total([...previous, current]);
      const next = now + Math.max(0, Math.min(room, wanted - now));
      if (next !== now) {
        scale(deployment, current, next);
        return;
      }
    }
    scale(deployment, current, now);
    const old = previous.filter((set) => replicasOf(set) > 0);
    if (old.length === 0) return;
    const minimum = wanted - unavailable;
    const newUnavailable = now - (current.status.availableReplicas ?? 0);
    let budget = total([...previous, current]) - minimum - newUnavailable;
    if (budget <= 0) return;
    // Broken old pods first: taking them away costs nothing.
    const healthy: ReplicaSet[] = [];
    for (const set of old) {
      const broken = Math.max(0, replicasOf(set) - (set.status.availableReplicas ?? 0));
      const cut = Math.min(budget, broken);
      budget -= cut;
      healthy.push(cut > 0 ? scale(deployment, set, replicasOf(set) - cut) : set);
    }
    const available = [...healthy, current].reduce((sum, set) => sum + (set.status.availableReplicas ?? 0), 0);
    let spare = available - minimum;
    for (const set of healthy) {
      if (spare <= 0) break;
      if (replicasOf(set) === 0) continue;
      const cut = Math.min(replicasOf(set), spare);
      scale(deployment, set, replicasOf(set) - cut);
      spare -= cut;
    }
  }

  function recreate(deployment: Deployment, current: ReplicaSet, previous: readonly ReplicaSet[]): void {
    for (const set of previous) if (replicasOf(set) > 0) scale(deployment, set, 0);
    const running = previous.some((set) => podsOf(registry.store, set).length > 0);
    if (!running) scale(deployment, current, deployment.spec.replicas ?? 1);
  }

  /** Forgets old revisions once the rollout is complete. */
  function cleanUp(deployment: Deployment, current: ReplicaSet): void {
    const limit = deployment.spec.revisionHistoryLimit ?? 10;
    const old = ownedSets(deployment)
      .filter((set) => set.metadata.uid !== current.metadata.uid && replicasOf(set) === 0 && set.status.replicas === 0)
      .toSorted((a, b) => revisionOf(a) - revisionOf(b));
    if (!isComplete(fresh(deployment))) return;
    for (const set of old.slice(0, Math.max(0, old.length - limit))) {
      registry.remove(me, replicaSets, set.metadata.namespace ?? "", set.metadata.name, {});
    }
  }

  function isComplete({ spec, status, metadata }: Deployment): boolean {
    const wanted = spec.replicas ?? 1;
    return (
      status.updatedReplicas === wanted &&
      status.replicas === wanted &&
      status.availableReplicas === wanted &&
      (status.observedGeneration ?? 0) >= (metadata.generation ?? 0)
    );
  }

  function writeStatus(before: Deployment, current: ReplicaSet | undefined, sets: readonly ReplicaSet[]): void {
    const deployment = fresh(before);
    const { namespace = "", name } = deployment.metadata;
    const now = timestamp(clock.now());
    const wanted = deployment.spec.replicas ?? 1;
    const sum = (pick: (set: ReplicaSet) => number | undefined) => sets.reduce((n, set) => n + (pick(set) ?? 0), 0);
    const replicas = sum((set) => set.status.replicas);
    const updated = current?.status.replicas ?? 0;
    const ready = sum((set) => set.status.readyReplicas);
    const available = sum((set) => set.status.availableReplicas);
    const unavailable = Math.max(0, total(sets) - available);
    const enough = available >= wanted - limits(deployment).unavailable;
    let conditions = setCondition(
      deployment.status.conditions,
      enough
        ? {
            type: "Available",
            status: "True",
            reason: "MinimumReplicasAvailable",
            message: "Deployment has minimum availability.",
          }
        : {
            type: "Available",
            status: "False",
            reason: "MinimumReplicasUnavailable",
            message: "Deployment does not have minimum availability.",
          },
      now,
    );
    const counts = {
      replicas,
      updatedReplicas: updated,
      readyReplicas: ready,
      availableReplicas: available,
      unavailableReplicas: unavailable,
    };
    conditions = progressCondition(deployment, current, counts, conditions, now);
    const failure = sets
      .flatMap((set) => set.status.conditions ?? [])
      .find((c) => c.type === "ReplicaFailure" && c.status === "True");
    conditions = failure
      ? setCondition(
          conditions,
          { type: "ReplicaFailure", status: "True", reason: failure.reason, message: failure.message },
          now,
        )
      : conditions.filter((condition) => condition.type !== "ReplicaFailure");
    const nonZero = Object.fromEntries(Object.entries(counts).filter(([, value]) => value !== 0));
    const status: Deployment["status"] = {
      observedGeneration: deployment.metadata.generation ?? 0,
      ...nonZero,
      terminatingReplicas: sum((set) => set.status.terminatingReplicas),
      conditions,
    };
    const rest = { ...(deployment.status as Record<string, unknown>) };
    if (equal(status, rest)) return;
    registry.edit(me, deployments, namespace, name, "status", (object) => {
      object["status"] = status;
    });
  }

  function progressCondition(
    deployment: Deployment,
    current: ReplicaSet | undefined,
    counts: { replicas: number; updatedReplicas: number; readyReplicas: number; availableReplicas: number },
    conditions: Condition[],
    now: string,
  ): Condition[] {
    const { spec, status } = deployment;
    const wanted = spec.replicas ?? 1;
    const before = conditionOf(conditions, "Progressing");
    if (spec.paused) {
      if (before?.reason === "DeploymentPaused") return conditions;
      return setCondition(
        conditions,
        { type: "Progressing", status: "Unknown", reason: "DeploymentPaused", message: "Deployment is paused" },
        now,
      );
    }
    if (before?.reason === "DeploymentPaused") {
      queue.add(keyOf(deployment));
      return setCondition(
        conditions,
        { type: "Progressing", status: "Unknown", reason: "DeploymentResumed", message: "Deployment is resumed" },
        now,
      );
    }
    const what = current ? `ReplicaSet "${current.metadata.name}"` : `Deployment "${deployment.metadata.name}"`;
    const complete =
      counts.updatedReplicas === wanted && counts.replicas === wanted && counts.availableReplicas === wanted;
    const settled = counts.replicas === counts.updatedReplicas && before?.reason === "NewReplicaSetAvailable";
    if (settled && current) return conditions;
    if (complete && current) {
      return setCondition(
        conditions,
        {
          type: "Progressing",
          status: "True",
          reason: "NewReplicaSetAvailable",
          message: `${what} has successfully progressed.`,
        },
        now,
      );
    }
    const moved =
      counts.updatedReplicas > (status.updatedReplicas ?? 0) ||
      counts.replicas - counts.updatedReplicas < (status.replicas ?? 0) - (status.updatedReplicas ?? 0) ||
      counts.readyReplicas > (status.readyReplicas ?? 0) ||
      counts.availableReplicas > (status.availableReplicas ?? 0);
    const condition: Condition = {
      type: "Progressing",
      status: "True",
      reason: "ReplicaSetUpdated",
      message: `${what} is progressing.`,
    };
    let next = conditions;
    if (moved) {
      const rest =
        before?.status === "True"
          ? conditions.map((c) => (c.type === "Progressing" ? { ...c, reason: "", message: "" } : c))
          : conditions;
      next = setCondition(rest, condition, now);
    }
    if (!before || spec.progressDeadlineSeconds === undefined || moved) {
      if (spec.progressDeadlineSeconds !== undefined)
        queue.addAfter(keyOf(deployment), spec.progressDeadlineSeconds * 1000 + 1000);
      return next;
    }
    if (before.reason === "ProgressDeadlineExceeded" || before.reason === "NewReplicaSetAvailable") return next;
    const deadline = Date.parse(before.lastUpdateTime ?? "") + (spec.progressDeadlineSeconds * 1000) / timers.speed;
    const left = deadline - clock.now().getTime();
    if (left > 0) {
      queue.addAfter(keyOf(deployment), left * timers.speed + 100);
      return next;
    }
    return setCondition(
      next,
      {
        type: "Progressing",
        status: "False",
        reason: "ProgressDeadlineExceeded",
        message: `${what} has timed out progressing.`,
      },
      now,
    );
  }

  return {
    observe({ storage, object }) {
      if (storage === deployments.storage) queue.add(keyOf(object));
      else if (storage === replicaSets.storage || storage === "/pods") {
        const owner = controllerOf(object);
        const namespace = object.metadata.namespace ?? "";
        if (owner?.kind === "Deployment") queue.add(`${namespace}/${owner.name}`);
        else if (owner?.kind === "ReplicaSet" && storage === "/pods") {
          // A Recreate rollout waits for the last old pod to be gone.
          const set = registry.store.get(replicaSets.storage, namespace, owner.name);
          const parent = set && controllerOf(set);
          if (parent) queue.add(`${namespace}/${parent.name}`);
        }
      }
    },
    stop: queue.stop,
  };
}
