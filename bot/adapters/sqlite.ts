import { copyFileSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { StewardError } from "../../shared/errors.ts";
import { newId } from "../../shared/ids.ts";
import type { Clock } from "../edges.ts";
import type { Store } from "../store.ts";
import { createAuditStore } from "./sqlite/audit.ts";
import { createCardStore } from "./sqlite/cards.ts";
import { createEvidenceStore } from "./sqlite/evidence.ts";
import { createIncidentStore } from "./sqlite/incidents.ts";
import { createMetaStore } from "./sqlite/meta.ts";
import { createOutboxStore } from "./sqlite/outbox.ts";
import { createPauseStore } from "./sqlite/pauses.ts";
import { createProposalStore } from "./sqlite/proposals.ts";
import { createReceiptStore } from "./sqlite/receipts.ts";
import { createUserStore } from "./sqlite/users.ts";

/** What every noun of the store is made from. */
export interface Connection {
  readonly db: Database.Database;
  /** The frozen time of the open transaction. Throws outside of one: that is how a change without a transaction is found. */
  now(): Date;
  readonly epoch: number;
  readonly instanceId: string;
}

export interface StoreOptions {
  /** Path of the file; its folder must exist. */
  path: string;
  clock: Clock;
  /** Names this process in the `writer` row. */
  holder: string;
  /** Folder of the numbered migrations. */
  migrations: string;
}

/**
 * Opens the file, brings its schema up to date and becomes its writer with the next epoch.
 * Throws `unavailable` with what is wrong (not SQLite, newer schema, read-only, no space); the process exits 3 on it.
 */
export function openStore(options: StoreOptions): Store {
  const { path, clock } = options;
  const db = open(path);
  try {
    migrate(db, path, options.migrations);
    return createStore(db, options);
  } catch (error) {
    db.close();
    throw asUnavailable(error, path);
  }

  function createStore(db: Database.Database, { holder }: StoreOptions): Store {
    let frozen: Date | null = null;
    let latest = "";
    let committed: (() => void)[] = [];
    let waiting: { run: () => void; settle: (error: unknown) => void }[] = [];
    let inode = statSync(path).ino;

    const begin = db.prepare("BEGIN IMMEDIATE");
    const commit = db.prepare("COMMIT");
    const rollback = db.prepare("ROLLBACK");

    const { instanceId, epoch } = becomeWriter();
    const connection: Connection = {
      db,
      epoch,
      instanceId,
      now() {
        if (frozen === null) throw new Error("a change of the store outside of a transaction");
        return frozen;
      },
    };

    const setLatest = db.prepare("UPDATE writer SET latest_at = ? WHERE one = 1 AND epoch = ?");

    return {
      epoch,
      instanceId,
      path,
      transact,
      group,
      afterCommit(fn) {
        if (frozen === null) throw new Error("afterCommit outside of a transaction");
        committed.push(fn);
      },
      probe,
      backup: async (to) => void (await db.backup(to)),
      close() {
        flush();
        db.pragma("wal_checkpoint(TRUNCATE)");
        db.close();
      },
      audit: createAuditStore(connection),
      meta: createMetaStore(connection),
      receipts: createReceiptStore(connection),
      incidents: createIncidentStore(connection),
      evidence: createEvidenceStore(connection),
      proposals: createProposalStore(connection),
      pauses: createPauseStore(connection),
      cards: createCardStore(connection),
      outbox: createOutboxStore(connection),
      users: createUserStore(connection),
    };

    function becomeWriter(): { instanceId: string; epoch: number } {
      return db
        .transaction(() => {
          const known = db.prepare("SELECT value FROM meta WHERE key = 'instance_id'").pluck().get();
          const instanceId = typeof known === "string" ? known : newId();
          if (known === undefined) db.prepare("INSERT INTO meta (key, value) VALUES ('instance_id', ?)").run(instanceId);
          db.prepare(
            `INSERT INTO writer (one, epoch, holder, latest_at) VALUES (1, 1, ?, ?)
             ON CONFLICT (one) DO UPDATE SET epoch = epoch + 1, holder = excluded.holder`,
          ).run(holder, clock.now().toISOString());
          const row = db.prepare("SELECT epoch, latest_at FROM writer").get() as { epoch: number; latest_at: string };
          latest = row.latest_at;
          return { instanceId, epoch: row.epoch };
        })
        .immediate();
    }

    /** Wall clocks jump back; the times we write do not. */
    function freeze(): Date {
      const wall = clock.now().toISOString();
      if (wall > latest) latest = wall;
      return new Date(latest);
    }

    function transact<T>(fn: (now: Date) => T): T {
      if (frozen !== null) return fn(frozen);
      committed = [];
      execute(begin);
      frozen = freeze();
      let result: T;
      try {
        result = fn(frozen);
        refusePromise(result);
        if (setLatest.run(latest, epoch).changes !== 1) {
          throw new StewardError("unavailable", "another process has taken over the store", { retryable: false });
        }
        commit.run();
      } catch (error) {
        frozen = null;
        if (db.inTransaction) rollback.run();
        throw asUnavailable(error, path);
      }
      frozen = null;
      const followers = committed;
      committed = [];
      for (const follow of followers) follow();
      return result;
    }

    function group<T>(fn: (now: Date) => T): Promise<T> {
      return new Promise((resolve, reject) => {
        let result: { value: T } | null = null;
        if (waiting.length === 0) setImmediate(flush);
        waiting.push({
          run: () => {
            result = { value: transactNested(fn) };
          },
          settle: (error) => (error === null && result !== null ? resolve(result.value) : reject(error)),
        });
      });
    }

    /** Each member of a group has a savepoint, so one that fails does not take the others with it. */
    function transactNested<T>(fn: (now: Date) => T): T {
      return db.transaction(() => fn(connection.now()))();
    }

    function flush(): void {
      const members = waiting;
      waiting = [];
      if (members.length === 0) return;
      const failures = new Map<object, unknown>();
      try {
        transact(() => {
          for (const member of members) {
            try {
              member.run();
            } catch (error) {
              if (!db.inTransaction) throw error; // SQLite gave up the whole transaction (disk full): nobody's change is in
              failures.set(member, asUnavailable(error, path));
            }
          }
        });
      } catch (error) {
        for (const member of members) member.settle(error);
        return;
      }
      for (const member of members) member.settle(failures.get(member) ?? null);
    }

    function probe(): void {
      let found: number;
      try {
        found = statSync(path).ino;
      } catch (error) {
        throw new StewardError("unavailable", `the store ${path} was removed while in use`, { cause: error });
      }
      if (found !== inode) throw new StewardError("unavailable", `the store ${path} was replaced while in use`);
      inode = found;
      transact(() => undefined);
    }
  }
}

function open(path: string): Database.Database {
  try {
    const db = new Database(path, { timeout: 200 });
    // A reopened WAL file comes up with synchronous NORMAL unless it is set: an audit trail must not lose a commit to a power cut.
    db.pragma("journal_mode = WAL");
    db.pragma("synchronous = FULL");
    db.pragma("foreign_keys = ON");
    db.pragma("trusted_schema = OFF");
    db.pragma("cell_size_check = ON");
    db.pragma("temp_store = MEMORY");
    db.pragma("journal_size_limit = 67108864");
    return db;
  } catch (error) {
    throw asUnavailable(error, path);
  }
}

/** Forward only. The file is copied aside before it is changed; each migration is one transaction with its `user_version`. */
function migrate(db: Database.Database, path: string, folder: string): void {
  const steps = readdirSync(folder)
    .filter((name) => /^\d{3}-.*\.sql$/.test(name))
    .sort();
  const newest = Number(steps.at(-1)?.slice(0, 3) ?? 0);
  const version = Number(db.pragma("user_version", { simple: true }));
  if (version > newest) {
    throw new StewardError("unavailable", `the store ${path} has schema ${version}, newer than this Steward knows (${newest}); start the newer version`, {
      retryable: false,
    });
  }
  if (version > 0 && version < newest) {
    db.pragma("wal_checkpoint(TRUNCATE)");
    const copy = `${path}.v${version}`;
    if (!existsSync(copy)) copyFileSync(path, copy);
  }
  for (const step of steps) {
    const number = Number(step.slice(0, 3));
    if (number <= version) continue;
    db.transaction(() => {
      db.exec(readFileSync(join(folder, step), "utf8"));
      db.pragma(`user_version = ${number}`);
    }).immediate();
  }
}

function execute(statement: Database.Statement): void {
  statement.run();
}

function refusePromise(value: unknown): void {
  if (value instanceof Promise) throw new Error("a transaction must not await");
}

const explained: Readonly<Record<string, string>> = {
  SQLITE_NOTADB: "is not a SQLite file",
  SQLITE_CORRUPT: "is damaged",
  SQLITE_READONLY: "is read-only",
  SQLITE_FULL: "cannot grow: the disk is full",
  SQLITE_CANTOPEN: "cannot be opened",
  SQLITE_BUSY: "is in use by another process",
};

/** SQLite's own faults become `unavailable` with what an operator can do something about; everything else passes unchanged. */
function asUnavailable(error: unknown, path: string): unknown {
  if (!(error instanceof Database.SqliteError)) return error;
  const known = Object.entries(explained).find(([code]) => error.code.startsWith(code));
  if (known === undefined && !error.code.startsWith("SQLITE_IOERR")) return error;
  return new StewardError("unavailable", `the store ${path} ${known?.[1] ?? "cannot be read or written"}`, { cause: error });
}
