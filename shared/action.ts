import { z } from "zod";
import { parseQuantity } from "./kube.ts";

const dnsLabel = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "is not a DNS-1123 label");
const targetName = "[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?";
const targetOfKinds = (...kinds: readonly string[]) =>
  z
    .string()
    .regex(new RegExp(`^(?:${kinds.join("|")})/${targetName}$`), `must be ${kinds.join(" or ")}, a slash and a name`);

const workload = targetOfKinds("deployment", "statefulset", "daemonset");
const quantity = z
  .string()
  .max(32)
  .refine((text) => (parseQuantity(text) ?? -1) >= 0, "is not a quantity such as 500m or 1Gi");
/** An OCI image reference, kept to the characters the reference grammar allows. */
const image = z
  .string()
  .max(512)
  .regex(/^[a-z0-9][a-zA-Z0-9._:/@-]*$/, "is not an image reference");
/** null removes the entry: what an undo needs where there was none before. */
const resources = z
  .partialRecord(z.enum(["cpu", "memory"]), quantity.nullable())
  .refine((map) => Object.keys(map).length > 0, "names neither cpu nor memory");

/** Everything that Steward can do to a cluster (SPEC 8). Strict: an unknown key is a refusal, not a remark. */
export const Action = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("restart"), namespace: dnsLabel, target: workload }),
  z.strictObject({
    kind: z.literal("scale"),
    namespace: dnsLabel,
    target: targetOfKinds("deployment", "statefulset", "replicaset"),
    replicas: z.int().min(0).max(10_000),
  }),
  z
    .strictObject({
      kind: z.literal("setResources"),
      namespace: dnsLabel,
      target: workload,
      container: dnsLabel,
      requests: resources.optional(),
      limits: resources.optional(),
    })
    .refine(
      (action) => action.requests !== undefined || action.limits !== undefined,
      "sets neither requests nor limits",
    ),
  z.strictObject({ kind: z.literal("setImage"), namespace: dnsLabel, target: workload, container: dnsLabel, image }),
  z.strictObject({
    kind: z.literal("rollback"),
    namespace: dnsLabel,
    target: workload,
    toRevision: z.int().positive().optional(),
  }),
  z.strictObject({ kind: z.literal("delete"), namespace: dnsLabel, target: targetOfKinds("pod") }),
]);
export type Action = z.infer<typeof Action>;
export type ActionKind = Action["kind"];
export type ActionOf<K extends ActionKind> = Extract<Action, { kind: K }>;

export const actionKinds = Action.options.map((option) => option.shape.kind.value) as readonly ActionKind[];
