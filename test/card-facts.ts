/** Facts as the store would hold them, for cards: one incident at 03:12 in Shanghai, and what may become of it. */

import type { IncidentFacts, ProposalFacts, View } from "../cards/views/view.ts";
import { words } from "../cards/words/index.ts";
import type { Alert } from "../shared/alert.ts";
import type { Decision, Execution, Proposal, ProposalState, Verification } from "../shared/approval.ts";
import type { Evidence } from "../shared/finding.ts";
import type { Incident } from "../shared/incident.ts";
import type { Locale } from "../shared/locale.ts";
import { createTimes } from "../shared/time.ts";

/** Minutes after the alert began. */
export function at(minutes: number): Date {
  return new Date(Date.UTC(2026, 10, 21, 19, 12) + minutes * 60_000);
}

export function viewOf(locale: Locale): View {
  return {
    locale,
    words: words[locale],
    times: createTimes("Asia/Shanghai"),
    linkHosts: new Set(["runbooks.prometheus-operator.dev", "grafana.example.com"]),
    silences: true,
    buttonId: (action, proposalId) => `${action}${proposalId === null ? "" : "x"}`.padEnd(26, "a"),
  };
}

export function incidentOf(patch: Partial<Incident> = {}): Incident {
  return {
    id: "i".repeat(26),
    cardId: "6f2b2c1e-0d8a-4c55-9a68-0f7f0f1f2a3b",
    key: "KubePodCrashLooping payment/deployment/checkout",
    alertname: "KubePodCrashLooping",
    severity: "critical",
    namespace: "payment",
    target: "deployment/checkout",
    root: { kind: "Deployment", namespace: "payment", name: "checkout", uid: "u-1", confirmed: true },
    state: "open",
    route: "diagnose",
    rule: null,
    allow: [],
    mode: "enforce",
    labels: {
      alertname: "KubePodCrashLooping",
      severity: "critical",
      namespace: "payment",
      pod: "checkout-7d9f8-x2x9p",
    },
    annotations: {
      summary: "Pod is crash looping.",
      description: "Pod payment/checkout-7d9f8-x2x9p (checkout) is in waiting state (reason: CrashLoopBackOff).",
      runbook_url: "https://runbooks.prometheus-operator.dev/runbooks/kubernetes/kubepodcrashlooping",
    },
    groupKeys: ['{}:{namespace="payment"}'],
    late: false,
    flapping: false,
    claimedBy: null,
    joined: null,
    previousId: null,
    investigation: "queued",
    facts: [],
    diagnosis: null,
    startedAt: at(0),
    updatedAt: at(0),
    resolvedAt: null,
    ignoredUntil: null,
    ...patch,
  };
}

export const oomDiagnosis = {
  by: "rules",
  conclusion:
    "Container checkout is killed for memory: it was at 511Mi of its limit of 512Mi when it died, 6 times in 12 minutes. The limit was the same before the rollout of 02:52.",
  cause: "OOMKilled",
  confidence: "high",
  findings: [
    { text: "Last state of checkout: OOMKilled, exit code 137, 6 restarts", evidence: ["ev1"] },
    { text: "Memory limit 512Mi, request 256Mi", evidence: ["ev1"] },
    { text: "Revision 8 was rolled out 20 min before the alert: image 4.2.0 -> 4.3.0", evidence: ["ev3"] },
    { text: "The log ends in the middle of loading the price cache", evidence: ["ev2"] },
  ],
  ruledOut: ["Image cannot be pulled: all containers started", "Node pressure: worker-2 has 9.1Gi free"],
  unseen: ["Metrics: no metrics.k8s.io in this cluster"],
  calls: 5,
  tokens: 0,
} as const;

export const evidence: readonly Evidence[] = [
  {
    id: "ev1",
    incidentId: "i".repeat(26),
    tool: "kubectl_describe",
    args: { namespace: "payment", target: "deployment/checkout" },
    text: "Deployment payment/checkout  replicas 1/3 ready\ncontainer checkout  image registry.local/checkout:4.3.0\n  limits memory=512Mi cpu=500m  requests memory=256Mi\n  last state Terminated OOMKilled exit 137 at 03:10",
    at: at(0.1),
  },
  {
    id: "ev2",
    incidentId: "i".repeat(26),
    tool: "kubectl_logs",
    args: { namespace: "payment", pod: "checkout-7d9f8-x2x9p", previous: true, tail: 50 },
    text: Array.from(
      { length: 44 },
      (_, i) => `2026-11-21T19:10:${String(i).padStart(2, "0")}Z loading price cache ${i}/400`,
    ).join("\n"),
    at: at(0.1),
  },
  {
    id: "ev3",
    incidentId: "i".repeat(26),
    tool: "kubectl_rollout_history",
    args: { namespace: "payment", target: "deployment/checkout" },
    text: "REVISION  AGE  CHANGE\n7         9d   image 4.2.0\n8         20m  image 4.2.0 -> 4.3.0",
    at: at(0.2),
  },
];

export function alertOf(patch: Partial<Alert> = {}): Alert {
  return {
    id: "al-1",
    fingerprint: "f1",
    status: "firing",
    labels: incidentOf().labels,
    annotations: incidentOf().annotations,
    generatorUrl: "https://grafana.example.com/graph?g0.expr=rate(kube_pod_container_status_restarts_total%5B5m%5D)",
    groupKey: "g",
    startsAt: at(0),
    endsAt: null,
    firstSeenAt: at(0.5),
    lastSeenAt: at(0.5),
    incidentId: "i".repeat(26),
    ...patch,
  };
}

const diff = `--- deployment/checkout
+++ deployment/checkout
 spec.template.spec.containers[checkout].resources:
   limits:
-    memory: 512Mi
+    memory: 1Gi`;

export function proposalOf(patch: Partial<Proposal> = {}): Proposal {
  return {
    id: "p".repeat(26),
    op: "o".repeat(26),
    code: "A7F3",
    incidentId: "i".repeat(26),
    cardId: null,
    state: "pending",
    action: {
      kind: "setResources",
      namespace: "payment",
      target: "deployment/checkout",
      container: "checkout",
      limits: { memory: "1Gi" },
    },
    namespace: "payment",
    target: "deployment/checkout",
    ownerKey: "payment/deployment/checkout",
    targetUid: "u-1",
    derived: true,
    summary: "Raise the memory limit of deployment/checkout (checkout) from 512Mi to 1Gi",
    kubectl: "kubectl -n payment set resources deployment/checkout -c checkout --limits=memory=1Gi",
    diff,
    risk: "high",
    warnings: [
      "3 pods behind service/checkout are replaced one by one",
      "Last time (2026-10-02, by alice): succeeded, held",
    ],
    gate: { allowed: true, reasons: [], used: 0, limit: 3, nextAt: null },
    reason: null,
    request: null,
    digest: "d".repeat(64),
    inverse: {
      kind: "setResources",
      namespace: "payment",
      target: "deployment/checkout",
      container: "checkout",
      limits: { memory: "512Mi" },
    },
    origin: "person",
    requestedBy: "steward",
    requestedVia: "system",
    rule: null,
    requirement: { roles: ["admin"], approvals: 1, selfApproval: true },
    undoOf: null,
    createdAt: at(0.3),
    updatedAt: at(0.3),
    expiresAt: at(120),
    ...patch,
  };
}

export function decisionOf(patch: Partial<Decision> = {}): Decision {
  return {
    user: "alice",
    userId: "u-alice",
    verdict: "approve",
    reason: null,
    at: at(3),
    platform: "terminal",
    ...patch,
  };
}

export function executionOf(patch: Partial<Execution> = {}): Execution {
  return {
    op: "o".repeat(26),
    proposalId: "p".repeat(26),
    state: "done",
    ownerKey: "payment/deployment/checkout",
    origin: "person",
    epoch: 1,
    startedAt: at(3),
    sentAt: at(3),
    finishedAt: at(3),
    outcome: "done",
    message: null,
    ...patch,
  };
}

export function verificationOf(patch: Partial<Verification> = {}): Verification {
  return {
    proposalId: "p".repeat(26),
    verdict: null,
    checks: [
      { name: "rollout", ok: false, text: "rollout: 2 of 3 updated" },
      { name: "ready", ok: false, text: "2/3 ready" },
      { name: "warnings", ok: true, text: "no new warnings" },
    ],
    progress: 50,
    logTail: "03:15:20 price cache loaded, 400 entries\n03:15:21 listening on :8080\n03:15:24 GET /healthz 200",
    baseline: {},
    startedAt: at(3.1),
    deadlineAt: at(13),
    finishedAt: null,
    ...patch,
  };
}

export const goodChecks = [
  { name: "rollout", ok: true, text: "rollout complete" },
  { name: "ready", ok: true, text: "3/3 ready" },
  { name: "warnings", ok: true, text: "no new warnings for 60 s" },
] as const;

/** A proposal in a state, with the rows the store would have beside it then. */
export function proposalFacts(state: ProposalState, patch: Partial<Proposal> = {}): ProposalFacts {
  const proposal = proposalOf({ state, updatedAt: at(4), ...patch });
  const before: readonly ProposalState[] = ["pending", "expired", "stale", "refused", "withdrawn"];
  const decisions =
    state === "denied"
      ? [decisionOf({ verdict: "deny", reason: "wrong_fix" })]
      : before.includes(state) || proposal.origin === "autofix"
        ? []
        : [decisionOf()];
  const sent: readonly ProposalState[] = [
    "executing",
    "verifying",
    "unknown",
    "needs_human",
    "succeeded",
    "failed",
    "unverified",
    "undone",
  ];
  const execution = sent.includes(state)
    ? executionOf(
        state === "executing"
          ? { state: "sent", finishedAt: null, outcome: null }
          : state === "unknown" || state === "needs_human"
            ? {
                state: "unknown",
                finishedAt: null,
                outcome: null,
                message: "connection reset after the request was sent",
              }
            : {},
      )
    : null;
  const verification: Partial<Record<ProposalState, Verification>> = {
    verifying: verificationOf(),
    succeeded: verificationOf({ verdict: "succeeded", checks: goodChecks, progress: 100, finishedAt: at(4.5) }),
    undone: verificationOf({ verdict: "succeeded", checks: goodChecks, progress: 100, finishedAt: at(4.5) }),
    failed: verificationOf({
      verdict: "failed",
      checks: [
        { name: "rollout", ok: false, text: "rollout: CrashLoopBackOff in checkout-5c6-9kk2p" },
        { name: "ready", ok: false, text: "1/3 ready" },
      ],
      logTail: "panic: price cache: out of range\n  main.go:88",
      finishedAt: at(4.5),
    }),
    unverified: verificationOf({ verdict: "unverified", checks: [], progress: 100, logTail: "", finishedAt: at(13) }),
  };
  return { proposal, decisions, execution, verification: verification[state] ?? null };
}

export function incidentFacts(patch: Partial<IncidentFacts> = {}): IncidentFacts {
  return {
    incident: incidentOf(),
    alerts: [alertOf()],
    counts: { total: 1, firing: 1 },
    evidence: [],
    proposals: [],
    joinedTo: null,
    previous: null,
    failedFix: null,
    returnedAt: null,
    joinedHere: [],
    leftOut: 0,
    tookMs: null,
    maintenance: null,
    ...patch,
  };
}

/** The incident after the rules have looked, with proposals. */
export function diagnosed(
  proposals: readonly ProposalFacts[] = [],
  patch: Partial<Incident> = {},
  more: Partial<IncidentFacts> = {},
): IncidentFacts {
  return incidentFacts({
    incident: incidentOf({
      investigation: "done",
      diagnosis: {
        ...oomDiagnosis,
        findings: [...oomDiagnosis.findings].map(({ text, evidence }) => ({ text, evidence: [...evidence] })),
        ruledOut: [...oomDiagnosis.ruledOut],
        unseen: [...oomDiagnosis.unseen],
      },
      ...patch,
    }),
    evidence,
    proposals,
    tookMs: 1_340,
    ...more,
  });
}
