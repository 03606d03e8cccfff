import { closeSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";

/** Where a copy is written before it has its name: a file called `path` is complete and on disk, or not there. */
export const partOf = (path: string): string => `${path}.part`;

/** Removes what an interrupted copy left behind. */
export function clearPart(path: string): void {
  rmSync(partOf(path), { force: true });
}

/** Brings the written part to disk and gives it its name. */
export function finishPart(path: string): void {
  sync(partOf(path), "r+");
  renameSync(partOf(path), path);
  sync(dirname(path), "r");
}

function sync(path: string, flags: string): void {
  const handle = openSync(path, flags);
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
