import bcrypt from "bcrypt";
import { StewardError } from "../../shared/errors.ts";

export interface Passwords {
  hash(password: string): Promise<string>;
  /** Takes as long for a user who is not there, or has no password (`hash` null), as for one who has. */
  matches(password: string, hash: string | null): Promise<boolean>;
}

/** Longer passwords are cut by bcrypt in silence, so they are refused. */
const longest = 72;
/** Hashing is pure work for a core: two at once leave the rest of the bot its share, and a flood of sign-ins waits outside. */
const atOnce = 2;
const mostWaiting = 64;

/** Password hashes by bcrypt; `cost` is the binary logarithm of the rounds (SPEC 12 asks for 12). */
export function createPasswords(cost: number): Passwords {
  const decoy = bcrypt.hash("a password that nobody has", cost);
  let running = 0;
  const waiting: (() => void)[] = [];

  return {
    async hash(password) {
      if (Buffer.byteLength(password) > longest) {
        throw new StewardError("invalid", `password: must not be longer than ${longest} bytes`, { path: "password" });
      }
      return inTurn(() => bcrypt.hash(password, cost));
    },
    matches: (password, hash) =>
      inTurn(async () => {
        const same = await bcrypt.compare(password, hash ?? (await decoy));
        return same && hash !== null && Buffer.byteLength(password) <= longest;
      }),
  };

  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (running >= atOnce) {
      if (waiting.length >= mostWaiting)
        throw new StewardError("unavailable", "too many people sign in at once; try again");
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else running++;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  }
}
