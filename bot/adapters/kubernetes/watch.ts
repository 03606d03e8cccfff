import { StewardError } from "../../../shared/errors.ts";
import { field, type KubeObject, numberField, pathOf, stringField } from "../../../shared/kube.ts";
import type { Clock, ListQuery, Log, WatchEvent } from "../../edges.ts";
import { createBackoff } from "./backoff.ts";
import { linesOf } from "./lines.ts";
import { listAll, readObject, selectionOf } from "./list.ts";
import type { Session } from "./session.ts";
import { parseJson } from "./status.ts";

export interface Streaming {
  session: Session;
  clock: Clock;
  log: Log;
}

/** The server ends a watch at this time, spread so that many do not come back together. Source: client-go reflector minWatchTimeout. */
const watchSeconds = () => 240 + Math.floor(Math.random() * 60);

/** See `ClusterReader.watch`. Lists, then watches from there; bookmarks keep the place; 410 lists again. */
export async function watch(
  { session, clock, log }: Streaming,
  query: Omit<ListQuery, "limit">,
  onEvent: (event: WatchEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const backoff = createBackoff();
  const known = new Map<string, KubeObject>();
  let place: string | null = null;

  while (!signal.aborted) {
    try {
      place ??= await list();
      // A stream that ends at once without a word would otherwise be asked for again and again.
      if (!(await follow(place))) await clock.sleep(backoff.next(), signal).catch(() => undefined);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof StewardError) || !mendsByItself(error)) throw error;
      log.debug("watch interrupted", { resource: query.type.resource, reason: error.message });
      await clock.sleep(backoff.next(), signal).catch(() => undefined);
    }
  }

  /** Tells only what differs from what was told before. */
  async function list(): Promise<string> {
    const { items, resourceVersion } = await listAll(session, query, signal);
    const present = new Set(items.map(keyOf));
    for (const [key, object] of known) {
      if (!present.has(key)) tell("DELETED", object);
    }
    for (const object of items) {
      const before = known.get(keyOf(object));
      if (before === undefined) tell("ADDED", object);
      else if (before.metadata.resourceVersion !== object.metadata.resourceVersion) tell("MODIFIED", object);
    }
    return resourceVersion;
  }

  function tell(type: WatchEvent["type"], object: KubeObject): void {
    if (type === "DELETED") known.delete(keyOf(object));
    else known.set(keyOf(object), object);
    onEvent({ type, object });
  }

  /** Whether the stream told anything. */
  async function follow(from: string): Promise<boolean> {
    let told = false;
    const answer = await session
      .stream(
        {
          method: "GET",
          path: pathOf(query.type, query.namespace),
          query: {
            ...selectionOf(query),
            watch: true,
            allowWatchBookmarks: true,
            resourceVersion: from,
            timeoutSeconds: watchSeconds(),
          },
        },
        signal,
      )
      .catch((error: unknown) => {
        if (error instanceof StewardError && error.code === "conflict") place = null;
        throw error;
      });
    const stop = () => answer.destroy();
    signal.addEventListener("abort", stop, { once: true });
    try {
      for await (const line of linesOf(answer)) {
        if (signal.aborted || !take(parseJson(line))) break;
        told = true;
      }
    } catch (error) {
      if (!signal.aborted) throw asInterruption(error);
    } finally {
      signal.removeEventListener("abort", stop);
      answer.destroy();
    }
    return told;
  }

  /** False when this stream has nothing more to give. */
  function take(event: unknown): boolean {
    const type = stringField(event, "type");
    const object = field(event, "object");
    if (type === "ERROR") {
      if (numberField(object, "code") === 410) place = null;
      else throw new StewardError("unavailable", `watch: ${stringField(object, "reason") ?? "the server gave up"}`);
      return false;
    }
    if (type !== "ADDED" && type !== "MODIFIED" && type !== "DELETED" && type !== "BOOKMARK") return true;
    place = stringField(object, "metadata", "resourceVersion") ?? place;
    backoff.reset();
    if (type !== "BOOKMARK") tell(type, readObject(object, query.type));
    return true;
  }
}

function keyOf({ metadata }: KubeObject): string {
  return metadata.uid ?? `${metadata.namespace ?? ""}/${metadata.name}`;
}

function mendsByItself({ code }: StewardError): boolean {
  return code === "unavailable" || code === "conflict";
}

/** What broke below; a fault of whoever is told passes through. */
function asInterruption(error: unknown): unknown {
  if (error instanceof StewardError || !(error instanceof Error && "code" in error)) return error;
  return new StewardError("unavailable", "the watch lost its connection", { cause: error });
}
