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
  // Before SQLite has a say: the file is made by us.
  ["EISDIR", "is a directory"],
  ["EROFS", "is read-only"],
  ["EACCES", "may not be opened by this user"],
  ["EPERM", "may not be opened by this user"],
  ["ENOSPC", "cannot grow: the disk is full"],
];

/** What an operator can do something about, as `unavailable`; the process exits 3 on it, or turns not ready. */
export function storeFault(path: string, text: string, detail: ErrorDetail = {}): StewardError {
  return new StewardError("unavailable", `the store ${path} ${text}`, detail);
}

/** SQLite's and the system's own faults become `unavailable` in words; everything else, a broken constraint for one, passes unchanged. */
export function asStoreFault(error: unknown, path: string): unknown {
  const code = codeOf(error);
  const known = explained.find(([start]) => code.startsWith(start));
  return known === undefined ? error : storeFault(path, known[1], { cause: error });
}

function codeOf(error: unknown): string {
  if (error instanceof Database.SqliteError) return error.code;
  return error instanceof Error && "syscall" in error && "code" in error ? String(error.code) : "";
}
