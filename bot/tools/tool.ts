import type { z } from "zod";
import { StewardError } from "../../shared/errors.ts";
import type { Chart } from "../../shared/finding.ts";
import { type KubeObject, type ResourceType, targetOf } from "../../shared/kube.ts";
import type { ClusterReader, Prometheus } from "../edges.ts";

/** What a tool needs to be allowed. Reads only, by its type; a test refuses anything else at run time too. */
export interface ReadRule {
  apiGroups: readonly string[];
  resources: readonly string[];
  verbs: readonly ("get" | "list" | "watch")[];
}

export interface ToolContext {
  read: ClusterReader;
  /** null where none is configured. */
  prometheus: Prometheus | null;
  now: Date;
  signal: AbortSignal;
  /** A result's text is at most so many bytes. */
  maxBytes: number;
  /** Throws `refused` for what no tool may look at: Secrets and their like, and Steward's own namespace. */
  admit(type: ResourceType, namespace: string | null): void;
  /** Objects of a list over all namespaces without those of Steward's own. */
  open(objects: readonly KubeObject[]): KubeObject[];
  isOpen(namespace: string): boolean;
}

interface ToolResult<Data> {
  /** For people and the model; compact, and it says what it left out. Not yet redacted. */
  text: string;
  /** The same for playbooks. */
  data: Data;
  /** What could not be read on the way, and why. */
  unseen: readonly string[];
  /** What of it can be drawn. */
  charts?: readonly Chart[];
}

/** One read-only look at the cluster. `name`, description and arguments are what a model is told. */
export interface Tool<Args extends z.ZodType = z.ZodType, Data = unknown> {
  readonly description: string;
  readonly args: Args;
  readonly rbac: readonly ReadRule[];
  run(args: z.output<Args>, context: ToolContext): Promise<ToolResult<Data>>;
}

/** Keeps the types of the arguments and the data together. */
export function defineTool<Args extends z.ZodType, Data>(tool: Tool<Args, Data>): Tool<Args, Data> {
  return tool;
}

/** A part of a look that may fail without the rest: what went wrong is noted and the part is null. Aborts and faults of our own pass through. */
export async function tried<T>(what: string, unseen: string[], part: Promise<T>): Promise<T | null> {
  try {
    return await part;
  } catch (error) {
    if (!(error instanceof StewardError) || error.code === "internal") throw error;
    unseen.push(`${what}: ${error.message}`);
    return null;
  }
}

/** `deployment/checkout`. */
export function nameOf(object: KubeObject): string {
  return targetOf(object.kind, object.metadata.name);
}
