import type { CardEvent } from "../shared/api/card.ts";
import type { Api } from "./api.ts";
import { exit, Failure } from "./exit.ts";

/** Wait before the n-th try in a row, in ms. */
const waits = [500, 1_000, 2_000, 4_000, 8_000];

/**
 * Changes of cards, over every loss of the connection: it comes back and resumes after the last one it saw. `opened` is awaited when the first
 * connection stands, before any change is handed out. Ends when the signal aborts; throws what no new try can mend (not signed in, not allowed),
 * and the first failure when there never was a connection.
 */
export async function* follow(
  api: Pick<Api, "events">,
  signal: AbortSignal,
  on: { opened: () => Promise<void>; lost: (reason: string) => void },
): AsyncGenerator<CardEvent> {
  let last: number | null = null;
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      for await (const { id, card } of api.events(last, signal)) {
        failures = 0;
        if (card !== null) yield card;
        else if (last === null) await on.opened();
        last = id;
      }
      on.lost("the bot ended the stream");
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Failure) || error.code !== exit.unreachable || last === null) throw error;
      on.lost(error.message);
    }
    await pause(waits[Math.min(failures, waits.length - 1)] ?? 0, signal);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end, { once: true });
  });
}
