import Database from "better-sqlite3";
import { type ErrorDetail, StewardError } from "../../../shared/errors.ts";

/** By the longest code that fits, so the particular stands before the general. Source: sqlite.org/rescode.html. */
const explained: readonly (readonly [code: string, text: string])[] = [
  ["SQLITE_READONLY_DBMOVED", "was moved or removed while in use"],
  ["SQLITE_READONLY", "is read-only"],
  ["SQLITE_NOTADB", "is not a SQLite file"],
  ["SQLITE_CORRUPT", "is damaged"],
  ["SQLITE_FULL", "cannot grow: the disk is full"],
  ["SQLITE_CANTOPEN", "cannot be opened"],
  ["SQLITE_BUSY", "is in use by another process"],
  ["SQLITE_IOERR", "cannot be read or written"],
  ["SQLITE_PERM", "may not be opened by this user"],
  ["SQLITE_PROTOCOL", "cannot be locked"],
];

/** What an operator can do something about, as `unavailable`; the process exits 3 on it, or turns not ready. */
export function storeFault(path: string, text: string, detail: ErrorDetail = {}): StewardError {
  return new StewardError("unavailable", `the store ${path} ${text}`, detail);
}

/** SQLite's own faults become `unavailable` in words; everything else, a broken constraint for one, passes unchanged. */
export function asStoreFault(error: unknown, path: string): unknown {
  if (!(error instanceof Database.SqliteError)) return error;
  const known = explained.find(([code]) => error.code.startsWith(code));
  return known === undefined ? error : storeFault(path, known[1], { cause: error });
}
