import { z } from "zod";
import { Diagnosis } from "../finding.ts";
import { Duration, listOf, pageQuery } from "./common.ts";

export const IncidentQuery = z.strictObject({
  ...pageQuery,
  state: z.enum(["open", "resolved", "ignored"]).optional(),
  namespace: z.string().max(63).optional(),
  /** Id of a webhook receipt: the incidents it became. */
  receipt: z.string().max(64).optional(),
});

export const IncidentAnswer = z.object({
  id: z.string(),
  cardId: z.string(),
  alertname: z.string(),
  severity: z.string(),
  namespace: z.string().nullable(),
  target: z.string().nullable(),
  state: z.enum(["open", "resolved", "ignored"]),
  route: z.enum(["notify", "diagnose", "autofix", "ignore"]),
  rule: z.string().nullable(),
  labels: z.record(z.string(), z.string()),
  groupKeys: z.array(z.string()),
  late: z.boolean(),
  flapping: z.boolean(),
  claimedBy: z.string().nullable(),
  /** Id of the incident this one was joined to. */
  joined: z.string().nullable(),
  startedAt: z.string(),
  updatedAt: z.string(),
  resolvedAt: z.string().nullable(),
  ignoredUntil: z.string().nullable(),
  alerts: z.number(),
  diagnosis: Diagnosis.nullable(),
  /** Short codes of its proposals. */
  approvals: z.array(z.string()),
});
export type IncidentAnswer = z.infer<typeof IncidentAnswer>;

export const IncidentList = listOf(IncidentAnswer);

/** One incident says also what was read. */
export const IncidentDetail = IncidentAnswer.extend({
  evidence: z.array(
    z.object({
      id: z.string(),
      tool: z.string(),
      args: z.record(z.string(), z.unknown()),
      text: z.string(),
      at: z.string(),
    }),
  ),
});
export type IncidentDetail = z.infer<typeof IncidentDetail>;

/** `for`: how long; absent, the built-in time of the stage holds. */
export const IgnoreRequest = z.strictObject({ for: Duration.optional() });
