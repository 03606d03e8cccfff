import type { Action } from "../shared/action.ts";
import type { GateAnswer, GateReason, GateReasonCode } from "../shared/approval.ts";
import type { Incident } from "../shared/incident.ts";
import type { KubeObject } from "../shared/kube.ts";
import type { Locale } from "../shared/locale.ts";
import { createTimes } from "../shared/time.ts";
import type { Target } from "./actions/definition.ts";
import { definitionOf } from "./actions/index.ts";
import type { Pause, Store } from "./store.ts";

/** What the configuration says of safety (SPEC 5). */
export interface SafetySettings {
  maxAutoFixesPerHour: number;
  protectedNamespaces: readonly string[];
  protectionKey: string;
  autofixNamespaces: readonly string[];
  maxAffectedPods: number;
  gitops: "refuse" | "warn";
}

/** What is asked: may this action go to this object now, by a person's word or by a rule's alone? */
export interface Question {
  action: Action;
  target: Target;
  automatic: boolean;
  incident: Incident | null;
  rule: string | null;
  /** Whether the built-in playbooks derived just this action. */
  derived: boolean;
  /** Who owns the fields by GitOps, in words; null where nobody does. */
  gitops: string | null;
  /** The proposal itself, which does not stand in its own way. */
  proposalId: string | null;
}

export interface Safety {
  /** Every reason not to, in order of weight; none: allowed. Must run inside the transaction that acts on the answer. */
  judge(question: Question, now: Date): GateAnswer;
  /**
   * The answer as a card carries it: `allowed` is for a person's word. Of a rule's proposal the reasons also say why the rule may
   * not act alone.
   */
  answerFor(question: Question, now: Date): GateAnswer;
  /** What would keep any automatic run from this object now: namespace, size, breaker, limit. */
  limitsOf(question: Question, now: Date): GateReason[];
  /** What needs no look at the cluster: namespaces nobody touches. For a refusal before anything is read. */
  closed(namespace: string): GateReason | null;
  /** The pause that stops a write to this namespace now; null where none does. */
  pausedBy(namespace: string, automatic: boolean, now: Date): Pause | null;
  /** Since when the breaker is open; null while it is closed. */
  breakerOpenSince(now: Date): Date | null;
  /** Closes the breaker and gives downgraded rules their right back. Answers whether there was anything to do. */
  reset(now: Date): boolean;
  /** Where an object carries the protection mark, as `label protection=true`; null where it does not. */
  markOf(object: KubeObject): string | null;
}

interface Deps {
  store: Pick<Store, "proposals" | "pauses" | "users" | "meta" | "incidents">;
  settings: SafetySettings;
  /** The namespace Steward runs in; null outside a cluster. */
  ownNamespace: string | null;
  locale: Locale;
  timezone: string;
}

const hour = 3_600_000;
const breakerTrips = 3;
/** Failures older than this can no longer hold the breaker open. */
const breakerMemory = 24 * hour;
const breakerResetKey = "breaker.reset_at";

/** No configuration opens it (SPEC 9). */
const alwaysProtected = "kube-system";

/** Values of the protection mark that mean: not protected (SPEC 9). */
const unprotectedValues = new Set(["false", "0", "no", "off", ""]);

/** One reason not to, or null. Each looks at one thing. */
type Adjudicator = (question: Question, now: Date) => GateReason | null;

/** The reasons not to (SPEC 9, safety gate): for everybody, and further ones for what runs without a person. */
export function createSafety({ store, settings, ownNamespace, locale, timezone }: Deps): Safety {
  const reason = (code: GateReasonCode, words: Readonly<Record<Locale, string>>): GateReason => ({
    code,
    text: words[locale],
  });
  const times = createTimes(timezone);

  const forAll: readonly Adjudicator[] = [
    ({ action }) => closed(action.namespace),
    protectedObject,
    unreadableSurroundings,
    ({ gitops, automatic }) =>
      gitops !== null && (settings.gitops === "refuse" || automatic) ? { code: "gitops", text: gitops } : null,
    noAdmin,
    paused,
    busy,
  ];
  const limits: readonly Adjudicator[] = [namespaceNotOpen, tooManyPods, breakerOpen, limitReached];
  const forRules: readonly Adjudicator[] = [
    flapping,
    foundLate,
    shadowed,
    downgraded,
    kindNotAllowed,
    outOfScope,
    notDerived,
    overreaching,
    ...limits,
  ];

  return { judge, answerFor, limitsOf, closed, pausedBy, breakerOpenSince, reset, markOf };

  function judge(question: Question, now: Date): GateAnswer {
    const asked = question.automatic ? [...forAll, ...forRules] : forAll;
    const reasons = asked.flatMap((adjudicate) => adjudicate(question, now) ?? []);
    return { allowed: reasons.length === 0, reasons, ...budget(question.target.ownerKey, now) };
  }

  function answerFor(question: Question, now: Date): GateAnswer {
    const { allowed } = judge({ ...question, automatic: false }, now);
    return { ...judge(question, now), allowed };
  }

  function limitsOf(question: Question, now: Date): GateReason[] {
    const asAutomatic = { ...question, automatic: true };
    return [paused, ...limits].flatMap((adjudicate) => adjudicate(asAutomatic, now) ?? []);
  }

  function closed(namespace: string): GateReason | null {
    if (namespace === alwaysProtected || settings.protectedNamespaces.includes(namespace)) {
      return reason("protected_namespace", {
        en: `Namespace ${namespace} is protected`,
        "zh-CN": `命名空间 ${namespace} 受保护`,
      });
    }
    if (namespace === ownNamespace) {
      return reason("steward_namespace", {
        en: `${namespace} is Steward's own namespace`,
        "zh-CN": `${namespace} 是 Steward 自身所在的命名空间`,
      });
    }
    return null;
  }

  function protectedObject({ target }: Question): GateReason | null {
    const around = [target.object, ...target.owners, ...(target.namespace === null ? [] : [target.namespace])];
    for (const object of around) {
      const mark = markOf(object);
      if (mark === null) continue;
      const name = `${object.kind.toLowerCase()}/${object.metadata.name}`;
      return reason("protected_object", {
        en: `${name} is protected by ${mark}`,
        "zh-CN": `${name} 受保护（${mark}）`,
      });
    }
    return null;
  }

  /** A mark that cannot be read may be there. */
  function unreadableSurroundings({ target: { unreadable } }: Question): GateReason | null {
    return unreadable.length === 0
      ? null
      : reason("protection_unreadable", {
          en: `Could not read whether it is protected: ${unreadable.join("; ")}`,
          "zh-CN": `无法确认是否受保护：${unreadable.join("；")}`,
        });
  }

  function markOf({ metadata }: KubeObject): string | null {
    for (const where of ["labels", "annotations"] as const) {
      for (const [key, value] of Object.entries(metadata[where] ?? {})) {
        if (key.trim().toLowerCase() !== settings.protectionKey.toLowerCase()) continue;
        if (!unprotectedValues.has(value.trim().toLowerCase())) return `${where.slice(0, -1)} ${key}=${value}`;
      }
    }
    return null;
  }

  function noAdmin(): GateReason | null {
    return store.users.countAdmins() > 0
      ? null
      : reason("setup_required", {
          en: "Steward has no administrator yet; run kubectl steward setup",
          "zh-CN": "Steward 尚无管理员，请先运行 kubectl steward setup",
        });
  }

  function paused({ action, automatic }: Question, now: Date): GateReason | null {
    const pause = pausedBy(action.namespace, automatic, now);
    if (pause === null) return null;
    const until = pause.until === null ? "" : times.short(pause.until, now);
    return reason("paused", {
      en: `Paused by ${pause.by}${until === "" ? "" : ` until ${until}`}: ${pause.reason}`,
      "zh-CN": `已由 ${pause.by} 暂停${until === "" ? "" : `，至 ${until}`}：${pause.reason}`,
    });
  }

  function pausedBy(namespace: string, automatic: boolean, now: Date): Pause | null {
    const holds = (pause: Pause) =>
      (pause.namespace === null || pause.namespace === namespace) &&
      (!pause.autofixOnly || automatic) &&
      (pause.until === null || pause.until > now);
    return store.pauses.open().find(holds) ?? null;
  }

  function busy({ target: { ownerKey }, proposalId }: Question): GateReason | null {
    const holder = store.proposals.holder(ownerKey);
    if (holder === null || holder.id === proposalId) return null;
    return reason("busy", {
      en: `${holder.code} (${holder.summary}) holds ${ownerKey} until it is finished`,
      "zh-CN": `${ownerKey} 正由 ${holder.code}（${holder.summary}）占用，需等待其完成`,
    });
  }

  function flapping({ incident }: Question): GateReason | null {
    return incident?.flapping === true
      ? reason("autofix_flapping", {
          en: "The alert is flapping: people decide",
          "zh-CN": "告警反复触发，需人工决定",
        })
      : null;
  }

  function foundLate({ incident }: Question): GateReason | null {
    return incident?.late === true
      ? reason("autofix_late", {
          en: "The alert was found late, without its webhook: people decide",
          "zh-CN": "该告警为补录（未收到 webhook），需人工决定",
        })
      : null;
  }

  function shadowed({ incident, rule }: Question): GateReason | null {
    return incident?.mode === "shadow"
      ? reason("autofix_shadow", {
          en: `Rule ${rule} is in shadow mode: it would have done this`,
          "zh-CN": `规则 ${rule} 处于影子模式：本应自动执行此操作`,
        })
      : null;
  }

  function downgraded({ rule, target: { ownerKey } }: Question): GateReason | null {
    return rule !== null && store.proposals.isDowngraded(rule, ownerKey)
      ? reason("autofix_downgraded", {
          en: `Rule ${rule} only diagnoses ${ownerKey} since its last automatic run failed, until resumed`,
          "zh-CN": `规则 ${rule} 上次对 ${ownerKey} 的自动执行失败，恢复前仅做诊断`,
        })
      : null;
  }

  function kindNotAllowed({ action, incident }: Question): GateReason | null {
    const allow = incident?.route === "autofix" ? incident.allow : [];
    if (allow.includes(action.kind)) return null;
    return reason("autofix_kind", {
      en: `The rule does not allow ${action.kind} without a person`,
      "zh-CN": `规则不允许自动执行 ${action.kind}`,
    });
  }

  /** The alert's own object or its owner (SPEC 8): what the incident is about, or a pod of it that an alert names. */
  function outOfScope({ action, target, incident }: Question): GateReason | null {
    const root = incident?.root ?? null;
    if (incident !== null && incident.state === "open" && root !== null) {
      const rootKey = `${root.namespace}/${root.kind.toLowerCase()}/${root.name}`;
      const itself = `${action.namespace}/${action.target}` === rootKey && uidFits(root.uid, target.uid);
      const named = store.incidents
        .alerts(incident.id)
        .some(({ labels }) => labels["namespace"] === action.namespace && `pod/${labels["pod"]}` === action.target);
      if (itself || (named && target.ownerKey === rootKey)) return null;
    }
    return reason("autofix_scope", {
      en: `${action.target} is not what the alert is about`,
      "zh-CN": `${action.target} 不是告警所指的对象`,
    });
  }

  function notDerived({ derived }: Question): GateReason | null {
    return derived
      ? null
      : reason("autofix_mismatch", {
          en: "The built-in playbooks do not derive this action: people decide",
          "zh-CN": "内置预案未推导出该操作，需人工决定",
        });
  }

  function overreaching({ action, target }: Question): GateReason | null {
    switch (definitionOf(action).overreach(action, target)) {
      case null:
        return null;
      case "down":
        return reason("autofix_direction", {
          en: "An automatic run never scales down or lowers resources",
          "zh-CN": "自动执行不会缩容或降低资源",
        });
      case "too_far":
        return reason("autofix_direction", {
          en: "An automatic run raises to twice the present value at most",
          "zh-CN": "自动执行最多提高到当前值的两倍",
        });
      case "never":
        return reason("autofix_kind", {
          en: `${action.kind} of ${action.target} is never automatic`,
          "zh-CN": `不会自动对 ${action.target} 执行 ${action.kind}`,
        });
    }
  }

  function namespaceNotOpen({ action, target }: Question): GateReason | null {
    const open =
      settings.autofixNamespaces.length > 0
        ? settings.autofixNamespaces.includes(action.namespace)
        : target.namespace?.metadata.labels?.["env"] === "dev";
    if (open) return null;
    return reason("autofix_namespace", {
      en: `Namespace ${action.namespace} is not open to automatic runs`,
      "zh-CN": `命名空间 ${action.namespace} 未开放自动执行`,
    });
  }

  function tooManyPods({ target: { pods } }: Question): GateReason | null {
    if (pods.length <= settings.maxAffectedPods) return null;
    return reason("max_affected_pods", {
      en: `It affects ${pods.length} pods; an automatic run may affect ${settings.maxAffectedPods}`,
      "zh-CN": `将影响 ${pods.length} 个 Pod，超过自动执行上限 ${settings.maxAffectedPods}`,
    });
  }

  function breakerOpen(_: Question, now: Date): GateReason | null {
    const since = breakerOpenSince(now);
    if (since === null) return null;
    return reason("breaker_open", {
      en: `${breakerTrips} automatic runs failed within an hour (${times.short(since, now)}): people decide until an hour is quiet or somebody resumes`,
      "zh-CN": `一小时内 ${breakerTrips} 次自动执行失败（${times.short(since, now)}）：需人工决定，直至一小时内无失败或有人恢复`,
    });
  }

  /** Opened by the third failure within an hour; closed by an hour without one, or by hand. */
  function breakerOpenSince(now: Date): Date | null {
    const reset = store.meta.get(breakerResetKey);
    const from = Math.max(now.getTime() - breakerMemory, reset === null ? 0 : Date.parse(reset));
    const failures = store.proposals.automaticFailures(new Date(from));
    const last = failures.at(-1);
    if (last === undefined || now.getTime() - last.getTime() >= hour) return null;
    let since: Date | null = null;
    let before: Date | null = null;
    for (const [i, failure] of failures.entries()) {
      if (before !== null && failure.getTime() - before.getTime() >= hour) since = null;
      before = failure;
      const first = failures[i - breakerTrips + 1];
      if (since === null && first !== undefined && failure.getTime() - first.getTime() < hour) since = failure;
    }
    return since;
  }

  function reset(now: Date): boolean {
    const open = breakerOpenSince(now) !== null;
    if (open) store.meta.set(breakerResetKey, now.toISOString());
    return store.proposals.endDowngrades() > 0 || open;
  }

  function limitReached({ target: { ownerKey } }: Question, now: Date): GateReason | null {
    const { used, limit, nextAt } = budget(ownerKey, now);
    if (used < limit) return null;
    const next = nextAt === null ? "" : times.short(nextAt, now);
    return reason("autofix_limit", {
      en: `${used} of ${limit} automatic fixes used within an hour${next === "" ? "" : `, next at ${next}`}`,
      "zh-CN": `一小时内已自动修复 ${used}/${limit} 次${next === "" ? "" : `，下次可在 ${next}`}`,
    });
  }

  /** Every automatic attempt on this owner counts, of whatever kind and outcome. */
  function budget(ownerKey: string, now: Date): Pick<GateAnswer, "used" | "limit" | "nextAt"> {
    const limit = settings.maxAutoFixesPerHour;
    const attempts = store.proposals.automaticAttempts(ownerKey, new Date(now.getTime() - hour));
    const blocking = attempts.length < limit ? undefined : attempts[attempts.length - limit];
    return {
      used: attempts.length,
      limit,
      nextAt: blocking === undefined ? null : new Date(blocking.getTime() + hour),
    };
  }
}

/** An incident whose owner was found in time knows its uid: a successor of the same name is another object. */
function uidFits(expected: string | null, found: string): boolean {
  return expected === null || expected === found;
}
