import { z } from "zod";
import { type Automaton, compileRegex } from "./regex/automaton.ts";
import { RegexFault } from "./regex/syntax.ts";

export type MatchOperator = "=" | "!=" | "=~" | "!~";

/** One condition on one label. A label that is not there counts as empty, as in Alertmanager. */
export interface Matcher {
  readonly label: string;
  readonly operator: MatchOperator;
  readonly value: string;
  /** For `=~` and `!~`; held against the whole value. */
  readonly automaton: Automaton | null;
  /** As it was written. */
  readonly text: string;
}

/** What is wrong with the text of a matcher. */
export class MatcherFault extends Error {
  override readonly name = "MatcherFault";
}

/** A matcher in Alertmanager's syntax, as a field of a configuration. */
export const Matcher = z.string().transform((text, context): Matcher => {
  try {
    return parseMatcher(text);
  } catch (error) {
    if (!(error instanceof MatcherFault)) throw error;
    context.addIssue({ code: "custom", message: error.message });
    return z.NEVER;
  }
});

/**
 * Reads one matcher as Alertmanager 0.27 and later does by default: by its UTF-8 grammar, and by the older one where the two do not agree.
 * Throws MatcherFault. Source: alertmanager matcher/compat FallbackMatcherParser, matcher/parse, pkg/labels ParseMatcher.
 */
export function parseMatcher(text: string): Matcher {
  if (text.startsWith("{") || text.endsWith("}")) {
    throw new MatcherFault('must be one matcher without braces, as in severity="critical"');
  }
  const modern = attempt(() => parseUtf8(text));
  const classic = attempt(() => parseClassic(text));
  const parts = "fault" in classic ? modern : classic;
  if ("fault" in parts) throw parts.fault;
  const { label, operator, value } = parts.value;
  const isRegex = operator === "=~" || operator === "!~";
  return { label, operator, value, automaton: isRegex ? compile(value) : null, text: text.trim() };
}

export function matches(matcher: Matcher, labels: Readonly<Record<string, string>>): boolean {
  return matchesValue(matcher, labelOf(labels, matcher.label));
}

/** Whether a matcher holds for one value of its label. */
export function matchesValue({ operator, value, automaton }: Matcher, given: string): boolean {
  switch (operator) {
    case "=":
      return given === value;
    case "!=":
      return given !== value;
    case "=~":
      return automaton?.matches(given) ?? false;
    case "!~":
      return !(automaton?.matches(given) ?? true);
  }
}

/** The value of a label, `""` when it is not there. Labels come from outside: `constructor` is as good a name as any. */
export function labelOf(labels: Readonly<Record<string, string>>, name: string): string {
  return Object.hasOwn(labels, name) ? (labels[name] ?? "") : "";
}

type Parts = Pick<Matcher, "label" | "operator" | "value">;

function attempt(parse: () => Parts): { value: Parts } | { fault: MatcherFault } {
  try {
    const value = parse();
    if (value.operator === "=~" || value.operator === "!~") compile(value.value);
    return { value };
  } catch (error) {
    if (error instanceof MatcherFault) return { fault: error };
    throw error;
  }
}

function compile(value: string): Automaton {
  try {
    return compileRegex(value);
  } catch (error) {
    if (error instanceof RegexFault) throw new MatcherFault(`has a bad regular expression: ${error.message}`);
    throw error;
  }
}

/** The grammar before 0.27: what is not quoted runs to the end, and a backslash before anything but `n`, `"` and `\` stays. */
function parseClassic(text: string): Parts {
  const match = /^[\t\n\f\r ]*([a-zA-Z_:][a-zA-Z0-9_:]*)[\t\n\f\r ]*(=~|=|!=|!~)[\t\n\f\r ]*([\s\S]*)$/.exec(text);
  if (match?.[1] === undefined || match[3] === undefined) throw new MatcherFault('is not of the form label="value"');
  const raw = match[3].replace(/[\t\n\f\r ]+$/, "");
  const quoted = raw.startsWith('"');
  const body = quoted ? raw.slice(1) : raw;
  let value = "";
  let closed = !quoted;
  for (let i = 0; i < body.length; i++) {
    const char = body[i] ?? "";
    if (char === '"') {
      if (!quoted || i < body.length - 1)
        throw new MatcherFault("has a double quote inside its value that is not escaped");
      closed = true;
    } else if (char === "\\" && i < body.length - 1) {
      const escaped = body[++i] ?? "";
      value += escaped === "n" ? "\n" : escaped === '"' || escaped === "\\" ? escaped : `\\${escaped}`;
    } else value += char;
  }
  if (!closed) throw new MatcherFault("has no closing double quote");
  return { label: match[1], operator: match[2] as MatchOperator, value };
}

type Token = { kind: "word" | "quoted" | "operator" | "brace" | "comma"; text: string };

/** The grammar since 0.27: names and values are both either double-quoted as in Go, or free of reserved characters. */
function parseUtf8(text: string): Parts {
  const tokens = tokenize(text);
  const braced = tokens[0]?.text === "{" && tokens[0].kind === "brace";
  if (braced) {
    if (tokens.at(-1)?.kind !== "brace" || tokens.at(-1)?.text !== "}") throw new MatcherFault("has no closing brace");
    tokens.shift();
    tokens.pop();
  }
  if (tokens.at(-1)?.kind === "comma" && tokens.length > 1) tokens.pop();
  const [label, operator, value, ...rest] = tokens;
  if (label === undefined || !isText(label)) throw new MatcherFault("must begin with the name of a label");
  if (operator?.kind !== "operator") throw new MatcherFault("lacks one of the operators =, !=, =~, !~");
  if (value === undefined || !isText(value)) throw new MatcherFault("lacks the value after its operator");
  if (rest[0] !== undefined)
    throw new MatcherFault(`has more after its value: ${rest.map((token) => token.text).join("")}`);
  return { label: unquote(label), operator: operator.text as MatchOperator, value: unquote(value) };
}

function isText(token: Token): boolean {
  return token.kind === "word" || token.kind === "quoted";
}

const tokenPattern =
  /\p{White_Space}+|(?<brace>[{}])|(?<comma>,)|(?<operator>=~|=|!=|!~)|(?<quoted>"(?:[^"\\]|\\[\s\S])*")|(?<word>[^\p{White_Space}{}!=~,\\"'`]+)/uy;

function tokenize(text: string): Token[] {
  const pattern = new RegExp(tokenPattern);
  const tokens: Token[] = [];
  while (pattern.lastIndex < text.length) {
    const from = pattern.lastIndex;
    const groups = pattern.exec(text)?.groups;
    if (groups === undefined) {
      const rest = text.slice(from);
      throw new MatcherFault(
        rest.startsWith('"') ? "has no closing double quote" : `has an unexpected ${rest.slice(0, 12)}`,
      );
    }
    for (const kind of ["brace", "comma", "operator", "quoted", "word"] as const) {
      const found = groups[kind];
      if (found !== undefined) tokens.push({ kind, text: found });
    }
  }
  return tokens;
}

const escapes: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  '"': '"',
};

/** Go's strconv.Unquote of a double-quoted string. Bytes written as `\xNN` or `\NNN` must make UTF-8 together. */
function unquote({ kind, text }: Token): string {
  if (kind === "word") return text;
  const body = text.slice(1, -1);
  if (body.includes("\n")) throw new MatcherFault("has a line break inside its quotes");
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  const pattern =
    /\\(?:([abfnrtv\\"])|x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))|([^\\]+)|(\\)/gy;
  for (const [, simple, hex, octal, short, long, plain] of body.matchAll(pattern)) {
    if (simple !== undefined) bytes.push(...encoder.encode(escapes[simple]));
    else if (hex !== undefined) bytes.push(Number.parseInt(hex, 16));
    else if (octal !== undefined && Number.parseInt(octal, 8) < 256) bytes.push(Number.parseInt(octal, 8));
    else if (plain !== undefined) bytes.push(...encoder.encode(plain));
    else {
      const code = Number.parseInt(short ?? long ?? "", 16);
      if (!(code <= 0x10ffff) || (code >= 0xd800 && code <= 0xdfff)) {
        throw new MatcherFault("has an escape inside its quotes that Go does not know (write \\\\ for a backslash)");
      }
      bytes.push(...encoder.encode(String.fromCodePoint(code)));
    }
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(new Uint8Array(bytes));
  } catch {
    throw new MatcherFault("has bytes inside its quotes that are not UTF-8");
  }
}
