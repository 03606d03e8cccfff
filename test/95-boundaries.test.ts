import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { findFaults, readSources } from "./boundaries.ts";

const root = join(import.meta.dirname, "..");

test("who imports whom is as the house is planned", () => {
  assert.deepEqual(findFaults(readSources(root)), []);
});

/** What somebody might add in good faith, and the words that tell them why not. */
const planted: readonly [what: string, path: string, line: string, told: RegExp][] = [
  [
    "a stage calls another",
    "bot/gate.ts",
    'import { createExecute } from "./execute.ts";',
    /takes the functions of another from app/,
  ],
  [
    "a stage opens the store",
    "bot/gate.ts",
    'import { openStore } from "./adapters/sqlite.ts";',
    /not what implements them/,
  ],
  ["a stage knows an SDK", "bot/gate.ts", 'import { KubeConfig } from "@kubernetes/client-node";', /its place is/],
  ["a second file knows an SDK", "bot/http/log.ts", 'import { pino } from "pino";', /its place is bot\/adapters\/log/],
  ["an SDK nobody placed", "bot/gate.ts", 'import leftPad from "left-pad";', /no place in the table/],
  ["an adapter knows a stage", "bot/adapters/log.ts", 'import type { Gate } from "../gate.ts";', /not the stages/],
  ["a stage reads a file", "bot/gate.ts", 'import { readFileSync } from "node:fs";', /only the rim/],
  [
    "the bot starts a program",
    "bot/adapters/shell.ts",
    'import { spawn } from "node:child_process";',
    /starts no program/,
  ],
  [
    "the bot starts a program, late",
    "bot/gate.ts",
    'const { spawn } = await import("node:child_process");',
    /starts no program/,
  ],
  ["shared/ does I/O", "shared/audit.ts", 'import { readFileSync } from "node:fs";', /shared\/ is pure/],
  [
    "shared/ knows the bot",
    "shared/audit.ts",
    'import type { Store } from "../bot/store.ts";',
    /shared\/ knows nobody/,
  ],
  [
    "cards/ knows the bot",
    "cards/card.ts",
    'import type { Store } from "../bot/store.ts";',
    /cards\/ knows only shared/,
  ],
  [
    "the plugin knows the bot",
    "kubectl-steward/client.ts",
    'import { hashRecord } from "../bot/audit.ts";',
    /the plugin knows only shared/,
  ],
  [
    "the plugin knows the cards",
    "kubectl-steward/output.ts",
    'export { renderCard } from "../cards/card.ts";',
    /the plugin knows only shared/,
  ],
  [
    "the product knows its sandbox",
    "bot/gate.ts",
    'import { startSandbox } from "./sandbox/index.ts";',
    /does not know its sandbox/,
  ],
  ["somebody knows the root", "bot/gate.ts", 'import { createApp } from "./app.ts";', /who puts the bot together/],
  ["a stage reads the environment", "bot/gate.ts", 'const home = process.env["HOME"];', /uses process\.env/],
  ["a stage reads the clock", "bot/gate.ts", "const at = Date.now();", /uses Date\.now/],
  ["a card reads the clock", "cards/card.ts", "const at = new Date();", /uses new Date/],
  ["a stage has a timer", "bot/gate.ts", "setTimeout(() => undefined, 5);", /uses a timer/],
  ["a stage writes SQL", "bot/gate.ts", 'db.exec("UPDATE proposals SET summary = 1");', /only the store writes/],
  [
    "a noun moves another's state",
    "bot/adapters/sqlite/pauses.ts",
    "db.prepare(`UPDATE proposals SET state = ?`);",
    /moves the state of proposals/,
  ],
  [
    "two files need each other",
    "shared/errors.ts",
    'import { hashRecord } from "./audit.ts"; import "./errors.ts";',
    /a circle of imports/,
  ],
];

for (const [what, path, line, told] of planted) {
  test(`it is noticed when ${what}`, () => {
    const sources = new Map(readSources(root));
    sources.set(path, `${line}\n${sources.get(path) ?? ""}`);
    const before = new Set(findFaults(readSources(root)));
    const faults = findFaults(sources).filter((fault) => !before.has(fault));
    assert.ok(
      faults.some((fault) => told.test(fault) && fault.includes(path)),
      `not noticed; found ${JSON.stringify(faults)}`,
    );
  });
}

test("words in comments are no imports", () => {
  const sources = new Map([
    [
      "bot/gate.ts",
      '// import { spawn } from "node:child_process"; Date.now()\n/* new Date() */\nexport const a = 1;\n',
    ],
  ]);
  assert.deepEqual(findFaults(sources), []);
});
