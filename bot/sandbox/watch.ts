/** Watch streams: changes after a revision, as newline-separated JSON events. */
import type { KubeObject } from "./object.ts";
import { ApiError, expired, unexplained } from "./status.ts";
import type { Change, Store } from "./storage.ts";

export interface WatchOptions {
  readonly storage: string;
  readonly namespace: string;
  readonly resourceVersion: string;
  readonly sendInitialEvents: boolean;
  readonly matches: (object: KubeObject) => boolean;
}

export interface WatchEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly object: unknown;
}

export interface Watch {
  bookmark(): void;
  stop(): void;
}

/**
 * Sends what is already there (when no revision is named), then every change. A revision that is compacted is answered by
 * one ERROR event with 410, after which the watch is over.
 */
export function watch(store: Store, options: WatchOptions, send: (event: WatchEvent) => void): Watch | undefined {
  const { storage, namespace, matches } = options;
  const inScope = (object: KubeObject) => namespace === "" || object.metadata.namespace === namespace;
  const relay = (change: Change) => {
    if (change.storage !== storage || !inScope(change.object)) return;
    const now = change.type !== "DELETED" && matches(change.object);
    const before = change.previous !== undefined && matches(change.previous);
    if (change.type === "DELETED") {
      if (before || matches(change.object)) send({ type: "DELETED", object: change.object });
    } else if (now) send({ type: before ? "MODIFIED" : "ADDED", object: change.object });
    else if (before && change.previous) {
      // It left the selection: gone for this watcher, at the revision of the change.
      const { resourceVersion } = change.object.metadata;
      send({
        type: "DELETED",
        object: { ...change.previous, metadata: { ...change.previous.metadata, resourceVersion } },
      });
    }
  };
  const from = options.resourceVersion;
  const fresh = from === "" || from === "0" || options.sendInitialEvents;
  if (fresh) {
    for (const object of store.list(storage, namespace)) if (matches(object)) send({ type: "ADDED", object });
    if (options.sendInitialEvents) bookmark(true);
  } else {
    const missed = store.since(Number(from));
    if (missed === undefined) {
      const error = expired(`too old resource version: ${from} (${store.oldest()})`);
      send({ type: "ERROR", object: error.status });
      return undefined;
    }
    for (const change of missed) relay(change);
  }
  const unsubscribe = store.subscribe(relay);
  function bookmark(initial: boolean) {
    send({
      type: "BOOKMARK",
      object: {
        metadata: {
          resourceVersion: String(store.revision()),
          ...(initial ? { annotations: { "k8s.io/initial-events-end": "true" } } : {}),
        },
      },
    });
  }
  return { bookmark: () => bookmark(false), stop: unsubscribe };
}

export function revisionFault(text: string): string {
  return `resourceVersion: Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`;
}

/** 500, as the real one, for a revision that is none; 504 for one that has not happened yet. */
export function checkRevision(store: Store, text: string): void {
  if (text === "" || text === "0") return;
  if (!/^\d+$/.test(text)) throw unexplained(revisionFault(text));
  if (Number(text) > store.revision()) {
    throw new ApiError(504, "Timeout", `Timeout: Too large resource version: ${text}, current: ${store.revision()}`, {
      causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
      retryAfterSeconds: 1,
    });
  }
}
