import type { Text } from "../../cards/card.ts";
import { own, say } from "../../cards/text.ts";
import type { Part } from "../../cards/words/en.ts";
import type { Locale } from "../../shared/locale.ts";

const en = {
  help: [
    "I understand:",
    "• help · status · incidents · approvals",
    "• approve CODE · deny CODE [reason] · undo CODE · renew CODE",
    "• claim · ignore [4h]: in the thread of an incident, or with its id",
    "• pause [6h] [-n NAMESPACE] [--autofix-only] REASON · resume [-n NAMESPACE]",
    "• a kubectl line that changes something, or: restart NAME · roll back NAME · scale NAME to N. It is only carried out once somebody who may has approved it",
    "• link CODE: ties this account to your user (the code is from: kubectl steward users link)",
  ].join("\n"),
  noModel: "No model is configured, so I cannot answer questions in words of your own.",
  elsewhere: "I only talk in the chats that are configured for me. Here I say nothing about the cluster.",
  outsider: "Only members of this organisation can talk to me.",
  unlinked: (account: Part): Text =>
    say`I do not know you yet. Ask an admin to run kubectl steward users link NAME with the account ${account}, or send me: link CODE.`,
  linked: (user: Part): Text => say`This account now belongs to the user ${user}.`,
  badCode: "That code is wrong, used, or too old, or this account belongs to a user already.",
  tooMany: "That were many questions. Ask again in a while.",
  needsRole: (role: string): Text => own(`This takes the role ${role}. Nothing was changed.`),
  copy: "This is not the card Steward keeps up to date: it was forwarded, or replaced. Nothing was done.",
  noSuch: "There is nothing by that name.",
  refused: (why: Part): Text => say`Refused: ${why}`,
  failed: (why: Part): Text => say`That did not work: ${why}`,
  broken: "Something went wrong inside Steward. It is in the log.",
  notUnderstood: (why: Part): Text => say`I did not understand this. ${why}`,
  incomplete: {
    approve: "Which one? approve CODE",
    deny: "Which one? deny CODE [reason]",
    claim: "Which one? Say it in the incident's thread, or: claim ID",
    ignore: "Which one? Say it in the incident's thread, or: ignore ID [4h]",
    undo: "Which one? undo CODE",
    renew: "Which one? renew CODE",
    pause: "Why? pause [6h] [-n NAMESPACE] [--autofix-only] REASON",
    resume: "resume [-n NAMESPACE]",
    link: "link CODE",
  },
  vote: (code: string, have: number, need: number): Text => own(`Noted for ${code}: ${have} of ${need} approvals.`),
  approved: (code: string): Text => own(`${code} is approved and is carried out now. Its card says how it goes.`),
  denied: (code: string): Text => own(`${code} is denied. Nothing was changed.`),
  claimed: "You have it.",
  ignored: "Ignored.",
  working: "Working on it. The card follows.",
  proposed: (code: string, summary: Part): Text =>
    say`${summary}: ${own(code)} waits for approval. Nothing was changed yet.`,
  proposedRefused: (summary: Part, why: Part): Text => say`${summary}: refused. ${why}`,
  askHow: "Write your question under this card and mention me.",
  silenced: "Silenced in Alertmanager, and ignored here.",
  noEvidence: "Nothing more was recorded.",
  paused: (until: string | null): Text =>
    own(until === null ? "Paused until somebody resumes." : `Paused until ${until}.`),
  resumed: "Resumed.",
  several: "There are several by that name. Which one?",
  status: {
    incidents: (count: number): string => `Open incidents: ${count}`,
    approvals: (count: number): string => `Waiting for approval: ${count}`,
    running: (count: number): string => `Running now: ${count}`,
    pausedBy: (by: Part, reason: Part, until: string | null): Text =>
      say`Paused by ${by}${own(until === null ? "" : ` until ${until}`)}: ${reason}`,
    breaker: "Automatic runs are off: too many failed.",
    link: (name: string, state: string): string => `${name}: ${state}`,
    states: { connected: "connected", connecting: "connecting", down: "down", stopped: "stopped" },
  },
  noIncidents: "No open incidents.",
  noApprovals: "Nothing waits for approval.",
};

type Words = typeof en;

const zhCN: Words = {
  help: [
    "我能听懂：",
    "• 帮助 · 状态 · 告警 · 审批",
    "• 批准 编号 · 拒绝 编号 [原因] · 撤销 编号 · 重新检查 编号",
    "• 认领 · 忽略 [4h]：在告警的话题里说，或带上它的 ID",
    "• 暂停 [6h] [-n 命名空间] [--autofix-only] 原因 · 恢复 [-n 命名空间]",
    "• 一条会做变更的 kubectl 命令，或：重启 名称 · 回滚 名称 · 把 名称 扩容到 N。都要有权限的人批准后才执行",
    "• 绑定 绑定码：把此账号绑定到你的用户（用 kubectl steward users link 取得绑定码）",
  ].join("\n"),
  noModel: "没有配置模型，我无法回答自由提问。",
  elsewhere: "我只在为我配置的群里说话。这里不会透露集群的任何内容。",
  outsider: "只有本组织成员可以与我对话。",
  unlinked: (account) =>
    say`我还不认识你。请管理员用账号 ${account} 执行 kubectl steward users link 用户名，或发给我：绑定 绑定码。`,
  linked: (user) => say`此账号已绑定到用户 ${user}。`,
  badCode: "绑定码错误、已使用或已过期，或此账号已属于某个用户。",
  tooMany: "提问太频繁，请稍后再问。",
  needsRole: (role) => own(`这需要 ${role} 角色。未做任何更改。`),
  copy: "这不是 Steward 正在更新的卡片：它是转发的副本，或已被替换。未做任何操作。",
  noSuch: "找不到这个名称。",
  refused: (why) => say`已拒绝：${why}`,
  failed: (why) => say`没有成功：${why}`,
  broken: "Steward 内部出错，详见日志。",
  notUnderstood: (why) => say`没看懂。${why}`,
  incomplete: {
    approve: "哪一个？批准 编号",
    deny: "哪一个？拒绝 编号 [原因]",
    claim: "哪一个？请在告警的话题里说，或：认领 ID",
    ignore: "哪一个？请在告警的话题里说，或：忽略 ID [4h]",
    undo: "哪一个？撤销 编号",
    renew: "哪一个？重新检查 编号",
    pause: "原因是什么？暂停 [6h] [-n 命名空间] [--autofix-only] 原因",
    resume: "恢复 [-n 命名空间]",
    link: "绑定 绑定码",
  },
  vote: (code, have, need) => own(`${code} 已记录：${have}/${need} 人批准。`),
  approved: (code) => own(`${code} 已批准，正在执行，进展见卡片。`),
  denied: (code) => own(`${code} 已拒绝。未做任何更改。`),
  claimed: "已由你认领。",
  ignored: "已忽略。",
  working: "正在处理，稍后见卡片。",
  proposed: (code, summary) => say`${summary}：${own(code)} 等待审批，尚未做任何更改。`,
  proposedRefused: (summary, why) => say`${summary}：已拒绝。${why}`,
  askHow: "请在此卡片下写出你的问题并 @ 我。",
  silenced: "已在 Alertmanager 中静默，并在此忽略。",
  noEvidence: "没有更多记录。",
  paused: (until) => own(until === null ? "已暂停，直到有人恢复。" : `已暂停到 ${until}。`),
  resumed: "已恢复。",
  several: "有多个同名对象，是哪一个？",
  status: {
    incidents: (count) => `未恢复的告警：${count}`,
    approvals: (count) => `等待审批：${count}`,
    running: (count) => `正在执行：${count}`,
    pausedBy: (by, reason, until) => say`已由 ${by} 暂停${own(until === null ? "" : `到 ${until}`)}：${reason}`,
    breaker: "自动修复已关闭：近期失败过多。",
    link: (name, state) => `${name}：${state}`,
    states: { connected: "已连接", connecting: "连接中", down: "断开", stopped: "已停止" },
  },
  noIncidents: "没有未恢复的告警。",
  noApprovals: "没有等待审批的操作。",
};

/** What Steward answers in chat, by language. */
export const chatWords: Readonly<Record<Locale, Words>> = { en, "zh-CN": zhCN };
export type ChatWords = Words;
