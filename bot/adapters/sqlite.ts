import { chmodSync } from "node:fs";
import { join } from "node:path";
import type Database from "better-sqlite3";
import { newId } from "../../shared/ids.ts";
import { type Redactor, redactObject, redactText } from "../../shared/redact.ts";
import type { Clock } from "../edges.ts";
import type { Store } from "../store.ts";
import { createAuditStore } from "./sqlite/audit.ts";
import { createCardStore } from "./sqlite/cards.ts";
import { createChangeStore } from "./sqlite/changes.ts";
import type { Connection } from "./sqlite/connection.ts";
import { clearPart, finishPart, partOf } from "./sqlite/copy.ts";
import { createEventStore } from "./sqlite/events.ts";
import { createEvidenceStore } from "./sqlite/evidence.ts";
import { asStoreFault } from "./sqlite/faults.ts";
import { type FileSystem, openFile, openToRead } from "./sqlite/file.ts";
import { createIncidentStore } from "./sqlite/incidents.ts";
import { createMetaStore } from "./sqlite/meta.ts";
import { migrate } from "./sqlite/migrate.ts";
import { createOutboxStore } from "./sqlite/outbox.ts";
import { createPauseStore } from "./sqlite/pauses.ts";
import { createProposalStore } from "./sqlite/proposals.ts";
import { createReceiptStore } from "./sqlite/receipts.ts";
import { createRetentionStore } from "./sqlite/retention.ts";
import { createTransactions } from "./sqlite/transactions.ts";
import { createUserStore } from "./sqlite/users.ts";

export interface StoreOptions {
  /** Path of the file. Its folder is made when it is not there. */
  path: string;
  clock: Clock;
  /** Names this process in the `writer` row. */
  holder: string;
  /** Knows Steward's own secrets; the one that goes by looks alone when not given. */
  redactor?: Redactor;
  /** Folder of the numbered migrations; beside this program when not given. */
  migrations?: string;
  /** The file system a folder is on; asked of the system when not given. */
  fileSystem?: (folder: string) => FileSystem;
}

/** The nouns of a store that is only read; what would change them throws. */
export type StoreReader = Omit<Store, "transact" | "group" | "afterCommit" | "probe" | "backup">;

/**
 * Opens the file, brings its schema up to date and becomes its writer with the next epoch. Throws `unavailable` with what is
 * wrong; the process exits 3 on it, unless `state` is `locked`: then another process is the writer, and this one may wait.
 */
export function openStore(options: StoreOptions): Store {
  const { path, clock, holder, redactor = standardRedactor } = options;
  const file = openFile(path, options.fileSystem);
  const { db } = file;
  try {
    migrate(db, path, options.migrations ?? join(import.meta.dirname, "sqlite"));
    const { instanceId, epoch, latestAt } = becomeWriter(db, holder, clock);
    const transactions = createTransactions({ db, path, clock, epoch, latestAt });
    return {
      epoch,
      instanceId,
      path,
      transact: transactions.transact,
      group: transactions.group,
      afterCommit: transactions.afterCommit,
      probe() {
        file.check();
        transactions.transact(() => undefined);
      },
      async backup(to) {
        clearPart(to);
        await db.backup(partOf(to));
        chmodSync(partOf(to), 0o600);
        finishPart(to);
      },
      close() {
        transactions.flush();
        db.pragma("wal_checkpoint(TRUNCATE)");
        file.close();
      },
      ...createNouns({ db, now: transactions.now, epoch, instanceId, redactor }),
    };
  } catch (error) {
    file.close();
    throw asStoreFault(error, path);
  }
}

const standardRedactor: Redactor = { text: redactText, object: redactObject };

/** Opens a store beside its writer, or one that nobody writes to. Throws `unavailable` with what is wrong. */
export function readStore(path: string): StoreReader {
  const db = openToRead(path);
  try {
    const instanceId = db.prepare("SELECT value FROM meta WHERE key = 'instance_id'").pluck().get();
    const epoch = db.prepare("SELECT epoch FROM writer").pluck().get();
    const connection: Connection = {
      db,
      epoch: Number(epoch),
      instanceId: String(instanceId),
      redactor: standardRedactor,
      now() {
        throw new Error("a change of a store that was opened to be read");
      },
    };
    return {
      epoch: connection.epoch,
      instanceId: connection.instanceId,
      path,
      close: () => void db.close(),
      ...createNouns(connection),
    };
  } catch (error) {
    db.close();
    throw asStoreFault(error, path);
  }
}

function createNouns(connection: Connection) {
  return {
    audit: createAuditStore(connection),
    changes: createChangeStore(connection),
    meta: createMetaStore(connection),
    receipts: createReceiptStore(connection),
    incidents: createIncidentStore(connection),
    evidence: createEvidenceStore(connection),
    proposals: createProposalStore(connection),
    pauses: createPauseStore(connection),
    cards: createCardStore(connection),
    outbox: createOutboxStore(connection),
    users: createUserStore(connection),
    retention: createRetentionStore(connection),
    events: createEventStore(connection),
  };
}

interface WriterRow {
  epoch: number;
  latest_at: string;
}

function becomeWriter(
  db: Database.Database,
  holder: string,
  clock: Clock,
): { instanceId: string; epoch: number; latestAt: Date } {
  return db
    .transaction(() => {
      db.prepare("INSERT INTO meta (key, value) VALUES ('instance_id', ?) ON CONFLICT DO NOTHING").run(newId());
      const instanceId = db.prepare<[], string>("SELECT value FROM meta WHERE key = 'instance_id'").pluck().get();
      const row = db
        .prepare<[string, string], WriterRow>(
          `INSERT INTO writer (one, epoch, holder, latest_at) VALUES (1, 1, ?, ?)
           ON CONFLICT (one) DO UPDATE SET epoch = epoch + 1, holder = excluded.holder
           RETURNING epoch, latest_at`,
        )
        .get(holder, clock.now().toISOString());
      if (row === undefined || typeof instanceId !== "string") throw new Error("the writer row was not written");
      return { instanceId, epoch: row.epoch, latestAt: new Date(row.latest_at) };
    })
    .immediate();
}
