import { formatDuration } from "../../shared/duration.ts";
import { truncate } from "../../shared/text.ts";

/** `4m10s`, as kubectl writes an age; `?` when the time is not known. */
export function age(at: Date | null, now: Date): string {
  if (at === null) return "?";
  const ms = now.getTime() - at.getTime();
  return ms < 1_000 ? "<1s" : formatDuration(ms); // the cluster's times are whole seconds
}

/** A time of the cluster's; null for anything that is none. */
export function timeOf(value: unknown): Date | null {
  if (typeof value !== "string") return null;
  const at = new Date(value);
  return Number.isNaN(at.getTime()) ? null : at;
}

/** The line under a result's title: when it was read, so that ages stay meaningful. */
export function readAt(now: Date): string {
  return `read ${now.toISOString().slice(0, 19)}Z`;
}

/** `cpu=500m memory=512Mi`, or `none`. */
export function pairs(map: Readonly<Record<string, string>>): string {
  const entries = Object.entries(map).map(([name, value]) => `${name}=${value}`);
  return entries.length === 0 ? "none" : entries.join(" ");
}

/** Columns under each other, two blanks between them. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}

/** At most `maxBytes`: whole lines from both ends, and a word about those in between. Long lines are cut. */
export function bounded(text: string, maxBytes: number, hint: string): string {
  const lines = text.split("\n").map((line) => truncate(line, 600));
  const whole = lines.join("\n");
  if (Buffer.byteLength(whole) <= maxBytes) return whole;
  const room = maxBytes - 120 - Buffer.byteLength(hint);
  const head: string[] = [];
  const tail: string[] = [];
  let size = 0;
  for (let i = 0, j = lines.length - 1; i <= j; ) {
    const fromHead = head.length <= tail.length * 2; // what an object is stands first, what happened last
    const line = lines[fromHead ? i : j] ?? "";
    size += Buffer.byteLength(line) + 1;
    if (size > room) break;
    if (fromHead) head.push(lines[i++] ?? "");
    else tail.unshift(lines[j--] ?? "");
  }
  const left = lines.length - head.length - tail.length;
  return [...head, `… ${left} lines left out; ${hint} …`, ...tail].join("\n");
}
