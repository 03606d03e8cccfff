import { truncate } from "../../shared/text.ts";
import type { ContainerFacts } from "../tools/pod.ts";
import {
  containerWhere,
  type Explanation,
  eventsWhere,
  finding,
  type Playbook,
  remedies,
  type Scene,
} from "./playbook.ts";
import { blamedRelease, releaseConfidence, releaseFindings, rollbackOf } from "./release.ts";

const reasons = new Set(["CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError"]);
const cannotStart = ({ waiting }: ContainerFacts) => waiting !== null && reasons.has(waiting.reason);
const cannotMount = (scene: Scene) =>
  scene.pod?.phase === "Pending" &&
  scene.pod.node !== null &&
  eventsWhere(scene, /^FailedMount$/, /not found|references non-existent/).length > 0;

/** A Secret, ConfigMap or key that the container refers to and that is not there; or a command that cannot be run. */
export const configError: Playbook = {
  name: "CreateContainerConfigError",
  recognises: (scene) => containerWhere(scene, cannotStart) !== null || cannotMount(scene),
  explain: async (scene) => explainConfig(scene),
};

function explainConfig(scene: Scene): Explanation {
  const { locale, describeId, target } = scene;
  const container = containerWhere(scene, cannotStart);
  const mount = eventsWhere(scene, /^FailedMount$/)[0];
  const reason = container?.waiting?.reason ?? "FailedMount";
  const words = truncate(container?.waiting?.message || mount?.message || "", 300);
  const missing =
    /(?:secret|configmap)s? "[^"]{1,253}" not found|couldn't find key \S{1,253} in (?:Secret|ConfigMap) \S{1,320}|references non-existent (?:secret|config) key/i.exec(
      words,
    )?.[0];
  const release = blamedRelease(scene);
  const rollback = rollbackOf(scene, release);
  return {
    cause: reason === "FailedMount" ? "FailedMount" : reason,
    confidence:
      missing === undefined ? "low" : release !== null && rollback !== null ? releaseConfidence(release) : "high",
    conclusion:
      missing === undefined
        ? {
            en: `A container of ${target} cannot be started (${reason})${words === "" ? "" : `: ${words}`}`,
            "zh-CN": `${target} 的容器无法启动（${reason}）${words === "" ? "" : `：${words}`}`,
          }[locale]
        : {
            en: `A container of ${target} cannot start, because what it refers to is not there: ${missing}`,
            "zh-CN": `${target} 的容器无法启动，它引用的对象不存在：${missing}`,
          }[locale],
    findings: [
      finding(
        { en: `The kubelet says ${reason}: ${words}`, "zh-CN": `kubelet 报 ${reason}：${words}` }[locale],
        describeId,
      ),
      ...(release === null ? [] : releaseFindings(scene, release)),
    ],
    ruledOut: [{ en: "The program itself: it has not started", "zh-CN": "程序本身：它还没有启动" }[locale]],
    unseen: [
      {
        en: "Whether the Secret or ConfigMap was deleted or never made: Steward does not read Secrets",
        "zh-CN": "该 Secret 或 ConfigMap 是被删除还是从未创建：Steward 不读取 Secret",
      }[locale],
    ],
    remedies: remedies(missing === undefined ? null : rollback),
  };
}
