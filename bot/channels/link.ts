import { StewardError } from "../../shared/errors.ts";
import type { Clock, LinkState, Log } from "../edges.ts";

/** One connection to a platform, as its adapter opened it. */
export interface Connection {
  /** Ends it in whatever state it is, and leaves no timer, socket or listener behind. Does not throw, and takes seconds at the most. */
  close(): Promise<void>;
}

/** What an adapter says of a connection while it stands. */
export interface LinkEvents {
  /** The other side gave a sign of life: a frame, a ping, a pong. */
  heard(): void;
  /** It can no longer be used. */
  lost(why: string): void;
  /** The platform will end it soon: another one is opened first, so that nothing falls between the two. */
  retiring(why: string): void;
}

export interface LinkLimits {
  /** Longest time for opening, in ms; an SDK that waits for ever is given up. */
  connectMs: number;
  /** Longest silence before the connection counts as dead, in ms. */
  silentMs: number;
  /** A connection is replaced after this long even if it seems well, in ms: one that is up and delivers nothing looks just like that. */
  renewMs: number;
  /** Longest wait between two attempts, in ms. */
  slowestMs: number;
  /** Wait between two attempts when the platform refused the credentials, in ms. */
  refusedMs: number;
}

export interface LinkOptions {
  name: string;
  /**
   * Opens a connection that receives when this resolves. Throws StewardError: `unauthenticated` or `forbidden` for credentials that somebody
   * has to mend, anything else for what may pass. Once `signal` aborts, nothing of it may stay.
   */
  open(events: LinkEvents, signal: AbortSignal): Promise<Connection>;
  limits: LinkLimits;
  clock: Clock;
  log: Log;
  random?: () => number;
}

export interface Link {
  start(): void;
  /** Resolves when nothing is left of it. */
  stop(): Promise<void>;
  state(): LinkState;
  /** How often opening was tried. */
  attempts(): number;
}

/** A first attempt after a loss waits for nothing; the next ones double from here, in ms. */
const firstBackoff = 1_000;
/** A connection that ended before this counts as a failed attempt, so that one which always falls at once is not opened in a circle, in ms. */
const steady = 5_000;

/** A connection that is open, and what is known of it. */
interface Held {
  connection: Connection;
  openedAt: number;
  /** Why it ends soon; settles while it can still be used. */
  retiring: Promise<string>;
  /** Why it can no longer be used. */
  lost: Promise<string>;
  isLost: boolean;
}

/**
 * Keeps one link to a platform up for ever: opens it with a deadline, watches that it lives, replaces it before it ends where the platform says
 * so, and tries again without end where it fails. SDKs are used for one connection each; their own reconnecting stays off.
 */
export function createLink({ name, open, limits, clock, log, random = Math.random }: LinkOptions): Link {
  let stopping = new AbortController();
  let running: Promise<void> | null = null;
  let tried = 0;
  let state: LinkState = { state: "stopped", since: clock.now(), detail: null };

  return {
    start() {
      if (running !== null) return;
      stopping = new AbortController();
      running = run(stopping.signal);
    },
    async stop() {
      stopping.abort(new StewardError("unavailable", `${name} is stopping`));
      await running;
      running = null;
      enter("stopped", null);
    },
    state: () => state,
    attempts: () => tried,
  };

  function enter(next: LinkState["state"], detail: string | null): void {
    if (state.state !== next) {
      log[next === "down" ? "warn" : "info"]("a link changed", { channel: name, from: state.state, to: next, detail });
    }
    state = { state: next, since: state.state === next ? state.since : clock.now(), detail };
  }

  async function run(signal: AbortSignal): Promise<void> {
    const stopped = new Promise<null>((resolve) =>
      signal.addEventListener("abort", () => resolve(null), { once: true }),
    );
    const closing = new Set<Promise<void>>();
    const close = (held: Held) => {
      const closed = held.connection.close().finally(() => closing.delete(closed));
      closing.add(closed);
    };
    let standing: Held | null = null;
    let failures = 0;
    enter("connecting", null);
    while (!signal.aborted) {
      let fresh: Held;
      try {
        fresh = await connect(signal);
      } catch (error) {
        if (signal.aborted) break;
        failures += 1;
        const wait = waitAfter(error, failures);
        const why = error instanceof StewardError ? error.message : `a fault in the adapter: ${nameOf(error)}`;
        log.warn("a link could not be opened", { channel: name, failures, waitMs: Math.round(wait), error: why });
        if (standing === null || standing.isLost) enter("down", why);
        await clock.sleep(wait, signal).catch(() => undefined);
        continue;
      }
      enter("connected", null);
      // The old one may still be given events by the platform; it goes only now that the new one receives.
      if (standing !== null) close(standing);
      const held: Held = fresh;
      standing = held;
      void held.lost.then((why) => {
        if (standing === held && !signal.aborted) enter("connecting", why);
      });
      const why = await Promise.race([held.lost, held.retiring, stopped]);
      if (why === null) break;
      const lasted = clock.now().getTime() - held.openedAt;
      log.info("a link is replaced", { channel: name, why, lastedMs: lasted, warm: !held.isLost });
      failures = lasted < steady ? failures + 1 : 0;
      if (failures > 0) await clock.sleep(backoff(failures), signal).catch(() => undefined);
    }
    if (standing !== null) close(standing);
    await Promise.all(closing);
  }

  /** Opens one connection within the time it has. A late one is closed as soon as it is there. */
  async function connect(signal: AbortSignal): Promise<Held> {
    tried += 1;
    const attempt = new AbortController();
    const done = new AbortController();
    const watch = createWatch();
    const opening = open(watch.events, AbortSignal.any([signal, attempt.signal]));
    const late = clock.sleep(limits.connectMs, AbortSignal.any([signal, done.signal])).then((): never => {
      throw new StewardError("unavailable", `no connection within ${limits.connectMs / 1_000} s`);
    });
    try {
      return watch.begin(await Promise.race([opening, late]));
    } catch (error) {
      attempt.abort(error);
      opening.then(({ close }) => close()).catch(() => undefined);
      throw error;
    } finally {
      late.catch(() => undefined);
      done.abort();
    }
  }

  /** Listens to one connection: what it says of itself, how long it has been silent, how old it is. */
  function createWatch(): { events: LinkEvents; begin(connection: Connection): Held } {
    const lost = Promise.withResolvers<string>();
    const retiring = Promise.withResolvers<string>();
    let heardAt = clock.now().getTime();
    let held: Held | null = null;
    let stopWatching = () => {};
    const events: LinkEvents = {
      heard() {
        heardAt = clock.now().getTime();
      },
      lost(why) {
        stopWatching();
        if (held !== null) held.isLost = true;
        lost.resolve(why);
      },
      retiring: (why) => retiring.resolve(why),
    };
    return {
      events,
      begin(connection) {
        const openedAt = clock.now().getTime();
        events.heard();
        stopWatching = clock.every(Math.max(1, limits.silentMs / 4), () => {
          const now = clock.now().getTime();
          if (now - heardAt > limits.silentMs) events.lost(`silent for ${Math.round((now - heardAt) / 1_000)} s`);
          else if (now - openedAt > limits.renewMs) events.retiring("renewed by age");
        });
        held = {
          connection: {
            async close() {
              stopWatching();
              await connection.close();
            },
          },
          openedAt,
          lost: lost.promise,
          retiring: retiring.promise,
          isLost: false,
        };
        // It may have been lost between being opened and being handed over.
        void lost.promise.then(() => stopWatching());
        return held;
      },
    };
  }

  function waitAfter(error: unknown, failures: number): number {
    const refused = error instanceof StewardError && (error.code === "unauthenticated" || error.code === "forbidden");
    const asked = error instanceof StewardError ? (error.retryAfterMs ?? 0) : 0;
    return Math.max(asked, refused ? limits.refusedMs * (0.9 + 0.2 * random()) : backoff(failures));
  }

  /** Doubling from the first failure, half of it by chance: many that lost the same platform do not come back together. In ms. */
  function backoff(failures: number): number {
    const full = Math.min(limits.slowestMs, firstBackoff * 2 ** Math.min(failures - 1, 20));
    return full / 2 + (full / 2) * random();
  }
}

/** The kind of an error nobody expected. Its words may hold what must not be logged. */
function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
