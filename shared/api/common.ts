import { z } from "zod";
import { parseDuration } from "../duration.ts";
import { type ErrorCode, httpStatus } from "../errors.ts";

/** Where the API lives below the server's root. */
export const apiRoot = "/api/v1";

const codes = Object.keys(httpStatus) as ErrorCode[];

/** Every error of the API has this shape (SPEC 4). */
export const ErrorAnswer = z.object({
  error: z.object({
    code: z.enum(codes),
    message: z.string(),
    /** Where in the request the fault is, as `alerts[2].startsAt`. */
    path: z.string().optional(),
    /** What was found instead, as a proposal's state. */
    state: z.string().optional(),
    /** Who brought it there. */
    by: z.string().optional(),
  }),
});
export type ErrorAnswer = z.infer<typeof ErrorAnswer>;

/** A list's answer: one page, and where the next begins. */
export function listOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), next: z.string().nullable() });
}

/** A duration on the wire, in Prometheus style; milliseconds once parsed. */
export const Duration = z.string().transform((text, context) => {
  const ms = parseDuration(text);
  if (ms !== null && ms > 0) return ms;
  context.addIssue({ code: "custom", message: "is not a duration such as 90s, 15m or 12h" });
  return z.NEVER;
});

/** Largest page a list answers. */
export const maxPage = 1000;

/** What every list takes. `since` is a date, a time or a duration before now. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(maxPage).default(50),
  cursor: z.string().min(1).max(512).optional(),
  since: z.string().max(40).optional(),
};

/** No body fields at all: what `{}` means for calls that take none. */
export const Nothing = z.strictObject({});

/** Reads `24h`, `2026-11-22` or `2026-11-22T08:00:00Z` into a time; null when it is none of them. */
export function parseSince(text: string, now: Date): Date | null {
  const before = parseDuration(text);
  if (before !== null) return new Date(Math.max(0, now.getTime() - before));
  if (!/^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:\d{2}))?$/.test(text)) return null;
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? null : at;
}
