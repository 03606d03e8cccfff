import type { Locale } from "../../shared/locale.ts";
import { span } from "../../shared/time.ts";
import type { ToolRun } from "../tools/index.ts";
import { endOf, type PodFacts, sickness, worstContainer } from "../tools/pod.ts";
import { nameOf, tried } from "../tools/tool.ts";
import { conditionsOf } from "../tools/workload.ts";
import type { Scene } from "./playbook.ts";
import { whenIs } from "./release.ts";

/** What an investigation is about, as the alert or the asker names it. */
export interface Subject {
  /** `deployment/checkout`, `pod/checkout-1`, `node/worker-2`. */
  target: string;
  /** Empty for what is in none. */
  namespace: string;
  /** The pod that the alert names, if any. */
  pod: string | null;
  startedAt: Date | null;
}

const workloads = new Set(["Deployment", "StatefulSet", "DaemonSet"]);

/**
 * The first looks: the object with its pods and events, and its revisions. A pod is looked at as part of the workload above it.
 * null when the object could not be read; `unseen` says why.
 */
export async function openScene(
  subject: Subject,
  look: ToolRun["look"],
  { locale, now }: { locale: Locale; now: Date },
): Promise<{ scene: Scene | null; unseen: string[] }> {
  const unseen: string[] = [];
  const first = await describe(subject.target);
  const owner = first?.data.owners.findLast(({ kind }) => workloads.has(kind));
  const target = owner === undefined ? subject.target : nameOf(owner);
  const [above, history] = await Promise.all([
    owner === undefined ? first : describe(target),
    hasHistory(target)
      ? tried(
          { en: "Revisions", "zh-CN": "发布历史" }[locale],
          unseen,
          look("kubectl_rollout_history", { target, namespace: subject.namespace }),
        )
      : null,
  ]);
  const seen = above ?? first;
  if (seen === null) return { scene: null, unseen };
  unseen.push(...seen.unseen);
  const named = subject.target.startsWith("pod/") ? subject.target.slice("pod/".length) : subject.pod;
  return {
    scene: {
      locale,
      now,
      namespace: subject.namespace,
      target: above === null ? subject.target : target,
      described: seen.data,
      describeId: seen.evidence.id,
      revisions: history?.data ?? [],
      historyId: history?.evidence.id ?? null,
      pod: choosePod(seen.data.pods, named),
      startedAt: subject.startedAt,
    },
    unseen,
  };

  function describe(what: string) {
    const place = subject.namespace === "" ? {} : { namespace: subject.namespace };
    return tried(what, unseen, look("kubectl_describe", { target: what, ...place }));
  }
}

function hasHistory(target: string): boolean {
  return /^(?:deployment|statefulset|daemonset)\//.test(target);
}

/** The alert's own pod while it shows a fault, else the sickest: pods come and go faster than alerts. */
function choosePod(pods: readonly PodFacts[], named: string | null): PodFacts | null {
  const alive = pods.filter(({ deleting }) => !deleting);
  const own = alive.find(({ name }) => name === named);
  return own !== undefined && sickness(own) > 0 ? own : (alive[0] ?? null);
}

/** What is known after the first look, for the card of the first seconds: `last state OOMKilled`, `exit 137`, `limit 512Mi`, … */
export function quickFacts(scene: Scene): string[] {
  const { locale, described, pod, revisions } = scene;
  const { object, pods } = described;
  if (object === null) return [{ en: `${scene.target} is not there`, "zh-CN": `${scene.target} 不存在` }[locale]];
  if (object.kind === "Node") return nodeFacts(scene);
  const alive = pods.filter(({ deleting }) => !deleting);
  const ready = alive.filter((one) => one.ready).length;
  const container = pod === null || sickness(pod) === 0 ? null : worstContainer(pod);
  const end = container === null ? null : endOf(container);
  const limit = container?.limits["memory"];
  const rollout = revisions.length > 1 ? revisions.at(-1) : undefined;
  return [
    ...(container?.waiting?.reason ? [container.waiting.reason] : []),
    ...(pod?.unscheduled == null ? [] : [{ en: "not scheduled", "zh-CN": "未被调度" }[locale]]),
    ...(end === null
      ? []
      : [
          { en: `last state ${end.reason}`, "zh-CN": `上次状态 ${end.reason}` }[locale],
          { en: `exit ${end.exitCode}`, "zh-CN": `退出码 ${end.exitCode}` }[locale],
        ]),
    ...(end?.reason === "OOMKilled"
      ? [{ en: `limit ${limit ?? "none"}`, "zh-CN": `内存上限 ${limit ?? "未设置"}` }[locale]]
      : []),
    ...(container === null || container.restarts === 0
      ? []
      : [{ en: `${container.restarts} restarts`, "zh-CN": `重启 ${container.restarts} 次` }[locale]]),
    ...(alive.length === 0
      ? []
      : [{ en: `${ready}/${alive.length} ready`, "zh-CN": `${ready}/${alive.length} 就绪` }[locale]]),
    ...(rollout === undefined || rollout.at === null
      ? []
      : [{ en: `last rollout ${whenIs(rollout.at, scene)}`, "zh-CN": `${whenIs(rollout.at, scene)}发布过` }[locale]]),
  ];
}

function nodeFacts({ locale, described: { object }, now }: Scene): string[] {
  if (object === null) return [];
  return conditionsOf(object)
    .filter(({ type, status }) => (type === "Ready") !== (status === "True"))
    .map(({ type, status, reason, since }) => {
      const length = since === null ? "?" : span(now.getTime() - since.getTime(), locale);
      return { en: `${type}=${status} ${reason} for ${length}`, "zh-CN": `${type}=${status} ${reason} 已${length}` }[
        locale
      ];
    });
}
