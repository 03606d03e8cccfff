import type { ProposalState } from "../../shared/approval.ts";
import type { Locale } from "../../shared/locale.ts";
import type { Drift } from "../actions/patch.ts";

/** What the gate says to people: to who clicked, privately, and as the reason a proposal ended. */
interface GateWords {
  noSuch: string;
  mayNot(name: string, verdict: "approve" | "deny", roles: readonly string[]): string;
  own(name: string): string;
  paused(by: string, reason: string): string;
  already(state: ProposalState, by: string, ago: string | null): string;
  held(code: string, summary: string, owner: string): string;
  gone: string;
  replaced: string;
  reowned: string;
  tampered: string;
  undecided: string;
  changed(path: string): string;
  changedTo(path: string, was: string, is: string): string;
}

const states: Readonly<Record<ProposalState, string>> = {
  pending: "待审批",
  approved: "已批准",
  denied: "已拒绝",
  expired: "已过期",
  stale: "已失效",
  refused: "已被安全闸拒绝",
  withdrawn: "已撤回",
  executing: "执行中",
  verifying: "验证中",
  failed: "已失败",
  unknown: "结果不明",
  cancelled: "已取消",
  succeeded: "已成功",
  unverified: "未能验证",
  needs_human: "需人工确认",
  undone: "已撤销",
};

const table: Readonly<Record<Locale, GateWords>> = {
  en: {
    noSuch: "there is no such approval",
    mayNot: (name, verdict, roles) => `${name} may not ${verdict} this: it takes ${roles.join(" or ")}`,
    own: (name) => `${name} asked for this; somebody else has to approve it`,
    paused: (by, reason) => `paused by ${by}: ${reason}`,
    already: (state, by, ago) => `it is ${state} already, by ${by}${ago === null ? "" : ` ${ago}`}`,
    held: (code, summary, owner) => `${code} (${summary}) holds ${owner} until it is finished; approve again then`,
    gone: "the object is gone",
    replaced: "another object has taken its name",
    reowned: "its owner changed",
    tampered: "The request is not the one that was approved",
    undecided: "Nobody approved it",
    changed: (path) => `${path} changed`,
    changedTo: (path, was, is) => `${path} was ${was} and is ${is}`,
  },
  "zh-CN": {
    noSuch: "没有这个审批",
    mayNot: (name, verdict, roles) =>
      `${name} 无权${verdict === "approve" ? "批准" : "拒绝"}：需要 ${roles.join(" 或 ")}`,
    own: (name) => `该操作由 ${name} 发起，需由其他人批准`,
    paused: (by, reason) => `已由 ${by} 暂停：${reason}`,
    already: (state, by, ago) => `该审批${states[state]}（${by}${ago === null ? "" : `，${ago}`}）`,
    held: (code, summary, owner) => `${owner} 正由 ${code}（${summary}）占用，请在其完成后再批准`,
    gone: "对象已不存在",
    replaced: "同名对象已被重新创建",
    reowned: "其所有者已改变",
    tampered: "请求与批准的内容不一致",
    undecided: "没有有效的批准",
    changed: (path) => `${path} 已改变`,
    changedTo: (path, was, is) => `${path} 原为 ${was}，现为 ${is}`,
  },
};

export function gateWords(locale: Locale): GateWords {
  return table[locale];
}

/** What changed since a proposal was shown. Numbers, names and images are said; whole structures are not. */
export function describeDrift(drift: readonly Drift[], locale: Locale): string {
  const words = table[locale];
  return drift
    .map(({ path, expected, found }) => {
      const [was, is] = [short(expected), short(found)];
      return was === null || is === null ? words.changed(path) : words.changedTo(path, was, is);
    })
    .join("; ");
}

function short(value: unknown): string | null {
  if (value === null || value === undefined) return "–";
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : null;
}
