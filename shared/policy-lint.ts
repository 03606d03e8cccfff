import type { Locale } from "./locale.ts";
import { type Matcher, matchesValue } from "./matcher.ts";
import type { Rule } from "./policy.ts";
import type { Automaton, States } from "./regex/automaton.ts";

/** Something about a rule that its author cannot have meant. `never`: it can never match. */
export interface LintFinding {
  /** Position of the rule in the list. */
  index: number;
  rule: string;
  kind: "never" | "warning";
  text: string;
}

/**
 * Finds rules that can never match, because their matchers contradict each other or an earlier rule takes everything they would take, and
 * settings that do nothing. What it says of matchers is proved on their automata; where a proof would be too long it says nothing.
 */
export function lint(rules: readonly Rule[], locale: Locale): LintFinding[] {
  const say = words[locale];
  const findings: LintFinding[] = [];
  for (const [index, rule] of rules.entries()) {
    const add = (kind: LintFinding["kind"], text: string) => findings.push({ index, rule: rule.name, kind, text });
    const label = contradiction(rule.match);
    const earlier = rules.slice(0, index).find((other) => covers(other, rule));
    if (label !== null) add("never", say.contradiction(label));
    else if (earlier !== undefined) add("never", say.shadowed(earlier.name));
    if (rules.slice(0, index).some((other) => other.name === rule.name)) add("warning", say.sameName(rule.name));
    if (rule.route === "autofix" && rule.allow.length === 0) add("warning", say.nothingAllowed);
    if (rule.route !== "autofix" && rule.allow.length > 0) add("warning", say.unused("allow"));
    if (rule.route !== "autofix" && rule.mode === "shadow") add("warning", say.unused("mode: shadow"));
    if (rule.route === "ignore" && rule.escalate !== undefined) add("warning", say.ignoredEscalation);
  }
  return findings;
}

/** A label for which no value satisfies all matchers; null if there is none, or none that can be proved. */
function contradiction(match: readonly Matcher[]): string | null {
  for (const label of new Set(match.map((matcher) => matcher.label))) {
    if (isSatisfiable(match.filter((matcher) => matcher.label === label)) === false) return label;
  }
  return null;
}

/** Whether every alert that `later` matches was matched by `earlier` already. */
function covers(earlier: Rule, later: Rule): boolean {
  if (earlier.during !== undefined && JSON.stringify(earlier.during) !== JSON.stringify(later.during)) return false;
  return earlier.match.every((matcher) => {
    const same = later.match.filter(({ label }) => label === matcher.label);
    return isSatisfiable([...same, negate(matcher)]) === false;
  });
}

const opposites = { "=": "!=", "!=": "=", "=~": "!~", "!~": "=~" } as const;

function negate(matcher: Matcher): Matcher {
  return { ...matcher, operator: opposites[matcher.operator] };
}

/** How many combinations of states are looked at before the question is left open. */
const maxStates = 5_000;
const maxSteps = 200_000;

/** Whether some value satisfies all matchers of one label; null when that would take too long to find out. */
function isSatisfiable(matchers: readonly Matcher[]): boolean | null {
  const exact = matchers.find(({ operator }) => operator === "=");
  if (exact !== undefined) return matchers.every((matcher) => matchesValue(matcher, exact.value));
  if (matchers.some(({ automaton }) => automaton?.looksAround === true)) return null;
  const runs = matchers.map((matcher) => ({
    automaton: matcher.automaton ?? literal(matcher.value),
    wanted: matcher.operator === "=~",
  }));
  const characters = [...new Set([0, ...runs.flatMap(({ automaton }) => automaton.cuts)])].filter((c) => c <= 0x10ffff);
  // All automata are run side by side; texts that bring all of them to the same states are one case.
  const open: { at: readonly States[]; before: number | null }[] = [
    { at: runs.map(({ automaton }) => automaton.start), before: null },
  ];
  const seen = new Set<string>();
  let steps = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { at, before } = next;
    const end = { before, after: null };
    if (runs.every(({ automaton, wanted }, i) => automaton.accepts(at[i] ?? [], end) === wanted)) return true;
    for (const after of characters) {
      if (++steps > maxSteps) return null;
      const reached = runs.map(({ automaton }, i) => automaton.advance(at[i] ?? [], { before, after }));
      if (runs.some(({ wanted }, i) => wanted && reached[i]?.length === 0)) continue;
      const key = reached.map((states) => [...states].sort((a, b) => a - b).join(",")).join(";");
      if (seen.has(key)) continue;
      seen.add(key);
      if (seen.size > maxStates) return null;
      open.push({ at: reached, before: after });
    }
  }
  return false;
}

/** The automaton of a plain text: its states count the characters that were right. */
function literal(value: string): Automaton {
  const codes = Array.from(value, (char) => char.codePointAt(0) ?? 0);
  return {
    source: value,
    matches: (text) => text === value,
    start: [0],
    advance: ([at = -1], { after }) => (after !== null && codes[at] === after ? [at + 1] : []),
    accepts: ([at]) => at === codes.length,
    cuts: codes.flatMap((code) => [code, code + 1]),
    looksAround: false,
  };
}

const words: Readonly<
  Record<
    Locale,
    {
      contradiction: (label: string) => string;
      shadowed: (rule: string) => string;
      sameName: (rule: string) => string;
      nothingAllowed: string;
      unused: (key: string) => string;
      ignoredEscalation: string;
    }
  >
> = {
  en: {
    contradiction: (label) => `can never match: no value of ${label} satisfies all its matchers`,
    shadowed: (rule) => `can never match: ${rule}, which comes first, takes everything it would`,
    sameName: (rule) => `has the same name as an earlier rule: ${rule}`,
    nothingAllowed: "has route autofix and allows nothing, so nothing is ever automatic",
    unused: (key) => `has ${key}, which means something only with route autofix`,
    ignoredEscalation: "escalates what it ignores, so nobody is ever asked for",
  },
  "zh-CN": {
    contradiction: (label) => `永远不会匹配：${label} 没有任何值能满足全部匹配条件`,
    shadowed: (rule) => `永远不会匹配：排在前面的 ${rule} 已匹配它的全部告警`,
    sameName: (rule) => `与前面的规则同名：${rule}`,
    nothingAllowed: "路由为 autofix 但 allow 为空，不会有任何自动操作",
    unused: (key) => `设置了 ${key}，它只在路由为 autofix 时有意义`,
    ignoredEscalation: "对已忽略的告警设置了升级，不会通知任何人",
  },
};
