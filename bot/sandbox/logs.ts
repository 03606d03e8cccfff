/** pods/log: what containers have written, computed from their script and their times. */
import type { ServerResponse } from "node:http";
import type { ContainerScript } from "./behaviour.ts";
import type { Pod } from "./object.ts";
import type { Registry } from "./registry/registry.ts";
import type { RequestInfo } from "./request.ts";
import { badRequest, type FieldError, invalid } from "./status.ts";
import type { Clock, Timers } from "./timers.ts";

interface LogLine {
  readonly at: number;
  readonly text: string;
}

/** One run of a container. `endedAt` is set once it is over; `tail` are the lines it ended with. */
export interface Run {
  readonly script: ContainerScript;
  readonly startedAt: number;
  endedAt?: number;
  tail?: readonly string[];
}

export interface LogSource {
  readonly clock: Clock;
  readonly timers: Timers;
  /** The present run of a container (or the last one), and the one before it. */
  runs(podUid: string, container: string): { current: Run | undefined; previous: Run | undefined };
}

const keptLines = 2000;

/** Everything a run has written by `until` (ms since the epoch). */
function linesOf(run: Run, until: number, speed: number): LogLine[] {
  const end = Math.min(run.endedAt ?? Number.POSITIVE_INFINITY, until);
  const lines: LogLine[] = run.script.log.map((text, i) => ({ at: run.startedAt + i, text }));
  for (const { everyMs, line } of run.script.periodic) {
    const step = everyMs / speed;
    const count = Math.floor((end - run.startedAt) / step);
    for (let i = Math.max(1, count - keptLines); i <= count; i += 1)
      lines.push({ at: run.startedAt + i * step, text: line });
  }
  if (run.endedAt !== undefined) {
    const tail = run.tail ?? [];
    for (const [i, text] of tail.entries()) lines.push({ at: run.endedAt - (tail.length - i), text });
  }
  return lines.filter((line) => line.at <= end + 0.001).sort((a, b) => a.at - b.at);
}

/** RFC 3339 with nanoseconds, as container runtimes stamp lines. */
function stamp(at: number): string {
  const whole = Math.floor(at);
  const nanos = String(Math.round((at - whole) * 1_000_000))
    .padStart(6, "0")
    .slice(0, 6);
  return `${new Date(whole).toISOString().slice(0, 23)}${nanos}Z`;
}

interface LogOptions {
  readonly tail: number | undefined;
  readonly since: number | undefined;
  readonly timestamps: boolean;
  readonly limitBytes: number | undefined;
}

function readOptions(query: URLSearchParams, clock: Clock, pod: string): LogOptions {
  const number = (name: string): number | undefined => {
    const text = query.get(name);
    if (text === null || text === "") return undefined;
    if (!/^-?\d+$/.test(text)) throw badRequest(`strconv.ParseInt: parsing "${text}": invalid syntax`);
    return Number(text);
  };
  const faults: FieldError[] = [];
  const least = (name: string, minimum: number, detail: string) => {
    const value = number(name);
    if (value !== undefined && value < minimum) faults.push({ type: "Invalid", field: name, value, detail });
  };
  least("tailLines", 0, "must be greater than or equal to 0");
  least("limitBytes", 1, "must be greater than 0");
  least("sinceSeconds", 1, "must be greater than 0");
  if (query.has("sinceSeconds") && query.has("sinceTime")) {
    faults.push({
      type: "Forbidden",
      field: "[]",
      detail: "at most one of `sinceTime` or `sinceSeconds` may be specified",
    });
  }
  if (faults.length > 0) throw invalid("", "PodLogOptions", pod, faults);
  const seconds = number("sinceSeconds");
  const time = query.get("sinceTime");
  const tail = number("tailLines");
  return {
    tail: tail !== undefined && tail >= 0 ? tail : undefined,
    since: seconds !== undefined ? clock.now().getTime() - seconds * 1000 : time ? Date.parse(time) : undefined,
    timestamps: query.get("timestamps") === "true",
    limitBytes: number("limitBytes"),
  };
}

export function pickContainer(pod: Pod, asked: string): string {
  const all = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].map((container) => container.name);
  const { name } = pod.metadata;
  if (asked !== "") {
    if (!all.includes(asked)) throw badRequest(`container ${asked} is not valid for pod ${name}`);
    return asked;
  }
  const [only, ...others] = pod.spec.containers;
  if (only && others.length === 0) return only.name;
  throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${all.join(" ")}]`);
}

/** Writes the log and, with follow, goes on until the container ends. Returns the way to stop. */
export function streamLogs(
  registry: Registry,
  source: LogSource,
  info: RequestInfo,
  query: URLSearchParams,
  response: ServerResponse,
): () => void {
  const pod = registry.get(registry.kinds.resource("", "pods"), info.namespace, info.name) as Pod;
  const options = readOptions(query, source.clock, pod.metadata.name);
  const container = pickContainer(pod, query.get("container") ?? "");
  if (!pod.spec.nodeName) {
    // There is no kubelet to ask yet, and the real server takes that for an empty log.
    response.writeHead(200, { "Content-Type": "text/plain" }).end();
    return () => undefined;
  }
  const previous = query.get("previous") === "true";
  const { speed } = source.timers;
  const runs = source.runs(pod.metadata.uid ?? "", container);
  const run = previous ? runs.previous : runs.current;
  if (!run) throw badRequest(whyNone(pod, container, previous));

  const print = (line: LogLine) => `${options.timestamps ? `${stamp(line.at)} ` : ""}${line.text}\n`;
  const until = source.clock.now().getTime();
  let lines = linesOf(run, until, speed).filter((line) => options.since === undefined || line.at >= options.since);
  if (options.tail !== undefined) lines = options.tail === 0 ? [] : lines.slice(-options.tail);
  response.writeHead(200, { "Content-Type": "text/plain" });
  let text = lines.map(print).join("");
  if (options.limitBytes !== undefined) text = Buffer.from(text).subarray(0, options.limitBytes).toString("utf8");
  response.write(text);
  if (query.get("follow") !== "true" || previous || run.endedAt !== undefined) {
    response.end();
    return () => undefined;
  }
  let shown = until;
  let cancel: () => void = () => undefined;
  const again = () => {
    const now = source.clock.now().getTime();
    for (const line of linesOf(run, now, speed)) if (line.at > shown) response.write(print(line));
    shown = now;
    if (run.endedAt !== undefined) response.end();
    else cancel = source.timers.after(200 * speed, again);
  };
  cancel = source.timers.after(200 * speed, again);
  const stop = () => cancel();
  response.on("close", stop);
  return stop;
}

function whyNone(pod: Pod, container: string, previous: boolean): string {
  const { name } = pod.metadata;
  if (previous) return `previous terminated container "${container}" in pod "${name}" not found`;
  const status = [...(pod.status.initContainerStatuses ?? []), ...(pod.status.containerStatuses ?? [])].find(
    (c) => c.name === container,
  );
  const waiting = status?.state?.waiting;
  if (!status) return `container "${container}" in pod "${name}" is not available`;
  const reasons: Readonly<Record<string, string>> = {
    ImagePullBackOff: "trying and failing to pull image",
    ErrImagePull: "image can't be pulled",
  };
  const reason = reasons[waiting?.reason ?? ""] ?? `waiting to start: ${waiting?.reason ?? "ContainerCreating"}`;
  return reasons[waiting?.reason ?? ""]
    ? `container "${container}" in pod "${name}" is waiting to start: ${reason}`
    : `container "${container}" in pod "${name}" is ${reason}`;
}
