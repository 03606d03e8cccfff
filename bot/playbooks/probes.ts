import { field, listField, stringField } from "../../shared/kube.ts";
import type { Locale } from "../../shared/locale.ts";
import { truncate } from "../../shared/text.ts";
import { probeText } from "../tools/container.ts";
import type { EventFacts } from "../tools/events.ts";
import { type ContainerFacts, endOf } from "../tools/pod.ts";
import { tried } from "../tools/tool.ts";
import { clueOf } from "./clue.ts";
import {
  containerWhere,
  type Explanation,
  eventsWhere,
  finding,
  type Playbook,
  podsWhere,
  remedies,
  remedy,
  type Scene,
  workloadOf,
} from "./playbook.ts";
import { blamedRelease, releaseConfidence, releaseFindings, releaseRuledOut, rollbackOf } from "./release.ts";

/** A container that ran well this long and then stopped answering hangs; a younger one may still be starting. */
const settledMs = 10 * 60_000;

interface Fault {
  name: string;
  pattern: RegExp;
  says: Readonly<Record<Locale, string>>;
}

/** The kubelet's words for a probe that fails. Source: k8s.io/kubernetes pkg/probe. */
const faults: readonly Fault[] = [
  {
    name: "timeout",
    pattern: /context deadline exceeded|Client\.Timeout|timeout|timed out/i,
    says: { en: "it does not answer in time", "zh-CN": "未在时限内应答" },
  },
  {
    name: "refused",
    pattern: /connection refused|connect: /i,
    says: { en: "nothing listens on the probed port", "zh-CN": "探测端口上没有程序监听" },
  },
  {
    name: "not_found",
    pattern: /statuscode: 404/i,
    says: { en: "the probed path does not exist (404)", "zh-CN": "探测路径不存在（404）" },
  },
  {
    name: "unauthorized",
    pattern: /statuscode: 40[13]/i,
    says: { en: "the probed path asks for a login", "zh-CN": "探测路径要求登录" },
  },
  {
    name: "unwell",
    pattern: /statuscode: 5\d\d/i,
    says: { en: "the program itself says that it is not well", "zh-CN": "程序自己报告不健康" },
  },
];

const isUnready = (container: ContainerFacts) => !container.init && container.runningSince !== null && !container.ready;

/** Killed by the kubelet because its liveness or startup probe failed: looks like a crash, and is none. */
export const livenessProbe: Playbook = {
  name: "LivenessProbeFailed",
  recognises: (scene) => {
    const killed = eventsWhere(scene, /^Killing$/, /failed (?:liveness|startup) probe/).length > 0;
    return (
      killed &&
      containerWhere(scene, ({ restarts, ready }) => restarts > 0 && !ready) !== null &&
      containerWhere(scene, isOtherEnd) === null
    );
  },
  explain: (scene, look) => explainProbe(scene, look, "liveness"),
};

/** An end that no probe brings about. */
function isOtherEnd(container: ContainerFacts): boolean {
  const end = endOf(container);
  return end !== null && (end.reason === "OOMKilled" || ![0, 2, 137, 143].includes(end.exitCode));
}

export const readinessProbe: Playbook = {
  name: "ReadinessProbeFailed",
  recognises: (scene) => containerWhere(scene, isUnready) !== null,
  explain: (scene, look) => explainProbe(scene, look, "readiness"),
};

async function explainProbe(
  scene: Scene,
  look: Parameters<Playbook["explain"]>[1],
  which: "readiness" | "liveness",
): Promise<Explanation> {
  const { locale, describeId, target, pod, namespace } = scene;
  const fits = which === "readiness" ? isUnready : ({ restarts, ready }: ContainerFacts) => restarts > 0 && !ready;
  const container = containerWhere(scene, fits);
  if (container === null || pod === null) throw new Error("explains what it does not recognise");
  const failures = eventsWhere(
    scene,
    /^(?:Unhealthy|ProbeError)$/,
    which === "readiness" ? /Readiness/ : /Liveness|Startup/,
  );
  const failure: EventFacts | undefined = failures[0];
  const fault = failure === undefined ? undefined : faults.find(({ pattern }) => pattern.test(failure.message));
  const probe =
    field(container.spec, which === "readiness" ? "readinessProbe" : "livenessProbe") ??
    field(container.spec, "startupProbe");
  const unseen: string[] = [];
  const log = await tried(
    { en: "Its log", "zh-CN": "日志" }[locale],
    unseen,
    look("kubectl_logs", {
      target: `pod/${pod.name}`,
      namespace: pod.namespace,
      container: container.name,
      previous: which === "liveness" && container.restarts > 0,
    }),
  );
  const clue = clueOf(log?.data.lines ?? [], locale);
  const release = blamedRelease(scene);
  const rollback = rollbackOf(scene, release);
  const hit = podsWhere(scene, (other) => other.name === container.name && fits(other)).length;
  const pods = scene.described.pods.filter(({ deleting }) => !deleting);
  const well = pods.filter(({ ready }) => ready).length;
  const word = { readiness: { en: "readiness", "zh-CN": "就绪" }, liveness: { en: "liveness", "zh-CN": "存活" } }[
    which
  ][locale];
  return {
    cause: which === "readiness" ? "ReadinessProbeFailed" : "LivenessProbeFailed",
    confidence:
      release !== null && rollback !== null ? releaseConfidence(release) : fault === undefined ? "low" : "medium",
    conclusion:
      fault === undefined
        ? {
            en: `Container ${container.name} of ${target} runs but is not ready; no failing probe was seen`,
            "zh-CN": `${target} 的容器 ${container.name} 在运行但未就绪，没有看到失败的探测`,
          }[locale]
        : {
            en: `The ${word} probe of container ${container.name} of ${target} fails: ${fault.says.en}${which === "liveness" ? ", so the kubelet restarts it" : ""}`,
            "zh-CN": `${target} 的容器 ${container.name} 的${word}探测失败：${fault.says["zh-CN"]}${which === "liveness" ? "，因此被 kubelet 重启" : ""}`,
          }[locale],
    findings: [
      finding(
        {
          en: `${hit} of ${pods.length} pods are so, ${well} are ready`,
          "zh-CN": `${pods.length} 个 Pod 中 ${hit} 个如此，${well} 个就绪`,
        }[locale],
        describeId,
      ),
      ...(failure === undefined
        ? []
        : [
            finding(
              {
                en: `The kubelet says: ${truncate(failure.message, 300)} (×${failure.count})`,
                "zh-CN": `kubelet 提示：${truncate(failure.message, 300)}（×${failure.count}）`,
              }[locale],
              describeId,
            ),
          ]),
      ...(probe === undefined
        ? []
        : [
            finding(
              { en: `The probe: ${probeText(probe)}`, "zh-CN": `探测方式：${probeText(probe)}` }[locale],
              describeId,
            ),
          ]),
      ...(fault?.name === "refused" ? portFinding(scene, container, probe) : []),
      ...(clue === null || log === null
        ? []
        : [
            finding(
              { en: `Last words of its log: ${clue.line}`, "zh-CN": `日志的最后内容：${clue.line}` }[locale],
              log.evidence.id,
            ),
          ]),
      ...(release === null ? [] : releaseFindings(scene, release)),
    ],
    ruledOut: [
      ...(which === "readiness"
        ? [{ en: "A crash: the container runs", "zh-CN": "崩溃：容器在运行" }[locale]]
        : [{ en: "Memory: it was not OOMKilled", "zh-CN": "内存：不是 OOMKilled" }[locale]]),
      ...releaseRuledOut(scene, release),
    ],
    unseen: [
      ...unseen,
      ...(failure === undefined
        ? [
            {
              en: "Events of the probe: none is kept; they live about an hour",
              "zh-CN": "探测事件：没有保留（事件约保留一小时）",
            }[locale],
          ]
        : []),
      ...(clue?.outside === true
        ? [{ en: "The service that its log names", "zh-CN": "日志中提到的依赖服务" }[locale]]
        : []),
    ],
    remedies: remedies(rollback ?? (release === null && fault !== undefined ? afresh() : null)),
  };

  /** A program that ran well and no longer answers is started afresh: one pod if its siblings are well, all if none is. */
  function afresh() {
    const hangs =
      fault?.name === "timeout" || fault?.name === "refused" || (fault?.name === "unwell" && clue?.outside !== true);
    const since = container?.runningSince?.getTime() ?? scene.now.getTime();
    const workload = workloadOf(scene);
    if (which === "liveness" || !hangs || workload === null || scene.now.getTime() - since < settledMs) return null;
    if (well > 0 && hit === 1 && pod !== null) return remedy({ kind: "delete", namespace, target: `pod/${pod.name}` });
    return well === 0 ? remedy({ kind: "restart", namespace, target: workload }) : null;
  }
}

/** A probe on a port that the container does not even name is most often a slip. */
function portFinding({ locale, describeId }: Scene, container: ContainerFacts, probe: unknown) {
  const port = field(probe, "httpGet", "port") ?? field(probe, "tcpSocket", "port");
  const declared = listField(container.spec, "ports").map((entry) => ({
    number: field(entry, "containerPort"),
    name: stringField(entry, "name"),
  }));
  if (
    port === undefined ||
    declared.length === 0 ||
    declared.some(({ number, name }) => number === port || name === port)
  )
    return [];
  const ports = declared.map(({ number }) => String(number)).join(", ");
  return [
    finding(
      {
        en: `The probe asks port ${String(port)}, the container names ${ports}`,
        "zh-CN": `探测端口 ${String(port)}，而容器声明的是 ${ports}`,
      }[locale],
      describeId,
    ),
  ];
}
