import { z } from "zod";

/** `GET /readyz`: 200 when `ready`, else 503 with the same body. */
export const ReadyAnswer = z.object({
  ready: z.boolean(),
  state: z.enum(["ready", "starting", "standby", "degraded", "stopping"]),
  version: z.string(),
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), text: z.string() })),
  /** Each link to the outside: every channel and every source that is configured. */
  links: z.array(z.object({ name: z.string(), state: z.string(), since: z.string(), detail: z.string().nullable() })),
});
export type ReadyAnswer = z.infer<typeof ReadyAnswer>;
