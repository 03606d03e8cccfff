/** Jobs run pods to completion; cron jobs make jobs. */
import { asObject, clone, equal } from "../json.ts";
import { type Condition, type CronJob, controllerOf, type Job } from "../object.ts";
import { keyOf } from "../storage.ts";
import { timestamp } from "../timers.ts";
import type { Controller, ControllerContext } from "./context.ts";
import { createPod, isActive, isReady, ownerReference, podsOf } from "./pods.ts";
import { createQueue } from "./queue.ts";
import { nextRun } from "./schedule.ts";

export function createJobController({ registry, clock, timers, caller, recorder }: ControllerContext): Controller {
  const me = caller("kube-controller-manager");
  const events = recorder("job-controller");
  const jobs = registry.kinds.resource("batch", "jobs");
  const pods = registry.kinds.resource("", "pods");
  const queue = createQueue({ timers, clock }, sync);

  function sync(key: string): void {
    const [namespace = "", name = ""] = key.split("/");
    const job = registry.store.get(jobs.storage, namespace, name) as Job | undefined;
    if (!job || job.metadata.deletionTimestamp) return;
    const ended = job.status.conditions?.some(
      (c) => (c.type === "Complete" || c.type === "Failed") && c.status === "True",
    );
    if (ended) return;
    const own = podsOf(registry.store, job);
    const succeeded = own.filter((pod) => pod.status.phase === "Succeeded").length;
    const failed = own.filter((pod) => pod.status.phase === "Failed").length;
    let active = own.filter(isActive);
    const completions = job.spec.completions ?? 1;
    const now = timestamp(clock.now());
    let conditions: Condition[] = job.status.conditions ?? [];
    const condition = (type: string, reason: string, message: string): Condition => ({
      type,
      status: "True",
      lastProbeTime: now,
      lastTransitionTime: now,
      reason,
      message,
    });
    let completionTime: string | undefined;
    if (job.spec.suspend) {
      for (const pod of active) registry.remove(me, pods, namespace, pod.metadata.name, {});
      active = [];
      if (!conditions.some((c) => c.type === "Suspended" && c.status === "True")) {
        conditions = [
          ...conditions.filter((c) => c.type !== "Suspended"),
          condition("Suspended", "JobSuspended", "Job suspended"),
        ];
        events.event(job, "Normal", "Suspended", "Job suspended");
      }
    } else {
      conditions = conditions.map((c) =>
        c.type === "Suspended" && c.status === "True"
          ? { ...c, status: "False", reason: "JobResumed", message: "Job resumed", lastTransitionTime: now }
          : c,
      );
      if (failed > (job.spec.backoffLimit ?? 6)) {
        for (const pod of active) registry.remove(me, pods, namespace, pod.metadata.name, {});
        active = [];
        const message = "Job has reached the specified backoff limit";
        conditions = [
          ...conditions,
          condition("FailureTarget", "BackoffLimitExceeded", message),
          condition("Failed", "BackoffLimitExceeded", message),
        ];
        events.event(job, "Warning", "BackoffLimitExceeded", message);
      } else if (succeeded >= completions) {
        const message = "Reached expected number of succeeded pods";
        conditions = [
          ...conditions,
          condition("SuccessCriteriaMet", "CompletionsReached", message),
          condition("Complete", "CompletionsReached", message),
        ];
        completionTime = now;
        events.event(job, "Normal", "Completed", "Job completed");
      } else {
        const wanted = Math.min(job.spec.parallelism ?? 1, completions - succeeded);
        const waits = failed > 0 && active.length === 0 ? Math.min(600_000, 10_000 * 2 ** (failed - 1)) : 0;
        const last = Math.max(0, ...own.map((pod) => Date.parse(pod.metadata.creationTimestamp ?? "")));
        const left = waits - (clock.now().getTime() - last) * timers.speed;
        if (left > 0) queue.addAfter(key, left);
        else {
          for (let i = active.length; i < wanted; i += 1) {
            const pod = createPod(registry, me, job, job.spec.template);
            events.event(job, "Normal", "SuccessfulCreate", `Created pod: ${pod.metadata.name}`);
          }
        }
        active = podsOf(registry.store, job).filter(isActive);
      }
    }
    const ready = active.filter(isReady).length;
    const status: Job["status"] = {
      ...(conditions.length ? { conditions } : {}),
      ...(job.spec.suspend ? {} : { startTime: job.status.startTime ?? now }),
      ...(completionTime ? { completionTime } : {}),
      ...(active.length ? { active: active.length } : {}),
      ...(succeeded ? { succeeded } : {}),
      ...(failed ? { failed } : {}),
      terminating: 0,
      uncountedTerminatedPods: {},
      ready,
    } as Job["status"];
    if (equal(status, job.status)) return;
    registry.edit(me, jobs, namespace, name, "status", (object) => {
      object["status"] = status;
    });
  }

  return {
    observe({ storage, object }) {
      if (storage === jobs.storage) queue.add(keyOf(object));
      else if (storage === pods.storage) {
        const owner = controllerOf(object);
        if (owner?.kind === "Job") queue.add(`${object.metadata.namespace ?? ""}/${owner.name}`);
      }
    },
    stop: queue.stop,
  };
}

export function createCronJobController({ registry, clock, timers, caller, recorder }: ControllerContext): Controller {
  const me = caller("kube-controller-manager");
  const events = recorder("cronjob-controller");
  const crons = registry.kinds.resource("batch", "cronjobs");
  const jobs = registry.kinds.resource("batch", "jobs");
  const queue = createQueue({ timers, clock }, sync);
  const planned = new Map<string, number>();

  function sync(key: string): void {
    const [namespace = "", name = ""] = key.split("/");
    const cron = registry.store.get(crons.storage, namespace, name) as CronJob | undefined;
    if (!cron || cron.metadata.deletionTimestamp || cron.spec.suspend) {
      planned.delete(key);
      return;
    }
    const now = clock.now();
    const due = planned.get(key);
    if (due !== undefined && due <= now.getTime()) {
      planned.delete(key);
      run(cron, new Date(due));
    }
    if (!planned.has(key)) {
      const next = nextRun(cron.spec.schedule, now);
      if (next === undefined) {
        events.event(cron, "Warning", "UnparseableSchedule", `unparseable schedule: "${cron.spec.schedule}"`);
        return;
      }
      planned.set(key, next.getTime());
    }
    // Schedules are times of day: they are not sped up.
    const left = (planned.get(key) ?? 0) - now.getTime();
    queue.addAfter(key, Math.min(left, 86_400_000) * timers.speed + 50);
    prune(cron);
  }

  function owned(cron: CronJob): Job[] {
    return registry.store
      .list(jobs.storage, cron.metadata.namespace ?? "")
      .filter((job) => controllerOf(job)?.uid === cron.metadata.uid) as Job[];
  }
  function isOver(job: Job, type: string): boolean {
    return job.status.conditions?.some((c) => c.type === type && c.status === "True") === true;
  }

  function run(cron: CronJob, at: Date): void {
    const { namespace = "", name } = cron.metadata;
    const active = owned(cron).filter((job) => !isOver(job, "Complete") && !isOver(job, "Failed"));
    if (cron.spec.concurrencyPolicy === "Forbid" && active.length > 0) {
      events.event(
        cron,
        "Normal",
        "JobAlreadyActive",
        "Not starting job because prior execution is running and concurrency policy is Forbid",
      );
      return;
    }
    if (cron.spec.concurrencyPolicy === "Replace") {
      for (const job of active)
        registry.remove(me, jobs, namespace, job.metadata.name, { propagationPolicy: "Background" });
    }
    const job = registry.create(me, jobs, namespace, {
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: {
        name: `${name}-${Math.floor(at.getTime() / 60_000)}`,
        labels: cron.spec.jobTemplate.metadata?.labels,
        annotations: {
          ...cron.spec.jobTemplate.metadata?.annotations,
          "batch.kubernetes.io/cronjob-scheduled-timestamp": timestamp(at),
        },
        ownerReferences: [ownerReference(cron)],
      },
      spec: clone(cron.spec.jobTemplate.spec),
    });
    events.event(cron, "Normal", "SuccessfulCreate", `Created job ${job.metadata.name}`);
    registry.edit(me, crons, namespace, name, "status", (object) => {
      object["status"] = {
        ...asObject(object["status"]),
        active: [
          {
            apiVersion: "batch/v1",
            kind: "Job",
            namespace,
            name: job.metadata.name,
            uid: job.metadata.uid,
            resourceVersion: job.metadata.resourceVersion,
          },
        ],
        lastScheduleTime: timestamp(at),
      };
    });
  }

  /** Keeps as many finished jobs as the limits say, and none in the list of active ones. */
  function prune(cron: CronJob): void {
    const { namespace = "", name } = cron.metadata;
    const all = owned(cron).toSorted((a, b) =>
      (a.metadata.creationTimestamp ?? "") < (b.metadata.creationTimestamp ?? "") ? 1 : -1,
    );
    for (const [type, limit] of [
      ["Complete", cron.spec.successfulJobsHistoryLimit ?? 3],
      ["Failed", cron.spec.failedJobsHistoryLimit ?? 1],
    ] as const) {
      for (const job of all.filter((candidate) => isOver(candidate, type)).slice(limit)) {
        registry.remove(me, jobs, namespace, job.metadata.name, { propagationPolicy: "Background" });
      }
    }
    const running = new Set(
      all.filter((job) => !isOver(job, "Complete") && !isOver(job, "Failed")).map((job) => job.metadata.name),
    );
    const listed = (cron.status.active ?? []).map(asObject);
    const left = listed.filter((ref) => running.has(String(ref["name"])));
    if (left.length === listed.length) return;
    registry.edit(me, crons, namespace, name, "status", (object) => {
      const { active: _, ...rest } = asObject(object["status"]);
      const done = all.filter((job) => isOver(job, "Complete"))[0]?.status.completionTime;
      object["status"] = {
        ...rest,
        ...(left.length ? { active: left } : {}),
        ...(done ? { lastSuccessfulTime: done } : {}),
      };
    });
  }

  return {
    observe({ storage, object }) {
      if (storage === crons.storage) queue.add(keyOf(object));
      else if (storage === jobs.storage) {
        const owner = controllerOf(object);
        if (owner?.kind === "CronJob") queue.add(`${object.metadata.namespace ?? ""}/${owner.name}`);
      }
    },
    stop: queue.stop,
  };
}
