import { field, numberField } from "../../shared/kube.ts";
import { truncate } from "../../shared/text.ts";
import { conditionsOf } from "../tools/workload.ts";
import { type Explanation, eventsWhere, finding, type Playbook, remedies, type Scene } from "./playbook.ts";
import { blamedRelease, releaseConfidence, releaseFindings, rollbackOf } from "./release.ts";

const cannotCreate = (scene: Scene) => eventsWhere(scene, /^FailedCreate$/)[0];
const deadline = ({ described: { object } }: Scene) =>
  object === null
    ? undefined
    : conditionsOf(object).find(({ type, reason }) => type === "Progressing" && reason === "ProgressDeadlineExceeded");

function wanted({ described: { object } }: Scene): { replicas: number; present: number } {
  return {
    replicas: numberField(object, "spec", "replicas") ?? 1,
    present: numberField(object, "status", "replicas") ?? 0,
  };
}

/** The controller may not make the pods: a quota, a limit range, a policy or a webhook refuses. */
export const podsRefused: Playbook = {
  name: "FailedCreate",
  recognises: (scene) => {
    const { replicas, present } = wanted(scene);
    return cannotCreate(scene) !== undefined && (present < replicas || deadline(scene) !== undefined);
  },
  explain: async (scene) => explainRefused(scene),
};

function explainRefused(scene: Scene): Explanation {
  const { locale, describeId, target } = scene;
  const words = cannotCreate(scene)?.message ?? "";
  const quota = /exceeded quota: ([\w.-]+), requested: ([^,]+(?:,[^,:]+=[^,]+)*), used: /.exec(words);
  const byQuota = /exceeded quota/.test(words);
  const refused = byQuota || /forbidden|denied|violates|admission webhook|is invalid|maximum .* usage per/i.test(words);
  const release = blamedRelease(scene);
  const asksMore = release?.changes.some((change) => /requests|limits|securityContext/.test(change)) ?? false;
  const rollback = asksMore ? rollbackOf(scene, release) : null;
  const { replicas, present } = wanted(scene);
  return {
    cause: byQuota ? "QuotaExceeded" : "FailedCreate",
    confidence: refused ? "high" : "low",
    conclusion: byQuota
      ? {
          en: `No more pods of ${target} can be made: quota ${quota?.[1] ?? ""} of the namespace is used up`,
          "zh-CN": `${target} 无法再创建 Pod：命名空间配额 ${quota?.[1] ?? ""} 已用尽`,
        }[locale]
      : { en: `The pods of ${target} are refused when they are made`, "zh-CN": `${target} 的 Pod 在创建时被拒绝` }[
          locale
        ],
    findings: [
      finding(
        { en: `The controller says: ${truncate(words, 400)}`, "zh-CN": `控制器提示：${truncate(words, 400)}` }[locale],
        describeId,
      ),
      finding(
        { en: `${present} of ${replicas} pods exist`, "zh-CN": `应有 ${replicas} 个 Pod，现有 ${present} 个` }[locale],
        describeId,
      ),
      ...(release !== null && asksMore ? releaseFindings(scene, release) : []),
    ],
    ruledOut: [{ en: "Nodes and images: no pod was made yet", "zh-CN": "节点与镜像：Pod 尚未创建" }[locale]],
    unseen: byQuota
      ? [
          {
            en: "Who else uses the quota; raising it is for those who own the namespace",
            "zh-CN": "还有谁在占用配额；是否提高由命名空间负责人决定",
          }[locale],
        ]
      : [],
    remedies: remedies(rollback),
  };
}

/** A rollout past its deadline, or paused half way, whose pods show nothing that is known. */
export const stuckRollout: Playbook = {
  name: "RolloutStuck",
  recognises: (scene) => deadline(scene) !== undefined || isPausedHalfWay(scene),
  explain: async (scene) => explainStuck(scene),
};

function isPausedHalfWay({ described: { object } }: Scene): boolean {
  const updated = numberField(object, "status", "updatedReplicas") ?? 0;
  return field(object, "spec", "paused") === true && updated < (numberField(object, "spec", "replicas") ?? 1);
}

function explainStuck(scene: Scene): Explanation {
  const { locale, describeId, target } = scene;
  const late = deadline(scene);
  const paused = isPausedHalfWay(scene);
  const release = blamedRelease(scene);
  const rollback = paused ? null : rollbackOf(scene, release);
  return {
    cause: paused ? "RolloutPaused" : "RolloutStuck",
    confidence: paused ? "high" : release !== null && rollback !== null ? releaseConfidence(release) : "low",
    conclusion: paused
      ? {
          en: `The rollout of ${target} is paused half way: somebody has to resume it`,
          "zh-CN": `${target} 的发布在中途被暂停，需要有人恢复`,
        }[locale]
      : {
          en: `The rollout of ${target} has not come further within its deadline`,
          "zh-CN": `${target} 的发布在期限内没有进展`,
        }[locale],
    findings: [
      ...(late === undefined
        ? []
        : [
            finding(
              {
                en: `The controller says: ${truncate(late.message, 300)}`,
                "zh-CN": `控制器提示：${truncate(late.message, 300)}`,
              }[locale],
              describeId,
            ),
          ]),
      ...(paused ? [finding({ en: "spec.paused is true", "zh-CN": "spec.paused 为 true" }[locale], describeId)] : []),
      ...(release === null ? [] : releaseFindings(scene, release)),
    ],
    ruledOut: [],
    unseen: paused
      ? []
      : [
          {
            en: "Why its new pods do not become available: they show no known fault",
            "zh-CN": "新 Pod 为何不可用：没有看到已知故障",
          }[locale],
        ],
    remedies: remedies(rollback),
  };
}
