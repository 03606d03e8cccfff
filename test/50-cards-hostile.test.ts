import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Card } from "../cards/card.ts";
import { chatHint, kubectlHint, renderTerminal } from "../cards/render/terminal.ts";
import { digestCard, digestLine } from "../cards/views/digest.ts";
import { incidentCard } from "../cards/views/incident.ts";
import { noticeCard } from "../cards/views/notice.ts";
import { proposalCard } from "../cards/views/proposal.ts";
import { type ProposalState, proposalMoves } from "../shared/approval.ts";
import { locales } from "../shared/locale.ts";
import { displayWidth, visible } from "../shared/text.ts";
import {
  alertOf,
  at,
  decisionOf,
  diagnosed,
  evidence,
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
const hostile = fc.oneof(
  fc.constantFrom(...attacks),
  fc.string({ unit: "binary", maxLength: 400 }),
  fc.string({ unit: "grapheme", maxLength: 200 }),
  fc.nat({ max: 100_000 }).map((n) => "x\u001b[31m漢\n".repeat(n / 10)),
);

const line = fc.array(hostile, { maxLength: 6 });
const labels = fc.dictionary(hostile, hostile, { maxKeys: 12 });

/** Every place a card can take foreign text from, filled with it. */
const cards = fc
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
const ours = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g");

test("whatever the cluster, a model or a person writes, a card keeps its schema and its size", () => {
  fc.assert(
    fc.property(cards, (all) => {
      for (const card of all) {
        const parsed = Card.safeParse(card);
        assert.ok(parsed.success, parsed.error?.message);
        assert.ok(Buffer.byteLength(JSON.stringify(card)) < 150_000);
      }
    }),
    { numRuns: 150 },
  );
});

test("on a terminal it is plain text: no control but our own colours, no line wider than asked for, no other bar than ours", () => {
  fc.assert(
    fc.property(cards, fc.integer({ min: 40, max: 200 }), fc.boolean(), fc.boolean(), (all, width, color, expanded) => {
      for (const card of all) {
        const text = renderTerminal(card, {
          width,
          color,
          expanded,
          hint: width % 2 === 0 ? kubectlHint : chatHint(card.locale),
          now: at(5),
        });
        const bare = color ? text.replace(ours, "") : text;
        for (const each of bare.split("\n")) {
          assert.match(each, visible);
          assert.ok(each.startsWith("┃"), each);
          assert.ok(displayWidth(each) <= width, `${displayWidth(each)} > ${width}: ${each}`);
        }
        assert.ok(text.length < 200_000);
      }
    }),
    { numRuns: 150 },
  );
});

test("the renderer cleans by itself what came over a wire, whoever made the card", () => {
  const raw = JSON.stringify(
    incidentCard(diagnosed([proposalFacts("pending")], { alertname: "MARKER" }), viewOf("en")).card,
  );
  const card: Card = JSON.parse(
    raw.replaceAll("MARKER", "\\u001b[2J\\u202eMARKER").replaceAll("Approve", "Appr\\u001b]0;x\\u0007ove"),
  );
  const text = renderTerminal(card, { expanded: true, hint: kubectlHint });
  assert.match(text, /MARKER/);
  for (const line of text.split("\n")) assert.match(line, visible);
});

test("no text of a hundred kilobytes makes a card slow", () => {
  const units = [
    "\n",
    " ",
    "\t",
    "\u001b",
    "\u001b]",
    "\u001b[",
    "\u009d",
    "\u0090x",
    "(",
    "（",
    "。",
    "漢",
    "a",
    "\u0301",
    "👍",
    "-\n",
    "\u202e",
    "1;",
  ];
  for (const unit of units) {
    const text = `${unit.repeat(100_000 / unit.length)}x`;
    const began = performance.now();
    const facts = diagnosed(
      [proposalFacts("pending", { diff: text, summary: text, kubectl: text, warnings: [text] })],
      { alertname: text, labels: { pod: text } },
    );
    const full = { ...facts, evidence: evidence.map((one) => ({ ...one, text })) };
    const { card } = incidentCard(full, viewOf("zh-CN"));
    renderTerminal(card, { expanded: true });
    const took = performance.now() - began;
    assert.ok(took < 1_500, `${JSON.stringify(unit)}: ${Math.round(took)} ms`);
  }
});

test("words of the cluster and of people are never taken for Steward's own", () => {
  const secret = "FOREIGNWORDS";
  const facts = diagnosed(
    [
      proposalFacts("pending", {
        summary: secret,
        warnings: [secret],
        kubectl: secret,
        diff: `+${secret}`,
        requestedBy: secret,
      }),
    ],
    {
      alertname: secret,
      namespace: secret,
      claimedBy: secret,
      severity: secret,
    },
  );
  const { card } = incidentCard(
    { ...facts, evidence: evidence.map((one) => ({ ...one, text: secret })) },
    viewOf("en"),
  );
  let foreignSpans = 0;
  walk(card, (value, key, parent) => {
    if (typeof value !== "string" || !value.includes(secret)) return;
    assert.ok(key === "text" && typeof parent === "object" && parent !== null && "from" in parent, `${key}: ${value}`);
    foreignSpans++;
  });
  assert.ok(foreignSpans > 8);
});

test("only https links to named hosts are links, and they are shown whole", () => {
  const hosts: readonly [string, boolean][] = [
    ["https://grafana.example.com/d/1?x=1", true],
    ["http://grafana.example.com/d/1", false],
    ["https://grafana.example.com.evil.example/d/1", false],
    ["https://user:pass@grafana.example.com/", false],
    ["https://evil.example/#grafana.example.com", false],
    ["javascript:alert(1)", false],
    ["https://grafana.example.com/\u202e", true],
  ];
  for (const [url, allowed] of hosts) {
    const facts = diagnosed([], {}, { alerts: [alertOf({ annotations: { dashboard_url: url }, generatorUrl: "" })] });
    const { links } = incidentCard(facts, viewOf("en")).card;
    assert.equal(links.length, allowed ? 1 : 0, url);
    for (const link of links) {
      assert.ok(renderTerminal(incidentCard(facts, viewOf("en")).card, { width: 200 }).includes(link.url));
    }
  }
});

function walk(
  value: unknown,
  visit: (value: unknown, key: string, parent: unknown) => void,
  key = "",
  parent: unknown = null,
): void {
  visit(value, key, parent);
  if (typeof value !== "object" || value === null) return;
  for (const [name, child] of Object.entries(value)) walk(child, visit, name, value);
}
