import { digestCard, digestLine } from "../cards/views/digest.ts";
import { words } from "../cards/words/index.ts";
import { newCardId } from "../shared/ids.ts";
import type { Locale } from "../shared/locale.ts";
import type { Address } from "./router.ts";
import type { Store, StoredCard } from "./store.ts";

/** How long a digest takes in more before the next one is begun, in ms: as long as the hour it makes up for. */
const window = 60 * 60 * 1_000;

/** The state a digest card is kept under. */
const digestState = "digest";

export interface Digest {
  /** Whether a card is itself a digest. */
  is(card: StoredCard): boolean;
  /** Puts cards into the digest of a chat, or renews their lines there, and queues the digest. Inside a transaction. */
  take(cards: readonly StoredCard[], address: Address, now: Date): void;
}

interface Deps {
  store: Store;
  locale: Locale;
  /** The language of a channel. */
  localeOf: (channel: string) => Locale;
}

/** Gathers the cards that found no room in an hour into one card for each chat (SPEC 11 and 16). */
export function createDigest({ store, locale, localeOf }: Deps): Digest {
  return {
    is: ({ state }) => state === digestState,
    take(cards, { channel, chat }, now) {
      const spoken = localeOf(channel);
      const open = store.cards.openDigest(channel, chat, new Date(now.getTime() - window)) ?? newCardId();
      const changed = new Set<string>();
      for (const stored of cards) {
        const digest = store.cards.digestOf(stored.id, channel, chat) ?? open;
        const incident = stored.incidentId === null ? null : store.incidents.get(stored.incidentId);
        store.cards.putDigestEntry(digest, channel, chat, {
          cardId: stored.id,
          severity: incident?.severity ?? "",
          ...digestLine(stored.translations[spoken] ?? stored.card),
        });
        changed.add(digest);
      }
      for (const digest of changed) show(digest, { channel, chat }, spoken);
    },
  };

  function show(id: string, { channel, chat }: Address, spoken: Locale): void {
    const facts = { entries: store.cards.digestEntries(id) };
    const make = (language: Locale) => digestCard(facts, { locale: language, words: words[language] });
    const translations = spoken === locale ? {} : { [spoken]: make(spoken) };
    const about = { id, incidentId: null, proposalId: null, state: digestState, urgent: true };
    const { changed } = store.cards.put({ ...about, card: make(locale), translations });
    if (changed) store.outbox.put({ channel, chat, kind: "card", cardId: id, body: "", dedupe: "", urgent: true });
  }
}
