import type { Finding } from "../../shared/finding.ts";
import { truncate } from "../../shared/text.ts";
import { endOf, sickness } from "../tools/pod.ts";
import { tried } from "../tools/tool.ts";
import { conditionsOf } from "../tools/workload.ts";
import { clueOf } from "./clue.ts";
import { type Explanation, finding, type Playbook, type Scene } from "./playbook.ts";
import { whenIs } from "./release.ts";

/** No playbook knows it: the facts, and an honest word. Recognises everything, so it comes last. */
export const unexplained: Playbook = {
  name: "unexplained",
  recognises: () => true,
  async explain(scene, look) {
    const { locale, namespace, target, pod } = scene;
    const unseen: string[] = [];
    const [changes, log] = await Promise.all([
      namespace === ""
        ? null
        : tried(
            { en: "Recent changes", "zh-CN": "近期变更" }[locale],
            unseen,
            look("recent_changes", { namespace, since: "6h" }),
          ),
      pod === null
        ? null
        : tried(
            { en: "Its log", "zh-CN": "日志" }[locale],
            unseen,
            look("kubectl_logs", { target: `pod/${pod.name}`, namespace: pod.namespace }),
          ),
    ]);
    const lately =
      changes?.data
        .slice(-3)
        .map(({ object, what, at }) => `${object} ${truncate(what, 120)} (${whenIs(at, scene)})`) ?? [];
    const clue = clueOf(log?.data.lines ?? [], locale);
    const telling = clue !== null && clue.meaning !== null ? clue : null;
    return {
      cause: null,
      confidence: "low",
      conclusion: conclusionOf(scene),
      findings: [
        ...stateFindings(scene),
        ...warnings(scene),
        ...(lately.length === 0 || changes === null
          ? []
          : [
              finding(
                { en: `Changed lately: ${lately.join("; ")}`, "zh-CN": `近期变更：${lately.join("；")}` }[locale],
                changes.evidence.id,
              ),
            ]),
        ...(telling === null || log === null
          ? []
          : [
              finding(
                {
                  en: `Its log says that ${telling.meaning}: ${telling.line}`,
                  "zh-CN": `日志显示${telling.meaning}：${telling.line}`,
                }[locale],
                log.evidence.id,
              ),
            ]),
      ],
      ruledOut: isWell(scene)
        ? [
            {
              en: `A fault of ${target} that Kubernetes sees now`,
              "zh-CN": `${target} 当前没有 Kubernetes 可见的故障`,
            }[locale],
          ]
        : [],
      unseen: [
        ...unseen,
        { en: "What the alert's own expression measures", "zh-CN": "告警表达式本身所度量的指标" }[locale],
      ],
      remedies: [],
    } satisfies Explanation;
  },
};

function isWell({ described: { pods, object } }: Scene): boolean {
  if (object?.kind === "Node")
    return conditionsOf(object).every(({ type, status }) => (type === "Ready") === (status === "True"));
  return pods.length > 0 && pods.every((pod) => sickness(pod) === 0);
}

function conclusionOf(scene: Scene): string {
  const { locale, target, described } = scene;
  if (described.object === null) {
    return { en: `${target} is not in the cluster (any more)`, "zh-CN": `集群中（已）没有 ${target}` }[locale];
  }
  if (isWell(scene)) {
    return {
      en: `${target} looks well now; the cause of the alert is not to be seen in its state`,
      "zh-CN": `${target} 目前看起来正常，从其状态看不出告警原因`,
    }[locale];
  }
  return {
    en: `${target} is not well, but no known cause fits what could be read`,
    "zh-CN": `${target} 状态异常，但已读到的信息不符合任何已知原因`,
  }[locale];
}

function stateFindings(scene: Scene): Finding[] {
  const { locale, describeId, described } = scene;
  const { pods, object } = described;
  if (object === null) return [];
  const faults = conditionsOf(object).filter(
    ({ type, status }) =>
      (type === "Ready" || type === "Available" || type === "Progressing" ? status !== "True" : false) ||
      (/Pressure$|Unavailable$/.test(type) && status === "True"),
  );
  const alive = pods.filter(({ deleting }) => !deleting);
  const ready = alive.filter((pod) => pod.ready).length;
  const restarts = alive
    .flatMap(({ containers }) => containers)
    .reduce((sum, container) => sum + container.restarts, 0);
  const ends = [
    ...new Set(
      alive
        .flatMap(({ containers }) => containers.map(endOf))
        .flatMap((end) => (end === null ? [] : [`${end.reason} (${end.exitCode})`])),
    ),
  ];
  return [
    ...faults.map(({ type, status, reason, message }) =>
      finding(`${type}=${status} ${reason}: ${truncate(message, 200)}`, describeId),
    ),
    ...(alive.length === 0
      ? []
      : [
          finding(
            {
              en: `${ready} of ${alive.length} pods ready, ${restarts} restarts in all${ends.length === 0 ? "" : `, ended before with ${ends.join(", ")}`}`,
              "zh-CN": `${alive.length} 个 Pod 中 ${ready} 个就绪，共重启 ${restarts} 次${ends.length === 0 ? "" : `，此前结束状态：${ends.join("、")}`}`,
            }[locale],
            describeId,
          ),
        ]),
  ];
}

function warnings({ locale, describeId, described }: Scene): Finding[] {
  const last = (described.events ?? []).filter(({ type }) => type === "Warning").slice(-2);
  return last.map(({ reason, object, message, count }) =>
    finding(
      {
        en: `Warning ${reason} of ${object}: ${truncate(message, 240)} (×${count})`,
        "zh-CN": `警告 ${reason}（${object}）：${truncate(message, 240)}（×${count}）`,
      }[locale],
      describeId,
    ),
  );
}
