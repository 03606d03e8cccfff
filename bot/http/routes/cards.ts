import { ChatQuery } from "../../../shared/api/card.ts";
import { apiRoot } from "../../../shared/api/common.ts";
import { StewardError } from "../../../shared/errors.ts";
import { json, plain, stream } from "../answer.ts";
import { sessionToken } from "../cookie.ts";
import { speakEvents } from "../event-stream.ts";
import { byLink, forRole, type Route } from "../route.ts";
import { cardView } from "../views.ts";

export const cardRoutes: readonly Route[] = [
  forRole("viewer", { method: "GET", path: `${apiRoot}/events` }, ({ services, store, headers, caller, clock }) => {
    const after = resumeFrom(headers["last-event-id"], store.cards.latestSeq());
    const token = sessionToken(headers.cookie) ?? "";
    return stream("text/event-stream; charset=utf-8", (out, signal) =>
      speakEvents(out, signal, {
        clock,
        from: after,
        mayGoOn: async () => (await services.identity.session(token, caller.clientIp)) !== null,
        subscribe: (sink) =>
          services.cards.subscribe(after, (card) => sink.event({ id: card.seq, event: "card", data: cardView(card) })),
      }),
    );
  }),
  byLink(
    { method: "GET", path: "/chat", query: ChatQuery },
    ({ card_id, expires, signature }, services) =>
      expires !== undefined && signature !== undefined && services.identity.checkCardLink(card_id, expires, signature),
    ({ services, store, query, headers }) => {
      const stored = store.cards.get(query.card_id);
      if (stored === null) throw new StewardError("not_found", "there is no such card");
      if (!wantsJson(headers.accept)) return plain(200, `${services.cards.text(stored.card)}\n`);
      return json(200, { ...cardView(stored), updatedAt: stored.updatedAt.toISOString() });
    },
  ),
];

/** Where a stream begins: after the last event the client saw, or now. A number from another store's life means now. */
function resumeFrom(lastEventId: string | string[] | undefined, latest: number): number {
  const seen = typeof lastEventId === "string" && /^\d{1,15}$/.test(lastEventId) ? Number(lastEventId) : latest;
  return Math.min(seen, latest);
}

/** Text unless JSON is asked for by name, and before text. */
function wantsJson(accept: string | undefined): boolean {
  const types = (accept ?? "").split(",").map((part) => part.split(";", 1)[0]?.trim().toLowerCase());
  const json = types.indexOf("application/json");
  const text = types.findIndex((type) => type === "text/plain" || type === "text/html" || type === "text/*");
  return json >= 0 && (text < 0 || json < text);
}
