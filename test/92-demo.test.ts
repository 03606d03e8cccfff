import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, type TestContext, test } from "node:test";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");

interface Ending {
  code: number | null;
  out: string;
  err: string;
}

/** What `npm run demo -- --auto` runs. */
async function play(folder: string, args: readonly string[] = ["--auto"]): Promise<Ending> {
  const child = spawn(process.execPath, [join(folder, "demo.mjs"), ...args], {
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ending = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    ending.out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    ending.err += text;
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, ...ending };
}

/** A copy of the bundle in which one stage says something else. It stays in the project, where the native modules are found. */
function brokenCopy(t: TestContext, whole: string, broken: string): string {
  mkdirSync(join(root, ".cache"), { recursive: true });
  const folder = mkdtempSync(join(root, ".cache", "broken-demo-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(dist, folder, { recursive: true });
  let changed = 0;
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".mjs"))) {
    const text = readFileSync(join(folder, name), "utf8");
    if (!text.includes(whole)) continue;
    writeFileSync(join(folder, name), text.replaceAll(whole, broken));
    changed++;
  }
  assert.ok(changed > 0, `the bundle does not contain ${whole}`);
  return folder;
}

describe("the demo", { concurrency: 3 }, () => {
  test("tells its three stories from alert to proof, and exits 0", async () => {
    const began = performance.now();
    const { code, out, err } = await play(dist);
    assert.deepEqual([code, err], [0, ""], out);
    assert.ok(performance.now() - began < 60_000, "within a minute");
    const said = [
      "payment/checkout runs out of memory",
      "OOMKilled",
      "Raise the memory limit of deployment/checkout from 512Mi to 1Gi",
      "kubectl steward approve",
      "Approved by admin",
      "3/3 ready",
      "dev/orders: a bad release is rolled back by a rule",
      "Approved by rule builtin-dev-restart-loops",
      "kubectl rollout restart deployment/nginx -n default",
      "Restart deployment/nginx",
      "verify_restart",
      "hash chain verified",
    ];
    let at = -1;
    for (const text of said) {
      const found = out.indexOf(text, at);
      assert.ok(found >= 0, `"${text}" is not said, or too early:\n${out}`);
      at = found;
    }
    assert.ok(!out.includes("\u001b"), "no colours but on a terminal");
  });

  // Each of these is one stage that does something else than it should; the demo must not end well.
  const stages: readonly [stage: string, whole: string, broken: string, why: RegExp][] = [
    ["ingest", "/webhook/alertmanager`, limit", "/webhook/other`, limit", /answered 404/],
    [
      "policy",
      'route: "autofix",\n    allow: ["restart", "rollback"]',
      'route: "diagnose",\n    allow: []',
      /was not automatic/,
    ],
    [
      "the decision",
      'move(proposal, "pending", "approved", null)',
      'move(proposal, "pending", "denied", null)',
      /denied|refused|not/,
    ],
    ["verification", '{ verdict: "succeeded", reason:', '{ verdict: "unverified", reason:', /ended as unverified/],
    ["the audit", 'verb: "execute"', 'verb: "did"', /the audit trail lacks execute_setResources/],
  ];
  for (const [stage, whole, broken, why] of stages) {
    test(`exits 1 and says why when ${stage} is broken`, async (t) => {
      const { code, out, err } = await play(brokenCopy(t, whole, broken));
      assert.equal(code, 1, out);
      assert.match(err, why);
      const log = /^The bot's log: (.+)$/m.exec(err)?.[1] ?? "";
      assert.ok(existsSync(log), "who looks for the cause finds the bot's log");
      rmSync(dirname(log), { recursive: true });
    });
  }

  test("says how it is called when it is called otherwise", async () => {
    const { code, out, err } = await play(dist, ["--fast"]);
    assert.deepEqual([code, out], [2, ""]);
    assert.match(err, /usage: npm run demo/);
    assert.doesNotMatch(err, /\n\s+at /);
  });
});
