import canonicalize from "canonicalize";
import { z } from "zod";
import { StewardError } from "../../shared/errors.ts";
import type { Evidence } from "../../shared/finding.ts";
import { newId } from "../../shared/ids.ts";
import { kinds, type ResourceType } from "../../shared/kube.ts";
import { redactObject, redactText } from "../../shared/redact.ts";
import { clean, cleanLine } from "../../shared/text.ts";
import type { Clock, ClusterReader, Prometheus, ToolSchema } from "../edges.ts";
import type { Store } from "../store.ts";
import { kubectlDescribe } from "./describe.ts";
import { kubectlEvents } from "./events.ts";
import { kubectlGet } from "./get.ts";
import { kubectlLogs } from "./logs.ts";
import { prometheusQuery } from "./prometheus-query.ts";
import { recentChanges } from "./recent-changes.ts";
import { kubectlRolloutHistory } from "./rollout-history.ts";
import type { Tool, ToolContext } from "./tool.ts";

/** Every look there is, by the name that people and models know. */
export const tools = {
  kubectl_get: kubectlGet,
  kubectl_describe: kubectlDescribe,
  kubectl_logs: kubectlLogs,
  kubectl_events: kubectlEvents,
  kubectl_rollout_history: kubectlRolloutHistory,
  prometheus_query: prometheusQuery,
  recent_changes: recentChanges,
} as const;

type ToolName = keyof typeof tools;
type ArgsOf<N extends ToolName> = z.input<(typeof tools)[N]["args"]>;
type DataOf<N extends ToolName> = (typeof tools)[N] extends Tool<z.ZodType, infer Data> ? Data : never;

/** A look and what it left behind. */
export interface Seen<Data> {
  evidence: Evidence;
  data: Data;
  unseen: readonly string[];
}

/** The looks of one investigation. The same call with the same arguments is answered from memory. */
export interface ToolRun {
  /** For playbooks. Throws what the reader throws, `refused` for what is closed, `invalid` for arguments that do not fit. */
  look<N extends ToolName>(name: N, args: ArgsOf<N>): Promise<Seen<DataOf<N>>>;
  /** For a model: names and arguments as it wrote them. Throws as `look`. */
  call(name: string, args: string): Promise<Evidence>;
  /** Looks that went to the cluster, looks answered from memory, and those to which no answer came that may come another time. */
  calls(): { made: number; remembered: number; unanswered: number };
  /** What was kept so far, oldest first. */
  evidence(): readonly Evidence[];
}

export interface Toolbox {
  open(run: { incidentId: string | null; investigationId: string; signal: AbortSignal }): ToolRun;
  /** What a model is told. */
  schemas(): ToolSchema[];
}

export interface ToolboxOptions {
  read: ClusterReader;
  store: Store;
  clock: Clock;
  /** Steward's own namespace, closed to tools; null when it runs in none. */
  ownNamespace: string | null;
  /** `sources.prometheus`; null or absent where none is configured. */
  prometheus?: Prometheus | null;
  limits?: { bytesPerResult: number };
}

const defaultLimits = { bytesPerResult: 8 * 1024 };

export function createToolbox({
  read,
  store,
  clock,
  ownNamespace,
  prometheus = null,
  limits = defaultLimits,
}: ToolboxOptions): Toolbox {
  return { open, schemas };

  /** A tool that has nothing to ask is not told about. */
  function schemas(): ToolSchema[] {
    return Object.entries(tools)
      .filter(([name]) => name !== "prometheus_query" || prometheus !== null)
      .map(([name, { description, args }]) => ({
        name,
        description,
        parameters: z.toJSONSchema(args, { io: "input", unrepresentable: "any" }),
      }));
  }

  function open({ incidentId, investigationId, signal }: Parameters<Toolbox["open"]>[0]): ToolRun {
    const memory = new Map<string, Promise<Seen<unknown>>>();
    const kept: Evidence[] = [];
    let remembered = 0;
    let unanswered = 0;

    return {
      calls: () => ({ made: memory.size, remembered, unanswered }),
      evidence: () => [...kept],
      async look<N extends ToolName>(name: N, args: ArgsOf<N>) {
        // The registry pairs each name with its tool, which TypeScript cannot follow through an index.
        return (await once(name, args)) as Seen<DataOf<N>>;
      },
      async call(name, args) {
        if (!isToolName(name)) {
          throw new StewardError(
            "invalid",
            `there is no tool ${JSON.stringify(name.slice(0, 60))}; there are ${Object.keys(tools).join(", ")}`,
          );
        }
        return (await once(name, parseArguments(args))).evidence;
      },
    };

    function once(name: ToolName, input: unknown): Promise<Seen<unknown>> {
      const tool: Tool = tools[name];
      const args = tool.args.safeParse(input);
      if (!args.success) return Promise.reject(misfit(name, args.error));
      // Nothing is looked at where there is nothing to ask, so it is not counted as a look either.
      if (name === "prometheus_query" && prometheus === null) {
        return Promise.reject(new StewardError("unavailable", "no Prometheus is configured", { retryable: false }));
      }
      const key = `${name} ${canonicalize(args.data) ?? ""}`;
      const known = memory.get(key);
      if (known !== undefined) {
        remembered++;
        return known;
      }
      const looking = perform(name, tool, args.data);
      memory.set(key, looking);
      return looking;
    }

    async function perform(name: ToolName, tool: Tool, args: unknown): Promise<Seen<unknown>> {
      signal.throwIfAborted();
      const {
        text,
        data,
        unseen,
        charts = [],
      } = await tool.run(args, contextOf()).catch((error: unknown) => {
        if (error instanceof StewardError && error.retryable) unanswered++;
        throw error;
      });
      const evidence: Evidence = {
        id: newId(),
        incidentId,
        tool: name,
        args: redactObject(Args.parse(args)),
        text: fit(redactText(clean(text)), limits.bytesPerResult),
        ...(charts.length === 0
          ? {}
          : { charts: charts.map((chart) => ({ ...chart, label: redactText(cleanLine(chart.label)) })) }),
        at: clock.now(),
      };
      await store.group(() => store.evidence.insert(evidence, investigationId));
      kept.push(evidence);
      return { evidence, data, unseen: unseen.map((gap) => redactText(clean(gap))) };
    }

    function contextOf(): ToolContext {
      const isOpen = (namespace: string) => namespace !== ownNamespace;
      return {
        read,
        prometheus,
        signal,
        now: clock.now(),
        maxBytes: limits.bytesPerResult,
        isOpen,
        open: (objects) =>
          objects.filter(({ metadata }) => metadata.namespace === undefined || isOpen(metadata.namespace)),
        admit(type, namespace) {
          if (isClosed(type))
            throw new StewardError("refused", `${type.resource} are never read: they hold credentials`);
          if (namespace !== null && !isOpen(namespace)) {
            throw new StewardError("refused", "Steward's own namespace is closed to its tools");
          }
        },
      };
    }
  }
}

const Args = z.record(z.string(), z.unknown());

function isToolName(name: string): name is ToolName {
  return Object.hasOwn(tools, name);
}

/** What a tool needs to be allowed, over all of them: the rights of the reading identity. */
export function toolRules() {
  return Object.values(tools).flatMap(({ rbac }) => rbac);
}

/** Kinds whose objects carry credentials in their body, wherever they are served. */
const closedResources = new Set([
  kinds.secret.resource,
  "certificatesigningrequests",
  "tokenreviews",
  "serviceaccounttokens",
  "kubeconfigs",
  "generatorstates",
]);

function isClosed({ resource }: ResourceType): boolean {
  return closedResources.has(resource) || /(?:tokens?|credentials|passwords|accesskeys)$/.test(resource);
}

function parseArguments(text: string): unknown {
  try {
    return JSON.parse(text === "" ? "{}" : text);
  } catch {
    throw new StewardError("invalid", "the arguments are not JSON");
  }
}

function misfit(name: string, error: z.ZodError): StewardError {
  const issue = error.issues[0];
  const path = issue?.path.join(".") ?? "";
  return new StewardError("invalid", `${name}${path === "" ? "" : `: ${path}`}: ${issue?.message ?? "does not fit"}`, {
    path,
  });
}

/** Tools keep to the limit themselves; masks can be longer than what they hide. */
function fit(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  return bytes.length <= maxBytes
    ? text
    : `${bytes
        .subarray(0, maxBytes - 32)
        .toString()
        .replace(/\ufffd+$/, "")}\n… cut at ${maxBytes} bytes`;
}
