import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import Database from "better-sqlite3";
import { applicationId, openFile } from "../bot/adapters/sqlite/file.ts";
import { openStore, readStore } from "../bot/adapters/sqlite.ts";
import { StewardError } from "../shared/errors.ts";
import { createFakeClock } from "./clock.ts";

const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "steward-store-"));
  folders.push(folder);
  return folder;
}

function open(folder: string, more: Partial<Parameters<typeof openStore>[0]> = {}) {
  return openStore({ path: join(folder, "steward.db"), clock: createFakeClock(), holder: "test", ...more });
}

const unavailable = (words: RegExp, state?: string) => (error: unknown) => {
  assert.ok(error instanceof StewardError, String(error));
  assert.equal(error.code, "unavailable");
  assert.match(error.message, words);
  if (state !== undefined) assert.equal(error.state, state);
  return true;
};

test("a store is made with its folder, for its owner's eyes only", () => {
  const folder = join(newFolder(), "a", "b");
  const store = open(folder);
  assert.equal(statSync(store.path).mode & 0o077, 0);
  store.transact(() => store.meta.set("a", "1"));
  store.close();
  const again = open(folder);
  assert.equal(again.meta.get("a"), "1");
  assert.equal(again.instanceId, store.instanceId);
  assert.equal(again.epoch, store.epoch + 1);
  again.close();
});

test("every open is WAL with synchronous FULL, reopened files too", () => {
  const path = join(newFolder(), "steward.db");
  for (let round = 0; round < 2; round++) {
    const { db, close } = openFile(path);
    assert.equal(db.pragma("journal_mode", { simple: true }), "wal");
    assert.equal(db.pragma("synchronous", { simple: true }), 2);
    db.exec(`CREATE TABLE IF NOT EXISTS t${round} (a); PRAGMA application_id = ${applicationId}`);
    close();
  }
});

test("a change outside of a transaction is refused", () => {
  const store = open(newFolder());
  assert.throws(() => store.meta.set("a", "1"), /outside of a transaction/);
  assert.throws(() => store.afterCommit(() => undefined), /outside of a transaction/);
  store.close();
});

test("a transaction that throws leaves nothing and calls nobody; one that awaits is refused", () => {
  const store = open(newFolder());
  let called = 0;
  assert.throws(
    () =>
      store.transact(() => {
        store.meta.set("a", "1");
        store.afterCommit(() => called++);
        throw new Error("no");
      }),
    /no/,
  );
  assert.throws(() => store.transact(async () => store.meta.set("a", "1")), /must not await/);
  assert.equal(store.meta.get("a"), null);
  store.transact(() => store.afterCommit(() => called++));
  assert.equal(called, 1);
  store.close();
});

test("a nested transaction that throws undoes its own part only", () => {
  const store = open(newFolder());
  const called: string[] = [];
  store.transact(() => {
    store.meta.set("outer", "1");
    store.afterCommit(() => called.push("outer"));
    assert.throws(() =>
      store.transact(() => {
        store.meta.set("inner", "1");
        store.afterCommit(() => called.push("inner"));
        throw new Error("no");
      }),
    );
  });
  assert.deepEqual([store.meta.get("outer"), store.meta.get("inner")], ["1", null]);
  assert.deepEqual(called, ["outer"]);
  store.close();
});

test("followers run after the commit, in order, and may change the store themselves", () => {
  const store = open(newFolder());
  store.transact(() => {
    store.afterCommit(() => store.transact(() => store.meta.set("b", String(store.meta.get("a")))));
    store.meta.set("a", "1");
  });
  assert.equal(store.meta.get("b"), "1");
  store.close();
});

test("members of a group share one commit; one that fails takes neither the others nor its own followers with it", async () => {
  const store = open(newFolder());
  const times = new Set<string>();
  const called: number[] = [];
  const results = await Promise.allSettled(
    Array.from({ length: 50 }, (_, i) =>
      store.group((now) => {
        times.add(now.toISOString());
        store.meta.set(`k${i}`, "1");
        store.afterCommit(() => called.push(i));
        if (i % 10 === 3) throw new StewardError("conflict", `not ${i}`);
        return i;
      }),
    ),
  );
  assert.equal(times.size, 1);
  for (const [i, result] of results.entries()) {
    assert.equal(result.status, i % 10 === 3 ? "rejected" : "fulfilled");
    assert.equal(store.meta.get(`k${i}`), i % 10 === 3 ? null : "1");
  }
  assert.deepEqual(
    called,
    Array.from({ length: 50 }, (_, i) => i).filter((i) => i % 10 !== 3),
  );
  store.close();
});

test("what waits in a group when the store is closed is written first", async () => {
  const folder = newFolder();
  const store = open(folder);
  const pending = store.group(() => store.meta.set("late", "1"));
  store.close();
  await pending;
  await assert.rejects(
    store.group(() => 1),
    /closed/,
  );
  const again = open(folder);
  assert.equal(again.meta.get("late"), "1");
  again.close();
});

test("time never runs back, over a clock that does and over a restart, and never stands still", async () => {
  const folder = newFolder();
  const clock = createFakeClock("2026-01-05T09:00:00.000Z");
  let store = open(folder, { clock });
  const seen: number[] = [];
  const note = () => seen.push(store.transact((now) => now.getTime()));
  note();
  clock.jump(-3_600_000);
  note();
  await clock.advance(60_000);
  note();
  store.close();
  store = open(folder, { clock });
  note();
  await clock.advance(60_000);
  note();
  assert.deepEqual(seen, [...seen].sort());
  assert.ok((seen.at(-1) ?? 0) > (seen[0] ?? 0), "an approval must expire although the clock went back");
  await clock.advance(2 * 3_600_000);
  assert.equal(
    store.transact((now) => now.toISOString()),
    clock.now().toISOString(),
  );
  store.close();
});

test("a second process is kept out, and let in when the first is gone", () => {
  const folder = newFolder();
  const first = open(folder);
  assert.throws(() => open(folder), unavailable(/in use by another process/, "locked"));
  first.close();
  open(folder).close();
});

test("a writer whose epoch was taken can write no more", () => {
  const folder = newFolder();
  const store = open(folder);
  const thief = new Database(store.path);
  thief.prepare("UPDATE writer SET epoch = epoch + 1").run();
  thief.close();
  assert.throws(() => store.transact(() => store.meta.set("a", "1")), unavailable(/taken over/));
  assert.equal(store.meta.get("a"), null);
  store.close();
});

test("a reader beside the writer sees what is committed and can change nothing", () => {
  const folder = newFolder();
  const store = open(folder);
  store.transact(() => store.meta.set("a", "1"));
  const reader = readStore(store.path);
  assert.equal(reader.meta.get("a"), "1");
  assert.throws(() => reader.meta.set("a", "2"), /opened to be read/);
  store.transact(() => store.meta.set("a", "3"));
  assert.equal(reader.meta.get("a"), "3");
  reader.close();
  store.close();
});

test("a file that is not SQLite, of another program, newer, or damaged is refused and left as it is", () => {
  const notSqlite = newFolder();
  writeFileSync(join(notSqlite, "steward.db"), "hello, this is not a database at all".repeat(100));
  assert.throws(() => open(notSqlite), unavailable(/is not a SQLite file/));

  const foreign = newFolder();
  const other = new Database(join(foreign, "steward.db"));
  other.exec("CREATE TABLE recipes (name TEXT)");
  other.close();
  assert.throws(() => open(foreign), unavailable(/of another program/));

  const newer = newFolder();
  open(newer).close();
  const future = new Database(join(newer, "steward.db"));
  future.pragma("user_version = 999");
  future.close();
  const before = statSync(join(newer, "steward.db")).mtimeMs;
  assert.throws(() => open(newer), unavailable(/has schema 999, newer than this Steward knows/));
  assert.equal(statSync(join(newer, "steward.db")).mtimeMs, before);
});

test("a network file system is refused by name", () => {
  for (const [type, name] of [
    [0x6969, "NFS"],
    [0xff534d42, "CIFS"],
    [0x65735546, "FUSE"],
  ] as const) {
    assert.throws(
      () => open(newFolder(), { fileSystem: () => ({ type, free: 1e9 }) }),
      unavailable(new RegExp(`network file system \\(${name}\\)`)),
    );
  }
});

test("before a migration the file is copied aside, and a migration that fails changes nothing", () => {
  const folder = newFolder();
  const store = open(folder);
  store.transact(() => store.meta.set("a", "kept"));
  store.close();
  const migrations = join(folder, "migrations");
  cpSync(join(import.meta.dirname, "../bot/adapters/sqlite"), migrations, { recursive: true });

  writeFileSync(join(migrations, "002-next.sql"), "CREATE TABLE next (a TEXT); SELECT no_such_function();");
  assert.throws(() => open(folder, { migrations }), /no_such_function/);
  const unchanged = new Database(store.path);
  assert.equal(unchanged.pragma("user_version", { simple: true }), 1);
  assert.equal(unchanged.prepare("SELECT count(*) FROM sqlite_schema WHERE name = 'next'").pluck().get(), 0);
  unchanged.close();

  writeFileSync(join(migrations, "002-next.sql"), "CREATE TABLE next (a TEXT);");
  open(folder, { migrations }).close();
  const copy = new Database(`${store.path}.v1`, { readonly: true });
  assert.equal(copy.pragma("user_version", { simple: true }), 1);
  assert.equal(copy.prepare("SELECT value FROM meta WHERE key = 'a'").pluck().get(), "kept");
  copy.close();
  // The program that knows only the older schema refuses the newer file, and starts with the copy.
  assert.throws(() => open(folder), unavailable(/newer than this Steward knows/));
  renameSync(`${store.path}.v1`, store.path);
  const back = open(folder);
  assert.equal(back.meta.get("a"), "kept");
  back.close();
});

test("a store that is removed, replaced or unlocked under us is noticed", () => {
  for (const harm of [
    (path: string) => rmSync(path),
    (path: string) => {
      renameSync(path, `${path}.moved`);
      cpSync(`${path}.moved`, path);
    },
    (path: string) => rmSync(join(path, "../steward.lock")),
  ]) {
    const store = open(newFolder());
    store.probe();
    harm(store.path);
    assert.throws(() => store.probe(), unavailable(/removed while in use|replaced while in use/));
    store.close();
  }
});

test("a backup is complete, taken while writing goes on, and is a store to start with", async () => {
  const folder = newFolder();
  const store = open(folder);
  store.transact(() => {
    for (let i = 0; i < 2_000; i++) store.meta.set(`k${i}`, "x".repeat(500));
  });
  const target = join(newFolder(), "steward.db");
  const done = store.backup(target);
  store.transact(() => store.meta.set("meanwhile", "1"));
  await done;
  assert.equal(statSync(target).mode & 0o077, 0);
  assert.deepEqual(readdirSync(join(target, "..")), ["steward.db"]);
  store.close();
  const restored = openStore({ path: target, clock: createFakeClock(), holder: "test" });
  assert.equal(restored.meta.get("k1999"), "x".repeat(500));
  assert.equal(restored.instanceId, store.instanceId);
  restored.close();
});

test("a folder that may not be written to is said, and nothing is acknowledged", async (t) => {
  const folder = newFolder();
  open(folder).close();
  chmodSync(join(folder, "steward.db"), 0o444);
  chmodSync(folder, 0o555);
  const answer = await runWriter(folder, { asNobody: true });
  chmodSync(folder, 0o755);
  if (!answer.started) return t.skip("the user nobody cannot read this project");
  assert.match(answer.fault ?? "", /unavailable: the store .* (is read-only|cannot be opened|may not be opened)/);
  assert.equal(answer.acknowledged, 0);
});

test("a full disk stops acknowledging and loses nothing that was acknowledged", async () => {
  const folder = newFolder();
  mkdirSync(folder, { recursive: true });
  const answer = await runWriter(folder, { fileBlocks: 4_000 });
  assert.match(
    answer.fault ?? "",
    /unavailable: the store .* (cannot grow: the disk is full|cannot be read or written)/,
  );
  assert.ok(answer.acknowledged > 10, `only ${answer.acknowledged} writes were possible`);
  assertKept(folder, answer.acknowledged);
});

test("a store without room to grow is not ready, also where one more page would still fit in the log", () => {
  let free = 1e9;
  const store = open(newFolder(), { fileSystem: () => ({ type: 0xef53, free }) });
  store.probe();
  free = 0;
  assert.throws(() => store.probe(), unavailable(/cannot grow: the disk is full/));
  free = 1e9;
  store.probe();
  store.close();
});

test("kill -9 at any moment loses nothing that was acknowledged, and frees the store", async () => {
  const folder = newFolder();
  let acknowledged = 0;
  for (let round = 0; round < 5; round++) {
    const answer = await runWriter(folder, { from: acknowledged, killAfterMs: 30 + 40 * round });
    assert.ok(answer.acknowledged >= acknowledged);
    acknowledged = answer.acknowledged;
    assertKept(folder, acknowledged);
  }
  assert.ok(acknowledged > 0);
});

function assertKept(folder: string, acknowledged: number): void {
  const store = open(folder);
  for (let i = 0; i < acknowledged; i++) assert.ok(store.meta.get(`n${i}`), `n${i} was acknowledged and is gone`);
  store.close();
}

interface Written {
  /** How many writes, counted from 0, were said to be on disk. */
  acknowledged: number;
  fault: string | null;
  /** Whether the program could be run at all. */
  started: boolean;
}

/** A process of its own that writes as fast as it can and says what is on disk. */
async function runWriter(
  folder: string,
  options: { from?: number; killAfterMs?: number; fileBlocks?: number; asNobody?: boolean },
): Promise<Written> {
  const script = join(import.meta.dirname, "store-writer.ts");
  const command = [process.execPath, "--import", "tsx", script, join(folder, "steward.db"), String(options.from ?? 0)];
  const limited =
    options.fileBlocks === undefined
      ? command
      : ["/bin/sh", "-c", `trap '' XFSZ; ulimit -f ${options.fileBlocks}; exec "$@"`, "sh", ...command];
  const [file = "", ...args] = limited;
  const child = spawn(file, args, {
    stdio: ["ignore", "pipe", "inherit"],
    ...(options.asNobody === true && process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}),
  });
  const written: Written = { acknowledged: options.from ?? 0, fault: null, started: false };
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    written.started = true;
    if (line.startsWith("fault ")) written.fault = line.slice("fault ".length);
    else if (line === "open" && options.killAfterMs !== undefined)
      setTimeout(() => child.kill("SIGKILL"), options.killAfterMs);
    else if (/^\d+$/.test(line)) written.acknowledged = Number(line) + 1;
  });
  await Promise.all([once(child, "exit"), once(lines, "close")]);
  return written;
}
