import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type Database from "better-sqlite3";
import { clearPart, finishPart, partOf } from "./copy.ts";
import { storeFault } from "./faults.ts";
import { applicationId } from "./file.ts";

/**
 * Brings the schema to the newest of the numbered files in `folder` (`001-init.sql`, …): forward only, each in one transaction
 * with its `user_version`. Before a file that holds data is changed it is copied to `steward.db.vN`, N being its version.
 * Throws `unavailable` when the file is newer than this program.
 */
export function migrate(db: Database.Database, path: string, folder: string): void {
  const steps = readdirSync(folder)
    .filter((name) => /^\d{3}-.*\.sql$/.test(name))
    .sort()
    .map((name) => ({ number: Number(name.slice(0, 3)), file: join(folder, name) }));
  const newest = steps.at(-1)?.number ?? 0;
  const version = Number(db.pragma("user_version", { simple: true }));
  if (version > newest) {
    throw storeFault(
      path,
      `has schema ${version}, newer than this Steward knows (${newest}); start the newer version`,
      {
        retryable: false,
      },
    );
  }
  if (version > 0 && version < newest) keepCopy(db, path, version);
  for (const { number, file } of steps) {
    if (number <= version) continue;
    db.transaction(() => {
      db.exec(readFileSync(file, "utf8"));
      db.pragma(`user_version = ${number}`);
      db.pragma(`application_id = ${applicationId}`);
    }).immediate();
  }
}

/** Complete under its name or not there at all. An earlier copy of the same version is kept: it is the older one. */
function keepCopy(db: Database.Database, path: string, version: number): void {
  const copy = `${path}.v${version}`;
  if (existsSync(copy)) return;
  clearPart(copy);
  db.prepare("VACUUM INTO ?").run(partOf(copy));
  finishPart(copy);
}
