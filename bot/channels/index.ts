import type { Locale } from "../../shared/locale.ts";
import type { Channel, Clock, Log } from "../edges.ts";
import type { CardStore } from "../store.ts";
import { createSlack, type SlackSettings } from "./slack.ts";
import { createTerminal, type Terminal } from "./terminal.ts";

export interface Channels {
  /** Every channel there is, the terminal among them. */
  readonly all: readonly Channel[];
  readonly terminal: Terminal;
}

interface Deps {
  /** The section `channels` of the configuration: what is null is not opened. */
  settings: { slack: SlackSettings | null };
  /** The house's language. */
  locale: Locale;
  cards: Pick<CardStore, "changedAfter">;
  clock: Clock;
  log: Log;
}

/** The registry: which connections to people this process has. */
export function createChannels({ settings, ...deps }: Deps): Channels {
  const terminal = createTerminal(deps);
  const slack = settings.slack === null ? [] : [createSlack({ ...deps, settings: settings.slack })];
  return { all: [terminal, ...slack], terminal };
}
