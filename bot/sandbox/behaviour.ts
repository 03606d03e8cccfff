/** How containers behave, by image: the script that the sandbox's kubelet plays. */
import { parse } from "yaml";
import { z } from "zod";
import { parseQuantity } from "./quantity.ts";

const Milliseconds = z.number().min(0);

const QuantityText = z.string().refine((text) => !("error" in parseQuantity(text)), "not a quantity such as 700Mi");

/** All times in milliseconds of sandbox time. An image without a behaviour starts, is ready and runs for ever. */
export const ImageBehaviour = z.strictObject({
  /** From container creation to running. */
  startupMs: Milliseconds.default(100),
  /** How long a pull takes. */
  pullMs: Milliseconds.default(300),
  /** The registry does not know it: ErrImagePull, then ImagePullBackOff. */
  notFound: z.boolean().default(false),
  /** Lines written on start. */
  log: z.array(z.string()).default([]),
  /** Lines written again and again while it runs. */
  periodic: z.array(z.strictObject({ everyMs: z.number().min(10), line: z.string() })).default([]),
  /** What it needs to live: a container with a lower memory limit is killed, OOMKilled with 137. */
  memory: QuantityText.optional(),
  /** How long an OOM takes after start. */
  oomAfterMs: Milliseconds.default(800),
  /** Ends by itself. */
  exit: z
    .strictObject({
      code: z.number().int().min(0).max(255),
      afterMs: Milliseconds.default(500),
      log: z.array(z.string()).default([]),
    })
    .optional(),
  /** Variables without which it exits 1. */
  needsEnv: z.array(z.string()).default([]),
  /** What its readiness probe finds; without a probe a running container is ready, as everywhere. */
  ready: z
    .union([z.literal("always"), z.literal("never"), z.strictObject({ afterMs: Milliseconds })])
    .default("always"),
  /** What a failing readiness probe prints. */
  unreadyMessage: z.string().default("HTTP probe failed with statuscode: 503"),
  /** How long it takes to end after SIGTERM. */
  stopMs: Milliseconds.default(200),
});
export type ImageBehaviour = z.input<typeof ImageBehaviour>;
export type ContainerScript = z.output<typeof ImageBehaviour>;

/** Any object as one would write it in a file. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string | undefined; [field: string]: unknown };
  [field: string]: unknown;
}

const Manifest: z.ZodType<Manifest> = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
});

/** What a sandbox starts with. */
export const World = z.strictObject({
  objects: z.array(Manifest).default([]),
  images: z.record(z.string(), ImageBehaviour).default({}),
  /** `objects` were applied this long ago; everything since has happened as it would have. */
  ageMs: Milliseconds.default(0),
  /** What was applied later, and how long ago. */
  history: z.array(z.strictObject({ agoMs: Milliseconds, objects: z.array(Manifest) })).default([]),
});
export interface World {
  objects?: readonly Manifest[];
  ageMs?: number;
  history?: readonly { agoMs: number; objects: readonly Manifest[] }[];
  images?: Readonly<Record<string, ImageBehaviour>>;
}

/** @throws ZodError naming each wrong field of the YAML document */
export function readWorld(text: string): World {
  return World.parse(parse(text));
}
