/**
 * Text from outside, made fit to be shown: what is invisible goes, what is too long is cut where a reader can tell, and a column is counted as a
 * terminal counts it.
 */

/** CSI, OSC and the two-byte escapes, in their 7-bit and 8-bit forms. Source: ECMA-48 5.4 and 8.3.89. */
const ansi = new RegExp(
  [
    "(?:\\u001b\\[|\\u009b)[0-?]*[ -/]*[@-~]",
    "(?:\\u001b[\\]PX^_]|[\\u009d\\u0090\\u0098\\u009e\\u009f])[^\\u0007\\u001b\\u0090\\u0098\\u009c-\\u009f\\n]*(?:\\u0007|\\u001b\\\\|\\u009c)",
    "\\u001b[ -/]*[0-~]",
  ].join("|"),
  "g",
);

/**
 * What a reader cannot see or what changes the order of what they see: C0 and C1 controls (but tab and newline), soft hyphen, bidi marks, embeddings
 * and isolates, zero-width and filler characters, deprecated format characters, interlinear annotation, tag characters and the variation
 * selectors beyond the emoji one. Source: Unicode TR36 and TR9; the emoji selector U+FE0F stays, our own words use it.
 */
const unseen =
  "\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufe00-\\ufe0e\\ufeff\\uffa0\\ufff0-\\ufffb\\u{e0000}-\\u{e0fff}";
const hidden = new RegExp(`[${unseen}]`, "gu");

/** Matches text that `clean` would leave as it is, as far as single characters go. A schema can carry it as a pattern. */
export const visible = new RegExp(`^[^${unseen}]*$`, "u");

/** More marks on one letter than any language needs: they are there to draw over the neighbours. */
const stacked = /(\p{M}{4})\p{M}+/gu;

/**
 * Strips terminal escapes and everything in `unseen`, makes every line break a `\n` and every lone surrogate a visible `\ufffd`.
 * The result holds tabs and newlines as its only controls. Idempotent.
 */
export function clean(text: string): string {
  return text
    .toWellFormed()
    .replace(/\r\n?|[\u2028\u2029\u0085]/g, "\n")
    .replace(ansi, "")
    .replace(hidden, "")
    .replace(stacked, "$1");
}

/** `clean`, on one line: runs of white space become one blank. */
export function cleanLine(text: string): string {
  return clean(text).replace(/\s+/gu, " ").trim();
}

/** At most `max` code points; what was cut ends in `mark`, which counts. */
export function truncate(text: string, max: number, mark = "…"): string {
  if (text.length <= max) return text;
  const points = firstPoints(text, max + 1);
  if (points.length <= max) return text;
  return points.slice(0, Math.max(0, max - [...mark].length)).join("") + mark;
}

/**
 * The longest beginning whose escaped form, mark included, fits `maxBytes` of UTF-8. Cuts between code points.
 * `escaped` is the escaping the text will meet on its way out: platforms count after it.
 */
export function truncateBytes(
  text: string,
  maxBytes: number,
  { escaped = (part: string) => part, mark = "…" }: { escaped?: (part: string) => string; mark?: string } = {},
): string {
  const size = (part: string) => Buffer.byteLength(escaped(part));
  if (text.length <= maxBytes && size(text) <= maxBytes) return text;
  const points = firstPoints(text, maxBytes);
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (size(points.slice(0, middle).join("") + mark) <= maxBytes) low = middle;
    else high = middle - 1;
  }
  return points.slice(0, low).join("") + (size(mark) <= maxBytes ? mark : "");
}

/** A block of lines cut to a size, and how many lines were left out. `keep: "end"` keeps the newest of a log. */
export function truncateLines(
  text: string,
  { lines, columns, keep = "start" }: { lines: number; columns: number; keep?: "start" | "end" },
): { lines: string[]; left: number } {
  let end = text.length;
  while (end > 0 && text[end - 1] === "\n") end -= 1;
  const all = text.slice(0, end).split("\n");
  const kept = keep === "start" ? all.slice(0, lines) : all.slice(-lines);
  return { lines: kept.map((line) => truncate(line, columns)), left: all.length - kept.length };
}

/** The first `count` code points, without spreading a text of a hundred kilobytes to get at its first line. */
function firstPoints(text: string, count: number): string[] {
  return [...text.slice(0, count * 2)].slice(0, count);
}

/** Two columns on a terminal: East Asian wide and full-width forms and pictures. Source: Unicode UAX 11 (W and F), UTS 51. */
const wide =
  /[\u1100-\u115f\u231a\u231b\u2329\u232a\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
const mark = /^\p{M}$/u;

/** Columns a terminal gives to one code point. */
function pointWidth(point: string): 0 | 1 | 2 {
  if (point < "\u0300") return 1;
  if (mark.test(point)) return 0;
  return wide.test(point) ? 2 : 1;
}

/** Columns a terminal gives to one line of clean text. */
export function displayWidth(line: string): number {
  let width = 0;
  let last = 0;
  for (const point of line) {
    if (point === "\ufe0f") {
      width += 2 - last; // the selector asks for the picture form of what stands before it
      last = 2;
      continue;
    }
    last = pointWidth(point);
    width += last;
  }
  return width;
}

/** Breaks text into lines of at most `columns`: at blanks, between ideographs, and inside a word only if it is longer than a line. */
export function wrap(text: string, columns: number): string[] {
  const room = Math.max(2, columns);
  return text.split("\n").flatMap((line) => wrapLine(line.replaceAll("\t", "    "), room));
}

function wrapLine(line: string, columns: number): string[] {
  const lines: string[] = [];
  let current = "";
  let width = 0;
  const flush = () => {
    lines.push(current.trimEnd());
    current = "";
    width = 0;
  };
  for (const piece of pieces(line)) {
    const size = displayWidth(piece);
    if (width + displayWidth(piece.trimEnd()) > columns && current !== "") flush();
    if (size <= columns) {
      if (current === "" && lines.length > 0 && piece.trim() === "") continue;
      current += piece;
      width += size;
      continue;
    }
    for (const point of piece) {
      if (width + displayWidth(point) > columns) flush();
      current += point;
      width += displayWidth(point);
    }
  }
  flush();
  return lines;
}

/** Where a line may break: after blanks, and around every wide character but before closing punctuation. */
function pieces(line: string): string[] {
  return (
    line.match(
      /[（「『【《([]*[\u2e80-\u2fff\u3003-\u3007\u3041-\u9fff\uac00-\ud7a3\uff10-\uff19\u{20000}-\u{3fffd}][、。，：；？！）」』】》)\],.:;!?]*|[^\s\u3041-\u9fff\uac00-\ud7a3]+\s*|\s+|./gu,
    ) ?? []
  );
}
