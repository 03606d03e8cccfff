import { StewardError } from "../shared/errors.ts";
import { type KubeObject, numberField, stringField } from "../shared/kube.ts";
import type { Clock, ClusterSelf, Log } from "./edges.ts";

/** `holding`: the Lease is ours. `standby`: another process has it. `unknown`: nobody can be asked. */
export type LeaderState = "holding" | "standby" | "unknown";

export interface LeaderOptions {
  self: ClusterSelf;
  clock: Clock;
  log: Log;
  /** Names this process, the same after a restart in the same place: then the Lease is ours again at once. */
  holder: string;
  namespace: string;
  /** Name of the Lease. */
  name: string;
}

export interface Leader {
  /**
   * Begins to try for the Lease, and goes on until the signal aborts or `stop`. Resolves as soon as no other process is known to
   * have it: it is ours, or the API server cannot be asked (then the lock on the store alone keeps others out, and nothing is
   * executed until `confirm` holds). Rejects with the signal's reason.
   */
  start(signal: AbortSignal): Promise<void>;
  state(): LeaderState;
  /** Whether the Lease is ours by what the API server said at most 2 s ago. Asks it when that is longer past; false when it cannot be asked. */
  confirm(): Promise<boolean>;
  /** Ends trying, and gives the Lease up so that the next one need not wait for its end. */
  stop(): Promise<void>;
}

/** As client-go's leader election has them (SPEC 15; reliability.md 3.1). */
const leaseMs = 15_000;
const renewDeadlineMs = 10_000;
const retryMs = 2_000;
const freshMs = 2_000;

/**
 * A Lease is no fence: a process that was stopped for a minute still believes in it. So before each execution it is read again,
 * and what keeps two writers from one store is the store's own lock.
 */
export function createLeader({ self, clock, log, holder, namespace, name }: LeaderOptions): Leader {
  const stopping = new AbortController();
  let state: LeaderState = "unknown";
  /** When the request was sent whose answer last named us. */
  let confirmedAt: number | null = null;
  /** Another's Lease as it was last seen to change, and for how long it has not since, counted in tries: wall clocks jump. */
  let seen = { version: "", stillMs: 0 };
  let failingMs = 0;
  let running: Promise<void> = Promise.resolve();

  return {
    start(signal) {
      const until = AbortSignal.any([signal, stopping.signal]);
      return new Promise((resolve, reject) => {
        until.addEventListener("abort", () => reject(until.reason), { once: true });
        running = run(until, resolve);
      });
    },
    state: () => state,
    confirm,
    async stop() {
      stopping.abort(new StewardError("unavailable", "Steward is stopping"));
      await running;
      if (state === "holding") await release();
    },
  };

  async function run(signal: AbortSignal, onFree: () => void): Promise<void> {
    while (!signal.aborted) {
      // The first answer is not waited for long: a start must not hang on an API server that is gone.
      await attempt(signal, confirmedAt === null && failingMs === 0 ? retryMs : renewDeadlineMs);
      if (state !== "standby") onFree();
      await clock.sleep(retryMs, signal).catch(() => undefined);
    }
  }

  async function attempt(signal: AbortSignal, deadlineMs: number): Promise<void> {
    const sentAt = clock.now().getTime();
    try {
      const mine = await within(deadlineMs, signal, take);
      failingMs = 0;
      confirmedAt = mine ? sentAt : null;
      become(mine ? "holding" : "standby");
    } catch (error) {
      if (signal.aborted) return;
      failingMs += retryMs;
      if (state !== "holding" || failingMs >= renewDeadlineMs) become("unknown", error);
    }
  }

  /** Makes or renews the Lease where it is ours, free or over. Answers whether it is ours now. */
  async function take(signal: AbortSignal): Promise<boolean> {
    const found = await self.readLease(namespace, name, signal);
    if (found !== null && !isFree(found)) return false;
    try {
      await self.writeLease(lease(found), signal);
      return true;
    } catch (error) {
      // Somebody was first; the next try sees who.
      if (error instanceof StewardError && error.code === "conflict") return false;
      throw error;
    }
  }

  function isFree(found: KubeObject): boolean {
    const theirs = stringField(found, "spec", "holderIdentity") ?? "";
    if (theirs === holder || theirs === "") return true;
    const version = found.metadata.resourceVersion ?? "";
    seen = version === seen.version ? { version, stillMs: seen.stillMs + retryMs } : { version, stillMs: 0 };
    return seen.stillMs >= (numberField(found, "spec", "leaseDurationSeconds") ?? leaseMs / 1_000) * 1_000;
  }

  function lease(found: KubeObject | null, changes: Readonly<Record<string, unknown>> = {}): KubeObject {
    const now = microTime(clock.now());
    const ours = stringField(found, "spec", "holderIdentity") === holder;
    const transitions = numberField(found, "spec", "leaseTransitions") ?? 0;
    return {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: found?.metadata ?? { name, namespace },
      spec: {
        holderIdentity: holder,
        leaseDurationSeconds: leaseMs / 1_000,
        acquireTime: (ours ? stringField(found, "spec", "acquireTime") : undefined) ?? now,
        renewTime: now,
        leaseTransitions: found === null || ours ? transitions : transitions + 1,
        ...changes,
      },
    };
  }

  async function confirm(): Promise<boolean> {
    const now = clock.now().getTime();
    if (confirmedAt !== null && now >= confirmedAt && now - confirmedAt <= freshMs) return true;
    try {
      const found = await within(retryMs, stopping.signal, (signal) => self.readLease(namespace, name, signal));
      const mine = stringField(found, "spec", "holderIdentity") === holder;
      confirmedAt = mine ? now : null;
      return mine;
    } catch (error) {
      log.warn("the Lease cannot be read; nothing is executed until it can", { error: messageOf(error) });
      return false;
    }
  }

  async function release(): Promise<void> {
    try {
      await within(retryMs, new AbortController().signal, async (signal) => {
        const found = await self.readLease(namespace, name, signal);
        if (found === null || stringField(found, "spec", "holderIdentity") !== holder) return;
        await self.writeLease(lease(found, { holderIdentity: "", leaseDurationSeconds: 1 }), signal);
      });
    } catch (error) {
      log.info("the Lease was not given up; it ends by itself", { error: messageOf(error) });
    }
    confirmedAt = null;
    become("unknown");
  }

  function become(next: LeaderState, error?: unknown): void {
    if (next === state) return;
    state = next;
    log.info("lease", { state, holder, ...(error === undefined ? {} : { error: messageOf(error) }) });
  }

  async function within<T>(ms: number, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const enough = new AbortController();
    const limit = AbortSignal.any([signal, enough.signal]);
    const tooLong = clock.sleep(ms, limit).then(() => {
      const error = new StewardError("unavailable", `the API server did not answer within ${ms} ms`);
      enough.abort(error);
      throw error;
    });
    try {
      return await Promise.race([work(limit), tooLong]);
    } finally {
      enough.abort();
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Kubernetes' MicroTime: RFC 3339 with six digits. */
function microTime(at: Date): string {
  return at.toISOString().replace("Z", "000Z");
}
