import type Database from "better-sqlite3";
import type { Clock } from "../../edges.ts";
import type { Store } from "../../store.ts";
import { asStoreFault, storeFault } from "./faults.ts";

export interface Transactions extends Pick<Store, "transact" | "group" | "afterCommit"> {
  /** The frozen time of the open transaction. Throws outside of one: that is how a change without a transaction is found. */
  now(): Date;
  /** Commits what waits in a group, now. */
  flush(): void;
}

export interface Writer {
  db: Database.Database;
  path: string;
  clock: Clock;
  epoch: number;
  /** The latest time that any transaction of this file was given. */
  latestAt: Date;
}

/** A commit that is shared waits for so many turns, and is large enough with so many members. */
const mostTurns = 8;
const mostMembers = 64;

interface Member {
  run(): void;
  settle(fault: { error: unknown } | null): void;
}

/** The one way in which the file changes (see `Store`). Every commit proves that this process is still the writer. */
export function createTransactions({ db, path, clock, epoch, latestAt }: Writer): Transactions {
  const time = createTime(clock, latestAt);
  const begin = db.prepare("BEGIN IMMEDIATE");
  const commit = db.prepare("COMMIT");
  const rollback = db.prepare("ROLLBACK");
  const stillWriter = db.prepare("UPDATE writer SET latest_at = ? WHERE one = 1 AND epoch = ?");

  let frozen: Date | null = null;
  let followers: (() => void)[] = [];
  let waiting: Member[] = [];

  return { transact, group, afterCommit, now, flush };

  function now(): Date {
    if (frozen === null) throw new Error("a change of the store outside of a transaction");
    return frozen;
  }

  function afterCommit(fn: () => void): void {
    now();
    followers.push(fn);
  }

  function transact<T>(fn: (now: Date) => T): T {
    if (frozen !== null) return nested(fn);
    if (!db.open) throw storeFault(path, "is closed", { retryable: false });
    followers = [];
    const result = commitOne(fn);
    const due = followers;
    followers = [];
    for (const follower of due) callFollower(follower);
    return result;
  }

  function commitOne<T>(fn: (now: Date) => T): T {
    try {
      begin.run();
      frozen = time.freeze();
      const result = synchronous(fn(frozen));
      if (stillWriter.run(frozen.toISOString(), epoch).changes !== 1) {
        throw storeFault(path, "was taken over by another process", { retryable: false });
      }
      commit.run();
      return result;
    } catch (error) {
      if (db.open && db.inTransaction) rollback.run();
      throw asStoreFault(error, path);
    } finally {
      frozen = null;
    }
  }

  /** Part of the open transaction; when it throws, its own changes and followers are undone and the rest stands. */
  function nested<T>(fn: (now: Date) => T): T {
    const before = followers.length;
    try {
      return db.transaction(() => synchronous(fn(now())))();
    } catch (error) {
      followers.length = before;
      throw asStoreFault(error, path);
    }
  }

  function group<T>(fn: (now: Date) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      let result: { value: T } | null = null;
      if (waiting.length === 0) flushSoon(0, 0);
      waiting.push({
        run() {
          result = { value: nested(fn) };
        },
        settle(fault) {
          if (fault === null && result !== null) resolve(result.value);
          else reject(fault?.error);
        },
      });
    });
  }

  /**
   * Under load a commit waits for a few more turns of the event loop, as long as each brings somebody: the disk is asked once for all of them.
   * One that comes alone is not held up by it.
   */
  function flushSoon(seen: number, turns: number): void {
    setImmediate(() => {
      const grew = waiting.length > seen;
      if (grew && turns < mostTurns && waiting.length < mostMembers) flushSoon(waiting.length, turns + 1);
      else flush();
    });
  }

  function flush(): void {
    const members = waiting;
    waiting = [];
    if (members.length === 0) return;
    const faults = new Map<Member, { error: unknown }>();
    try {
      transact(() => {
        for (const member of members) {
          try {
            member.run();
          } catch (error) {
            // SQLite gave up the whole transaction, as it does when the disk is full: nobody's change is in.
            if (!db.inTransaction) throw error;
            faults.set(member, { error });
          }
        }
      });
    } catch (error) {
      for (const member of members) member.settle({ error });
      return;
    }
    for (const member of members) member.settle(faults.get(member) ?? null);
  }
}

/** What follows a commit cannot undo it: a follower that throws is a bug of its own, not a failure of the transaction. */
function callFollower(follower: () => void): void {
  try {
    follower();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

function synchronous<T>(value: T): T {
  if (value instanceof Promise) throw new Error("a transaction must not await");
  return value;
}

/**
 * Wall clocks jump back, the times we write do not. While the wall is behind what has been written, time goes on at half its
 * speed: it neither stands still, which would keep every approval alive, nor stays wrong for ever after one jump ahead.
 */
function createTime(clock: Clock, latestAt: Date): { freeze(): Date } {
  let latest = latestAt.getTime();
  let lastWall = clock.now().getTime();
  return {
    freeze() {
      const wall = clock.now().getTime();
      latest = Math.max(wall, latest + Math.max(0, wall - lastWall) / 2);
      lastWall = wall;
      return new Date(latest);
    },
  };
}
