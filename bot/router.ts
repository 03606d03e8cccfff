import { type Matcher, matches } from "../shared/matcher.ts";
import type { Channel } from "./edges.ts";

/** A chat of a channel: where a card can stand. */
export interface Address {
  channel: string;
  chat: string;
}

export interface Router {
  /**
   * The chats that get the card of something with these labels, and those where it stands already: a card stays where it is, also when the
   * routes have changed since. A chat whose channel is no longer configured is left out.
   */
  route(labels: Readonly<Record<string, string>>, standing: readonly Address[]): Address[];
  /** Every chat Steward posts to by itself, for what concerns everybody. */
  everywhere(): Address[];
  /** Whether a chat is one of those configured: posted to by default, or named by a route. Steward talks in no other. */
  knows(address: Address): boolean;
}

interface Deps {
  channels: readonly Pick<Channel, "name" | "chats" | "cardsPerHour">[];
  /** As configured: `to` names chats as `feishu:oc_x`. The first route whose matchers all hold decides. */
  routes: readonly { match: readonly Matcher[]; to: readonly string[] }[];
}

/** Decides which channels get a card (SPEC 5, `channels.routes`). A live view, the terminal, gets every card whatever the routes say. */
export function createRouter({ channels, routes }: Deps): Router {
  const names = new Set(channels.map(({ name }) => name));
  const addresses = (some: Deps["channels"]) =>
    some.flatMap(({ name, chats }) => chats.map((chat) => ({ channel: name, chat })));
  const all = addresses(channels);
  const live = addresses(channels.filter(({ cardsPerHour }) => cardsPerHour === null));
  const targets = routes.map(({ match, to }) => ({ match, to: unique([...live, ...to.map(parseAddress)]) }));
  const known = unique([...all, ...targets.flatMap(({ to }) => to)]);

  return {
    route(labels, standing) {
      const routed = targets.find(({ match }) => match.every((matcher) => matches(matcher, labels)))?.to ?? all;
      return unique([...routed, ...standing]).filter(({ channel }) => names.has(channel));
    },
    everywhere: () => all,
    knows: ({ channel, chat }) => known.some((address) => address.channel === channel && address.chat === chat),
  };
}

function parseAddress(text: string): Address {
  const colon = text.indexOf(":");
  return { channel: text.slice(0, colon), chat: text.slice(colon + 1) };
}

function unique(addresses: readonly Address[]): Address[] {
  return [...new Map(addresses.map((address) => [`${address.channel}:${address.chat}`, address])).values()];
}
