import type { Text } from "../../cards/card.ts";
import { foreign, say } from "../../cards/text.ts";
import type { Locale } from "../../shared/locale.ts";
import type { Times } from "../../shared/time.ts";
import type { ClickEvent, Clock, ClusterReader, LinkState, Log, MentionEvent } from "../edges.ts";
import type { Services } from "../http/services.ts";
import type { IdentityModule } from "../identity.ts";
import type { Router } from "../router.ts";
import type { Store } from "../store.ts";
import { type Deed, doDeed, refusalSaid } from "./deed.ts";
import type { Answered, Mouth } from "./mouth.ts";
import { type Standing, standingOf } from "./standing.ts";
import type { ChatWords } from "./words.ts";

export interface ChatDeps {
  store: Store;
  identity: Pick<IdentityModule, "behind" | "seen" | "redeemLinkCode">;
  services: Pick<Services, "incidents" | "propose" | "gate" | "carryOut">;
  read: ClusterReader;
  router: Pick<Router, "knows">;
  /** What members of the own tenant may do in a configured chat without being linked (SPEC 11). */
  unlinked: "viewer" | "none";
  localeOf: (channel: string) => Locale;
  timezone: string;
  links: () => readonly { name: string; link: LinkState }[];
  wake: () => void;
  clock: Clock;
  log: Log;
}

/** What clicks and written words have in common. */
export interface ChatContext extends ChatDeps {
  times: Times;
  mouth: Mouth;
  /** Counts as under way until it is done, for a stop that waits. */
  track(work: () => Promise<void>): Promise<void>;
}

const hour = 60 * 60_000;
/** Platforms deliver again for hours (Feishu: up to 7.1 h); afterwards an event is a new one. In ms. */
const rememberedFor = 48 * hour;

/** Whether an event is seen for the first time. Inside a transaction. */
export function isNew({ store }: Pick<ChatContext, "store">, channel: string, event: string, now: Date): boolean {
  store.events.prune(new Date(now.getTime() - rememberedFor));
  return store.events.take(channel, event);
}

/** Remembers an account, so that an admin can link it. Inside a transaction. */
export function noteSeen(
  { identity }: Pick<ChatContext, "identity">,
  { channel, person, display, external }: ClickEvent | MentionEvent,
): void {
  if (!external && person !== "") identity.seen(channel, person, display === "" ? null : display);
}

/** `here`: in a configured chat that others read too. */
export function standing(
  { identity, unlinked }: Pick<ChatContext, "identity" | "unlinked">,
  event: ClickEvent | MentionEvent,
  here: boolean,
): Standing {
  return standingOf(event, { behind: identity.behind, unlinked, here });
}

export function accountUnknown({ channel, person }: ClickEvent | MentionEvent, words: ChatWords): Text {
  return words.unlinked(foreign("person", `--${channel} ${person}`, 120));
}

/** Tries a deed. What is to be said of it, either way; only a fault of Steward's own is thrown. */
export async function attempt(
  context: ChatContext,
  deed: Deed,
  who: Standing,
  event: ClickEvent | MentionEvent,
  words: ChatWords,
): Promise<{ done: boolean; text: Text }> {
  try {
    return { done: true, text: await doDeed(deed, who, context, words) };
  } catch (error) {
    return { done: false, text: refusalFor(error, who, event, words) };
  }
}

/** Why it did not happen, in words for the person; who is nobody here yet is told how to become somebody. */
export function refusalFor(
  error: unknown,
  { user }: Standing,
  event: ClickEvent | MentionEvent,
  words: ChatWords,
): Text {
  const said = refusalSaid(error, words);
  if (said === null) throw error;
  return user === null ? say`${said} ${accountUnknown(event, words)}` : said;
}

/** Where the answer goes; the one to a click into the thread of its card. */
export function answered(event: ClickEvent | MentionEvent): Answered {
  const { channel, chat, person, event: id } = event;
  return "thread" in event
    ? { channel, chat, person, event: id, thread: event.thread, direct: event.direct }
    : { channel, chat, person, event: id, thread: event.message, direct: false };
}
