import type { Locale } from "../../shared/locale.ts";
import { type ContainerFacts, endOf, type Termination } from "../tools/pod.ts";
import { age } from "../tools/print.ts";
import { tried } from "../tools/tool.ts";
import { type Clue, clueOf } from "./clue.ts";
import {
  containerWhere,
  type Explanation,
  finding,
  hasFailed,
  type Playbook,
  podsWhere,
  remedies,
  type Scene,
} from "./playbook.ts";
import {
  blamedRelease,
  type Release,
  releaseConfidence,
  releaseFindings,
  releaseRuledOut,
  rollbackOf,
} from "./release.ts";

const isCrashing = (container: ContainerFacts) =>
  container.waiting?.reason === "CrashLoopBackOff" ||
  (hasFailed(container) && (container.restarts > 0 || container.terminated !== null));

export const crashLoop: Playbook = {
  name: "CrashLoopBackOff",
  recognises: (scene) => containerWhere(scene, isCrashing) !== null,
  async explain(scene, look) {
    const container = containerWhere(scene, isCrashing);
    const { pod, locale } = scene;
    if (container === null || pod === null) throw new Error("explains what it does not recognise");
    const unseen: string[] = [];
    const log = await tried(
      { en: "Its log", "zh-CN": "日志" }[locale],
      unseen,
      look("kubectl_logs", {
        target: `pod/${pod.name}`,
        namespace: pod.namespace,
        container: container.name,
        previous: container.restarts > 0,
      }),
    );
    if (log !== null && log.data.absent !== null)
      unseen.push({ en: `Its log: ${log.data.absent}`, "zh-CN": `日志：${log.data.absent}` }[locale]);
    const clue = clueOf(log?.data.lines ?? [], locale);
    return explainCrash({ scene, container, clue, logId: log?.evidence.id ?? null, unseen });
  },
};

interface Crash {
  scene: Scene;
  container: ContainerFacts;
  clue: Clue | null;
  logId: string | null;
  unseen: readonly string[];
}

function explainCrash({ scene, container, clue, logId, unseen }: Crash): Explanation {
  const { locale, describeId, target } = scene;
  const end = endOf(container);
  const release = blamedRelease(scene);
  const rollback = rollbackOf(scene, release);
  const meaning = end === null ? null : meaningOf(end, locale);
  return {
    cause: release !== null && rollback !== null ? "BadRelease" : "CrashLoopBackOff",
    confidence: confidenceOf(release, clue, end),
    conclusion: conclusionOf(scene, container, release, clue)[locale],
    findings: [
      crashes(scene, container, end, meaning),
      ...(clue === null || logId === null
        ? []
        : [
            finding(
              clue.meaning === null
                ? { en: `Last words of its log: ${clue.line}`, "zh-CN": `日志的最后内容：${clue.line}` }[locale]
                : {
                    en: `Its log says that ${clue.meaning}: ${clue.line}`,
                    "zh-CN": `日志显示${clue.meaning}：${clue.line}`,
                  }[locale],
              logId,
            ),
          ]),
      ...(release === null ? [] : releaseFindings(scene, release)),
      ...(end?.message === "" || end === null
        ? []
        : [
            finding(
              { en: `The runtime says: ${end.message}`, "zh-CN": `运行时提示：${end.message}` }[locale],
              describeId,
            ),
          ]),
    ],
    ruledOut: [
      { en: "Memory: it was not OOMKilled", "zh-CN": "内存：不是 OOMKilled" }[locale],
      { en: "The image: it was pulled and started", "zh-CN": "镜像：已拉取并启动" }[locale],
      ...releaseRuledOut(scene, release),
    ],
    unseen: [
      ...unseen,
      ...(clue === null && unseen.length === 0
        ? [{ en: "What it died of: it logged nothing", "zh-CN": "死因：它没有写任何日志" }[locale]]
        : []),
      ...(scene.historyId === null
        ? [
            {
              en: "Its revisions: whether a release is to blame is not known",
              "zh-CN": "发布历史：无法判断是否由发布引起",
            }[locale],
          ]
        : []),
      ...(release !== null && rollback === null
        ? [
            {
              en: `Whether an earlier revision of ${target} was well: no rollback is proposed on a guess`,
              "zh-CN": `${target} 之前的版本是否正常：不凭猜测建议回滚`,
            }[locale],
          ]
        : []),
    ],
    // Kubernetes restarts it already: another restart is no remedy.
    remedies: remedies(rollback),
  };
}

function conclusionOf(
  scene: Scene,
  { name }: ContainerFacts,
  release: Release | null,
  clue: Clue | null,
): Record<Locale, string> {
  const { target } = scene;
  const why = clue?.meaning ?? null;
  if (release !== null && release.healthy !== null) {
    return {
      en: `Revision ${release.current.number} of ${target} crashes since it was rolled out; revision ${release.healthy.number} was well${why === null ? "" : ` (its log: ${why})`}`,
      "zh-CN": `${target} 的版本 ${release.current.number} 发布后即崩溃，版本 ${release.healthy.number} 正常${why === null ? "" : `（日志显示${why}）`}`,
    };
  }
  if (why !== null) {
    return {
      en: `Container ${name} of ${target} crashes again and again: ${why}`,
      "zh-CN": `${target} 的容器 ${name} 反复崩溃：${why}`,
    };
  }
  return {
    en: `Container ${name} of ${target} crashes again and again; why is not clear from what could be read`,
    "zh-CN": `${target} 的容器 ${name} 反复崩溃；从已读到的信息看不出原因`,
  };
}

function confidenceOf(release: Release | null, clue: Clue | null, end: Termination | null): Explanation["confidence"] {
  if (release !== null && release.healthy !== null)
    return clue?.outside === true && release.proof !== "serving" ? "medium" : releaseConfidence(release);
  return clue?.meaning != null && end !== null ? "medium" : "low";
}

function crashes(scene: Scene, container: ContainerFacts, end: Termination | null, meaning: string | null) {
  const { locale, describeId, described } = scene;
  const hit = podsWhere(scene, (other) => other.name === container.name && isCrashing(other)).length;
  const total = described.pods.filter(({ deleting }) => !deleting).length;
  const ran = end?.startedAt == null || end.finishedAt === null ? null : age(end.startedAt, end.finishedAt);
  const code = end === null ? "?" : String(end.exitCode);
  return finding(
    {
      en: `Container ${container.name} ends with exit ${code}${meaning === null ? "" : ` (${meaning})`}${ran === null ? "" : ` after ${ran}`}, in ${hit} of ${total} pods, ${container.restarts} restarts`,
      "zh-CN": `容器 ${container.name}${ran === null ? "" : `运行 ${ran} 后`}退出，退出码 ${code}${meaning === null ? "" : `（${meaning}）`}，${total} 个 Pod 中 ${hit} 个如此，已重启 ${container.restarts} 次`,
    }[locale],
    describeId,
  );
}

/** Source: POSIX shells (126, 127, 128+n), signal(7), and the reasons of the container runtimes. */
const codes: Readonly<Record<number, Readonly<Record<Locale, string>>>> = {
  0: {
    en: "it ends by itself, without an error: not a program that keeps running",
    "zh-CN": "正常结束：它不是常驻程序",
  },
  1: { en: "an error of the program", "zh-CN": "程序报错" },
  2: { en: "wrong use, or an error of the program", "zh-CN": "参数错误或程序报错" },
  126: { en: "the command cannot be executed", "zh-CN": "命令无法执行" },
  127: { en: "the command is not in the image", "zh-CN": "镜像中没有该命令" },
  128: { en: "the container could not be started", "zh-CN": "容器无法启动" },
  132: { en: "illegal instruction: built for another processor", "zh-CN": "非法指令：为其他处理器构建" },
  134: { en: "it aborted itself", "zh-CN": "程序主动中止" },
  137: { en: "killed with SIGKILL", "zh-CN": "被 SIGKILL 杀死" },
  139: { en: "segmentation fault", "zh-CN": "段错误" },
  143: { en: "ended on SIGTERM", "zh-CN": "收到 SIGTERM 后结束" },
  255: { en: "an error of the program", "zh-CN": "程序报错" },
};

function meaningOf({ exitCode }: Termination, locale: Locale): string | null {
  return (
    codes[exitCode]?.[locale] ??
    (exitCode > 128 && exitCode < 160
      ? { en: `signal ${exitCode - 128}`, "zh-CN": `信号 ${exitCode - 128}` }[locale]
      : null)
  );
}
