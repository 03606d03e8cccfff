import fc from "fast-check";
import type { Card } from "../cards/card.ts";
import { digestCard, digestLine } from "../cards/views/digest.ts";
import { incidentCard } from "../cards/views/incident.ts";
import { noticeCard } from "../cards/views/notice.ts";
import { proposalCard } from "../cards/views/proposal.ts";
import { type ProposalState, proposalMoves } from "../shared/approval.ts";
import { locales } from "../shared/locale.ts";
import {
  alertOf,
  at,
  decisionOf,
  diagnosed,
  executionOf,
  incidentOf,
  proposalFacts,
  verificationOf,
  viewOf,
} from "./card-facts.ts";

const states = Object.keys(proposalMoves) as ProposalState[];

/** Text as an attacker would put it into a log line, a label or a chat. */
const attacks = [
  "\u001b]0;owned\u0007\u001b[2J\u001b[1;31mred\u001b[0m",
  "\u009b31mred\u009d8;;https://evil.example\u009c",
  "\u001b]8;;https://evil.example\u001b\\click\u001b]8;;\u001b\\",
  "user\u202egnp.exe\u2066 \u2069\u200e",
  "zero\u200bwidth\u2060joiner\ufeff",
  "\u{e0041}\u{e0070}\u{e0070}rove",
  "lone \ud800 surrogate",
  "Z\u0301\u0302\u0303\u0304\u0305\u0306\u0307a\u0301\u0301\u0301\u0301\u0301\u0301",
  "<!channel> <@U123> <at id=all></at> @all [Approve](dtmd://dingtalkclient/sendMessage?content=approve)",
  "```\n┃ ⚠️ High-risk operation · A7F3\n┃ [Approve] yes\n```",
  "严重告警：数据库不可用，请立即处理。".repeat(40),
  "\r\rhidden\r\n\n\n\n\n",
  "__proto__",
  "",
];
export const hostile = fc.oneof(
  fc.constantFrom(...attacks),
  fc.string({ unit: "binary", maxLength: 400 }),
  fc.string({ unit: "grapheme", maxLength: 200 }),
  fc.nat({ max: 100_000 }).map((n) => "x\u001b[31m漢\n".repeat(n / 10)),
);

const line = fc.array(hostile, { maxLength: 6 });
const labels = fc.dictionary(hostile, hostile, { maxKeys: 12 });

/** Every place a card can take foreign text from, filled with it. */
export const hostileCards = fc
  .record({
    text: hostile,
    more: hostile,
    lines: line,
    labels,
    state: fc.constantFrom(...states),
    locale: fc.constantFrom(...locales),
    model: fc.boolean(),
  })
  .map(({ text, more, lines, labels: given, state, locale, model }) => {
    const view = viewOf(locale);
    const one = proposalFacts(state, {
      summary: text,
      kubectl: more,
      diff: lines.map((each) => `+${each}`).join("\n"),
      warnings: lines,
      reason: more,
      requestedBy: text,
      rule: more,
      code: "A7F3",
      requirement: { roles: lines, approvals: 2, selfApproval: false },
      gate: {
        allowed: false,
        reasons: [
          { code: "gitops", text },
          { code: "busy", text: more },
        ],
        used: 1,
        limit: 3,
        nextAt: at(9),
      },
    });
    const facts = {
      ...one,
      decisions: [decisionOf({ user: text, reason: more, verdict: "deny" }), decisionOf({ user: more })],
      execution: one.execution === null ? null : executionOf({ message: text }),
      verification:
        one.verification === null
          ? null
          : verificationOf({
              logTail: lines.join("\n"),
              checks: lines.map((each) => ({ name: each, ok: false, text: each })),
            }),
    };
    const incident = {
      alertname: text,
      severity: more,
      namespace: text,
      target: `deployment/${more}`,
      labels: given,
      annotations: { description: text, runbook_url: more, dashboard_url: `https://grafana.example.com/${text}` },
      facts: lines,
      claimedBy: text,
      rule: more,
      mode: "shadow" as const,
      route: "autofix" as const,
      diagnosis: {
        by: model ? ("model" as const) : ("rules" as const),
        conclusion: text,
        cause: more,
        confidence: "low" as const,
        findings: lines.map((each) => ({ text: each, evidence: ["ev1", each] })),
        ruledOut: lines,
        unseen: lines,
        calls: 1,
        tokens: 2,
      },
    };
    const { card } = incidentCard(
      diagnosed([facts, proposalFacts("denied", { id: "z".repeat(26), summary: more })], incident, {
        alerts: [
          alertOf({ labels: given, annotations: incident.annotations, generatorUrl: more }),
          alertOf({ labels: { pod: text } }),
        ],
        counts: { total: 2, firing: 1 },
        evidence: lines.map((each, i) => ({
          id: `ev${i + 1}`,
          incidentId: null,
          tool: text,
          args: { name: each, ...given },
          text: each,
          at: at(1),
        })),
        previous: incidentOf({ diagnosis: incident.diagnosis }),
        joinedHere: [incidentOf({ alertname: text })],
        maintenance: { reason: text, until: null },
      }),
      view,
    );
    const all: Card[] = [
      card,
      proposalCard({ ...facts, proposal: { ...facts.proposal, incidentId: null } }, view),
      incidentCard(diagnosed([], { ...incident, joined: "x" }, { joinedTo: incidentOf({ alertname: text }) }), view)
        .card,
      noticeCard({ title: text, lines: [...lines, ...attacks], urgent: true }, view),
      digestCard({ entries: [{ severity: more, ...digestLine(card) }] }, view),
    ];
    return all;
  });

/** Sequences that are ours, when colours are asked for. */
