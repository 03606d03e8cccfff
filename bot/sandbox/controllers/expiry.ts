/** Events live for an hour after they were last written. */
import { asString, at } from "../json.ts";
import { keyOf } from "../storage.ts";
import type { Controller, ControllerContext } from "./context.ts";
import { createQueue } from "./queue.ts";

const lifetime = 3_600_000;

export function createEventExpiry({ registry, clock, timers }: ControllerContext): Controller {
  const queue = createQueue({ timers, clock }, (key) => {
    const [namespace = "", name = ""] = key.split("/");
    const event = registry.store.get("/events", namespace, name);
    if (!event) return;
    const last =
      asString(at(event, "series", "lastObservedTime")) ||
      asString(event["lastTimestamp"]) ||
      asString(event["eventTime"]) ||
      asString(event.metadata.creationTimestamp);
    // Hours are hours: the age of an event is not sped up.
    const left = Date.parse(last) + lifetime - clock.now().getTime();
    if (left > 0) queue.addAfter(key, left * timers.speed);
    else registry.store.remove("/events", event);
  });
  return {
    observe({ storage, type, object }) {
      if (storage === "/events" && type === "ADDED") queue.addAfter(keyOf(object), lifetime * timers.speed);
    },
    stop: queue.stop,
  };
}
