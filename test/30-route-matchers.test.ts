import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { z } from "zod";
import { fingerprintOf } from "../shared/fingerprint.ts";
import { MatcherFault, matches, parseMatcher } from "../shared/matcher.ts";
import { compileRegex } from "../shared/regex/automaton.ts";
import { RegexFault } from "../shared/regex/syntax.ts";

/** What Alertmanager and Go themselves made of each case. */
const recorded = z
  .object({
    matchers: z.array(
      z.union([
        z.object({ text: z.string(), refused: z.literal(true) }),
        z.object({ text: z.string(), label: z.string(), operator: z.string(), value: z.string() }),
      ]),
    ),
    texts: z.array(z.string()),
    regexes: z.array(
      z.union([
        z.object({ text: z.string(), refused: z.literal(true) }),
        z.object({ text: z.string(), hits: z.array(z.number()) }),
      ]),
    ),
    fingerprints: z.array(z.object({ labels: z.record(z.string(), z.string()), fingerprint: z.string() })),
  })
  .parse(JSON.parse(readFileSync(new URL("golden/alertmanager-0.28.1.json", import.meta.url), "utf8")));

test("a matcher means what it means to Alertmanager, or is refused where Alertmanager refuses it", () => {
  for (const expected of recorded.matchers) {
    if ("refused" in expected) {
      assert.throws(() => parseMatcher(expected.text), MatcherFault, JSON.stringify(expected.text));
      continue;
    }
    const { label, operator, value } = parseMatcher(expected.text);
    assert.deepEqual({ text: expected.text, label, operator, value }, expected);
  }
});

test("a regular expression matches the texts it matches in Go, and those that Go refuses are refused", () => {
  for (const expected of recorded.regexes) {
    if ("refused" in expected) {
      assert.throws(() => compileRegex(expected.text), RegexFault, JSON.stringify(expected.text));
      continue;
    }
    const { matches } = compileRegex(expected.text);
    const hits = recorded.texts.flatMap((text, i) => (matches(text) ? [i] : []));
    assert.deepEqual(hits, expected.hits, JSON.stringify(expected.text));
  }
});

test("an absent fingerprint is computed as Alertmanager does", () => {
  for (const { labels, fingerprint } of recorded.fingerprints) assert.equal(fingerprintOf(labels), fingerprint);
});

test("no expression and no label value makes matching take more than linear time", () => {
  const evil = ["(a+)+b", "(a|a)*b", "(a|aa)+b", ".*a.*a.*a.*a.*a.*a.*a.*b", "(.*)*(.*)*(.*)*b", "(x+x+)+y"];
  for (const source of evil) {
    const { matches } = compileRegex(source);
    const timeFor = (length: number) => {
      const started = performance.now();
      assert.equal(matches("a".repeat(length)), false, source);
      return performance.now() - started;
    };
    timeFor(2_000);
    const [short, long] = [timeFor(2_000), timeFor(16_000)];
    assert.ok(long < Math.max(short, 5) * 40, `${source}: ${short} ms for 2,000 characters, ${long} ms for 16,000`);
  }
});

test("an expression that would unroll without end is refused, not compiled", () => {
  for (const source of ["((a{30}){30}){30}", `(${"a".repeat(60)}){900}`, "(".repeat(2_000)]) {
    assert.throws(() => compileRegex(source), RegexFault);
  }
});

test("an expression built of literals and choices matches exactly the texts it lists", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", ".", "*", "\\", "中", "-", "]"), maxLength: 6 });
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 5 }), word, (listed, other) => {
      const { matches } = compileRegex(listed.map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("|"));
      for (const text of listed) assert.ok(matches(text));
      assert.equal(matches(other), listed.includes(other));
    }),
  );
});

test("any name and value that is quoted as Go quotes them comes back from the parser", () => {
  const quote = (text: string) => `"${text.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n")}"`;
  const text = fc.string({ unit: "grapheme", maxLength: 20 });
  fc.assert(
    fc.property(text, text, fc.constantFrom("=", "!="), (label, value, operator) => {
      const parsed = parseMatcher(`${quote(label)}${operator}${quote(value)}`);
      assert.deepEqual([parsed.label, parsed.operator, parsed.value], [label, operator, value]);
    }),
  );
});

test("whatever is written, the parser answers or refuses; it never fails otherwise", () => {
  const piece = fc.constantFrom(
    "a",
    "=",
    "=~",
    "!",
    "~",
    '"',
    "\\",
    "{",
    "}",
    ",",
    " ",
    "(",
    "[",
    "*",
    "?",
    "é",
    "\n",
    "\ud800",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      try {
        parseMatcher(pieces.join(""));
      } catch (error) {
        assert.ok(error instanceof MatcherFault, String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});

test("a label that is not there counts as empty, and one called constructor is like any other", () => {
  assert.equal(matches(parseMatcher('team=""'), {}), true);
  assert.equal(matches(parseMatcher('team!="x"'), {}), true);
  assert.equal(matches(parseMatcher('team=~".+"'), {}), false);
  assert.equal(matches(parseMatcher('constructor=""'), {}), true);
  assert.equal(matches(parseMatcher('toString=~".+"'), {}), false);
  assert.equal(matches(parseMatcher('constructor="x"'), { constructor: "x" }), true);
});
