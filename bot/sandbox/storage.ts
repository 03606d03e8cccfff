/** What etcd is to the real server: objects under one revision counter, and a bounded log of changes to watch. */
import type { KubeObject } from "./object.ts";

type ChangeType = "ADDED" | "MODIFIED" | "DELETED";

export interface Change {
  readonly revision: number;
  readonly type: ChangeType;
  readonly storage: string;
  readonly object: KubeObject;
  readonly previous: KubeObject | undefined;
}

export interface Store {
  revision(): number;
  get(storage: string, namespace: string, name: string): KubeObject | undefined;
  /** In key order (namespace, name), as etcd returns them. An empty namespace means all. */
  list(storage: string, namespace?: string): KubeObject[];
  put(storage: string, object: KubeObject): KubeObject;
  remove(storage: string, object: KubeObject): KubeObject;
  /** Changes after a revision, or undefined when the log no longer reaches back that far. */
  since(revision: number): readonly Change[] | undefined;
  oldest(): number;
  /** The objects as they were at a revision, or undefined when that is compacted. */
  snapshot(revision: number, storage: string, namespace?: string): KubeObject[] | undefined;
  subscribe(listener: (change: Change) => void): () => void;
  /** Forgets all history, as etcd's compaction does. */
  compact(): void;
}

const kept = 10_000;

export function keyOf(object: KubeObject): string {
  return `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
}

function inOrder(objects: Iterable<KubeObject>, namespace: string): KubeObject[] {
  const chosen = [...objects].filter((object) => namespace === "" || object.metadata.namespace === namespace);
  return chosen.sort((a, b) => {
    const x = keyOf(a);
    const y = keyOf(b);
    return x < y ? -1 : x > y ? 1 : 0;
  });
}

export function createStore(): Store {
  const tables = new Map<string, Map<string, KubeObject>>();
  const listeners = new Set<(change: Change) => void>();
  let log: Change[] = [];
  const untold: Change[] = [];
  let telling = false;
  let current = 1;
  let compactedAt = 1;

  function tableOf(storage: string): Map<string, KubeObject> {
    let table = tables.get(storage);
    if (!table) {
      table = new Map();
      tables.set(storage, table);
    }
    return table;
  }
  function record(type: ChangeType, storage: string, object: KubeObject, previous: KubeObject | undefined) {
    const change: Change = { revision: current, type, storage, object, previous };
    log.push(change);
    if (log.length > kept * 1.25) {
      log = log.slice(-kept);
      compactedAt = (log[0]?.revision ?? current) - 1;
    }
    // A listener may write: its change is told after this one, to everybody.
    untold.push(change);
    if (telling) return;
    telling = true;
    try {
      for (let next = untold.shift(); next; next = untold.shift())
        for (const listener of [...listeners]) listener(next);
    } finally {
      telling = false;
    }
  }
  function stamped(object: KubeObject): KubeObject {
    current += 1;
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(current) } };
  }
  return {
    revision: () => current,
    oldest: () => compactedAt,
    get: (storage, namespace, name) => tables.get(storage)?.get(`${namespace}/${name}`),
    list: (storage, namespace = "") => inOrder(tables.get(storage)?.values() ?? [], namespace),
    put(storage, object) {
      const table = tableOf(storage);
      const previous = table.get(keyOf(object));
      const written = stamped(object);
      table.set(keyOf(written), written);
      record(previous ? "MODIFIED" : "ADDED", storage, written, previous);
      return written;
    },
    remove(storage, object) {
      tableOf(storage).delete(keyOf(object));
      const written = stamped(object);
      record("DELETED", storage, written, object);
      return written;
    },
    since: (revision) => (revision < compactedAt ? undefined : log.filter((change) => change.revision > revision)),
    snapshot(revision, storage, namespace = "") {
      if (revision < compactedAt) return undefined;
      const objects = new Map(tables.get(storage));
      for (const change of log.toReversed()) {
        if (change.revision <= revision) break;
        if (change.storage !== storage) continue;
        if (change.previous) objects.set(keyOf(change.previous), change.previous);
        else objects.delete(keyOf(change.object));
      }
      return inOrder(objects.values(), namespace);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    compact() {
      log = [];
      compactedAt = current;
    },
  };
}
