import type { Check } from "../shared/approval.ts";
import { field, type KubeObject, listField, stringField } from "../shared/kube.ts";
import type { Locale } from "../shared/locale.ts";
import { rolloutOf } from "./actions/rollout.ts";
import { wantedReplicas } from "./actions/workload.ts";
import { reversionsOf } from "./actions/written.ts";
import { type Baseline, containerStatuses, isReady, restartsOf, type Sighting, type Warning } from "./baseline.ts";

/** How the object fares after the change, at one moment. */
export interface Health {
  checks: Check[];
  /** All checks hold; nothing is left but to see them hold. */
  well: boolean;
  /** A clear sign that it will not come right; null while there is none. */
  failure: string | null;
  /** The status says nothing of a rollout: nothing can be succeeded by it. */
  unmeasured: string | null;
  /** 0..1 of the new revision is there. */
  share: number;
  /** Warnings and restarts since the baseline, as text that changes with every new one: all has to hold for a while without. */
  trouble: string;
  /** Pods made since the change that are meant to stay, the newest first. */
  newPods: readonly KubeObject[];
}

/** Waiting reasons of a container from which nothing recovers without a change. Source: kubelet container and image reasons. */
const hopeless = new Set([
  "CrashLoopBackOff",
  "ImagePullBackOff",
  "InvalidImageName",
  "ErrImageNeverPull",
  "CreateContainerConfigError",
  "CreateContainerError",
  "RunContainerError",
]);

/** Judges a sighting against the time before the change (SPEC 9, verification). Pure. */
export function healthOf(seen: Sighting, before: Baseline, locale: Locale): Health {
  const { object } = seen;
  const living = seen.pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const newPods = living
    .filter(({ metadata }) => !Object.hasOwn(before.pods, metadata.uid ?? ""))
    .sort((a, b) => ((a.metadata.creationTimestamp ?? "") < (b.metadata.creationTimestamp ?? "") ? 1 : -1));
  const rollout = rolloutOf(object);
  const fresh = seen.warnings.filter(({ uid, count }) => count > (before.warnings[uid] ?? 0));
  const reversions = reversionsOf(before.written, object);

  const checks: Check[] = [
    { name: "rollout", ok: rollout.state === "done" || rollout.state === "unmeasured", text: rollout.text },
    readyCheck(object, living, locale),
    restartCheck(living, before, locale),
    warningCheck(fresh, locale),
    ...(Object.keys(before.written).length === 0 ? [] : [fieldCheck(reversions, locale)]),
  ];
  const well = checks.every(({ name, ok }) => ok || name === "warnings" || name === "restarts");
  const reverted = reversions[0];
  return {
    checks,
    well,
    failure:
      (reverted === undefined ? null : revertedText(reverted.by, reverted.path, locale)) ??
      (rollout.state === "failed" ? rollout.text : null) ??
      hopelessPod(newPods) ??
      quotaSign(object, fresh),
    unmeasured: rollout.state === "unmeasured" && object.kind !== "Pod" ? rollout.text : null,
    share: rollout.state === "unmeasured" ? 1 : rollout.share,
    trouble: [
      ...fresh.map(({ uid, count }) => `${uid}:${count}`),
      ...restartedSince(living, before).map((pod) => `${pod.metadata.uid}:${restartsOf(pod)}`),
    ]
      .sort()
      .join(),
    newPods,
  };
}

function readyCheck(object: KubeObject, living: readonly KubeObject[], locale: Locale): Check {
  const wanted = wantedReplicas(object);
  const ready = living.filter(isReady).length;
  return {
    name: "ready",
    ok: ready >= wanted,
    text: { en: `${ready}/${wanted} ready`, "zh-CN": `${ready}/${wanted} 就绪` }[locale],
  };
}

function restartedSince(living: readonly KubeObject[], before: Baseline): readonly KubeObject[] {
  return living.filter((pod) => restartsOf(pod) > (before.pods[pod.metadata.uid ?? ""] ?? 0));
}

function restartCheck(living: readonly KubeObject[], before: Baseline, locale: Locale): Check {
  const restarted = restartedSince(living, before);
  const names = restarted.map(({ metadata }) => metadata.name).join(", ");
  return {
    name: "restarts",
    ok: restarted.length === 0,
    text:
      restarted.length === 0
        ? { en: "no restarts since the change", "zh-CN": "变更后无重启" }[locale]
        : { en: `restarted since the change: ${names}`, "zh-CN": `变更后发生重启：${names}` }[locale],
  };
}

function warningCheck(fresh: readonly Warning[], locale: Locale): Check {
  const said = [...new Set(fresh.map(({ reason }) => reason))].join(", ");
  return {
    name: "warnings",
    ok: fresh.length === 0,
    text:
      fresh.length === 0
        ? { en: "no new warnings", "zh-CN": "无新的警告事件" }[locale]
        : { en: `new warnings: ${said}`, "zh-CN": `新的警告事件：${said}` }[locale],
  };
}

function fieldCheck(reversions: readonly { path: string; by: string | null }[], locale: Locale): Check {
  const first = reversions[0];
  return {
    name: "fields",
    ok: first === undefined,
    text:
      first === undefined
        ? { en: "what was written is still there", "zh-CN": "写入的字段保持不变" }[locale]
        : revertedText(first.by, first.path, locale),
  };
}

function revertedText(by: string | null, path: string, locale: Locale): string {
  return by === null
    ? { en: `reverted: ${path} is not as it was written`, "zh-CN": `已被改回：${path} 与写入的值不同` }[locale]
    : { en: `reverted by ${by} (${path})`, "zh-CN": `已被 ${by} 改回（${path}）` }[locale];
}

function hopelessPod(pods: readonly KubeObject[]): string | null {
  for (const pod of pods) {
    for (const status of containerStatuses(pod)) {
      const waiting = field(status, "state", "waiting");
      const reason = stringField(waiting, "reason") ?? "";
      if (!hopeless.has(reason)) continue;
      const message = stringField(waiting, "message");
      return `pod/${pod.metadata.name}: ${reason}${message === undefined ? "" : ` (${message})`}`;
    }
  }
  return null;
}

/** Pods that the API server refuses to make: a quota that is full does not empty by waiting. */
function quotaSign(object: KubeObject, fresh: readonly Warning[]): string | null {
  const condition = listField(object, "status", "conditions").find(
    (c) => stringField(c, "type") === "ReplicaFailure" && stringField(c, "status") === "True",
  );
  const messages = [
    stringField(condition, "message"),
    ...fresh.filter(({ reason }) => reason === "FailedCreate").map(({ message }) => message),
  ];
  return messages.find((message) => message !== undefined && /exceeded quota/i.test(message)) ?? null;
}
