import { StewardError } from "../../shared/errors.ts";
import type { Clock } from "../edges.ts";
import type { Store } from "../store.ts";

const minute = 60_000;
/** SPEC 12: five wrong passwords lock the pair of name and address for a quarter of an hour. */
const wrongOnes = 5;
const lockedFor = 15 * minute;
/** One address that tries many names. */
const perAddress = { tries: 20, within: minute };
/** A name under attack from many addresses, or from loopback, is slowed and never locked: each try waits this long, in ms. */
const slow = { first: 250, most: 4_000 };

export interface Lockout {
  /**
   * Counts a try before it is made, so that many at once are no way around it, and waits while the name is slowed.
   * Throws `locked` when this address has tried too often. The caller ends the attempt in any case; `forgive` when it succeeded.
   */
  attempt(name: string, address: string): Promise<Attempt>;
}

export interface Attempt {
  /** Whether a wrong password now locks the pair: the caller says so in the audit, once. */
  readonly locks: boolean;
  /** Within the transaction of the sign-in. */
  forgive(): void;
  end(): void;
}

export function createLockout(store: Store, clock: Clock): Lockout {
  const slowed = new Set<string>();

  return {
    async attempt(name, address) {
      const local = isLoopback(address);
      const pair = `${name}\n${address}`;
      const { locks, wait } = store.transact((now) => {
        if (!local) refuseLocked(name, address, now);
        const before = store.users.countFailuresOfName(name, ago(now, lockedFor));
        const wait = before < wrongOnes ? 0 : Math.min(slow.most, slow.first * 2 ** Math.min(10, before - wrongOnes));
        if (wait > 0 && slowed.has(pair))
          throw new StewardError("locked", "another sign-in of this name is under way; try again");
        store.users.noteFailure(name, address);
        return {
          wait,
          locks: !local && lockEnd(store.users.failureTimes(name, address, ago(now, 2 * lockedFor)), now) !== null,
        };
      });
      if (wait > 0) {
        slowed.add(pair);
        await clock.sleep(wait);
      }
      return {
        locks,
        forgive: () => store.users.clearFailures(name, address),
        end: () => void slowed.delete(pair),
      };
    },
  };

  function refuseLocked(name: string, address: string, now: Date): void {
    const end = lockEnd(store.users.failureTimes(name, address, ago(now, 2 * lockedFor)), now);
    if (end !== null) {
      const minutes = Math.ceil((end.getTime() - now.getTime()) / minute);
      throw new StewardError("locked", `too many wrong passwords; try again in ${minutes} min`);
    }
    if (store.users.countFailuresOfAddress(address, ago(now, perAddress.within)) >= perAddress.tries) {
      throw new StewardError("locked", "too many sign-ins from this address; try again in a minute");
    }
  }
}

/** When the lock of a pair ends whose tries these are, oldest first; null when it is not locked. */
function lockEnd(times: readonly Date[], now: Date): Date | null {
  for (let i = times.length - 1; i >= wrongOnes - 1; i--) {
    const last = times[i];
    const first = times[i - wrongOnes + 1];
    if (last === undefined || first === undefined || last.getTime() - first.getTime() > lockedFor) continue;
    const end = new Date(last.getTime() + lockedFor);
    return end > now ? end : null;
  }
  return null;
}

/** The pod's own side of a port-forward: everybody who comes through kubectl has this address. */
function isLoopback(address: string): boolean {
  return address === "::1" || /^127\.\d+\.\d+\.\d+$/.test(address);
}

function ago(now: Date, ms: number): Date {
  return new Date(now.getTime() - ms);
}
