import { closeSync, constants, mkdirSync, openSync, statfsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import Database from "better-sqlite3";
import { asStoreFault, storeFault } from "./faults.ts";

/** `application_id` of the file, "STWD": how Steward's files are told from other programs'. */
export const applicationId = 0x53545744;

export interface FileSystem {
  /** The magic number of statfs(2). */
  readonly type: number;
  /** Bytes left for this user. */
  readonly free: number;
}

/** With less than the largest delivery left, a commit of one page may still find room in the log: that is no store to rely on. */
const leastFree = 4 * 1024 * 1024;

export interface StoreFile {
  readonly db: Database.Database;
  /** Throws `unavailable` when the file, or the lock on it, is no longer the one that was opened, or has no room to grow. */
  check(): void;
  close(): void;
}

/**
 * Opens the file for writing and keeps every other process out until it is closed or this process ends, however it ends.
 * Throws `unavailable`: in use (`state` is then `locked`), on a network file system, not SQLite, another program's, read-only.
 */
export function openFile(path: string, fileSystemOf: (folder: string) => FileSystem = fileSystem): StoreFile {
  const folder = dirname(path);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw storeFault(path, `has no folder to be in: ${folder} cannot be made`, { cause: error });
  }
  const network = networkFileSystems[fileSystemOf(folder).type];
  if (network !== undefined) {
    throw storeFault(
      path,
      `is on a network file system (${network}), where SQLite can lose data; use a local or block volume`,
    );
  }
  const lockPath = join(folder, "steward.lock");
  const lock = takeLock(lockPath, path);
  try {
    const db = openDatabase(path);
    const identities = [path, lockPath].map((each) => ({ each, found: identify(each) }));
    return {
      db,
      check() {
        for (const { each, found } of identities) {
          const now = identify(each);
          if (now === null) throw storeFault(path, `has lost its file: ${each} was removed while in use`);
          if (now !== found) throw storeFault(path, `has lost its file: ${each} was replaced while in use`);
        }
        if (fileSystemOf(folder).free < leastFree) throw storeFault(path, "cannot grow: the disk is full");
      },
      close() {
        db.close();
        lock.close();
      },
    };
  } catch (error) {
    lock.close();
    throw asStoreFault(error, path);
  }
}

/** Opens the file beside its writer, for reading only. Throws `unavailable` when it cannot be read or is not Steward's. */
export function openToRead(path: string): Database.Database {
  try {
    const db = new Database(path, { readonly: true, fileMustExist: true, timeout: 2_000 });
    refuseStrangers(db, path);
    return db;
  } catch (error) {
    throw asStoreFault(error, path);
  }
}

/**
 * An exclusive transaction on an empty database beside the store: a lock of the kernel's, gone when the process is, even after
 * a `kill -9`. The store itself stays open to readers.
 */
function takeLock(lockPath: string, path: string): Database.Database {
  let lock: Database.Database;
  try {
    lock = new Database(lockPath, { timeout: 0 });
  } catch (error) {
    throw asStoreFault(error, path);
  }
  try {
    lock.exec("BEGIN EXCLUSIVE");
    return lock;
  } catch (error) {
    lock.close();
    if (error instanceof Database.SqliteError && error.code.startsWith("SQLITE_BUSY")) {
      throw storeFault(path, "is in use by another process", { cause: error, state: "locked" });
    }
    throw asStoreFault(error, path);
  }
}

function openDatabase(path: string): Database.Database {
  // Made by us rather than by SQLite, so that password hashes and evidence are nobody else's to read.
  closeSync(openSync(path, constants.O_RDONLY | constants.O_CREAT, 0o600));
  const db = new Database(path, { timeout: 200 });
  try {
    refuseStrangers(db, path);
    db.pragma("trusted_schema = OFF");
    db.pragma("cell_size_check = ON");
    db.pragma("foreign_keys = ON");
    db.pragma("temp_store = MEMORY");
    const mode = db.pragma("journal_mode = WAL", { simple: true });
    // A reopened WAL file comes up with synchronous NORMAL unless it is set: an audit trail must not lose a commit to a power cut.
    db.pragma("synchronous = FULL");
    // Every checkpoint waits for the disk twice more; with 16 MB of log between two, a storm has few of them.
    db.pragma("wal_autocheckpoint = 4000");
    db.pragma("journal_size_limit = 67108864");
    if (mode !== "wal" || db.pragma("synchronous", { simple: true }) !== 2) {
      throw storeFault(path, "cannot be made durable here: WAL with synchronous FULL is refused by its file system");
    }
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** A file of another program, or of no program yet that has tables in it, is not ours to migrate. */
function refuseStrangers(db: Database.Database, path: string): void {
  const id = db.pragma("application_id", { simple: true });
  const empty = db.prepare("SELECT count(*) FROM sqlite_schema").pluck().get() === 0;
  if (id !== applicationId && !empty) throw storeFault(path, "is a SQLite file, but of another program");
}

function identify(path: string): string | null {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? null : `${found.dev}:${found.ino}`;
}

function fileSystem(folder: string): FileSystem {
  const { type, bavail, bsize } = statfsSync(folder);
  return { type, free: bavail * bsize };
}

/** By the magic number of statfs(2). Source: linux/magic.h. */
const networkFileSystems: Readonly<Record<number, string>> = {
  26985: "NFS",
  20859: "SMB",
  4283649346: "CIFS",
  4266872130: "SMB2",
  1702057286: "FUSE",
  1397113167: "AFS",
  12805120: "Ceph",
};
