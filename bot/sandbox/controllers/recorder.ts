/** Events as client-go's two recorders write them: the same event again raises its count, or that of its series. */
import { asNumber, asObject, asString, type JsonObject } from "../json.ts";
import type { KubeObject } from "../object.ts";
import type { Caller, Registry } from "../registry/registry.ts";
import { microTimestamp, timestamp } from "../timers.ts";

export interface Recorder {
  event(object: KubeObject, type: EventType, reason: string, message: string, fieldPath?: string): void;
  /** As events.k8s.io has them, with what was being done; seen through the core API they have no count and no times. */
  action(object: KubeObject, type: EventType, reason: string, action: string, message: string): void;
}

type EventType = "Normal" | "Warning";

/** As many as client-go remembers to count repeats. */
const knownEvents = 4096;

/** Names of events: the object's name and a time in hex, so that names sort by time; no two are the same, whoever writes them. */
export function createEventNames(now: () => Date): (object: string) => string {
  let last = 0n;
  return (object) => {
    const time = BigInt(now().getTime()) * 1_000_000n;
    last = time > last ? time : last + 1n;
    return `${object}.${last.toString(16)}`;
  };
}

export function createRecorder(
  registry: Registry,
  nameFor: (object: string) => string,
  caller: Caller,
  component: string,
  host?: string,
): Recorder {
  const events = registry.kinds.resource("", "events");
  const names = new Map<string, string>();
  interface Said {
    readonly type: EventType;
    readonly reason: string;
    readonly message: string;
    readonly fieldPath?: string | undefined;
  }

  /** Makes the event, or raises what counts it when it is known. */
  function say(object: KubeObject, said: Said, first: JsonObject, again: (event: KubeObject) => void): void {
    const { metadata } = object;
    const { type, reason, message, fieldPath } = said;
    const namespace = metadata.namespace ?? "default";
    const identity = [component, host, metadata.uid, type, reason, message, fieldPath].join("\u0000");
    const name = names.get(identity) ?? nameFor(metadata.name);
    names.set(identity, name);
    if (names.size > knownEvents) names.delete(names.keys().next().value ?? "");
    try {
      if (registry.store.get(events.storage, namespace, name)) {
        registry.edit(caller, events, namespace, name, "", again);
        return;
      }
      registry.create(caller, events, namespace, {
        apiVersion: "v1",
        kind: "Event",
        metadata: { name, namespace },
        involvedObject: {
          kind: object.kind,
          ...(metadata.namespace ? { namespace: metadata.namespace } : {}),
          name: metadata.name,
          uid: asString(metadata.uid),
          apiVersion: object.apiVersion,
          resourceVersion: asString(metadata.resourceVersion),
          ...(fieldPath ? { fieldPath } : {}),
        },
        reason,
        message,
        type,
        reportingComponent: component,
        ...first,
      });
    } catch {
      // An event about something in a namespace that is going away is lost, as in a real cluster.
    }
  }

  return {
    event(object, type, reason, message, fieldPath) {
      const now = timestamp(registry.clock.now());
      const first = {
        source: { component, ...(host ? { host } : {}) },
        firstTimestamp: now,
        lastTimestamp: now,
        count: 1,
        eventTime: null,
        reportingInstance: host ?? "",
      };
      say(object, { type, reason, message, fieldPath }, first, (event) => {
        event["count"] = asNumber(event["count"], 1) + 1;
        event["lastTimestamp"] = now;
      });
    },
    action(object, type, reason, action, message) {
      const now = microTimestamp(registry.clock.now());
      const first = {
        source: {},
        firstTimestamp: null,
        lastTimestamp: null,
        eventTime: now,
        action,
        reportingInstance: `${component}-sandbox`,
      };
      say(object, { type, reason, message }, first, (event) => {
        const count = asNumber(asObject(event["series"])["count"], 1) + 1;
        event["series"] = { count, lastObservedTime: now };
      });
    },
  };
}
