import type { Channel, Clock, Log } from "../edges.ts";
import type { CardStore } from "../store.ts";
import { createTerminal, type Terminal } from "./terminal.ts";

export interface Channels {
  /** Every channel there is, the terminal among them. */
  readonly all: readonly Channel[];
  readonly terminal: Terminal;
}

/** The registry: which connections to people this process has. The IM platforms join here, each by its section of `channels`. */
export function createChannels(deps: { cards: Pick<CardStore, "changedAfter">; clock: Clock; log: Log }): Channels {
  const terminal = createTerminal(deps);
  return { all: [terminal], terminal };
}
