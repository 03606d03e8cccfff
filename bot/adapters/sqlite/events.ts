import type { EventStore } from "../../store.ts";
import type { Connection } from "./connection.ts";

export function createEventStore({ db, now }: Connection): EventStore {
  const take = db.prepare<[string, string, string]>(
    "INSERT INTO seen_events (channel, event, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
  );
  const prune = db.prepare<[string]>("DELETE FROM seen_events WHERE at < ?");
  return {
    take: (channel, event) => take.run(channel, event, now().toISOString()).changes === 1,
    prune(before) {
      now();
      prune.run(before.toISOString());
    },
  };
}
