import { z } from "zod";
import { type ActionKind, actionKinds } from "./action.ts";
import type { Requirement } from "./approval.ts";
import { parseDuration } from "./duration.ts";
import { type Route, routesByCare } from "./incident.ts";
import type { Locale } from "./locale.ts";
import { labelOf, Matcher, matches } from "./matcher.ts";
import { describeSchedule, isWithin, Schedule } from "./schedule.ts";

/** Never without a person, whatever a rule says (SPEC 8, automatic). */
const neverAutomatic: readonly string[] = ["exec", "drain", "patch", "apply"];

const duration = z.string().transform((given, context) => {
  const ms = parseDuration(given);
  if (ms !== null && ms > 0) return ms;
  context.addIssue({ code: "custom", message: "must be a duration such as 90s, 15m, 12h or 30d" });
  return z.NEVER;
});

const automatic = z
  .enum(actionKinds as readonly [ActionKind, ...ActionKind[]])
  .refine((kind) => !neverAutomatic.includes(kind), "can never be automatic");

/** Who must agree to what came of a rule; what is left out is as in `approval`. */
const Approve = z.strictObject({
  roles: z
    .array(z.enum(["approver", "admin"]))
    .min(1, "must name at least one role")
    .optional(),
  approvals: z.int("must be a whole number").min(1, "must be at least 1").optional(),
  selfApproval: z.boolean().optional(),
  /** Milliseconds. */
  ttl: duration.optional(),
  kubernetesRights: z.boolean().optional(),
});

/** One rule of the policy (SPEC 6). A rule without a name is called by its matchers. */
export const Rule = z
  .strictObject({
    name: z.string().min(1, "must not be empty").max(120, "must have at most 120 characters").optional(),
    match: z.array(Matcher).default([]),
    route: z.enum(["notify", "diagnose", "autofix", "ignore"]),
    allow: z.array(automatic).default([]),
    mode: z.enum(["enforce", "shadow"]).default("enforce"),
    approve: Approve.optional(),
    escalate: z.strictObject({ after: duration, mention: z.array(z.string().min(1)).default([]) }).optional(),
    during: Schedule.optional(),
  })
  .transform(({ name, ...rule }) => ({ name: name ?? nameOf(rule.match), ...rule }));
export type Rule = z.output<typeof Rule>;

/** What holds where no rules are configured (SPEC 3). */
export const builtinRules: readonly Rule[] = [
  Rule.parse({ name: "builtin-critical", match: ['severity="critical"'], route: "notify" }),
  Rule.parse({
    name: "builtin-dev-restart-loops",
    match: ['alertname=~"KubePodCrashLooping|.*RestartLoop.*"', 'env="dev"'],
    route: "autofix",
    allow: ["restart", "rollback"],
  }),
];

/** The rules in force: the configured ones, any of which replaces the built-in. */
export function rulesInForce(configured: readonly Rule[]): readonly Rule[] {
  return configured.length > 0 ? configured : builtinRules;
}

/** What a rule, or several together, made of an incident. */
export interface Care {
  /** Name of the rule that matched; null when none did. */
  rule: string | null;
  route: Route;
  /** Kinds of action that need no person; empty on every route but autofix. */
  allow: readonly string[];
  mode: "enforce" | "shadow";
}

export interface Decision extends Care {
  /** When people are asked for again, in milliseconds after the incident began, and the user names to mention. */
  escalate: { after: number; mention: readonly string[] } | null;
  /** Why each earlier rule did not match, in words. */
  because: readonly string[];
}

export interface PolicyContext {
  /** For rules whose `during` names no zone. */
  timezone: string;
  locale: Locale;
}

/** The route of one alert: the first rule whose matchers all hold and whose hours it is; none: diagnose. */
export function evaluate(
  rules: readonly Rule[],
  labels: Readonly<Record<string, string>>,
  now: Date,
  { timezone, locale }: PolicyContext,
): Decision {
  const because: string[] = [];
  for (const rule of rules) {
    const failed = rule.match.find((matcher) => !matches(matcher, labels));
    if (failed !== undefined) {
      because.push(words[locale].mismatch(rule.name, failed.text, failed.label, labelOf(labels, failed.label)));
    } else if (rule.during !== undefined && !isWithin(rule.during, now, timezone)) {
      because.push(words[locale].outside(rule.name, describeSchedule(rule.during, timezone)));
    } else {
      return {
        rule: rule.name,
        route: rule.route,
        allow: rule.route === "autofix" ? rule.allow : [],
        mode: rule.mode,
        escalate: rule.escalate ?? null,
        because,
      };
    }
  }
  return { rule: null, route: "diagnose", allow: [], mode: "enforce", escalate: null, because };
}

/**
 * What holds for an incident whose alerts were routed differently: the most careful route. On the same route only what both allow, and a shadow if
 * one is.
 */
export function moreCareful(a: Care, b: Care): Care {
  const [{ rule, route, allow, mode }, other] =
    routesByCare.indexOf(b.route) < routesByCare.indexOf(a.route) ? [b, a] : [a, b];
  if (route !== other.route) return { rule, route, allow, mode };
  return {
    rule,
    route,
    allow: allow.filter((kind) => other.allow.includes(kind)),
    mode: mode === "shadow" || other.mode === "shadow" ? "shadow" : "enforce",
  };
}

/** Who must agree to a proposal that came of the rule of this name, and for how long it can be decided: the rule's terms over the general ones. */
export function termsOf<T extends Requirement & { ttl: number }>(
  rules: readonly Rule[],
  name: string | null,
  general: T,
): T {
  const approve = rules.find((rule) => rule.name === name)?.approve;
  if (approve === undefined) return general;
  return {
    ...general,
    roles: approve.roles ?? general.roles,
    approvals: approve.approvals ?? general.approvals,
    selfApproval: approve.selfApproval ?? general.selfApproval,
    ttl: approve.ttl ?? general.ttl,
    ...(approve.kubernetesRights === undefined ? {} : { kubernetesRights: approve.kubernetesRights }),
  };
}

function nameOf(match: readonly Matcher[]): string {
  return match.length === 0
    ? "everything"
    : match
        .map((matcher) => matcher.text)
        .join(", ")
        .slice(0, 120);
}

const shown = (value: string) => JSON.stringify(value.length > 80 ? `${value.slice(0, 79)}…` : value);

const words: Readonly<
  Record<
    Locale,
    {
      mismatch: (rule: string, matcher: string, label: string, value: string) => string;
      outside: (rule: string, hours: string) => string;
    }
  >
> = {
  en: {
    mismatch: (rule, matcher, label, value) =>
      `${rule}: ${matcher} does not hold, ${label} is ${value === "" ? "not set" : shown(value)}`,
    outside: (rule, hours) => `${rule}: holds only ${hours}`,
  },
  "zh-CN": {
    mismatch: (rule, matcher, label, value) =>
      `${rule}：${matcher} 不成立，${label} ${value === "" ? "未设置" : `为 ${shown(value)}`}`,
    outside: (rule, hours) => `${rule}：仅在 ${hours} 生效`,
  },
};
