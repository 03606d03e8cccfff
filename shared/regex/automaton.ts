import { type Assertion, type Node, parseRegex, type Ranges, RegexFault } from "./syntax.ts";

type Step =
  | { kind: "set"; ranges: Ranges; next: number }
  | { kind: "assert"; assertion: Assertion; next: number }
  | { kind: "fork"; left: number; right: number }
  | { kind: "accept" };

/** Where a run of the automaton stands, before anything that costs no character has been followed. */
export type States = readonly number[];

/** What lies on both sides of a position: a code point, or null at the end of the text. */
export interface Surroundings {
  before: number | null;
  after: number | null;
}

/** A regular expression that is held against a whole text, in time proportional to the length of both, whatever they are. */
export interface Automaton {
  readonly source: string;
  matches(text: string): boolean;

  readonly start: States;
  /** The states after one more character, which is `surroundings.after`. */
  advance(states: States, surroundings: Surroundings): States;
  accepts(states: States, surroundings: Surroundings): boolean;
  /** Where the answer of `advance` may change: first code points of every range it asks for. */
  readonly cuts: readonly number[];
  /** Whether the answers depend on more of the surroundings than the ends of the text. */
  readonly looksAround: boolean;
}

/** An expression that unrolls to more steps than this is refused rather than run. */
const maxSteps = 20_000;

/**
 * Compiles an expression that must match the whole text (Alertmanager anchors every one). Throws RegexFault.
 * Source of the method: Thompson 1968, as told by Russ Cox, "Regular Expression Matching Can Be Simple And Fast".
 */
export function compileRegex(source: string): Automaton {
  const steps: Step[] = [];
  const start = [emit(parseRegex(source), push({ kind: "accept" }))];
  const seen = new Uint32Array(steps.length);
  let round = 0;
  const cuts = new Set<number>();
  for (const step of steps) {
    if (step.kind !== "set") continue;
    for (let i = 0; i + 1 < step.ranges.length; i += 2)
      cuts.add(step.ranges[i] ?? 0).add((step.ranges[i + 1] ?? 0) + 1);
  }
  const looksAround = steps.some(
    (step) => step.kind === "assert" && step.assertion !== "textStart" && step.assertion !== "textEnd",
  );

  return {
    source,
    matches,
    start,
    advance,
    accepts: (states, surroundings) => follow(states, surroundings).some((at) => steps[at]?.kind === "accept"),
    cuts: [...cuts],
    looksAround,
  };

  function matches(text: string): boolean {
    let states: States = start;
    let before: number | null = null;
    for (const char of text) {
      const after = char.codePointAt(0) ?? 0;
      states = advance(states, { before, after });
      if (states.length === 0) return false;
      before = after;
    }
    return follow(states, { before, after: null }).some((at) => steps[at]?.kind === "accept");
  }

  function advance(states: States, surroundings: Surroundings): States {
    const { after } = surroundings;
    if (after === null) return [];
    const next = new Set<number>();
    for (const at of follow(states, surroundings)) {
      const step = steps[at];
      if (step?.kind === "set" && includes(step.ranges, after)) next.add(step.next);
    }
    return [...next];
  }

  /** The steps that can be reached without a character: each at most once, so the work is bounded by the size of the expression. */
  function follow(states: States, surroundings: Surroundings): number[] {
    round++;
    const reached: number[] = [];
    const open = [...states];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (seen[at] === round) continue;
      seen[at] = round;
      const step = steps[at];
      if (step === undefined) continue;
      if (step.kind === "fork") open.push(step.left, step.right);
      else if (step.kind === "assert") {
        if (holds(step.assertion, surroundings)) open.push(step.next);
      } else reached.push(at);
    }
    return reached;
  }

  /** Adds the steps of a node that go on at `next`, and answers where they begin. */
  function emit(node: Node, next: number): number {
    switch (node.kind) {
      case "set":
        return push({ kind: "set", ranges: node.ranges, next });
      case "assert":
        return push({ kind: "assert", assertion: node.assertion, next });
      case "sequence":
        return node.parts.reduceRight((after, part) => emit(part, after), next);
      case "choice":
        return node.options
          .map((option) => emit(option, next))
          .reduceRight((right, left) => push({ kind: "fork", left, right }));
      case "repeat": {
        let after = next;
        if (node.max === null) {
          const loop = push({ kind: "fork", left: next, right: next });
          steps[loop] = { kind: "fork", left: emit(node.body, loop), right: next };
          after = loop;
        } else {
          for (let i = node.min; i < node.max; i++) {
            after = push({ kind: "fork", left: emit(node.body, after), right: next });
          }
        }
        for (let i = 0; i < node.min; i++) after = emit(node.body, after);
        return after;
      }
    }
  }

  function push(step: Step): number {
    if (steps.length >= maxSteps) throw new RegexFault("expression is too large");
    return steps.push(step) - 1;
  }
}

function holds(assertion: Assertion, { before, after }: Surroundings): boolean {
  switch (assertion) {
    case "textStart":
      return before === null;
    case "textEnd":
      return after === null;
    case "lineStart":
      return before === null || before === 0x0a;
    case "lineEnd":
      return after === null || after === 0x0a;
    case "wordBoundary":
      return isWord(before) !== isWord(after);
    case "noWordBoundary":
      return isWord(before) === isWord(after);
  }
}

function isWord(code: number | null): boolean {
  return code !== null && /^\w$/.test(String.fromCodePoint(code));
}

function includes(ranges: Ranges, code: number): boolean {
  for (let i = 0; i + 1 < ranges.length; i += 2) {
    if (code < (ranges[i] ?? 0)) return false;
    if (code <= (ranges[i + 1] ?? 0)) return true;
  }
  return false;
}
