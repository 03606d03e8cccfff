import { z } from "zod";
import { isTarget } from "./workload.ts";

/** The arguments that tools share, as a model is told about them. */
export const Namespace = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "is not a namespace")
  .describe("namespace");

export const Target = z
  .string()
  .max(320)
  .refine(isTarget, "is not a kind, a slash and a name, such as deployment/checkout")
  .describe("kind/name, as deployment/checkout or pod/checkout-7d9f-abc12");

/** A list's selector; the server parses it. */
export const Selector = z
  .string()
  .max(512)
  .regex(/^[\x20-\x7e]*$/, "has characters no selector has");

export const Duration = z
  .string()
  .regex(/^\d{1,4}[smhd]$/, "is not a duration such as 30m")
  .describe("how far back, as 30m or 2h");
