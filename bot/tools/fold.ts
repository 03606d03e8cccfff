import { clean, truncate } from "../../shared/text.ts";

/** What differs between two lines that say the same: times, numbers, ids. */
const variable =
  /\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b0x[0-9a-f]+\b|\b(?=[0-9a-f]*\d)[0-9a-f]{7,}\b|\d+/gi;

/** The sameness of lines. */
export function templateOf(line: string): string {
  return truncate(line, 400).replace(variable, "#");
}

/** Lines that tell why a program ended or does not work. */
const deciding =
  /\b(?:fatal|panic|exception|error|err|critical|severe|emerg|abort(?:ed|ing)?|fail(?:ed|ure|s)?|cannot|can't|could not|couldn't|unable|denied|refused|unauthorized|forbidden|not found|no such|missing|invalid|timed? ?out|deadline exceeded|unreachable|out of memory|oom|killed|segfault|segmentation|traceback|caused by|unhandled|undefined|exit(?:ed|ing)?)\b|错误|失败|异常|拒绝|超时|无法/i;
/** A healthy count that only sounds like one. */
const harmless =
  /\b(?:0|no|without) (?:errors?|failures?|warnings?)\b|\berrors?[=:] ?(?:0|null|none|nil|<nil>)\b|level=(?:info|debug)\b.*\bmsg=.*\b(?:retry|started)/i;

export function isDeciding(line: string): boolean {
  return deciding.test(line) && !harmless.test(line);
}

export interface FoldedLine {
  text: string;
  /** How many lines before this one said the same and are not shown. */
  repeats: number;
}

/** Of lines that say the same, the first and the last stay. */
export function foldLines(lines: readonly string[]): FoldedLine[] {
  const seen = new Map<string, { first: number; last: number; count: number }>();
  const templates = lines.map(templateOf);
  for (const [i, template] of templates.entries()) {
    const known = seen.get(template);
    if (known === undefined) seen.set(template, { first: i, last: i, count: 1 });
    else {
      known.last = i;
      known.count++;
    }
  }
  return lines.flatMap((text, i) => {
    const known = seen.get(templates[i] ?? "");
    if (known === undefined || known.first === i) return [{ text, repeats: 0 }];
    return known.last === i ? [{ text, repeats: known.count - 2 }] : [];
  });
}

/** The lines of a log, without invisible characters and without empty ones. */
export function linesOf(log: string): string[] {
  return clean(log)
    .split("\n")
    .map((line) => line.trimEnd())
    .filter((line) => line !== "");
}

const alwaysLast = 15;

/** A log as much as fits: its end, the lines that decide, then what came before; and how many lines are not shown. */
export function condense(lines: readonly string[], maxBytes: number): { lines: string[]; left: number } {
  const folded = foldLines(lines);
  const printed = folded.map(
    ({ text, repeats }) => `${truncate(text, 400)}${repeats > 0 ? `  [${repeats} more like this before]` : ""}`,
  );
  const order = [...printed.keys()].reverse();
  const chosen = new Set<number>();
  let size = 0;
  const take = (i: number) => {
    const cost = Buffer.byteLength(printed[i] ?? "") + 1;
    if (chosen.has(i) || size + cost > maxBytes) return;
    chosen.add(i);
    size += cost;
  };
  for (const i of order.slice(0, alwaysLast)) take(i);
  for (const i of order) if (isDeciding(folded[i]?.text ?? "")) take(i);
  for (const i of order) take(i);
  const out: string[] = [];
  let gap = 0;
  for (const [i, line] of printed.entries()) {
    if (!chosen.has(i)) {
      gap++;
      continue;
    }
    if (gap > 0) out.push(`… ${gap} lines left out …`);
    gap = 0;
    out.push(line);
  }
  return { lines: out, left: printed.length - chosen.size };
}
