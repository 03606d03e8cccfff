/**
 * Reads a regular expression as Go's RE2 does (package regexp/syntax, Perl flags), the dialect Alertmanager's matchers are written in.
 * JavaScript's own dialect means other things by `\s`, `.`, `(?i)`, knows look-around and back references, and can take exponential time.
 */

/** Sorted, disjoint code point ranges: `[first, last, first, last, …]`. */
export type Ranges = readonly number[];

export type Assertion = "textStart" | "textEnd" | "lineStart" | "lineEnd" | "wordBoundary" | "noWordBoundary";

export type Node =
  | { kind: "set"; ranges: Ranges }
  | { kind: "assert"; assertion: Assertion }
  | { kind: "sequence"; parts: readonly Node[] }
  | { kind: "choice"; options: readonly Node[] }
  | { kind: "repeat"; body: Node; min: number; max: number | null };

/** What is wrong with an expression, in Go's words. */
export class RegexFault extends Error {
  override readonly name = "RegexFault";
}

interface Flags {
  /** `i` */
  fold: boolean;
  /** `m` */
  lines: boolean;
  /** `s` */
  dotAll: boolean;
}

const lastCodePoint = 0x10ffff;
/** Go's bounds on `{n,m}`, alone and multiplied over nesting, and on how deep groups may nest. */
const maxRepeat = 1000;
const maxDepth = 1000;

const perlClasses: Readonly<Record<string, Ranges>> = {
  d: [0x30, 0x39],
  s: [0x09, 0x0a, 0x0c, 0x0d, 0x20, 0x20],
  w: [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a],
};

const posixClasses: Readonly<Record<string, Ranges>> = {
  alnum: [0x30, 0x39, 0x41, 0x5a, 0x61, 0x7a],
  alpha: [0x41, 0x5a, 0x61, 0x7a],
  ascii: [0x00, 0x7f],
  blank: [0x09, 0x09, 0x20, 0x20],
  cntrl: [0x00, 0x1f, 0x7f, 0x7f],
  digit: [0x30, 0x39],
  graph: [0x21, 0x7e],
  lower: [0x61, 0x7a],
  print: [0x20, 0x7e],
  punct: [0x21, 0x2f, 0x3a, 0x40, 0x5b, 0x60, 0x7b, 0x7e],
  space: [0x09, 0x0d, 0x20, 0x20],
  upper: [0x41, 0x5a],
  word: [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a],
  xdigit: [0x30, 0x39, 0x41, 0x46, 0x61, 0x66],
};

const controls: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 };

/** Parses `source`. Throws RegexFault. */
export function parseRegex(source: string): Node {
  const text = Array.from(source);
  let at = 0;
  let depth = 0;

  const node = parseChoice({ fold: false, lines: false, dotAll: false });
  if (at < text.length) throw new RegexFault(`unexpected ): \`${source}\``);
  return node;

  function parseChoice(flags: Flags): Node {
    if (++depth > maxDepth) throw new RegexFault("expression nests too deeply");
    const options: Node[] = [];
    // `(?i)` holds to the end of the group it stands in, over its alternatives.
    const inner = { ...flags };
    do {
      options.push(parseSequence(inner));
    } while (take("|"));
    depth--;
    const [only] = options;
    return options.length === 1 && only !== undefined ? only : { kind: "choice", options };
  }

  function parseSequence(flags: Flags): Node {
    const parts: Node[] = [];
    let repeated: string | null = null;
    while (at < text.length && text[at] !== "|" && text[at] !== ")") {
      const start = at;
      const repeat = parseRepeat();
      if (repeat !== null) {
        const operator = text.slice(start, at).join("");
        if (repeated !== null) throw new RegexFault(`invalid nested repetition operator: \`${repeated}${operator}\``);
        const body = parts.pop();
        if (body === undefined) throw new RegexFault(`missing argument to repetition operator: \`${operator}\``);
        const node: Node = { kind: "repeat", body, ...repeat };
        if (!isRepeatSmall(node, maxRepeat)) throw new RegexFault(`invalid repeat count: \`${operator}\``);
        parts.push(node);
        repeated = operator;
        continue;
      }
      repeated = null;
      const atom = parseAtom(flags);
      if (atom !== null) parts.push(...atom);
    }
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : { kind: "sequence", parts };
  }

  /** `*`, `+`, `?`, `{n}`, `{n,}`, `{n,m}`, each with an optional `?`; null if none stands here (a `{` that is none is a literal). */
  function parseRepeat(): { min: number; max: number | null } | null {
    const found = simpleRepeats[text[at] ?? ""];
    if (found !== undefined) {
      at++;
      take("?");
      return found;
    }
    if (text[at] !== "{") return null;
    const match = /^\{(0|[1-9]\d*)(,(0|[1-9]\d*)?)?\}/.exec(text.slice(at, at + 24).join(""));
    if (match?.[1] === undefined) return null;
    const min = Number(match[1]);
    const max = match[2] === undefined ? min : match[3] === undefined ? null : Number(match[3]);
    if (min > maxRepeat || (max !== null && (max > maxRepeat || max < min))) {
      throw new RegexFault(`invalid repeat count: \`${match[0]}\``);
    }
    at += match[0].length;
    take("?");
    return { min, max };
  }

  /** null for what stands for nothing by itself, as `(?i)`. */
  function parseAtom(flags: Flags): readonly Node[] | null {
    const char = text[at++] ?? "";
    switch (char) {
      case "(":
        return parseGroup(flags);
      case "[":
        return [{ kind: "set", ranges: parseClass(flags) }];
      case ".":
        return [{ kind: "set", ranges: flags.dotAll ? [0, lastCodePoint] : complement([0x0a, 0x0a]) }];
      case "^":
        return [{ kind: "assert", assertion: flags.lines ? "lineStart" : "textStart" }];
      case "$":
        return [{ kind: "assert", assertion: flags.lines ? "lineEnd" : "textEnd" }];
      case "\\":
        return parseBackslash(flags);
      default:
        return [literal(codeOf(char), flags)];
    }
  }

  function parseGroup(flags: Flags): readonly Node[] | null {
    let inner = flags;
    if (take("?")) {
      const rest = text.slice(at).join("");
      const named = /^P?<([^>]*)>/.exec(rest);
      if (named?.[1] !== undefined) {
        const name = named[1];
        if (!/^[0-9A-Za-z_]+$/.test(name)) throw new RegexFault(`invalid named capture: \`${name}\``);
        at += Array.from(named[0]).length;
      } else {
        const match = /^([imsU]*)(-[imsU]+)?([:)])/.exec(rest);
        if (match === null) {
          throw new RegexFault(`invalid or unsupported Perl syntax: \`(?${rest.slice(0, 2)}\``);
        }
        at += match[0].length;
        const set = { ...flags };
        for (const flag of match[1] ?? "") setFlag(set, flag, true);
        for (const flag of (match[2] ?? "").slice(1)) setFlag(set, flag, false);
        if (match[3] === ")") {
          Object.assign(flags, set);
          return null;
        }
        inner = set;
      }
    }
    const node = parseChoice(inner);
    if (!take(")")) throw new RegexFault(`missing closing ): \`${source}\``);
    return [node];
  }

  function parseBackslash(flags: Flags): readonly Node[] {
    const char = text[at] ?? "";
    switch (char) {
      case "A":
        at++;
        return [{ kind: "assert", assertion: "textStart" }];
      case "z":
        at++;
        return [{ kind: "assert", assertion: "textEnd" }];
      case "b":
        at++;
        return [{ kind: "assert", assertion: "wordBoundary" }];
      case "B":
        at++;
        return [{ kind: "assert", assertion: "noWordBoundary" }];
      case "Q": {
        const rest = text.slice(at + 1);
        const length = rest.findIndex((c, i) => c === "\\" && rest[i + 1] === "E");
        // Alertmanager puts `)$` behind every expression, which an open quote would swallow.
        if (length === -1) throw new RegexFault("\\Q without its \\E");
        const quoted = rest.slice(0, length);
        at += quoted.length + 3;
        return quoted.map((c) => literal(codeOf(c), flags));
      }
      default: {
        const ranges = parseClassEscape(flags);
        return [ranges === null ? literal(parseEscape(), flags) : { kind: "set", ranges }];
      }
    }
  }

  /** `\d`, `\PL`, `\p{Greek}` and their like, after the backslash; null if none stands here. */
  function parseClassEscape(flags: Flags): Ranges | null {
    const char = text[at] ?? "";
    const perl = Object.hasOwn(perlClasses, char.toLowerCase()) ? perlClasses[char.toLowerCase()] : undefined;
    if (perl !== undefined) {
      at++;
      const folded = flags.fold ? fold(perl) : perl;
      return char === char.toLowerCase() ? folded : complement(folded);
    }
    if (char !== "p" && char !== "P") return null;
    at++;
    let negative = char === "P";
    let name = text[at++] ?? "";
    if (name === "{") {
      const end = text.indexOf("}", at);
      if (end === -1) throw new RegexFault(`invalid character class range: \`\\${char}{\``);
      name = text.slice(at, end).join("");
      at = end + 1;
      if (name.startsWith("^")) {
        negative = !negative;
        name = name.slice(1);
      }
    }
    const ranges = unicodeClass(name);
    if (ranges === null) throw new RegexFault(`invalid character class range: \`\\${char}{${name}}\``);
    const folded = flags.fold ? fold(ranges) : ranges;
    return negative ? complement(folded) : folded;
  }

  /** One character written with a backslash, after the backslash. */
  function parseEscape(): number {
    const char = text[at++];
    if (char === undefined) throw new RegexFault("trailing backslash at end of expression");
    const control = Object.hasOwn(controls, char) ? controls[char] : undefined;
    if (control !== undefined) return control;
    const octal = /^(?:0[0-7]{0,2}|[1-7][0-7]{1,2})/.exec(text.slice(at - 1, at + 2).join(""));
    if (octal !== null) {
      at += octal[0].length - 1;
      return Number.parseInt(octal[0], 8);
    }
    if (char === "x") {
      const hex = /^(?:\{([0-9a-fA-F]+)\}|([0-9a-fA-F]{2}))/.exec(text.slice(at).join(""));
      const code = Number.parseInt(hex?.[1] ?? hex?.[2] ?? "", 16);
      if (hex === null || !(code <= lastCodePoint)) throw new RegexFault("invalid escape sequence: `\\x`");
      at += hex[0].length;
      return code;
    }
    if (codeOf(char) < 0x80 && !/[0-9A-Za-z]/.test(char)) return codeOf(char);
    throw new RegexFault(`invalid escape sequence: \`\\${char}\``);
  }

  function parseClass(flags: Flags): Ranges {
    const negative = take("^");
    const ranges: number[] = [];
    let first = true;
    for (;;) {
      if (at >= text.length) throw new RegexFault(`missing closing ]: \`${source}\``);
      if (text[at] === "]" && !first) break;
      first = false;
      const posix = parsePosixClass(flags);
      if (posix !== null) {
        ranges.push(...posix);
        continue;
      }
      if (text[at] === "\\") {
        at++;
        const group = parseClassEscape(flags);
        if (group !== null) {
          ranges.push(...group);
          continue;
        }
        at--;
      }
      const low = parseClassCharacter();
      let high = low;
      if (text[at] === "-" && at + 1 < text.length && text[at + 1] !== "]") {
        at++;
        high = parseClassCharacter();
        if (high < low) throw new RegexFault(`invalid character class range: \`${show(low)}-${show(high)}\``);
      }
      ranges.push(...(flags.fold ? fold([low, high]) : [low, high]));
    }
    at++;
    const merged = merge(ranges);
    return negative ? complement(merged) : merged;
  }

  function parsePosixClass(flags: Flags): Ranges | null {
    if (text[at] !== "[" || text[at + 1] !== ":") return null;
    const rest = text.slice(at + 2).join("");
    const end = rest.indexOf(":]");
    if (end === -1) return null;
    const given = rest.slice(0, end);
    const name = given.replace(/^\^/, "");
    const ranges = Object.hasOwn(posixClasses, name) ? posixClasses[name] : undefined;
    if (ranges === undefined) throw new RegexFault(`invalid character class range: \`[:${given}:]\``);
    at += 4 + Array.from(given).length;
    const folded = flags.fold ? fold(ranges) : ranges;
    return given.startsWith("^") ? complement(folded) : folded;
  }

  function parseClassCharacter(): number {
    const char = text[at++];
    if (char === undefined) throw new RegexFault(`missing closing ]: \`${source}\``);
    return char === "\\" ? parseEscape() : codeOf(char);
  }

  function take(char: string): boolean {
    if (text[at] !== char) return false;
    at++;
    return true;
  }
}

const simpleRepeats: Readonly<Record<string, { min: number; max: number | null }>> = {
  "*": { min: 0, max: null },
  "+": { min: 1, max: null },
  "?": { min: 0, max: 1 },
};

/** Whether nested counts stay within `left` together, as Go's repeatIsValid: `((a{100}){100})` is too much. */
function isRepeatSmall(node: Node, left: number): boolean {
  switch (node.kind) {
    case "repeat": {
      const counted = node.max !== 1 && !(node.max === null && node.min <= 1);
      const count = node.max ?? node.min;
      if (counted && count > left) return false;
      return isRepeatSmall(node.body, counted && count > 0 ? Math.floor(left / count) : left);
    }
    case "sequence":
      return node.parts.every((part) => isRepeatSmall(part, left));
    case "choice":
      return node.options.every((option) => isRepeatSmall(option, left));
    default:
      return true;
  }
}

function setFlag(flags: Flags, flag: string, on: boolean): void {
  if (flag === "i") flags.fold = on;
  if (flag === "m") flags.lines = on;
  if (flag === "s") flags.dotAll = on;
  // `U` swaps greedy and lazy, which does not change what matches.
}

function literal(code: number, flags: Flags): Node {
  return { kind: "set", ranges: flags.fold ? fold([code, code]) : [code, code] };
}

function codeOf(char: string): number {
  return char.codePointAt(0) ?? 0;
}

function show(code: number): string {
  return String.fromCodePoint(code);
}

/** Sorts and joins ranges that touch. */
function merge(ranges: Ranges): Ranges {
  const pairs: [number, number][] = [];
  for (let i = 0; i + 1 < ranges.length; i += 2) pairs.push([ranges[i] ?? 0, ranges[i + 1] ?? 0]);
  pairs.sort((a, b) => a[0] - b[0]);
  const merged: number[] = [];
  for (const [first, last] of pairs) {
    const end = merged.length - 1;
    const previous = merged[end];
    if (previous !== undefined && first <= previous + 1) merged[end] = Math.max(previous, last);
    else merged.push(first, last);
  }
  return merged;
}

function complement(ranges: Ranges): Ranges {
  const out: number[] = [];
  let next = 0;
  for (let i = 0; i + 1 < ranges.length; i += 2) {
    const first = ranges[i] ?? 0;
    if (first > next) out.push(next, first - 1);
    next = (ranges[i + 1] ?? 0) + 1;
  }
  if (next <= lastCodePoint) out.push(next, lastCodePoint);
  return out;
}

/** Adds every character that differs only by case. Source: Unicode simple case folding, by way of JavaScript's case maps. */
function fold(ranges: Ranges): Ranges {
  const ascii = (ranges.at(-1) ?? 0) < 0x80;
  const out = [...ranges];
  const wanted = new Set<number>();
  // The two characters outside ASCII that fold into it are the Kelvin sign and the long s.
  const candidates = ascii ? [...Array(0x80).keys(), 0x17f, 0x212a] : [...casedCodePoints()];
  for (const code of candidates) if (includes(ranges, code)) wanted.add(folded(code));
  for (const code of candidates) if (wanted.has(folded(code))) out.push(code, code);
  return merge(out);
}

/** Every character that has case lies below this, the end of Adlam. */
const lastCased = 0x1e943;

function* casedCodePoints(): Iterable<number> {
  for (let code = 0; code <= lastCased; code++) {
    const char = String.fromCodePoint(code);
    if (char.toLowerCase() !== char || char.toUpperCase() !== char) yield code;
  }
}

function folded(code: number): number {
  if (code === 0x131) return code; // The dotless i is upper-cased to I and yet does not fold with it.
  const char = String.fromCodePoint(code);
  const upper = single(char.toUpperCase()) ?? char;
  return codeOf(single(upper.toLowerCase()) ?? upper);
}

function single(text: string): string | null {
  return Array.from(text).length === 1 ? text : null;
}

function includes(ranges: Ranges, code: number): boolean {
  for (let i = 0; i + 1 < ranges.length; i += 2) {
    if (code < (ranges[i] ?? 0)) return false;
    if (code <= (ranges[i + 1] ?? 0)) return true;
  }
  return false;
}

/** A Unicode general category or script, as Go names them; null for an unknown one. */
function unicodeClass(name: string): Ranges | null {
  if (name === "Any") return [0, lastCodePoint];
  const test = propertyTest(name);
  if (test === null) return null;
  const ranges: number[] = [];
  let first = -1;
  for (let code = 0; code <= lastCodePoint + 1; code++) {
    const inside = code <= lastCodePoint && test.test(String.fromCodePoint(code));
    if (inside && first === -1) first = code;
    if (!inside && first !== -1) {
      ranges.push(first, code - 1);
      first = -1;
    }
  }
  return ranges;
}

function propertyTest(name: string): RegExp | null {
  if (!/^[A-Z][A-Za-z_]*$/.test(name)) return null;
  const property = /^[CLMNPSZ][a-z]?$/.test(name) ? `General_Category=${name}` : `Script=${name}`;
  try {
    return new RegExp(`\\p{${property}}`, "u");
  } catch {
    return null;
  }
}
