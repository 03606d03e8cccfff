import { CardEvent } from "../shared/api/card.ts";
import type { ApiClient } from "./api-client.ts";

export interface CardStream {
  /** Id of the last event, to go on from after a restart. */
  last(): number;
  close(): void;
}

/** Reads `GET /api/v1/events` until it is closed or the bot goes. Resolves when the stream stands: no change after that is missed. */
export async function readCards(
  client: ApiClient,
  onCard: (event: CardEvent) => void,
  after?: number,
): Promise<CardStream> {
  const over = new AbortController();
  const response = await client.open(
    "/api/v1/events",
    { accept: "text/event-stream", ...(after === undefined ? {} : { "last-event-id": String(after) }) },
    over.signal,
  );
  if (!response.ok || response.body === null) throw new Error(`GET /api/v1/events answered ${response.status}`);
  let last = after ?? 0;
  const opened = Promise.withResolvers<void>();
  const body = response.body.pipeThrough(new TextDecoderStream());
  const reading = (async () => {
    let rest = "";
    for await (const chunk of body) {
      const blocks = (rest + chunk).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const fields = new Map(
          block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
        );
        last = Number(fields.get("id") ?? last);
        if (fields.get("event") === "card") onCard(CardEvent.parse(JSON.parse(fields.get("data") ?? "")));
        opened.resolve();
      }
    }
  })();
  // The bot may be killed under it; whoever reads on begins after `last`.
  reading.catch(() => undefined).finally(() => opened.resolve());
  await opened.promise;
  return { last: () => last, close: () => over.abort() };
}
