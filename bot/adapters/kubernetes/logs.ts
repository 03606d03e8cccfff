import { StewardError } from "../../../shared/errors.ts";
import { kinds, pathOf } from "../../../shared/kube.ts";
import type { LogQuery } from "../../edges.ts";
import { createBackoff } from "./backoff.ts";
import type { Outgoing } from "./http.ts";
import { linesOf } from "./lines.ts";
import type { Session } from "./session.ts";
import { refusalError } from "./status.ts";
import type { Streaming } from "./watch.ts";

function requestOf(query: LogQuery, more: Outgoing["query"] = {}): Outgoing {
  const { namespace, pod, container, previous, tailLines, sinceSeconds, timestamps, limitBytes } = query;
  return {
    method: "GET",
    path: pathOf(kinds.pod, namespace, pod, "log"),
    query: { container, previous, tailLines, sinceSeconds, timestamps, limitBytes, ...more },
    headers: { Accept: "*/*" },
  };
}

export async function readLogs(session: Session, query: LogQuery, signal?: AbortSignal): Promise<string> {
  const answer = await session.read(requestOf(query), signal);
  if (!answer.ok) throw asLogError(refusalError(answer.refusal));
  return answer.body.toString();
}

/** The kubelet says 400 both for a log that is not there (yet) and for a question that is wrong. Source: pkg/kubelet validateContainerLogStatus. */
function asLogError(error: StewardError): StewardError {
  const absent =
    error.code === "invalid" && /not found|waiting to start|is not available|terminated/.test(error.message);
  return absent ? new StewardError("not_found", error.message) : error;
}

/** See `ClusterReader.followLogs`. Every line is asked for with its time, so that a lost connection is taken up where it broke. */
export async function followLogs(
  { session, clock, log }: Streaming,
  query: LogQuery,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const backoff = createBackoff();
  const fromNow = query.tailLines === undefined && query.sinceSeconds === undefined;
  let last = "";
  while (!signal.aborted) {
    const told = last; // of the connection before this one
    const begin =
      told === ""
        ? { tailLines: fromNow ? 0 : query.tailLines }
        : { sinceTime: `${told}Z`, tailLines: undefined, sinceSeconds: undefined };
    try {
      const answer = await session.stream(requestOf(query, { ...begin, follow: true, timestamps: true }), signal);
      const stop = () => answer.destroy();
      signal.addEventListener("abort", stop, { once: true });
      try {
        for await (const line of linesOf(answer)) {
          if (signal.aborted) return;
          backoff.reset();
          const { time, text } = splitTime(line);
          if (time !== "" && time <= told) continue;
          if (time > last) last = time;
          onLine(query.timestamps === true ? line : text);
        }
        return;
      } finally {
        signal.removeEventListener("abort", stop);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof StewardError && error.code !== "unavailable") throw asLogError(error);
      log.debug("log stream interrupted", { pod: query.pod, reason: error instanceof Error ? error.message : "" });
      await clock.sleep(backoff.next(), signal).catch(() => undefined);
    }
  }
}

/**
 * The kubelet's time before each line, without its `Z`, so that it sorts as text although trailing zeros are left out; "" where there is none.
 * Source: RFC 3339 with nanoseconds in UTC.
 */
function splitTime(line: string): { time: string; text: string } {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?)Z(?: |$)/.exec(line);
  return match === null ? { time: "", text: line } : { time: match[1] ?? "", text: line.slice(match[0].length) };
}
