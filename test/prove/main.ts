/** `npm run prove -- [--kills N] [--seed N]`: the crash runner at length. Exits 1 when a promise was broken. */
import { parseArgs } from "node:util";
import { proveCrashSafety } from "./crash.ts";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "200" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});
const seed = Number(values.seed);
console.log(`crash safety: ${values.kills} kills, seed ${seed}`);
const report = await proveCrashSafety({
  kills: Number(values.kills),
  seed,
  lastDownMs: 0,
  say: (line) => console.log(line),
});
console.log(
  `${report.kills} kills: ${report.acknowledged} deliveries answered 202, ${report.approved} approvals answered 200, ` +
    `${report.executions} executions (${report.observed} settled by looking, ${report.cancelled} surely not sent), ` +
    `${report.writes} writes seen by the API server, ${report.violations.length} broken promises`,
);
for (const violation of report.violations) console.log(`BROKEN  ${violation}`);
if (report.violations.length > 0) process.exitCode = 1;
