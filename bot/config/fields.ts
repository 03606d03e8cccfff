import { z } from "zod";
import { parseDuration } from "../../shared/duration.ts";
import { locales } from "../../shared/locale.ts";

/** A non-empty text. `${NAME}` and `{ file: PATH }` have been resolved before it is looked at. */
export const text = z.string().min(1, "must not be empty");

/** A text that may be left out. */
export const optionalText = text.nullable().default(null);

/** A Prometheus style duration, longer than zero, in milliseconds. */
export const duration = durationFrom(1, "must be a duration such as 90s, 15m, 12h or 30d");

/** As `duration`, and `0s` is one. */
export const durationOrZero = durationFrom(0, "must be a duration such as 0s, 60s or 10m");

function durationFrom(least: number, message: string) {
  return z.string(message).transform((given, context) => {
    const ms = parseDuration(given);
    if (ms !== null && ms >= least) return ms;
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });
}

/** The base address of an HTTP service, without the slash at its end. */
export const url = z
  .string()
  .refine((given) => URL.canParse(given) && /^https?:\/\/[^/]/.test(given), "must be an http:// or https:// address")
  .transform((given) => given.replace(/\/+$/, ""));

export const optionalUrl = url.nullable().default(null);

/** A whole number of at least `least`. */
export const count = (least: number) =>
  z.int(`must be a whole number of at least ${least}`).min(least, `must be at least ${least}`);

export const locale = z.enum(locales);

/** An IANA time zone that this Node knows. */
export const timezone = z.string().refine((given) => {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: given }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}, "must be a time zone such as Asia/Shanghai or UTC");

export const namespaceName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "must be the name of a namespace");
