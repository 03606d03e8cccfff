import { z } from "zod";

const dayNames = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"] as const;

/** A part of the week, in one time zone. */
export interface Schedule {
  /** IANA name; null: the zone of the house. */
  readonly timezone: string | null;
  /** Days on which the hours begin, 0 is Sunday. */
  readonly days: readonly number[];
  /** Minutes after midnight. `until` at or before `from` lies on the next day. */
  readonly from: number;
  readonly until: number;
}

const days = z.union([z.string(), z.array(z.string())]).transform((given, context): readonly number[] => {
  const found = parseDays(Array.isArray(given) ? given : given.split(","));
  if (found !== null) return found;
  context.addIssue({ code: "custom", message: "must be days such as Mon-Fri or Sat,Sun" });
  return z.NEVER;
});

const hours = z.string().transform((given, context): { from: number; until: number } => {
  const match = /^(\d\d):(\d\d)-(\d\d):(\d\d)$/.exec(given);
  const [from, until] = [minutes(match?.[1], match?.[2]), minutes(match?.[3], match?.[4])];
  if (from !== null && until !== null && from < 1440 && from !== until) return { from, until };
  context.addIssue({ code: "custom", message: 'must be hours such as "09:00-18:00", or "22:00-06:00" over midnight' });
  return z.NEVER;
});

/** `{ timezone, days: Mon-Fri, hours: "09:00-18:00" }`; what is left out does not limit. */
export const Schedule = z
  .strictObject({
    timezone: z.string().refine(isTimezone, "must be a time zone such as Asia/Shanghai or UTC").optional(),
    days: days.optional(),
    hours: hours.optional(),
  })
  .transform(
    (given): Schedule => ({
      timezone: given.timezone ?? null,
      days: given.days ?? [0, 1, 2, 3, 4, 5, 6],
      ...(given.hours ?? { from: 0, until: 1440 }),
    }),
  );

/** Whether `at` lies within. Hours over midnight belong to the day on which they begin: Fri 22:00-06:00 covers the small hours of Saturday. */
export function isWithin({ timezone, days, from, until }: Schedule, at: Date, houseTimezone: string): boolean {
  const { day, minute } = localTime(at, timezone ?? houseTimezone);
  if (from < until) return days.includes(day) && minute >= from && minute < until;
  return (days.includes(day) && minute >= from) || (days.includes((day + 6) % 7) && minute < until);
}

/** As people write it: `Mon-Fri 09:00-18:00 Asia/Shanghai`. */
export function describeSchedule({ timezone, days, from, until }: Schedule, houseTimezone: string): string {
  return `${describeDays(days)} ${clock(from)}-${clock(until)} ${timezone ?? houseTimezone}`;
}

function parseDays(parts: readonly string[]): readonly number[] | null {
  const found = new Set<number>();
  for (const part of parts) {
    const [first, last = first, ...more] = part.trim().split("-").map(dayNumber);
    if (first === undefined || first === -1 || last === undefined || last === -1 || more.length > 0) return null;
    for (let day = first; ; day = (day + 1) % 7) {
      found.add(day);
      if (day === last) break;
    }
  }
  return [...found].sort();
}

function dayNumber(name: string): number {
  const short = name.trim().slice(0, 3).toLowerCase();
  return dayNames.findIndex((day) => day.toLowerCase() === short && /^[a-z]+$/i.test(name.trim()));
}

/** Runs of days from Monday on: `Mon-Fri`, `Mon,Wed`, `Fri-Mon` is written `Mon,Fri-Sun`. */
function describeDays(days: readonly number[]): string {
  const fromMonday = [1, 2, 3, 4, 5, 6, 0];
  const runs: number[][] = [];
  for (const [i, day] of fromMonday.entries()) {
    if (!days.includes(day)) continue;
    const run = runs.at(-1);
    if (run !== undefined && run.at(-1) === fromMonday[i - 1]) run.push(day);
    else runs.push([day]);
  }
  const name = (day: number | undefined) => dayNames[day ?? 0] ?? "";
  return runs.map((run) => (run.length === 1 ? name(run[0]) : `${name(run[0])}-${name(run.at(-1))}`)).join(",");
}

function minutes(hour: string | undefined, minute: string | undefined): number | null {
  const total = Number(hour) * 60 + Number(minute);
  return Number(minute) < 60 && total <= 1440 ? total : null;
}

function clock(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
}

function localTime(at: Date, timezone: string): { day: number; minute: number } {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: timezone,
    weekday: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  }).formatToParts(at);
  const part = (type: string) => parts.find((found) => found.type === type)?.value ?? "";
  return { day: dayNumber(part("weekday")), minute: Number(part("hour")) * 60 + Number(part("minute")) };
}

function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
