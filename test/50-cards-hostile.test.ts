import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Card } from "../cards/card.ts";
import { chatHint, kubectlHint, renderTerminal } from "../cards/render/terminal.ts";
import { incidentCard } from "../cards/views/incident.ts";
import { displayWidth, visible } from "../shared/text.ts";
import { alertOf, at, diagnosed, evidence, proposalFacts, viewOf } from "./card-facts.ts";
import { hostileCards } from "./card-hostile.ts";

const ours = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g");

test("whatever the cluster, a model or a person writes, a card keeps its schema and its size", () => {
  fc.assert(
    fc.property(hostileCards, (all) => {
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
    fc.property(
      hostileCards,
      fc.integer({ min: 40, max: 200 }),
      fc.boolean(),
      fc.boolean(),
      (all, width, color, expanded) => {
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
      },
    ),
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
