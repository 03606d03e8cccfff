import { z } from "zod";
import { listOf } from "./common.ts";

/**
 * Rules arrive as plain JSON and are parsed by the policy itself, which names the fault;
 * `payload` is an Alertmanager body, `since` replays the alerts of the store.
 */
export const PolicyTestRequest = z.union([
  z.strictObject({ payload: z.record(z.string(), z.unknown()), rules: z.array(z.unknown()).optional() }),
  z.strictObject({ since: z.string().max(40), rules: z.array(z.unknown()) }),
]);
export type PolicyTestRequest = z.infer<typeof PolicyTestRequest>;

const Route = z.enum(["notify", "diagnose", "autofix", "ignore"]);

export const PolicyTestRow = z.object({
  labels: z.record(z.string(), z.string()),
  rule: z.string().nullable(),
  route: Route,
  /** Why the rules before it did not match, one line each. */
  because: z.array(z.string()),
  /** With `since`: what the rules in force say of the same alert. */
  now: z.object({ rule: z.string().nullable(), route: Route }).optional(),
});
export type PolicyTestRow = z.infer<typeof PolicyTestRow>;

export const PolicyTestAnswer = listOf(PolicyTestRow);

/** The rules in force, in order, and what lint says of them. */
export const PolicyAnswer = z.object({
  builtIn: z.boolean(),
  rules: z.array(z.looseObject({ name: z.string() })),
  warnings: z.array(z.object({ rule: z.string(), text: z.string() })),
});
export type PolicyAnswer = z.infer<typeof PolicyAnswer>;

/** Rules to be looked over without putting them in force. */
export const PolicyLintRequest = z.strictObject({ rules: z.array(z.unknown()) });
export const PolicyLintAnswer = z.object({ warnings: PolicyAnswer.shape.warnings });
