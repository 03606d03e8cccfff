import type { GateReasonCode, Platform, ProposalState } from "../../shared/approval.ts";
import type { ButtonAction, Foreign, Text } from "../card.ts";
import { own, say } from "../text.ts";

/** What may be put into a sentence: a name from outside, or words of our own. */
export type Part = Foreign | Text;

export const en = {
  colon: ": ",
  comma: ", ",
  /** Between two sentences. */
  gap: " ",
  semicolon: "; ",
  severity: { critical: "Critical", warning: "Warning", info: "Info" },
  risk: { high: "High risk", critical: "Critical risk" },
  platform: {
    dingtalk: "DingTalk",
    feishu: "Feishu",
    slack: "Slack",
    terminal: "terminal",
    api: "API",
    system: "Steward",
  } satisfies Record<Platform, string>,
  duration: (text: string) => text,

  title: {
    alert: { critical: "🔴 Critical alert", warning: "🟠 Warning", info: "🔵 Alert" },
    resolved: "✅ Alert cleared",
    ignored: "🔕 Ignored",
    joined: "↪ Part of another incident",
    approval: "⚠️ High-risk operation",
    running: "⏳ Running",
    notice: "ℹ️ Steward",
    urgentNotice: "❗ Steward",
    digest: "🗂 More alerts, in one card",
  },
  proposalState: {
    pending: "Wait Approval",
    approved: "Approved",
    denied: "Denied",
    expired: "Expired",
    stale: "Stale",
    refused: "Refused",
    withdrawn: "Withdrawn",
    executing: "Executing",
    verifying: "Verifying",
    failed: "❌ Failed",
    unknown: "Outcome unknown",
    cancelled: "Not sent",
    succeeded: "✅ Success",
    unverified: "Done, not verified",
    needs_human: "❗ Needs a person",
    undone: "Undone",
  } satisfies Record<ProposalState, string>,
  incidentState: {
    investigating: "Investigating",
    open: "Open",
    resolved: "Cleared",
    ignored: "Ignored",
    joined: "Joined",
  },
  button: {
    approve: "Approve",
    deny: "Deny",
    ask: "Ask",
    claim: "Claim",
    ignore: "Ignore 4 h",
    silence: "Silence 4 h",
    undo: "Undo",
    renew: "Check again",
    more: "More",
  } satisfies Record<ButtonAction, string>,
  /** The menu beside a button: the same, with a reason. */
  because: (label: string) => `${label} because…`,
  ownWords: "in my own words…",
  reason: "Reason",
  denyReason: { wrong_cause: "wrong cause", wrong_fix: "right cause, wrong fix", not_now: "not now" },

  fact: {
    since: "Since",
    alerts: "Alerts",
    claimed: "Claimed by",
    confidence: "Confidence",
    previous: "Before this",
    joined: "Also here",
    asked: "Asked by",
    needs: "Needs",
    undo: "Undo",
  },
  confidence: { high: "high", medium: "medium", low: "low" },
  diagnosedBy: { rules: "rules", model: "model", memory: "an earlier incident" },
  undoable: { yes: "possible", no: "not possible" },

  conclusion: "Conclusion",
  soFar: "So far",
  quickFacts: "At a glance",
  alertSays: "The alert says",
  investigating: "Investigating.",
  investigationFailed: "The investigation did not come to an end. What was seen is below.",
  nothingFound: "Nothing was found that explains it. What was looked at is below.",
  modelFrame: "The model's words, not verified",
  incident: (id: string) => `incident ${id}`,
  footer: (by: string, calls: number, tokens: number, took: string | null) =>
    [
      `Diagnosed by ${by}`,
      `${calls} ${calls === 1 ? "look" : "looks"}`,
      `${tokens} tokens`,
      ...(took === null ? [] : [took]),
    ].join(" · "),
  alertCount: (firing: number, cleared: number) =>
    cleared === 0 ? `${firing} firing` : firing === 0 ? `${cleared} cleared` : `${firing} firing, ${cleared} cleared`,
  more: (count: number) => `${count} more`,
  /** Alerts that Alertmanager itself did not send. */
  leftOut: (count: number) => `Alertmanager left out ${count} more of the group (max_alerts)`,
  previousIncident: (at: string, cause: Part | null, id: string): Text =>
    cause === null
      ? own(`the same at ${at}: kubectl steward incidents ${id}`)
      : say`the same at ${own(at)} (${cause}): kubectl steward incidents ${own(id)}`,

  mark: {
    drill: "Drill: nothing here is real and nothing is touched",
    maintenance: (until: string | null, reason: Part): Text =>
      say`Maintenance${own(until === null ? "" : ` until ${until}`)}, Steward is paused: ${reason}`,
    late: "Found late: no webhook named it. Never fixed automatically",
    flapping: "Flapping: four changes within an hour. No automatic fix",
    shadow: (rule: Part): Text => say`Shadow mode: the rule ${rule} would have done this by itself; nothing was done`,
    joined: (name: Part): Text => say`The same cause as ${name}. It is followed there`,
    didNotHold: (at: string): Text => own(`Did not hold: the alert came back at ${at}`),
    lastDidNotHold: (code: string, at: string): Text => own(`The fix ${code} of ${at} did not hold`),
    ignored: (until: string | null): Text => own(until === null ? "Ignored" : `Ignored until ${until}`),
    resolved: (at: string, took: string): Text => own(`Alert cleared at ${at}, after ${took}`),
  },

  proposedBy: "Steward",
  proposedByRule: (rule: Part): Text => say`the rule ${rule}`,
  automaticBy: (rule: Part): Text => say`Automatic, by the rule ${rule}`,
  needs: (approvals: number, roles: Part, self: boolean): Text =>
    say`${own(approvals)} × ${roles}${own(self ? "" : ", not who asked")}`,
  progressOfVotes: (have: number, need: number) => `${have} of ${need} approvals`,
  approvedBy: (user: Part, at: string, via: string): Text => say`Approved by ${user}, ${own(at)} (${own(via)})`,
  deniedBy: (user: Part, at: string, via: string, reason: Part | null): Text =>
    reason === null
      ? say`Denied by ${user}, ${own(at)} (${own(via)})`
      : say`Denied by ${user}, ${own(at)} (${own(via)}): ${reason}`,
  expires: (at: string) => `expires ${at}`,
  gateOpen: "Safety gate: open",
  gateClosed: "Safety gate closed",
  notAutomatic: "Not automatic",
  gateUse: (used: number, limit: number, nextAt: string | null) =>
    `Automatic fixes here: ${used} of ${limit} used in 60 min${nextAt === null ? "" : `, next at ${nextAt}`}`,
  gateReason: {
    protected_namespace: "protected namespace",
    protected_object: "protected object",
    protection_unreadable: "protection could not be read",
    steward_namespace: "Steward's own namespace",
    busy: "another action holds this object",
    paused: "Steward is paused",
    autofix_namespace: "not a namespace for automatic fixes",
    autofix_limit: "limit of automatic fixes reached",
    autofix_scope: "not the alert's own object",
    autofix_kind: "the rule does not allow this kind",
    autofix_mismatch: "not what the rules derive",
    autofix_direction: "never lowered, never more than doubled automatically",
    autofix_downgraded: "the rule lost its right here after a failed run",
    autofix_flapping: "flapping",
    autofix_late: "found late",
    autofix_shadow: "shadow mode",
    max_affected_pods: "too many pods affected",
    breaker_open: "too many automatic runs failed lately",
    setup_required: "nobody has been set up to approve yet",
    gitops: "a GitOps controller owns this field",
  } satisfies Record<GateReasonCode, string>,

  ended: {
    denied: "Denied. Nothing was changed.",
    expired: "Nobody decided in time. Nothing was changed.",
    stale: "The object changed since this was prepared. Nothing was changed.",
    refused: "Refused. Nothing was changed.",
    withdrawn: "No longer needed. Nothing was changed.",
    cancelled: "Stopped before anything was sent. Nothing was changed.",
  },
  step: {
    result: "Result",
    executing: "Executing",
    verifying: "Verifying",
    succeeded: "Success",
    failed: "Failed",
    unverified: "Not verified",
    unknown: "Outcome unknown",
    undone: "Undone",
  },
  unknown:
    "The API server did not answer. The cluster is being watched to see whether the change happened; it is not sent again.",
  needsHuman: "It cannot be told whether the change happened. A person has to look.",
  unverified: "The change was made. Whether it helped could not be measured.",
  undone: "The change was taken back.",
  succeeded: "The change was made and its checks hold.",
  failed: "The change did not do what it should.",
  stillClearing: "The fix holds, the alert is still clearing.",
  clearedAfter: (took: string) => `Alert cleared after ${took}.`,
  undoHint: "Undo restores only what Steward wrote.",
  logOf: "Log, newest last",

  section: {
    ruledOut: "Ruled out",
    unseen: "Could not be seen",
    alert: "The alert",
    alerts: "Alerts",
    diff: (code: string) => `Full change of ${code}`,
    earlier: "Earlier proposals",
    detail: "Detail",
  },
  seriesLeft: (count: number) => `${count} more series`,
  linesLeft: (count: number) => `${count} more lines`,
  evidenceLeft: (count: number) => `${count} more looks`,
  seeRest: (command: string) => `all of it: ${command}`,
  link: { runbook: "Runbook", dashboard: "Dashboard", source: "Query" },

  /** What is typed in chat for a button. */
  command: {
    approve: "approve",
    deny: "deny",
    ask: "ask",
    claim: "claim",
    ignore: "ignore",
    silence: "silence",
    undo: "undo",
    renew: "renew",
    more: "more",
  } satisfies Record<ButtonAction, string>,

  need: {
    notify: (what: Part): Text => say`Look at this now: ${what}`,
    approval: (what: Part, code: string): Text => say`Waits for approval: ${what} [${own(code)}]`,
    failed: (what: Part): Text => say`Failed: ${what}`,
    needs_human: (what: Part): Text => say`Needs a person: ${what}`,
    escalated: (what: Part): Text => say`Nobody has taken this yet: ${what}`,
    still_firing: (what: Part): Text => say`Still firing after 4 h: ${what}`,
    who: (names: Part): Text => say`needed: ${names}`,
  },

  digest: {
    headline: (count: number) => `${count} ${count === 1 ? "alert" : "alerts"} beyond this hour's cards`,
    lead: "Too many new alerts for a card each. The newest are named here; critical ones still get their own card.",
    rest: (count: number) => `and ${count} more`,
    how: "all of them: kubectl steward incidents",
  },
  dead: {
    title: (channel: string) => `A message could not be delivered on ${channel}`,
    line: (channel: string, why: string) => `${channel} refused it for good: ${why}`,
  },

  terminal: {
    moreChange: (count: number) => `… ${count} more lines of the change`,
    evidence: "seen in",
    series: (min: string, median: string, max: string) => `min ${min} · median ${median} · max ${max}`,
  },
};

/** Every language says all of this: a missing word does not compile. */
export type Words = typeof en;
