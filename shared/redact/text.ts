import { looksRandom } from "./entropy.ts";
import { isPlural, type SecretKind, secretKindOf } from "./names.ts";
import { shapes } from "./shapes.ts";

/** Makes the text that stands for a secret. */
export type Mask = (kind: string, secret: string) => string;

/** Masks every secret that can be told by its look or by the name beside it. Linear in the length of the text; leaves its own masks alone. */
export function maskText(text: string, mask: Mask): string {
  return maskRandom(maskNamed(maskShapes(maskPem(text, mask), mask), mask), mask);
}

const pemBegin = "-----BEGIN ";
const pemBody = /[A-Za-z0-9+/=\s\\:,.-]*/y;

/** A block without its end (cut, or one line of a log) is masked as far as it can go on. */
function maskPem(text: string, mask: Mask): string {
  let out = "";
  let done = 0;
  for (let from = text.indexOf(pemBegin); from !== -1; from = text.indexOf(pemBegin, done)) {
    const dashes = text.indexOf("-----", from + pemBegin.length);
    if (dashes === -1 || dashes - from > 60) {
      out += text.slice(done, from + pemBegin.length);
      done = from + pemBegin.length;
      continue;
    }
    const label = text.slice(from + pemBegin.length, dashes);
    pemBody.lastIndex = dashes + 5;
    let end = dashes + 5 + (pemBody.exec(text)?.[0].length ?? 0);
    const closing = text.indexOf("-----END ", dashes);
    if (closing !== -1 && closing <= end) end = Math.min(text.length, text.indexOf("-----", closing + 9) + 5 || end);
    const kind = label.includes("PRIVATE") ? "private-key" : "pem";
    out += text.slice(done, from) + mask(kind, text.slice(from, end));
    done = end;
  }
  return done === 0 ? text : out + text.slice(done);
}

function maskShapes(text: string, mask: Mask): string {
  let result = text;
  for (const { kind, gate, pattern, accept } of shapes) {
    if (!gate.some((word) => result.includes(word))) continue;
    result = result.replace(pattern, (whole: string, part: unknown) => {
      const secret = typeof part === "string" ? part : whole;
      if (secret.startsWith("[masked:") || !accept(secret)) return whole;
      const place = whole.lastIndexOf(secret);
      return whole.slice(0, place) + mask(kind, secret) + whole.slice(place + secret.length);
    });
  }
  return result;
}

/** A piece of every name that `secretKindOf` knows. */
const hint = /pass|pwd|secret|token|key|cred|auth|cookie|sess|sig|otp|密码|口令|密钥|令牌/gi;
const longestName = 80;

/** Letters, digits, `_ . -` and Chinese. */
function inName(code: number): boolean {
  return (
    (code >= 97 && code <= 122) ||
    (code >= 65 && code <= 90) ||
    (code >= 45 && code <= 57 && code !== 47) ||
    code === 95 ||
    (code >= 0x4e00 && code <= 0x9fff)
  );
}

const separator = /(?:\\?["'`\]]){0,2}[ \t]{0,16}(?:=>|:=|==?|[:：])[ \t]{0,16}/y;
/** `name: DB_PASSWORD` with its value in the next field, as in a list of environment variables. */
const nextField = /\\?["']?[ \t]{0,8},?\s{0,40}(?:-\s{0,4})?\\?["']?value\\?["']?\s{0,4}[:=]\s{0,4}/iy;
const blank = /[ \t]{1,4}/y;
const blankBeforeQuote = /[ \t]{1,4}(?=["'])/y;

function maskNamed(text: string, mask: Mask): string {
  const kinds = new Map<string, SecretKind | null>();
  const kindOf = (name: string): SecretKind | null => {
    const known = kinds.get(name);
    if (known !== undefined) return known;
    const kind = secretKindOf(name);
    kinds.set(name, kind);
    return kind;
  };
  let out = "";
  let done = 0;
  hint.lastIndex = 0;
  for (let match = hint.exec(text); match !== null; match = hint.exec(text)) {
    let left = match.index;
    while (left > done && match.index - left < longestName && inName(text.charCodeAt(left - 1))) left--;
    let right = match.index + match[0].length;
    while (right < text.length && right - match.index < longestName && inName(text.charCodeAt(right))) right++;
    hint.lastIndex = right;
    const name = text.slice(left, right);
    const kind = text.startsWith("[masked:", left - 8) ? null : kindOf(name);
    if (kind === null) continue;
    const from = valueAfter(text, right, name, kind);
    if (from === null) continue;
    const value = readValue(text, left, from, kind);
    if (value === null || !isSecretValue(value.text, value.quoted, name)) continue;
    out += text.slice(done, value.from) + mask(kind, value.text);
    done = value.to;
    hint.lastIndex = value.to;
  }
  return done === 0 ? text : out + text.slice(done);
}

/** Where the value of a name begins; null when the name has none. */
function valueAfter(text: string, at: number, name: string, kind: SecretKind): number | null {
  const candidates = [separator, nextField];
  if (name.startsWith("-")) candidates.push(blank);
  else if (kind === "password") candidates.push(blankBeforeQuote);
  for (const pattern of candidates) {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found !== null) return at + found[0].length;
  }
  return null;
}

interface Value {
  from: number;
  to: number;
  text: string;
  quoted: boolean;
}

const quoted = /(\\?["'`])((?:(?!\1)(?:\\.|[^\\\r\n])){0,4096})(?:\1|$)/my;
const authorization = /(?:(Bearer|Basic|Token|ApiKey|Digest|Negotiate|AWS4-HMAC-SHA256) +)?([^\r\n"'`]+)/iy;
const restOfLine = /[^\r\n"'`]+/y;
const word = /[^\s"'`,;&<>|，；。、]+/y;
const block = /[|>][+-]?\d?[ \t]*\r?\n/y;

function readValue(text: string, nameAt: number, at: number, kind: SecretKind): Value | null {
  const quote = matchAt(quoted, text, at);
  if (quote !== null) {
    const from = at + (quote[1]?.length ?? 0);
    const inner = quote[2] ?? "";
    const scheme = kind === "auth" ? (/^\w[\w-]* +(?=\S)/.exec(inner)?.[0].length ?? 0) : 0;
    return { from: from + scheme, to: from + inner.length, text: inner.slice(scheme), quoted: true };
  }
  if (kind === "auth") {
    const found = matchAt(authorization, text, at);
    if (found === null) return null;
    const scheme = found[1]?.toLowerCase() ?? "";
    const credential = found[2] ?? "";
    // Without a scheme, words are words: "may require authorization: server message".
    if (scheme === "" && /^[^\s\d]+\s/.test(credential)) return null;
    const single = ["bearer", "basic", "token", "apikey"].includes(scheme);
    const secret = single ? (/^[^\s,;]+/.exec(credential)?.[0] ?? "") : credential.trimEnd();
    const from = at + found[0].length - credential.length;
    return { from, to: from + secret.length, text: secret, quoted: false };
  }
  const lines = matchAt(block, text, at);
  if (lines !== null) return readBlock(text, nameAt, at + lines[0].length);
  if (kind === "session" || ownsLine(text, nameAt, at)) return plain(matchAt(restOfLine, text, at), at, /[\s,;]+$/);
  return plain(matchAt(word, text, at), at, /[)\]}.:]+$/);
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function plain(found: RegExpExecArray | null, from: number, trailing: RegExp): Value | null {
  if (found === null) return null;
  const secret = found[0].replace(trailing, "");
  return { from, to: from + secret.length, text: secret, quoted: false };
}

/** A name that begins its line (YAML, an environment file) has the rest of it as its value, unless more pairs follow. */
function ownsLine(text: string, nameAt: number, valueAt: number): boolean {
  if (text.charAt(nameAt) === "-") return false;
  const lineAt = text.lastIndexOf("\n", nameAt - 1) + 1;
  if (nameAt - lineAt > 60 || !/^\s*(?:-\s+|export\s+)?["']?$/.test(text.slice(lineAt, nameAt))) return false;
  const rest = text.slice(valueAt, valueAt + 512).split("\n", 1)[0] ?? "";
  return !/[，；]|\s[\w.-]{1,40}[=:]\s?\S/.test(rest);
}

/** A YAML block: every following line that is indented deeper than the name. */
function readBlock(text: string, nameAt: number, at: number): Value | null {
  const indent = nameAt - (text.lastIndexOf("\n", nameAt - 1) + 1);
  let to = at;
  while (to < text.length) {
    const lineEnd = text.indexOf("\n", to);
    const end = lineEnd === -1 ? text.length : lineEnd;
    const line = text.slice(to, end);
    if (line.trim() !== "" && line.length - line.trimStart().length <= indent) break;
    to = Math.min(text.length, end + 1);
  }
  const body = text.slice(at, to).trimEnd();
  return body === "" ? null : { from: at, to: at + body.length, text: body, quoted: false };
}

const sayings = new Set(
  (
    "null nil none undefined true false yes no on off empty unset missing invalid incorrect wrong expired required rejected denied failed failure " +
    "unauthorized forbidden error is was are not must cannot could has have for of in from to the a an and or with by at ok success set unknown " +
    "redacted hidden masked optional string number byte bytes mismatch revoked found parse verification authentication authorization " +
    "secret secrets configmap token tokens password key credentials"
  ).split(" "),
);

/** What stands where a secret could stand and is none: a word about it, a place holder, a reference, a count. */
function isSecretValue(value: string, inQuotes: boolean, name: string): boolean {
  const trimmed = value.trim();
  if (trimmed === "" || trimmed.startsWith("[masked:") || sayings.has(trimmed.toLowerCase().replace(/[.!]+$/, "")))
    return false;
  if (/^(?:\$[({]|\{\{|%[sdqv(]|<[^>]*>?$|\*+$|\.{3}$|x{3,}$|-+$|\?$|arn:|vault:|ref\+)/i.test(trimmed)) return false;
  if (!inQuotes && /^[{[]/.test(trimmed)) return false;
  if (/^\/[a-z][\w.-]*(?:\/[\w.-]+)+\/?$/.test(trimmed) || /^\/[a-z]+$/.test(trimmed)) return false;
  const count = /^\d+(?:[.,]\d+)?[kKmM%]?$/.test(trimmed);
  return !(count && (isPlural(name) || (trimmed.length <= 4 && /token$/i.test(name))));
}

const run = /[A-Za-z0-9+/_-]{20,}={0,2}/g;

function maskRandom(text: string, mask: Mask): string {
  return text.replace(run, (token: string, at: number) => {
    const before = text.slice(Math.max(0, at - 64), at);
    const after = text.slice(at + token.length, at + token.length + 2);
    return looksRandom(token, before, after) || hidesNamed(token) ? mask("random", token) : token;
  });
}

/** base64 of a text that itself names a secret. */
function hidesNamed(token: string): boolean {
  if (token.length < 24 || !/^[A-Za-z0-9+/]+={0,2}$/.test(token) || !/[A-Z]/.test(token) || !/[a-z]/.test(token))
    return false;
  const inside = Buffer.from(token, "base64").toString("latin1");
  return /^[\x20-\x7e\s]+$/.test(inside) && /(?:password|passwd|secret|token|api[_-]?key)["']?\s*[=:]/i.test(inside);
}
