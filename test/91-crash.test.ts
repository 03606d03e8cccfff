import assert from "node:assert/strict";
import { test } from "node:test";
import { proveCrashSafety } from "./prove/crash.ts";

/** The short form of `npm run prove`: the same load and the same checks, a few kills from a fixed seed. */
test("killed again and again under load, nothing acknowledged is lost and nothing is done twice", async (t) => {
  const report = await proveCrashSafety({
    kills: 12,
    seed: 20_260_101,
    lastDownMs: 120_000,
    say: (line) => t.diagnostic(line),
  });
  t.diagnostic(JSON.stringify(report));
  assert.deepEqual(report.violations, []);
  assert.ok(report.acknowledged > 50, `only ${report.acknowledged} deliveries were acknowledged: that proves little`);
  assert.ok(report.executions >= report.kills / 3, `only ${report.executions} executions began: that proves little`);
  assert.ok(report.observed + report.cancelled > 0, "no kill met an execution: that proves nothing of them");
});
