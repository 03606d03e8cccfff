/** What the narrator says. The cards have words of their own. */
export interface DemoWords {
  intro: string;
  fired: string;
  /** So many lines of a card do not fit the window. */
  more(lines: number): string;
  ask(code: string, summary: string): string;
  outOfMemory: { title: string; denied: string };
  badRelease: { title: string };
  restart: { title: string; denied: string };
  proof: { title: string; verified(records: number): string };
  done: string;
}

export const demoWords: Readonly<Record<"zh-CN" | "en", DemoWords>> = {
  en: {
    intro: "Steward on a sandbox cluster: no cluster of yours, no chat account, no model. What you see are its cards.",
    fired: "Alertmanager posts KubePodCrashLooping …",
    more: (lines) => `… ${lines} more lines, shown in a moment`,
    ask: (code, summary) => `${summary}? Approve ${code}: [y]es / [n]o`,
    outOfMemory: {
      title: "1 · payment/checkout runs out of memory: diagnose, approve, verify",
      denied: "Denied: nothing was changed, and the alert goes on.",
    },
    badRelease: { title: "2 · dev/orders: a bad release is rolled back by a rule, under the gate" },
    restart: {
      title: "3 · somebody asks to restart nginx: that is an approval card, never a restart",
      denied: "Denied: nothing was restarted.",
    },
    proof: { title: "The audit trail", verified: (records) => `✓ ${records} records, hash chain verified` },
    done: "That was the loop: alert → diagnosis → approval → execution → verification → proof.",
  },
  "zh-CN": {
    intro: "在沙箱集群上运行 Steward：不需要您的集群、IM 账号或模型。下面就是它发出的卡片。",
    fired: "Alertmanager 推送 KubePodCrashLooping ……",
    more: (lines) => `…… 其余 ${lines} 行稍后显示`,
    ask: (code, summary) => `${summary}？${code}：[y] 批准 / [n] 拒绝`,
    outOfMemory: {
      title: "1 · payment/checkout 内存不足：诊断、批准、验证",
      denied: "已拒绝：未做任何变更，告警仍在。",
    },
    badRelease: { title: "2 · dev/orders 发布有误：按规则自动回滚（受安全闸约束）" },
    restart: { title: "3 · 有人要求重启 nginx：得到的是审批卡，而不是直接重启", denied: "已拒绝：未重启。" },
    proof: { title: "审计记录", verified: (records) => `✓ ${records} 条记录，哈希链校验通过` },
    done: "完整闭环：告警 → 诊断 → 批准 → 执行 → 验证 → 可证明的审计。",
  },
};
