import type { Action } from "../../shared/action.ts";
import type { Proposal } from "../../shared/approval.ts";
import { StewardError } from "../../shared/errors.ts";
import type { KubeObject } from "../../shared/kube.ts";
import { field, kindNamed, kinds, numberField, type ResourceType, stringField } from "../../shared/kube.ts";
import type { Locale } from "../../shared/locale.ts";
import type { ClusterReader } from "../edges.ts";
import type { Target } from "./definition.ts";
import { selects } from "./target.ts";
import { wantedReplicas } from "./workload.ts";

interface Surroundings {
  action: Action;
  target: Target;
  reversible: boolean;
  /** The newest run of the same kind on the same owner. */
  last: Proposal | null;
  locale: Locale;
}

/** What a person should know before they approve (SPEC 8, warnings), most weighty first. */
export async function warningsOf(read: ClusterReader, about: Surroundings, signal?: AbortSignal): Promise<string[]> {
  const { target, locale } = about;
  const unread: string[] = [];
  const look = async (type: ResourceType): Promise<readonly KubeObject[]> => {
    try {
      return (await read.list({ type, namespace: target.ref.namespace }, signal)).items;
    } catch (error) {
      unread.push(`${type.resource}: ${error instanceof StewardError ? error.message : "the read failed"}`);
      return [];
    }
  };
  const [autoscalers, budgets, services] = await Promise.all([
    look(kinds.horizontalpodautoscaler),
    look(kinds.poddisruptionbudget),
    look(kinds.service),
  ]);
  return [
    ...autoscalerWarning(about, autoscalers),
    ...operatorWarning(target, locale),
    ...outageWarning(about),
    ...budgetWarning(about, budgets),
    affected(about, services),
    ...(about.reversible ? [] : [irreversible[locale]]),
    ...lastTime(about),
    ...unread.map((text) => ({ en: `Could not look at ${text}`, "zh-CN": `无法查看 ${text}` })[locale]),
  ];
}

const irreversible: Readonly<Record<Locale, string>> = { en: "Cannot be undone", "zh-CN": "无法撤销" };

function autoscalerWarning({ action, target, locale }: Surroundings, autoscalers: readonly KubeObject[]): string[] {
  if (action.kind !== "scale") return [];
  const scaler = autoscalers.find((candidate) => {
    const reference = field(candidate, "spec", "scaleTargetRef");
    return (
      stringField(reference, "kind") === target.object.kind &&
      stringField(reference, "name") === target.object.metadata.name
    );
  });
  if (scaler === undefined) return [];
  const { name } = scaler.metadata;
  const min = numberField(scaler, "spec", "minReplicas") ?? 1;
  const max = numberField(scaler, "spec", "maxReplicas") ?? 1;
  // An autoscaler leaves an object that was scaled to 0 alone. Source: Kubernetes, Horizontal Pod Autoscaling, "implicit maintenance-mode deactivation".
  if (action.replicas === 0) {
    return [
      {
        en: `Scaling to 0 switches HPA ${name} off until somebody scales up again`,
        "zh-CN": `缩容到 0 会使 HPA ${name} 停止工作，直到有人重新扩容`,
      }[locale],
    ];
  }
  return [
    {
      en: `HPA ${name} keeps this between ${min} and ${max} and will undo it`,
      "zh-CN": `HPA ${name} 将副本数保持在 ${min} 到 ${max} 之间，会撤销此修改`,
    }[locale],
  ];
}

function operatorWarning({ object, owners, top }: Target, locale: Locale): string[] {
  const operator = object.metadata.ownerReferences?.find(({ kind }) => kindNamed(kind) === null);
  const above = owners.find(({ kind }) => kindNamed(kind) === null);
  const name =
    operator !== undefined
      ? `${operator.kind}/${operator.name}`
      : above !== undefined
        ? `${above.kind}/${above.metadata.name}`
        : kindNamed(top.kind) === null
          ? `${top.kind}/${top.name}`
          : null;
  if (name === null) return [];
  return [
    {
      en: `${name} owns this object; its operator may put it back`,
      "zh-CN": `该对象由 ${name} 管理，其 Operator 可能会将修改改回`,
    }[locale],
  ];
}

function outageWarning({ action, target, locale }: Surroundings): string[] {
  const { object } = target;
  if (action.kind === "scale") {
    return action.replicas === 0
      ? [{ en: "Scaling to 0 stops the service", "zh-CN": "缩容到 0 会使服务停止" }[locale]]
      : [];
  }
  if (action.kind === "delete") return [];
  if (stringField(object, "spec", "strategy", "type") === "Recreate") {
    return [
      {
        en: "Strategy Recreate: all pods stop before the new ones start",
        "zh-CN": "更新策略为 Recreate：新 Pod 启动前旧 Pod 会全部停止",
      }[locale],
    ];
  }
  if (stringField(object, "spec", "updateStrategy", "type") === "OnDelete") {
    return [
      {
        en: "Update strategy OnDelete: pods change only when somebody deletes them",
        "zh-CN": "更新策略为 OnDelete：只有 Pod 被删除后才会更新",
      }[locale],
    ];
  }
  const inOrder = (stringField(object, "spec", "podManagementPolicy") ?? "OrderedReady") === "OrderedReady";
  if (object.kind === "StatefulSet" && inOrder && action.kind === "rollback") {
    return [
      {
        en: "Pods are replaced in order: one that never becomes ready must be deleted by hand before the rest follow",
        "zh-CN": "Pod 按顺序更新：无法就绪的 Pod 需要手动删除后才会继续",
      }[locale],
    ];
  }
  return [];
}

/** Neither a rollout nor a deletion asks a PodDisruptionBudget; a person should know that it goes past one that has no room. */
function budgetWarning({ action, target, locale }: Surroundings, budgets: readonly KubeObject[]): string[] {
  if (action.kind !== "delete") return [];
  const labels = target.object.metadata.labels ?? {};
  return budgets
    .filter((budget) => selects(field(budget, "spec", "selector"), labels))
    .filter((budget) => numberField(budget, "status", "disruptionsAllowed") === 0)
    .map(
      ({ metadata: { name } }) =>
        ({
          en: `PodDisruptionBudget ${name} allows no disruption now; a deletion goes past it`,
          "zh-CN": `PodDisruptionBudget ${name} 当前不允许中断，删除会绕过它`,
        })[locale],
    );
}

function affected({ action, target, locale }: Surroundings, services: readonly KubeObject[]): string {
  const labels =
    target.object.kind === "Pod"
      ? (target.object.metadata.labels ?? {})
      : stringsOf(field(target.object, "spec", "template", "metadata", "labels"));
  const behind = services
    .filter((service) => selects({ matchLabels: field(service, "spec", "selector") }, labels))
    .map(({ metadata }) => metadata.name);
  const wanted =
    action.kind === "scale" ? Math.abs(action.replicas - wantedReplicas(target.object)) : target.pods.length;
  return {
    en: `Affects ${wanted} ${wanted === 1 ? "pod" : "pods"}; ${behind.length === 0 ? "no Service" : `Services: ${behind.join(", ")}`}`,
    "zh-CN": `影响 ${wanted} 个 Pod；${behind.length === 0 ? "不涉及 Service" : `涉及 Service：${behind.join("、")}`}`,
  }[locale];
}

function stringsOf(value: unknown): Record<string, string> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(Object.entries(value).map(([key, text]) => [key, String(text)]));
}

const outcomes: Readonly<Partial<Record<Proposal["state"], Readonly<Record<Locale, string>>>>> = {
  succeeded: { en: "succeeded", "zh-CN": "成功" },
  failed: { en: "failed", "zh-CN": "失败" },
  unverified: { en: "ran, could not be verified", "zh-CN": "已执行，未能验证" },
  needs_human: { en: "ended in doubt", "zh-CN": "结果不明，需人工确认" },
  undone: { en: "was undone", "zh-CN": "已撤销" },
};

function lastTime({ last, locale }: Surroundings): string[] {
  if (last === null) return [];
  const outcome = outcomes[last.state]?.[locale] ?? last.state;
  const why = last.reason === null || last.state === "succeeded" ? "" : `: ${last.reason}`;
  const day = last.updatedAt.toISOString().slice(0, 16).replace("T", " ");
  return [
    {
      en: `Last time here (${last.code}, ${day}Z): ${last.summary} ${outcome}${why}`,
      "zh-CN": `上次在此执行（${last.code}，${day}Z）：${last.summary}，${outcome}${why}`,
    }[locale],
  ];
}
