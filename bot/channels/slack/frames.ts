import { z } from "zod";
import { choosePrefix, ownWords, pressPrefix } from "../../../cards/render/slack/blocks.ts";
import type { ClickEvent, MentionEvent } from "../../edges.ts";

/** Who Steward is in this workspace. */
export interface Self {
  team: string;
  user: string;
  bot: string;
}

/** A frame of the socket, as far as its kind goes; null for what is none. */
export function readFrame(data: unknown): { type: string; reason: string; hasEvent: boolean } | null {
  if (typeof data !== "string") return null;
  let json: unknown;
  try {
    json = JSON.parse(data);
  } catch {
    return null;
  }
  const frame = Frame.safeParse(json);
  if (!frame.success) return null;
  const { type, reason, payload } = frame.data;
  return { type, reason: reason ?? "", hasEvent: Inner.safeParse(payload).success };
}

const Frame = z.object({ type: z.string(), reason: z.string().optional(), payload: z.unknown().optional() });
const Inner = z.object({ event: z.object({ type: z.string() }) });

const Written = z.object({
  team_id: z.string().optional(),
  is_ext_shared_channel: z.boolean().optional(),
  event: z.object({
    type: z.enum(["app_mention", "message"]),
    subtype: z.string().optional(),
    bot_id: z.string().optional(),
    user: z.string().min(1),
    team: z.string().optional(),
    user_team: z.string().optional(),
    text: z.string(),
    ts: z.string(),
    thread_ts: z.string().optional(),
    channel: z.string(),
    channel_type: z.string().optional(),
  }),
});

/**
 * What somebody wrote to Steward; null for what is not for it: other bots, edits, and what in a channel is not a mention. Source: im-protocols.md 3.4.
 */
export function readWritten(body: unknown, self: Self, at: Date): Omit<MentionEvent, "channel"> | null {
  const parsed = Written.safeParse(body);
  if (!parsed.success) return null;
  const { event, is_ext_shared_channel: shared } = parsed.data;
  const direct = event.channel_type === "im" || event.channel.startsWith("D");
  if (event.bot_id !== undefined || event.subtype !== undefined || event.user === self.user) return null;
  if (event.type === "message" && !direct) return null;
  const team = event.user_team ?? event.team;
  return {
    event: `${event.channel}:${event.ts}`,
    chat: event.channel,
    thread: event.thread_ts ?? (direct ? "" : event.ts),
    under: event.thread_ts ?? null,
    direct,
    person: event.user,
    display: "",
    external: team === undefined ? shared !== false : team !== self.team,
    text: readText(event.text, self.user),
    at,
  };
}

/** Slack's own marks undone: entities, mentions, links with their labels. The mention of Steward itself goes. */
function readText(text: string, self: string): string {
  return text
    .replace(/<([^<>]*)>/g, (_whole, inner: string) => {
      const [target = "", label] = inner.split("|", 2);
      if (target === `@${self}`) return " ";
      if (/^[@#!]/.test(target)) return label === undefined ? target : `${target[0]}${label}`;
      return label ?? target;
    })
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&")
    .trim();
}

const User = z.object({
  id: z.string().min(1),
  username: z.string().optional(),
  name: z.string().optional(),
  team_id: z.string().optional(),
});
const Pressed = z.object({
  team: z.object({ id: z.string() }).nullish(),
  user: User,
  trigger_id: z.string(),
  container: z.object({ message_ts: z.string(), channel_id: z.string() }),
  actions: z
    .array(
      z.object({
        action_id: z.string(),
        selected_option: z.object({ value: z.string() }).nullish(),
      }),
    )
    .min(1),
});
const Submitted = z.object({
  team: z.object({ id: z.string() }).nullish(),
  user: User,
  view: z.object({
    id: z.string(),
    private_metadata: z.string(),
    state: z.object({ values: z.record(z.string(), z.record(z.string(), z.object({ value: z.string().nullish() }))) }),
  }),
});
/** What a form that asks for a reason is about; put into it by Steward and kept by Slack. */
const About = z.strictObject({ chat: z.string(), message: z.string(), button: z.string() });
export type About = z.infer<typeof About>;

export type Pressing =
  | { kind: "click"; click: Omit<ClickEvent, "channel"> }
  /** A form is asked for, to give a reason in one's own words. */
  | { kind: "form"; trigger: string; about: About };

/** What a press of a button or a choice in a menu means; null for one that is none of Steward's. Source: im-protocols.md 3.5. */
export function readPressed(body: unknown, self: Self, at: Date): Pressing | null {
  const parsed = Pressed.safeParse(body);
  const action = parsed.data?.actions[0];
  if (!parsed.success || action === undefined) return null;
  const { container, trigger_id: trigger, user, team } = parsed.data;
  const about = { chat: container.channel_id, message: container.message_ts };
  const who = sender(user, team?.id, self);
  if (action.action_id.startsWith(pressPrefix)) {
    const button = action.action_id.slice(pressPrefix.length);
    return { kind: "click", click: { ...who, ...about, event: trigger, button, reason: null, at } };
  }
  const chosen = action.selected_option?.value;
  if (!action.action_id.startsWith(choosePrefix) || chosen === undefined) return null;
  const button = action.action_id.slice(choosePrefix.length);
  return chosen === ownWords
    ? { kind: "form", trigger, about: { ...about, button } }
    : { kind: "click", click: { ...who, ...about, event: trigger, button, reason: chosen, at } };
}

/** The click that a submitted form stands for. */
export function readSubmitted(body: unknown, self: Self, at: Date): Omit<ClickEvent, "channel"> | null {
  const parsed = Submitted.safeParse(body);
  if (!parsed.success) return null;
  const { view, user, team } = parsed.data;
  const about = About.safeParse(parseJson(view.private_metadata));
  if (!about.success) return null;
  const typed = Object.values(view.state.values).flatMap((block) =>
    Object.values(block).map(({ value }) => value ?? ""),
  );
  const reason = typed.join(" ").trim();
  return {
    ...sender(user, team?.id, self),
    ...about.data,
    event: view.id,
    reason: reason === "" ? null : reason,
    at,
  };
}

function sender(user: z.infer<typeof User>, teamOfFrame: string | undefined, self: Self) {
  return {
    person: user.id,
    display: user.username ?? user.name ?? "",
    external: (user.team_id ?? teamOfFrame) !== self.team,
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
