import { z } from "zod";
import { parseDuration } from "../../shared/duration.ts";
import { StewardError } from "../../shared/errors.ts";
import { kinds } from "../../shared/kube.ts";
import { Duration, Namespace, Target } from "./arguments.ts";
import { condense, isDeciding, linesOf } from "./fold.ts";
import { endOf, type PodFacts, sickness, worstContainer } from "./pod.ts";
import { readAt } from "./print.ts";
import { defineTool, type ToolContext } from "./tool.ts";
import { findRef, podsOf } from "./workload.ts";

export interface LogFacts {
  pod: string;
  container: string;
  previous: boolean;
  lines: readonly string[];
  /** Why there is no log, in the server's words; null when there is one. */
  absent: string | null;
  /** The last line that says why, as far as words tell. */
  deciding: string | null;
}

const defaultTail = 300;
const mostBytesRead = 512 * 1024;

export const kubectlLogs = defineTool({
  description:
    "Log of a pod or of a workload's sickest pod; repeated lines folded, the lines that decide kept. `previous`: of the container before its last restart. `pattern`: only lines with this text.",
  args: z.strictObject({
    target: Target,
    namespace: Namespace,
    container: z.string().max(63).optional(),
    previous: z.boolean().default(false),
    since: Duration.optional(),
    tail: z.int().min(1).max(5_000).default(defaultTail).describe("lines to read from the end"),
    pattern: z.string().min(1).max(200).optional().describe("text, not a regular expression"),
  }),
  rbac: [
    { apiGroups: [""], resources: ["pods"], verbs: ["get", "list"] },
    { apiGroups: [""], resources: ["pods/log"], verbs: ["get"] },
    { apiGroups: ["apps"], resources: ["deployments", "statefulsets", "daemonsets", "replicasets"], verbs: ["get"] },
    { apiGroups: ["apps"], resources: ["replicasets"], verbs: ["list"] },
    { apiGroups: ["batch"], resources: ["jobs"], verbs: ["get"] },
  ],
  async run(args, context): Promise<{ text: string; data: LogFacts; unseen: string[] }> {
    const pod = await choosePod(args.target, args.namespace, context);
    const container = args.container ?? worstContainer(pod)?.name ?? "";
    const { previous, tail, since, pattern } = args;
    const title = `Log of pod ${pod.namespace}/${pod.name}, container ${container}${previous ? ", the run before the last restart" : ""} (${readAt(context.now)})`;
    const empty = { pod: pod.name, container, previous, lines: [], deciding: null };
    const read = await readLog();
    if (typeof read === "string")
      return { text: `${title}\nno log: ${read}`, data: { ...empty, absent: read }, unseen: [] };
    const matching =
      pattern === undefined
        ? read.lines
        : read.lines.filter((line) => line.toLowerCase().includes(pattern.toLowerCase()));
    const { lines, left } = condense(matching, context.maxBytes - 400);
    const searched = `${read.lines.length} lines read (tail ${tail}${since === undefined ? "" : `, since ${since}`})${pattern === undefined ? "" : `, ${matching.length} with "${pattern}"`}`;
    const text = [
      title,
      `${searched}${left > 0 ? `, ${left} folded lines left out; narrow with pattern or since` : ""}`,
      ...lines,
    ].join("\n");
    return { text, data: { ...empty, lines: matching, absent: null, deciding: lastDeciding(matching) }, unseen: [] };

    async function readLog(): Promise<{ lines: string[] } | string> {
      const sinceMs = since === undefined ? null : parseDuration(since);
      try {
        const log = await context.read.logs(
          {
            namespace: pod.namespace,
            pod: pod.name,
            ...(container === "" ? {} : { container }),
            previous,
            tailLines: tail,
            limitBytes: mostBytesRead,
            ...(sinceMs === null ? {} : { sinceSeconds: Math.max(1, Math.round(sinceMs / 1_000)) }),
          },
          context.signal,
        );
        return { lines: linesOf(log) };
      } catch (error) {
        if (error instanceof StewardError && error.code === "not_found") return error.message;
        throw error;
      }
    }
  },
});

function lastDeciding(lines: readonly string[]): string | null {
  return lines.findLast(isDeciding) ?? null;
}

/** The pod itself, or of a workload the one that shows the fault best. */
async function choosePod(target: string, namespace: string, context: ToolContext): Promise<PodFacts> {
  const ref = await findRef(context, target, namespace);
  const object = await context.read.get(ref, context.signal);
  if (object === null) throw new StewardError("not_found", `there is no ${target} in namespace ${namespace}`);
  if (ref.type.resource !== kinds.pod.resource && ref.namespace === null) {
    throw new StewardError("invalid", `${ref.type.kind} has no log`, { path: "target" });
  }
  const pods = await podsOf(context, object);
  const chosen = [...pods].sort((a, b) => sickness(b) - sickness(a) || Number(hasEnd(b)) - Number(hasEnd(a)))[0];
  if (chosen === undefined) throw new StewardError("not_found", `${target} in namespace ${namespace} has no pods`);
  return chosen;
}

function hasEnd(pod: PodFacts): boolean {
  return pod.containers.some((container) => endOf(container) !== null);
}
