import { z } from "zod";

/** A line of a chart: what was measured over a window, thinned out, oldest first. */
export const Chart = z.object({
  label: z.string(),
  /** Stands behind each number; empty for a plain one. */
  unit: z.string(),
  values: z.array(z.number()).min(1).max(120),
  min: z.number(),
  median: z.number(),
  max: z.number(),
});
export type Chart = z.infer<typeof Chart>;

/** One recorded look at the cluster. The text is redacted before it is stored, and untrusted for ever. */
export interface Evidence {
  id: string;
  incidentId: string | null;
  tool: string;
  args: Readonly<Record<string, unknown>>;
  text: string;
  /** What of it can be drawn; absent where nothing can. */
  charts?: readonly Chart[];
  at: Date;
}

export const Finding = z.object({
  text: z.string(),
  /** Ids of the evidence the claim rests on; never empty (a finding without valid evidence is dropped). */
  evidence: z.array(z.string()),
});
export type Finding = z.infer<typeof Finding>;

/** What an investigation came to (SPEC 4, incident answer). */
export const Diagnosis = z.object({
  by: z.enum(["rules", "model", "memory"]),
  conclusion: z.string(),
  /** The word for the cause, when a playbook knows one: `OOMKilled`, `ImagePullBackOff`, … */
  cause: z.string().nullable(),
  confidence: z.enum(["high", "medium", "low"]),
  findings: z.array(Finding),
  ruledOut: z.array(z.string()),
  /** What could not be seen, and why. */
  unseen: z.array(z.string()),
  calls: z.int(),
  tokens: z.int(),
});
export type Diagnosis = z.infer<typeof Diagnosis>;
