import type { Channel, Clock, Line, Log } from "../edges.ts";
import type { CardStore, StoredCard } from "../store.ts";

const terminalName = "terminal";
/** Every terminal sees the same; there is one chat. */
const chat = "all";
/** Cards read at a time for one who catches up; between two pages others have their turn. */
const page = 50;

export interface Terminal extends Channel {
  /**
   * Calls `onCard` for every card changed after `afterSeq`, in order of their change, and for each change from then on, until the returned
   * function is called or `onCard` throws. Nothing is kept for a subscriber but its place: what it has not read stays in the store, and a
   * card that changed twice meanwhile is sent once, as it is now.
   */
  subscribe(afterSeq: number, onCard: (card: StoredCard) => void, onLine?: (line: Line) => void): () => void;
  /** How many are watching. */
  watchers(): number;
}

interface Deps {
  cards: Pick<CardStore, "changedAfter">;
  clock: Clock;
  log: Log;
}

interface Subscriber {
  seq: number;
  onCard(card: StoredCard): void;
  onLine(line: Line): void;
  reading: boolean;
}

/** The fourth channel: whoever reads `GET /api/v1/events`. It is a live view, so it has no pace, no digest and is never down. */
export function createTerminal({ cards, clock, log }: Deps): Terminal {
  const subscribers = new Set<Subscriber>();
  let since = clock.now();
  let running = false;

  return {
    name: terminalName,
    locale: null,
    chats: [chat],
    cardsPerHour: null,
    async start() {
      running = true;
      since = clock.now();
    },
    async stop() {
      running = false;
      subscribers.clear();
    },
    pace: () => 0,
    async send() {
      publish();
      return chat;
    },
    async update() {
      publish();
    },
    async line(_chat, _message, line) {
      for (const subscriber of subscribers) guard(subscriber, () => subscriber.onLine(line));
    },
    async reply() {},
    async tell() {},
    link: () => ({ state: running ? "connected" : "stopped", since, detail: `${subscribers.size} watching` }),

    subscribe(afterSeq, onCard, onLine = () => undefined) {
      const subscriber: Subscriber = { seq: afterSeq, onCard, onLine, reading: false };
      subscribers.add(subscriber);
      void read(subscriber);
      return () => void subscribers.delete(subscriber);
    },
    watchers: () => subscribers.size,
  };

  function publish(): void {
    for (const subscriber of subscribers) void read(subscriber);
  }

  /** Reads on from where the subscriber is. A call while it reads is covered by that reading: it goes on until there is nothing more. */
  async function read(subscriber: Subscriber): Promise<void> {
    if (subscriber.reading) return;
    subscriber.reading = true;
    try {
      while (subscribers.has(subscriber)) {
        const changed = cards.changedAfter(subscriber.seq, page);
        for (const card of changed) {
          if (!subscribers.has(subscriber)) return;
          subscriber.seq = card.seq;
          guard(subscriber, () => subscriber.onCard(card));
        }
        if (changed.length < page) return;
        await clock.sleep(0);
      }
    } catch (error) {
      subscribers.delete(subscriber);
      log.error("a terminal lost its card stream", { error });
    } finally {
      subscriber.reading = false;
    }
  }

  /** One who cannot take a card goes, and the others get theirs. */
  function guard(subscriber: Subscriber, act: () => void): void {
    try {
      act();
    } catch (error) {
      subscribers.delete(subscriber);
      log.warn("a terminal was dropped: it could not take a card", { error });
    }
  }
}
