/** Cron schedules: the next minute that one names, in UTC. */
const shortcuts: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};
const bounds: ReadonlyArray<readonly [low: number, high: number]> = [
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12],
  [0, 6],
];

function field(text: string, [low, high]: readonly [number, number]): Set<number> | undefined {
  const out = new Set<number>();
  for (const part of text.split(",")) {
    const match = /^(\*|\?|(\d+)(?:-(\d+))?)(?:\/(\d+))?$/.exec(part);
    if (!match) return undefined;
    const [, range, from, to, stepText] = match;
    const step = Number(stepText ?? 1);
    const any = range === "*" || range === "?";
    const start = any ? low : Number(from);
    const end = any ? high : to !== undefined ? Number(to) : stepText ? high : start;
    if (step < 1 || start < low || end > (high === 6 ? 7 : high)) return undefined;
    for (let n = start; n <= end; n += step) out.add(high === 6 ? n % 7 : n);
  }
  return out;
}

/** The first minute after `from`, or undefined when the text is no schedule or never comes within four years. */
export function nextRun(schedule: string, from: Date): Date | undefined {
  const parts = (shortcuts[schedule] ?? schedule).trim().split(/\s+/);
  const sets = parts.map((part, i) => field(part, bounds[i] ?? [0, -1]));
  const [minutes, hours, days, months, weekdays] = sets;
  if (parts.length !== 5 || !minutes || !hours || !days || !months || !weekdays) return undefined;
  const anyDay = parts[2] === "*" || parts[4] === "*";
  const at = new Date(Math.floor(from.getTime() / 60_000) * 60_000 + 60_000);
  const end = from.getTime() + 4 * 366 * 86_400_000;
  while (at.getTime() < end) {
    const dayFits = anyDay
      ? days.has(at.getUTCDate()) && weekdays.has(at.getUTCDay())
      : days.has(at.getUTCDate()) || weekdays.has(at.getUTCDay());
    if (!months.has(at.getUTCMonth() + 1) || !dayFits) at.setUTCHours(24, 0, 0, 0);
    else if (!hours.has(at.getUTCHours())) at.setUTCHours(at.getUTCHours() + 1, 0, 0, 0);
    else if (!minutes.has(at.getUTCMinutes())) at.setUTCMinutes(at.getUTCMinutes() + 1);
    else return at;
  }
  return undefined;
}
