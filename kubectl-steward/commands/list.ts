import type { CardEvent } from "../../shared/api/card.ts";
import type { Context } from "../command.ts";
import { type ExitCode, exit, Failure } from "../exit.ts";
import { follow } from "../follow.ts";
import type { View } from "../output.ts";

/** Options of every list. */
export const pageOptions = {
  since: { type: "string", value: "TIME", describe: "Only newer than this: 24h, 2026-11-22, 2026-11-22T08:00:00Z" },
  limit: { type: "string", value: "N", describe: "At most so many (500)" },
  watch: { type: "boolean", alias: "w", describe: "After the list, print what changes" },
} as const;

/** Prints a list, and with `watched` then each thing anew whose card changes, until interrupted. */
export async function showList<T extends object>(
  context: Context,
  list: {
    nothing: string;
    view: (now: Date) => View<T>;
    limit: string | undefined;
    fetch: (most: number) => Promise<T[]>;
    /** What a change of a card is about; null for something else. */
    watched: ((event: CardEvent) => Promise<T | null>) | null;
    belongs: (item: T) => boolean;
  },
): Promise<ExitCode> {
  const { out, now, signal } = context;
  const most = readLimit(list.limit);
  const show = async () => {
    const items = await list.fetch(most);
    if (items.length === 0 && out.format !== "json" && out.format !== "yaml") out.say(list.nothing);
    else out.list(list.view(now()), items);
    if (items.length === most) out.say(`Only the newest ${most} are shown: --limit takes more.`);
  };
  const { watched } = list;
  if (watched === null) {
    await show();
    return exit.done;
  }
  // The stream is opened first, so that nothing falls between the list and it.
  for await (const change of follow(await context.api(), signal, {
    opened: show,
    lost: (reason) => out.say(`${reason}; trying again`),
  })) {
    const item = await watched(change);
    if (item !== null && list.belongs(item)) out.row(list.view(now()), item);
  }
  return exit.done;
}

export function readLimit(text: string | undefined): number {
  const limit = text === undefined ? 500 : Number(text);
  if (!Number.isInteger(limit) || limit < 1) throw new Failure(exit.usage, `--limit ${text} is not a number above 0`);
  return limit;
}
