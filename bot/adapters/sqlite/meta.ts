import type { MetaStore } from "../../store.ts";
import type { Connection } from "./connection.ts";

export function createMetaStore({ db, now }: Connection): MetaStore {
  const get = db.prepare<[string], string>("SELECT value FROM meta WHERE key = ?").pluck();
  const set = db.prepare(
    "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
  );
  const remove = db.prepare("DELETE FROM meta WHERE key = ?");
  return {
    get: (key) => (get.get(key) as string | undefined) ?? null,
    set(key, value) {
      now();
      set.run(key, value);
    },
    delete(key) {
      now();
      remove.run(key);
    },
  };
}
