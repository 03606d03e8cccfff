/** Events as client-go's recorder writes them: the same event again raises its count. */
import { createHash } from "node:crypto";
import { asNumber, asString } from "../json.ts";
import type { KubeObject } from "../object.ts";
import type { Caller, Registry } from "../registry/registry.ts";
import { timestamp } from "../timers.ts";

export interface Recorder {
  event(object: KubeObject, type: "Normal" | "Warning", reason: string, message: string, fieldPath?: string): void;
}

export function createRecorder(registry: Registry, caller: Caller, component: string, host?: string): Recorder {
  const events = registry.kinds.resource("", "events");
  return {
    event(object, type, reason, message, fieldPath) {
      const { metadata } = object;
      const namespace = metadata.namespace ?? "default";
      const now = timestamp(registry.clock.now());
      const identity = [component, host, metadata.uid, type, reason, message, fieldPath].join("\u0000");
      const name = `${metadata.name}.${createHash("sha256").update(identity).digest("hex").slice(0, 16)}`;
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
