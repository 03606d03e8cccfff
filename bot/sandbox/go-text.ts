/** The words of Go's own packages, which reach clients in error messages. */
import { isObject } from "./json.ts";

/** `%v` of a decoded JSON value: `map[image:x ports:[80]]`. */
export function goValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(goValue).join(" ")}]`;
  if (isObject(value)) {
    const keys = Object.keys(value).sort();
    return `map[${keys.map((key) => `${key}:${goValue(value[key])}`).join(" ")}]`;
  }
  return value === null ? "<nil>" : String(value);
}

/** What encoding/json says about a text that JSON.parse refused with `error`. */
export function goJsonError(text: string, error: unknown): string {
  const message = error instanceof Error ? error.message : "";
  const position = Number(/at position (\d+)/.exec(message)?.[1] ?? Number.NaN);
  const found = text[position];
  if (found === undefined && !message.startsWith("Unexpected token")) return "unexpected end of JSON input";
  const token = found ?? /^Unexpected token '?(.)/.exec(message)?.[1] ?? "?";
  const where = message.includes("property name")
    ? "looking for beginning of object key string"
    : message.includes("':'")
      ? "after object key"
      : message.includes("',' or '}'")
        ? "after object key:value pair"
        : message.includes("',' or ']'")
          ? "after array element"
          : message.includes("after JSON")
            ? "after top-level value"
            : "looking for beginning of value";
  return `invalid character ${goChar(token)} ${where}`;
}

function goChar(char: string): string {
  if (char === "'") return "'\\''";
  if (char === '"') return "'\"'";
  const code = char.codePointAt(0) ?? 0;
  if (code >= 0x7f && code < 0xa0) return `'\\u${code.toString(16).padStart(4, "0")}'`;
  return code < 0x20 ? `'\\x${code.toString(16).padStart(2, "0")}'` : `'${char}'`;
}

/** What Go calls the JSON kind of a value in "cannot unmarshal KIND into …". */
export function goJsonKind(value: unknown): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "boolean") return "bool";
  return typeof value === "object" ? "object" : typeof value;
}
