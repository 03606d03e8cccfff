/** Events as client-go's recorder writes them: the same event again raises its count. */
import { asNumber, asString } from "../json.ts";
import type { KubeObject } from "../object.ts";
import type { Caller, Registry } from "../registry/registry.ts";
import { timestamp } from "../timers.ts";

export interface Recorder {
  event(object: KubeObject, type: "Normal" | "Warning", reason: string, message: string, fieldPath?: string): void;
}

/** As many as client-go remembers to count repeats. */
const knownEvents = 4096;

export function createRecorder(registry: Registry, caller: Caller, component: string, host?: string): Recorder {
  const events = registry.kinds.resource("", "events");
  const names = new Map<string, string>();
  let last = 0n;

  /** The object's name and a time in hex, so that names sort by time. */
  function nameFor(object: string): string {
    const now = BigInt(registry.clock.now().getTime()) * 1_000_000n;
    last = now > last ? now : last + 1n;
    return `${object}.${last.toString(16)}`;
  }
  return {
    event(object, type, reason, message, fieldPath) {
      const { metadata } = object;
      const namespace = metadata.namespace ?? "default";
      const now = timestamp(registry.clock.now());
      const identity = [component, host, metadata.uid, type, reason, message, fieldPath].join("\u0000");
      const name = names.get(identity) ?? nameFor(metadata.name);
      names.set(identity, name);
      if (names.size > knownEvents) names.delete(names.keys().next().value ?? "");
      const existing = registry.store.get(events.storage, namespace, name);
      try {
        if (existing) {
          registry.edit(caller, events, namespace, name, "", (event) => {
            event["count"] = asNumber(event["count"], 1) + 1;
            event["lastTimestamp"] = now;
          });
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
          source: { component, ...(host ? { host } : {}) },
          firstTimestamp: now,
          lastTimestamp: now,
          count: 1,
          type,
          eventTime: null,
          reportingComponent: component,
          reportingInstance: host ?? "",
        });
      } catch {
        // An event about something in a namespace that is going away is lost, as in a real cluster.
      }
    },
  };
}
