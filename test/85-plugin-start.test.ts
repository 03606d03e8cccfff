import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { pluginBundle } from "./plugin.ts";

/** The quickest of several runs, in ms: what the program costs, without what else the machine does. */
function quickest(args: readonly string[], runs = 12): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < runs; i++) {
    const began = performance.now();
    execFileSync(process.execPath, args, { stdio: "ignore" });
    best = Math.min(best, performance.now() - began);
  }
  return best;
}

test("version starts within one and a half empty Node starts, and completion within two", () => {
  const empty = quickest(["-e", "0"]);
  const version = quickest([pluginBundle, "version"]);
  const completion = quickest([pluginBundle, "__complete", "app"]);
  assert.ok(version <= 1.5 * empty, `version ${version.toFixed(0)} ms, an empty start ${empty.toFixed(0)} ms`);
  assert.ok(completion <= 2 * empty, `completion ${completion.toFixed(0)} ms, an empty start ${empty.toFixed(0)} ms`);
});
