import type { Step } from "../card.ts";

/** What can be drawn with letters, alike on every platform. */

export const stepSign: Readonly<Record<Step["state"], string>> = { done: "✔", doing: "●", todo: "○", failed: "✘" };

const blocks = [..."▁▂▃▄▅▆▇█"];

/** One block per value; more values than columns are averaged in runs. A flat series is drawn low, not as noise. */
export function sparkline(values: readonly number[], columns: number): string {
  const room = Math.max(1, Math.min(columns, values.length));
  const points = Array.from({ length: room }, (_, i) => {
    const part = values.slice(
      Math.floor((i * values.length) / room),
      Math.max(Math.floor(((i + 1) * values.length) / room), Math.floor((i * values.length) / room) + 1),
    );
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
  const low = Math.min(...points);
  const span = Math.max(...points) - low;
  return points
    .map((value) => blocks[span > 0 ? Math.round(((value - low) / span) * (blocks.length - 1)) : 0] ?? "")
    .join("");
}

/** `████░░░░ 50%`, the bar at most 40 columns wide. */
export function progressBar(percent: number, columns: number): string {
  const room = Math.min(40, Math.max(10, columns));
  const full = Math.round((percent / 100) * room);
  return `${"█".repeat(full)}${"░".repeat(room - full)} ${percent}%`;
}

/** A measured number, short. */
export function readable(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(3);
}
