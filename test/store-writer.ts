import { writeSync } from "node:fs";
import { createClock } from "../bot/adapters/clock.ts";
import { openStore } from "../bot/adapters/sqlite.ts";
import { StewardError } from "../shared/errors.ts";

/** Writes numbered keys for ever and prints each number once it is on disk; run by 81-store, which kills it. */
const [path = "", from = "0"] = process.argv.slice(2);
const say = (line: string) => void writeSync(1, `${line}\n`);
try {
  const store = openStore({ path, clock: createClock(), holder: String(process.pid) });
  say("open");
  for (let n = Number(from); ; n++) {
    await store.group(() => store.meta.set(`n${n}`, "x".repeat(2_000)));
    say(String(n));
  }
} catch (error) {
  say(`fault ${error instanceof StewardError ? `${error.code}: ${error.message}` : String(error)}`);
  process.exitCode = 3;
}
