import { z } from "zod";

/** One recorded look at the cluster. The text is redacted before it is stored, and untrusted for ever. */
export interface Evidence {
  id: string;
  incidentId: string | null;
  tool: string;
  args: Readonly<Record<string, unknown>>;
  text: string;
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
