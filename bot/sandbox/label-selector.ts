/**
 * Label selectors as they stand in a query string: the real parser's grammar and its words.
 * Source: k8s.io/apimachinery pkg/labels selector.go.
 */
import { badRequest } from "./status.ts";

export type Labels = Readonly<Record<string, string>>;
export type Matcher<T> = (subject: T) => boolean;

interface Token {
  readonly kind: "word" | "symbol" | "end";
  readonly text: string;
}

const token = /\s*([(),]|!=|==|[=!<>]|[^\s(),=!<>]+)/y;
const end: Token = { kind: "end", text: "" };

/** Parses `a=b,c!=d,e in (x,y),f notin (z),g,!h`. Throws 400 like the real parser. */
export function labelSelector(text: string): Matcher<Labels> {
  const list = tokensOf(text);
  const matchers: Matcher<Labels>[] = [];
  let place = 0;
  const peek = (): Token => list[place] ?? end;
  const take = (): Token => list[place++] ?? end;

  while (peek().kind !== "end") {
    const first = peek();
    if (first.kind !== "word" && first.text !== "!") {
      throw badRequest(`found '${first.text}', expected: !, identifier, or 'end of string'`);
    }
    matchers.push(requirement());
    const after = take();
    if (after.kind === "end") break;
    if (after.text !== ",") throw badRequest(`found '${after.text}', expected: ',' or 'end of string'`);
    const next = peek();
    if (next.kind !== "word" && next.text !== "!") {
      throw badRequest(`found '${next.text}', expected: identifier after ','`);
    }
  }
  return (labels) => matchers.every((matches) => matches(labels));

  function requirement(): Matcher<Labels> {
    const negated = peek().text === "!";
    if (negated) take();
    const { kind, text: key } = take();
    if (kind !== "word") throw unparsed(`found '${key}', expected: identifier`);
    checkKey(key);
    const has = (labels: Labels) => Object.hasOwn(labels, key);
    if (negated) return (labels) => !has(labels);
    if (peek().kind === "end" || peek().text === ",") return has;
    const { text: operator } = take();
    switch (operator) {
      case "in":
      case "notin": {
        const wanted = values(key);
        const listed = (labels: Labels) => has(labels) && wanted.has(labels[key] ?? "");
        return operator === "in" ? listed : (labels) => !listed(labels);
      }
      case "=":
      case "==":
      case "!=": {
        const wanted = exactValue(key);
        const equal = (labels: Labels) => has(labels) && labels[key] === wanted;
        return operator === "!=" ? (labels) => !equal(labels) : equal;
      }
      case "<":
      case ">": {
        const bound = exactValue(key);
        if (!/^[+-]?\d+$/.test(bound)) {
          throw unparsed(
            `values[0]: Invalid value: ${JSON.stringify(bound)}: for 'Gt', 'Lt' operators, the value must be an integer`,
          );
        }
        return (labels) => {
          const value = labels[key] ?? "";
          if (!/^[+-]?\d+$/.test(value)) return false;
          return operator === "<" ? Number(value) < Number(bound) : Number(value) > Number(bound);
        };
      }
      default:
        throw unparsed(`found '${operator}', expected: in, notin, =, ==, !=, gt, lt`);
    }
  }

  function exactValue(key: string): string {
    if (peek().kind === "end" || peek().text === ",") return "";
    const { kind, text: value } = take();
    if (kind !== "word") throw unparsed(`found '${value}', expected: identifier`);
    checkValue(key, value, 0);
    return value;
  }

  function values(key: string): Set<string> {
    const open = take();
    if (open.text !== "(") throw unparsed(`found '${open.text}' expected: '('`);
    const found = new Set<string>();
    for (;;) {
      const { kind, text: value } = take();
      if (value === ")") return found.size === 0 ? found.add("") : found;
      if (value === ",") {
        if (found.size === 0 || peek().text === ")" || peek().text === ",") found.add("");
        continue;
      }
      if (kind !== "word") throw unparsed(`found '${value}', expected: ',', or identifier`);
      checkValue(key, value, found.size);
      found.add(value);
      if (peek().text !== "," && peek().text !== ")") {
        throw unparsed(`found '${peek().text}', expected: ',' or ')'`);
      }
    }
  }
}

function tokensOf(text: string): Token[] {
  const found: Token[] = [];
  token.lastIndex = 0;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const [, word = ""] = match;
    found.push({ kind: /^[(),=!<>]/.test(word) ? "symbol" : "word", text: word });
  }
  return found;
}

function unparsed(why: string) {
  return badRequest(`unable to parse requirement: ${why}`);
}

const name = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const nameWords =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const valueWords =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

function checkKey(key: string): void {
  const parts = key.split("/");
  const last = parts.at(-1) ?? "";
  const why =
    parts.length > 2
      ? `a valid label key ${nameWords} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`
      : last.length > 63
        ? "name part must be no more than 63 bytes"
        : name.test(last)
          ? null
          : `name part ${nameWords}`;
  if (why !== null) throw unparsed(`<nil>: Invalid value: ${JSON.stringify(key)}: ${why}`);
}

function checkValue(key: string, value: string, index: number): void {
  const why = value.length > 63 ? "must be no more than 63 bytes" : name.test(value) ? null : valueWords;
  if (why !== null) throw unparsed(`values[${index}][${key}]: Invalid value: ${JSON.stringify(value)}: ${why}`);
}
