/**
 * `npm run bench [-- ingest start plugin audit]`: the figures of SPEC 16 that can be measured on one machine, of the bundles. Ratios are of one
 * run; absolute times are those of a shared machine.
 */
import { cpus } from "node:os";
import { measureAudit } from "./audit.ts";
import { writeSpread } from "./figures.ts";
import { measureIngest } from "./ingest.ts";
import { measurePlugin, measureStart } from "./start.ts";

const benches: Readonly<Record<string, () => void | Promise<void>>> = {
  async ingest() {
    const { empty, durable, ratio, p99, refused } = await measureIngest(3, 5_000);
    say("durable ingest, 2 alerts, 50 connections", writeSpread(durable, "requests/s"));
    say("  an empty handler that parses the same", writeSpread(empty, "requests/s"));
    say("  ratio", writeSpread(ratio, "x"));
    say("  time to the 202, p99", `${writeSpread(p99, "ms")}; ${refused} not taken`);
  },
  async start() {
    for (const incidents of [0, 100_000]) {
      const { ready, rss } = await measureStart(incidents, 5);
      say(`start to ready, ${incidents} incidents`, writeSpread(ready, "ms"));
      say("  idle RSS, terminal channel only", writeSpread(rss, "MB"));
    }
  },
  plugin() {
    const { plugin, empty, ratio } = measurePlugin(15);
    say("kubectl-steward version", writeSpread(plugin, "ms"));
    say("  an empty start of the same Node", writeSpread(empty, "ms"));
    say("  ratio", writeSpread(ratio, "x"));
  },
  async audit() {
    const { records, page, verify, longestWait } = await measureAudit(1_000_000);
    say(`audit of ${records} records: filtered page`, writeSpread(page, "ms"));
    say("  verify", `${(verify / 1_000).toFixed(1)} s; others waited ${longestWait.toFixed(0)} ms at the longest`);
  },
};

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !Object.hasOwn(benches, name));
if (unknown !== undefined) {
  console.error(`no bench named ${unknown}; there are ${Object.keys(benches).join(", ")}`);
  process.exit(2);
}
console.log(`Node ${process.version}, ${cpus().length} processors, median (min to max)`);
for (const [name, run] of Object.entries(benches)) if (wanted.length === 0 || wanted.includes(name)) await run();

function say(what: string, figure: string): void {
  console.log(`${what.padEnd(46)} ${figure}`);
}
