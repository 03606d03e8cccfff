import { join } from "node:path";

/** Folder for programs that took long to get, kept between runs: `STEWARD_TEST_CACHE`, else `.cache` in the project. */
export function cacheFolder(...parts: readonly string[]): string {
  return join(process.env["STEWARD_TEST_CACHE"] ?? join(import.meta.dirname, "../../.cache"), ...parts);
}
