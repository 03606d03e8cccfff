import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Sandbox, startSandbox } from "../bot/sandbox/index.ts";
import { startBotProcess } from "./bot-process.ts";
import { until } from "./until.ts";

let folder: string;
let sandbox: Sandbox;
let count = 0;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "steward-start-"));
  sandbox = await startSandbox({ world: { objects: [] } });
  writeFileSync(join(folder, "kubeconfig"), sandbox.kubeconfig());
});
after(async () => {
  await sandbox.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A bot in a folder of its own on the one cluster. */
function start(config: Readonly<Record<string, unknown>> = {}, prepare: (data: string) => void = () => {}) {
  const own = join(folder, String(count++));
  const data = join(own, "data");
  mkdirSync(data, { recursive: true });
  prepare(data);
  return startBotProcess(own, {
    cluster: { kubeconfig: join(folder, "kubeconfig") },
    locale: "en",
    data,
    http: { host: "127.0.0.1", port: 0 },
    webhook: { bearerToken: "a token of the test" },
    ...config,
  });
}

const fails = (config: Readonly<Record<string, unknown>>, code: number, words: RegExp) =>
  assert.rejects(start(config), (error: unknown) => {
    const { message } = error as Error;
    assert.match(message, new RegExp(`^the bot ended with ${code} `), message);
    assert.match(message, words);
    assert.doesNotMatch(message, /\n\s+at /, "no stack trace");
    return true;
  });

describe("what keeps it from starting is said in one line, with its exit code", () => {
  test("a kubeconfig that is not there is a fault of the configuration, with its place", () =>
    fails({ cluster: { kubeconfig: "./nowhere" } }, 2, /steward\.yaml:\d+: cluster\.kubeconfig names \.\/nowhere/));

  test("a context that the kubeconfig does not have, too", () =>
    fails({ cluster: { kubeconfig: join(folder, "kubeconfig"), context: "moon" } }, 2, /moon/));

  test("an address that is taken", async () => {
    const first = await start();
    const port = Number(new URL(first.url).port);
    await fails({ http: { host: "127.0.0.1", port } }, 1, new RegExp(`cannot listen on 127.0.0.1:${port} .EADDRINUSE`));
    await first.kill("SIGTERM");
  });
});

test("a rule that can never match is named with its line, and the rest starts", async () => {
  const never = { name: "never", match: ['severity="a"', 'severity="b"'], route: "notify" };
  const bot = await start({ policy: { rules: [never] } });
  const warned = bot.lines.find(({ rule }) => rule === "never");
  assert.equal(warned?.["level"], "warn");
  assert.equal(typeof warned?.["line"], "number");
  assert.match(String(warned?.["problem"]), /severity/);
  assert.equal(await bot.kill("SIGTERM"), 0);
});

test("a standby that cannot serve when its turn comes says why, gives the Lease back and ends", async () => {
  const first = await start();
  const second = await start({}, (data) => writeFileSync(join(data, "steward.db"), "no database at all, just words"));
  const third = await start();
  await first.kill("SIGTERM");
  assert.equal(await second.exited, 3);
  assert.match(String(second.lines.find(({ msg }) => msg === "cannot start")?.["error"]), /is not a SQLite file/);
  await until("the third serves", async () => (await fetch(`${third.url}/readyz`)).status === 200, 30_000, 100);
  assert.equal(await third.kill("SIGTERM"), 0);
});
