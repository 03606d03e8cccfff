import type { Text } from "../../cards/card.ts";
import type { Line, MentionEvent } from "../edges.ts";
import type { Store } from "../store.ts";

/** Where an answer goes, and what it answers: it is given once, however often what it answers is delivered. */
export type Answered = Pick<MentionEvent, "channel" | "chat" | "thread" | "person" | "direct" | "event">;

export interface Mouth {
  /** For everybody who reads the thread. */
  reply(to: Answered, ...texts: readonly Text[]): void;
  /** For the person alone. */
  tell(to: Answered, text: Text): void;
}

/** Puts words into the outbox, so that they arrive over a platform that is down, and in the turn of everything else. */
export function createMouth(store: Pick<Store, "transact" | "outbox" | "afterCommit">, wake: () => void): Mouth {
  return {
    reply(to, ...texts) {
      store.transact(() => {
        texts.forEach((text, i) => {
          put(to, "reply", to.chat, { thread: to.thread, line: lineOf(text) }, `reply:${to.event}:${i}`);
        });
      });
    },
    tell(to, text) {
      const chat = to.direct ? "" : to.chat;
      store.transact(() => put(to, "tell", chat, { person: to.person, line: lineOf(text) }, `tell:${to.event}`));
    },
  };

  function put({ channel }: Answered, kind: "reply" | "tell", chat: string, body: unknown, dedupe: string): void {
    store.outbox.put({ channel, chat, kind, cardId: null, body: JSON.stringify(body), dedupe, urgent: true });
    store.afterCommit(wake);
  }
}

function lineOf(text: Text): Line {
  return { text, mention: [] };
}
