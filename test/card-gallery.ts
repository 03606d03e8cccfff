import type { Card } from "../cards/card.ts";
import { digestCard } from "../cards/views/digest.ts";
import { incidentCard } from "../cards/views/incident.ts";
import { noticeCard } from "../cards/views/notice.ts";
import { proposalCard } from "../cards/views/proposal.ts";
import type { View } from "../cards/views/view.ts";
import { type Proposal, type ProposalState, proposalMoves } from "../shared/approval.ts";
import { alertOf, at, diagnosed, incidentFacts, incidentOf, proposalFacts } from "./card-facts.ts";

const askedInChat = {
  incidentId: null,
  action: { kind: "restart", namespace: "web", target: "deployment/nginx" },
  namespace: "web",
  target: "deployment/nginx",
  ownerKey: "web/deployment/nginx",
  summary: "Restart deployment/nginx",
  kubectl: "kubectl -n web rollout restart deployment/nginx",
  diff: " spec.template.metadata.annotations:\n+  kubectl.kubernetes.io/restartedAt: 2026-11-21T19:12:18Z",
  warnings: ["2 pods behind service/nginx are replaced one by one"],
  inverse: null,
  requestedBy: "bob",
  requestedVia: "slack",
  expiresAt: at(15),
} as const;

const longDiff = Array.from({ length: 9 }, (_, i) => `-  key${i}: old\n+  key${i}: new`).join("\n");
const states = Object.keys(proposalMoves) as ProposalState[];

/** Every card worth looking at, by the name of its golden file. */
export function gallery(view: View): Record<string, Card> {
  const incident = (...facts: Parameters<typeof incidentCard>) => incidentCard(...facts).card;
  const auto = {
    origin: "autofix" as const,
    rule: "dev-restart-loops",
    action: { kind: "rollback", namespace: "dev", target: "deployment/api" },
    namespace: "dev",
    target: "deployment/api",
    summary: "Roll deployment/api back to revision 7",
    kubectl: "kubectl -n dev rollout undo deployment/api --to-revision=7",
    diff: "-  image: registry.local/api:2.1.0\n+  image: registry.local/api:2.0.4",
    gate: { allowed: true, reasons: [], used: 2, limit: 3, nextAt: at(29) },
  } satisfies Partial<Proposal>;
  const dev = {
    namespace: "dev",
    target: "deployment/api",
    severity: "warning",
    route: "autofix",
    rule: "dev-restart-loops",
  } as const;
  return {
    "incident-first": incident(incidentFacts(), view),
    "incident-looking": incident(diagnosed([], { investigation: "running" }), view),
    "incident-quick-facts": incident(
      incidentFacts({
        incident: incidentOf({
          investigation: "running",
          facts: ["last state OOMKilled", "exit 137", "limit 512Mi", "last rollout 02:52"],
        }),
      }),
      view,
    ),
    "incident-nothing-found": incident(incidentFacts({ incident: incidentOf({ investigation: "done" }) }), view),
    "incident-failed-to-look": incident(incidentFacts({ incident: incidentOf({ investigation: "failed" }) }), view),
    "incident-by-model": incident(diagnosed([proposalFacts("pending")], { diagnosis: { ...modelDiagnosis } }), view),
    "incident-claimed": incident(
      diagnosed([proposalFacts("pending")], { claimedBy: "alice", severity: "warning" }),
      view,
    ),
    "incident-many-alerts": incident(
      incidentFacts({
        alerts: [alertOf({ labels: { pod: "checkout-b" } }), alertOf({ labels: { pod: "checkout-a" } })],
        counts: { total: 9, firing: 7 },
      }),
      view,
    ),
    "incident-marks": incident(
      diagnosed(
        [],
        {
          late: true,
          flapping: true,
          route: "autofix",
          rule: "dev-restart-loops",
          mode: "shadow",
          labels: { steward_drill: "1" },
        },
        {
          maintenance: { reason: "database move", until: at(100) },
          failedFix: { code: "K9PQ", at: at(-300) },
          joinedHere: [incidentOf({ alertname: "KubeDeploymentReplicasMismatch" })],
          previous: incidentOf({ startedAt: at(-400), diagnosis: { ...modelDiagnosis } }),
        },
      ),
      view,
    ),
    "incident-resolved": incident(
      diagnosed(
        [proposalFacts("succeeded")],
        { state: "resolved", resolvedAt: at(9.2) },
        { counts: { total: 1, firing: 0 } },
      ),
      view,
    ),
    "incident-resolved-by-itself": incident(
      diagnosed(
        [proposalFacts("withdrawn")],
        { state: "resolved", resolvedAt: at(9.2) },
        { counts: { total: 1, firing: 0 } },
      ),
      view,
    ),
    "incident-did-not-hold": incident(
      diagnosed(
        [proposalFacts("succeeded")],
        { state: "resolved", resolvedAt: at(9) },
        { returnedAt: at(200), counts: { total: 1, firing: 0 } },
      ),
      view,
    ),
    "incident-ignored": incident(
      diagnosed([proposalFacts("withdrawn")], { state: "ignored", ignoredUntil: at(240) }),
      view,
    ),
    "incident-joined": incident(
      incidentFacts({
        incident: incidentOf({ joined: "j".repeat(26) }),
        joinedTo: incidentOf({ alertname: "KubeNodeNotReady", target: "node/worker-2", namespace: null }),
      }),
      view,
    ),
    "incident-auto-running": incident(diagnosed([proposalFacts("verifying", auto)], dev), view),
    "incident-auto-held-back": incident(
      diagnosed(
        [
          proposalFacts("pending", {
            ...auto,
            gate: { allowed: false, reasons: [{ code: "autofix_limit", text: "" }], used: 3, limit: 3, nextAt: at(29) },
          }),
        ],
        dev,
      ),
      view,
    ),
    "incident-gitops": incident(
      diagnosed([
        proposalFacts("pending", {
          diff: longDiff,
          gate: {
            allowed: false,
            reasons: [
              {
                code: "gitops",
                text: "Argo CD application payment owns spec.template: change apps/checkout/values.yaml at main",
              },
            ],
            used: 0,
            limit: 3,
            nextAt: null,
          },
        }),
      ]),
      view,
    ),
    "incident-failed-with-inverse": incident(
      diagnosed([
        proposalFacts("failed"),
        proposalFacts("pending", {
          id: "q".repeat(26),
          code: "C4DE",
          undoOf: "p".repeat(26),
          summary: "Lower the memory limit of deployment/checkout (checkout) from 1Gi to 512Mi",
          createdAt: at(5),
        }),
        proposalFacts("denied", { id: "r".repeat(26), code: "E6GH", createdAt: at(1) }),
      ]),
      view,
    ),
    ...Object.fromEntries(
      states.map((state) => [
        `incident-proposal-${state}`,
        incident(diagnosed([proposalFacts(state, reasonOf(state))]), view),
      ]),
    ),
    ...Object.fromEntries(
      states.map((state) => [
        `asked-${state}`,
        proposalCard(proposalFacts(state, { ...askedInChat, ...reasonOf(state) }), view),
      ]),
    ),
    "asked-half-approved": proposalCard(
      {
        ...proposalFacts("pending", {
          ...askedInChat,
          requirement: { roles: ["admin", "approver"], approvals: 2, selfApproval: false },
        }),
        decisions: proposalFacts("executing").decisions,
      },
      view,
    ),
    "asked-long-diff": proposalCard(proposalFacts("pending", { ...askedInChat, diff: longDiff }), view),
    notice: noticeCard(
      { title: "slack has been deaf since 03:10", lines: ["No frame for 60 s; reconnecting."], urgent: true },
      view,
    ),
    digest: digestCard(
      {
        entries: Array.from({ length: 25 }, (_, i) => ({
          severity: i % 5 === 0 ? "info" : "warning",
          line: [{ from: "cluster", text: `team-${i}/worker` }, " · ", { from: "cluster", text: "KubePodNotReady" }],
        })),
      },
      view,
    ),
  };
}

const modelDiagnosis = {
  by: "model" as const,
  conclusion: "Version 4.3.0 loads the whole price cache at start and no longer fits in 512Mi.",
  cause: "OOMKilled",
  confidence: "medium" as const,
  findings: [{ text: "Memory grows with the cache: 400 entries, about 1.6Mi each", evidence: ["ev2"] }],
  ruledOut: [],
  unseen: [],
  calls: 9,
  tokens: 8_211,
};

function reasonOf(state: ProposalState): Partial<Proposal> {
  if (state === "stale") return { reason: "spec.template.spec.containers[0].resources changed since" };
  if (state === "refused")
    return { reason: 'admission webhook "quota.example.com" denied the request: exceeded quota' };
  if (state === "withdrawn") return { reason: "the alert has cleared" };
  return {};
}
