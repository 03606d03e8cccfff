import { z } from "zod";
import { Duration } from "./common.ts";

export const GateAnswer = z.object({
  allowed: z.boolean(),
  reasons: z.array(z.object({ code: z.string(), text: z.string() })),
  /** Automatic fixes of the last 60 minutes for the top owner, of how many, and when the next is free. */
  used: z.number(),
  limit: z.number(),
  nextAt: z.string().nullable(),
});
export type GateAnswer = z.infer<typeof GateAnswer>;

export const GateQuery = z.strictObject({
  /** As kubectl takes it: `deploy/checkout`. */
  target: z
    .string()
    .regex(
      /^[a-zA-Z.]{1,100}\/[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/,
      "must be a kind, a slash and a name, as deployment/checkout",
    ),
  namespace: z.string().min(1).max(63).default("default"),
});

/** What the gate would say of an action on one object now; `automatic`, what keeps a rule from acting on it by itself. */
export const GateExplanation = GateAnswer.extend({
  automatic: GateAnswer.shape.reasons,
  target: z.string(),
  namespace: z.string(),
});
export type GateExplanation = z.infer<typeof GateExplanation>;

/** A name that no namespace can have would stop nothing, and say that it did. */
const Namespace = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "must be the name of a namespace");

export const PauseRequest = z.strictObject({
  for: Duration.optional(),
  namespace: Namespace.optional(),
  autofixOnly: z.boolean().default(false),
  reason: z.string().min(1, "says why: people will ask").max(1000),
});
export type PauseRequest = z.infer<typeof PauseRequest>;

/** Without a namespace everything is resumed, and rules that lost their right to act get it back. */
export const ResumeRequest = z.strictObject({ namespace: Namespace.optional() });

/** The stop switch: every pause that is in force. */
export const SwitchAnswer = z.object({
  paused: z.boolean(),
  /** Since when automatic runs are off because too many of them failed. */
  breakerOpenSince: z.string().nullable(),
  pauses: z.array(
    z.object({
      id: z.string(),
      namespace: z.string().nullable(),
      autofixOnly: z.boolean(),
      reason: z.string(),
      by: z.string(),
      startedAt: z.string(),
      until: z.string().nullable(),
    }),
  ),
});
export type SwitchAnswer = z.infer<typeof SwitchAnswer>;
