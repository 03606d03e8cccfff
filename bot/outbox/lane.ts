import type { Card } from "../../cards/card.ts";
import { words } from "../../cards/words/index.ts";
import { StewardError } from "../../shared/errors.ts";
import type { Channel, MessageRef } from "../edges.ts";
import type { OutboxDeps } from "../outbox.ts";
import type { OutboxItem, StoredCard } from "../store.ts";
import { createBell } from "./bell.ts";
import { speak } from "./line.ts";

/** Operations of one channel that are under way at a time; each on another card. */
const atOnce = 4;
/** An operation that takes longer than this is given up and tried again, in ms. */
const operationTimeout = 30_000;
const shortestBackoff = 1_000;
const longestBackoff = 5 * 60_000;
/** Without a ring the store is looked at again after this long, in ms. */
const longestNap = 60_000;
/** How far back the new cards of a chat are counted, in ms (SPEC 16: cards an hour and chat). */
const hour = 60 * 60_000;
/** Cards that go into a digest together. */
const digestBatch = 100;

type Delivery =
  | { kind: "send"; card: StoredCard }
  | { kind: "update"; card: StoredCard; message: MessageRef }
  | { kind: "line"; message: MessageRef | null };
type Plan = Delivery | { kind: "digest"; card: StoredCard } | { kind: "nothing" };

export interface Lane {
  /** There may be something to do. */
  ring(): void;
  /** Resolves when the lane has ended and nothing of it is under way. */
  done: Promise<void>;
}

/** The deliveries of one channel, from now until `ending` aborts. */
export function openLane(channel: Channel, deps: OutboxDeps, ending: AbortSignal): Lane {
  const { store, digest, notice, locale, clock, log, metrics, random = Math.random } = deps;
  const { name } = channel;
  const underWay = new Map<number, Promise<void>>();
  /** First sends under way, by chat: they count against the hour before they are on record. */
  const newUnderWay = new Map<string, number>();
  const bell = createBell(clock, ending);
  let failures = 0;
  let pausedUntil = 0;

  return { ring: bell.ring, done: run() };

  async function run(): Promise<void> {
    while (!ending.aborted) {
      let nap = shortestBackoff;
      try {
        nap = startWhatIsDue();
      } catch (error) {
        log.error("the outbox could not be worked on", { channel: name, error });
      }
      await bell.wait(nap);
    }
    await Promise.allSettled(underWay.values());
  }

  /** Starts deliveries up to the limit. Answers for how long there is nothing more to do unless the bell rings. */
  function startWhatIsDue(): number {
    const now = clock.now();
    if (now.getTime() < pausedUntil) return pausedUntil - now.getTime();
    const room = (failures > 0 ? 1 : atOnce) - underWay.size;
    if (room <= 0) return longestNap;
    const due = store.outbox.due(name, now, room + underWay.size).filter(({ id }) => !underWay.has(id));
    let lookAgain = false;
    for (const item of due.slice(0, room)) {
      const plan = planOf(item, now);
      if (plan.kind === "nothing") settle(item);
      else if (plan.kind === "digest") putAway(item, plan.card, now);
      else {
        const wait = channel.pace({ kind: plan.kind, chat: item.chat, urgent: item.urgent }, now);
        if (wait > 0) return Math.min(wait, longestNap);
        begin(item, plan);
        continue;
      }
      lookAgain = true;
    }
    if (lookAgain) return 0;
    const next = store.outbox.nextDue(name, now);
    return next === null ? longestNap : Math.min(longestNap, next.getTime() - now.getTime());
  }

  /** What is to be done for an item, as things stand now. */
  function planOf(item: OutboxItem, now: Date): Plan {
    const { kind, cardId, chat } = item;
    const message = cardId === null ? null : store.cards.message(cardId, name, chat);
    if (kind !== "card") {
      // A card in a digest was not seen by itself; only what cannot wait speaks of it.
      const hidden = cardId !== null && message === null && store.cards.digestOf(cardId, name, chat) !== null;
      return hidden && !item.urgent ? { kind: "nothing" } : { kind: "line", message: message?.message ?? null };
    }
    const card = cardId === null ? null : store.cards.get(cardId);
    if (card === null || (message !== null && message.version >= card.version)) return { kind: "nothing" };
    if (message !== null) return { kind: "update", card, message: message.message };
    return mustWait(card, chat, now) ? { kind: "digest", card } : { kind: "send", card };
  }

  /** Whether a new card finds no room among those of the hour. What is urgent always does (SPEC 6: `notify` is never put into a digest). */
  function mustWait(card: StoredCard, chat: string, now: Date): boolean {
    if (channel.cardsPerHour === null || card.urgent || digest.is(card)) return false;
    if (store.cards.digestOf(card.id, name, chat) !== null) return true;
    const sent = store.cards.countNew(name, chat, new Date(now.getTime() - hour));
    return sent + (newUnderWay.get(chat) ?? 0) >= channel.cardsPerHour;
  }

  /** Puts a card, and the others that wait for the same chat and have to, into the digest: one change of it instead of hundreds. */
  function putAway(item: OutboxItem, card: StoredCard, now: Date): void {
    const taken = store.transact(() => {
      const others = store.outbox
        .due(name, now, digestBatch)
        .filter(({ id, chat, kind }) => id !== item.id && chat === item.chat && kind === "card" && !underWay.has(id))
        .flatMap((other) => {
          const plan = planOf(other, now);
          return plan.kind === "digest" ? [{ id: other.id, card: plan.card }] : [];
        });
      const all = [{ id: item.id, card }, ...others];
      digest.take(
        all.map((one) => one.card),
        { channel: name, chat: item.chat },
        now,
      );
      for (const { id } of all) store.outbox.sent(id);
      return all.length;
    });
    metrics.digested(name, taken);
  }

  function begin(item: OutboxItem, plan: Delivery): void {
    const count = (by: number) => {
      if (plan.kind === "send") newUnderWay.set(item.chat, (newUnderWay.get(item.chat) ?? 0) + by);
    };
    count(1);
    const delivery = deliver(item, plan)
      .catch((error: unknown) => {
        // Neither the outcome nor the failure could be written: the item is still queued, and must not be tried in a hot loop.
        log.error("the outcome of a delivery could not be kept", { channel: name, error });
        pausedUntil = clock.now().getTime() + backoff(++failures);
      })
      .finally(() => {
        underWay.delete(item.id);
        count(-1);
        bell.ring();
      });
    underWay.set(item.id, delivery);
  }

  async function deliver(item: OutboxItem, plan: Delivery): Promise<void> {
    let message: MessageRef | null;
    try {
      message = await withTimeout(perform(item, plan));
    } catch (error) {
      fail(item, plan, error);
      return;
    }
    failures = 0;
    pausedUntil = 0;
    metrics.delivered(name);
    settle(item, plan, message);
  }

  /** Carries one operation out; answers the message that shows the card. */
  async function perform(item: OutboxItem, plan: Delivery): Promise<MessageRef | null> {
    switch (plan.kind) {
      case "send":
        // One key for every try of this row: a new place, or a new message in the same, has a row of its own.
        return channel.send(item.chat, inLanguage(plan.card), `${plan.card.id}.${item.id}`);
      case "update":
        await channel.update(item.chat, plan.message, inLanguage(plan.card));
        return plan.message;
      case "line":
        await speak(channel, item, plan.message);
        return null;
    }
  }

  function inLanguage({ card, translations }: StoredCard): Card {
    return translations[channel.locale ?? locale] ?? card;
  }

  /** Notes a delivery. A card that changed while it was under way is queued again. */
  function settle(item: OutboxItem, plan: Delivery | null = null, message: MessageRef | null = null): void {
    store.transact(() => {
      store.outbox.sent(item.id);
      if (plan === null || plan.kind === "line" || message === null) return;
      const { id, version } = plan.card;
      store.cards.putMessage(id, name, item.chat, message, version);
      store.cards.dropDigestEntry(id, name, item.chat);
      const latest = store.cards.get(id);
      if (latest !== null && latest.version > version) requeue(item, id, latest.urgent);
    });
  }

  function requeue({ chat }: OutboxItem, cardId: string, urgent: boolean): void {
    store.outbox.put({ channel: name, chat, kind: "card", cardId, body: "", dedupe: "", urgent });
  }

  function fail(item: OutboxItem, plan: Delivery, error: unknown): void {
    const known = error instanceof StewardError ? error : null;
    if (plan.kind === "update" && known?.code === "not_found") {
      log.info("a message is gone, its card is sent again", { channel: name, cardId: plan.card.id });
      store.transact(() => {
        store.cards.dropMessage(plan.card.id, name, item.chat);
        store.outbox.sent(item.id);
        requeue(item, plan.card.id, item.urgent);
      });
    } else if (known !== null && !known.retryable) giveUp(item, known);
    else tryLater(item, error, known?.retryAfterMs ?? 0);
  }

  /** The item waits by its own tries, the whole channel by how often it failed in a row: a platform that is down is not asked by everybody. */
  function tryLater(item: OutboxItem, error: unknown, askedFor: number): void {
    const now = clock.now().getTime();
    // Of several that fail together, the first counts.
    if (now >= pausedUntil) failures += 1;
    const pause = Math.max(askedFor, backoff(failures));
    pausedUntil = Math.max(pausedUntil, now + pause);
    const due = new Date(Math.max(pausedUntil, now + backoff(item.tries + 1)));
    const said = error instanceof StewardError ? error.message : String(error);
    metrics.failed(name);
    log.warn("a delivery failed and is tried again", { channel: name, tries: item.tries + 1, due, error: said });
    store.transact(() => store.outbox.retry(item.id, due, said));
  }

  /** The platform will never take it: said where it can be heard. */
  function giveUp(item: OutboxItem, error: StewardError): void {
    metrics.dead(name);
    log.error("a delivery is given up", { channel: name, kind: item.kind, cardId: item.cardId, error: error.message });
    const { title, line } = words[locale].dead;
    store.transact((now) => {
      store.outbox.dead(item.id, error.message);
      notice({
        title: title(name),
        lines: [line(name, error.message)],
        urgent: true,
        dedupe: `dead:${name}:${error.code}:${now.toISOString().slice(0, 10)}`,
        except: name,
      });
    });
  }

  /** Doubling from the first failure, half of it by chance: many who wait do not come back together. In ms. */
  function backoff(failed: number): number {
    const full = Math.min(longestBackoff, shortestBackoff * 2 ** Math.min(failed, 20));
    return full / 2 + (full / 2) * random();
  }

  async function withTimeout<T>(operation: Promise<T>): Promise<T> {
    const patience = new AbortController();
    const late = clock.sleep(operationTimeout, patience.signal).then(() => {
      throw new StewardError("unavailable", `no answer within ${operationTimeout / 1_000} s`);
    });
    try {
      return await Promise.race([operation, late]);
    } finally {
      late.catch(() => undefined);
      operation.catch(() => undefined);
      patience.abort();
    }
  }
}
