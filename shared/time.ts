import type { Locale } from "./locale.ts";

/** Times as people read them, in one zone. */
export interface Times {
  /** `2026-11-22 03:41`, for a reader who has nothing to compare with. */
  full(at: Date): string;
  /** `03:41` on the day of `reference`, `11-23 03:41` on any other. */
  short(at: Date, reference: Date): string;
}

/** Throws RangeError for a zone the system does not know. Digits and order are the same in every language, so that they can be compared at a glance. */
export function createTimes(zone: string): Times {
  const format = new Intl.DateTimeFormat("en", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
  });
  const parts = (at: Date) => {
    const found = new Map(format.formatToParts(at).map(({ type, value }) => [type, value]));
    const part = (type: Intl.DateTimeFormatPartTypes) => found.get(type) ?? "";
    return { date: `${part("month")}-${part("day")}`, year: part("year"), time: `${part("hour")}:${part("minute")}` };
  };
  return {
    full(at) {
      const { year, date, time } = parts(at);
      return `${year}-${date} ${time}`;
    },
    short(at, reference) {
      const { year, date, time } = parts(at);
      const day = parts(reference);
      return year === day.year && date === day.date ? time : `${date} ${time}`;
    },
  };
}

const words: Readonly<Record<Locale, { now: string; ago: (text: string) => string; in: (text: string) => string }>> = {
  en: { now: "now", ago: (text) => `${text} ago`, in: (text) => `in ${text}` },
  "zh-CN": { now: "现在", ago: (text) => `${text}前`, in: (text) => `${text}后` },
};
const units = {
  en: { d: " d", h: " h", m: " min", s: " s" },
  "zh-CN": { d: "天", h: "小时", m: "分钟", s: "秒" },
} as const satisfies Record<Locale, Record<"d" | "h" | "m" | "s", string>>;

/** A length of time in words, by the largest unit that fits: `20 min`, `3小时`. */
export function span(ms: number, locale: Locale): string {
  const seconds = Math.round(Math.abs(ms) / 1_000);
  const unit = units[locale];
  if (seconds < 90) return `${seconds}${unit.s}`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)}${unit.m}`;
  if (seconds < 129_600) return `${Math.round(seconds / 3_600)}${unit.h}`;
  return `${Math.round(seconds / 86_400)}${unit.d}`;
}

/** `20 min ago`, `in 3 h`. Only for what is looked at live: on a card it would be wrong a minute later. */
export function relativeTime(at: Date, now: Date, locale: Locale): string {
  const ms = at.getTime() - now.getTime();
  if (Math.round(Math.abs(ms) / 1_000) < 5) return words[locale].now;
  return ms < 0 ? words[locale].ago(span(ms, locale)) : words[locale].in(span(ms, locale));
}
