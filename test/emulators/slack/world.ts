import { randomBytes } from "node:crypto";
import { type EmulatedBlock, readMrkdwn, takeBlocks, textOf } from "./block-kit.ts";

export interface Member {
  id: string;
  name: string;
  team: string;
}

export interface Message {
  ts: string;
  channel: string;
  thread: string | null;
  text: string;
  blocks: EmulatedBlock[];
  metadata: unknown;
  edits: number;
  /** Who alone sees it; null: everybody in the channel. */
  onlyFor: string | null;
}

/** An answer of the Web API. */
export type Answer = { ok: true; [field: string]: unknown } | { ok: false; error: string; [field: string]: unknown };

/** Longest `text` of an edit, in bytes as sent (gitlab-org/gitlab!258898). */
const editTextMax = 4_000;
const editsAMinute = 50;
const minute = 60_000;

/** Users, channels and messages: what a workspace remembers, and what each person sees of it. */
export function createWorld(members: readonly Member[], channels: readonly string[]) {
  const messages = new Map<string, Message>();
  const edits: number[] = [];
  /** What was refused for its form: a fault of the app. */
  const faults: string[] = [];
  const settings = { containers: true };
  let sequence = 0;

  return {
    messages,
    faults,
    settings,
    post,
    edit,
    ephemeral,
    history,
    remove,
    copy,
    put,
    seen,
    all: () => [...messages.values()],
  };

  function put(message: Omit<Message, "ts" | "edits">): Message {
    const made = { ...message, ts: newTs(), edits: 0 };
    messages.set(key(made.channel, made.ts), made);
    return made;
  }

  function newTs(): string {
    sequence += 1;
    return `${Math.floor(Date.now() / 1_000)}.${String(sequence).padStart(6, "0")}`;
  }

  function post(args: URLSearchParams): Answer {
    const channel = channelOf(args.get("channel"));
    if (channel === null) return refuse("channel_not_found");
    const content = contentOf(args);
    if ("error" in content) return content;
    const thread = args.get("thread_ts");
    if (thread !== null && !messages.has(key(channel, thread)) && !/^\d+\.\d+$/.test(thread))
      return refuse("invalid_thread_ts");
    const metadata: unknown = JSON.parse(args.get("metadata") ?? "null");
    const { ts } = put({ channel, thread, ...content, metadata, onlyFor: null });
    return { ok: true, channel, ts, message: { ts, text: content.text } };
  }

  function edit(args: URLSearchParams): Answer {
    const message = messages.get(key(args.get("channel") ?? "", args.get("ts") ?? ""));
    if (message === undefined || message.onlyFor !== null) return { ok: false, error: "message_not_found" };
    const text = args.get("text") ?? "";
    if (Buffer.byteLength(text) > editTextMax) return refuse("msg_too_long");
    const content = contentOf(args);
    if ("error" in content) return content;
    const now = Date.now();
    while ((edits[0] ?? now) < now - minute) edits.shift();
    if (edits.length >= editsAMinute) return { ok: false, error: "ratelimited" };
    edits.push(now);
    Object.assign(message, content);
    message.edits += 1;
    return { ok: true, channel: message.channel, ts: message.ts, text };
  }

  function ephemeral(args: URLSearchParams): Answer {
    const user = args.get("user") ?? "";
    const channel = args.get("channel") ?? "";
    if (!channels.includes(channel)) return refuse("channel_not_found");
    if (!members.some(({ id }) => id === user)) return refuse("user_not_in_channel");
    const content = contentOf(args);
    if ("error" in content) return content;
    const { ts } = put({ channel, thread: null, ...content, metadata: null, onlyFor: user });
    return { ok: true, message_ts: ts };
  }

  function history(args: URLSearchParams): Answer {
    const found = [...messages.values()].filter(
      ({ channel, onlyFor, thread }) => channel === args.get("channel") && onlyFor === null && thread === null,
    );
    const newest = found.reverse().slice(0, Number(args.get("limit") ?? 100));
    return { ok: true, messages: newest.map(({ ts, text, metadata }) => ({ type: "message", ts, text, metadata })) };
  }

  function contentOf(
    args: URLSearchParams,
  ): { text: string; blocks: EmulatedBlock[] } | Extract<Answer, { ok: false }> {
    const taken = takeBlocks(args.get("blocks"), settings);
    if ("error" in taken) {
      // A workspace without containers is no fault of the app; it is for the app to notice.
      if (!/container/.test(taken.why)) faults.push(`${taken.error}: ${taken.why}`);
      return { ok: false, error: taken.error, response_metadata: { messages: [`[ERROR] ${taken.why}`] } };
    }
    const text = args.get("text") ?? "";
    if (text === "" && taken.blocks.length === 0) return refuse("no_text");
    return { text: text.slice(0, 40_000), blocks: taken.blocks };
  }

  function refuse(error: string): Extract<Answer, { ok: false }> {
    faults.push(error);
    return { ok: false, error };
  }

  /** A channel, or the chat of the two that a user's id stands for. */
  function channelOf(given: string | null): string | null {
    if (given === null) return null;
    if (channels.includes(given) || given.startsWith("D")) return given;
    return members.some(({ id }) => id === given) ? `D${given.slice(1)}` : null;
  }

  function remove(channel: string, ts: string): void {
    messages.delete(key(channel, ts));
  }

  function copy(message: Message, channel: string): Message {
    return put({ ...message, channel, thread: null, onlyFor: null });
  }

  function seen(message: Message): { text: string; mentions: string[]; links: string[]; preview: string } {
    const preview = readMrkdwn(message.text);
    if (message.blocks.length === 0) return { ...preview, preview: preview.text };
    const reads = message.blocks.map(textOf);
    return {
      text: reads.map(({ text }) => text).join("\n"),
      // A notification is made from `text`: what is live there rings too.
      mentions: [...reads.flatMap(({ mentions }) => mentions), ...preview.mentions],
      links: reads.flatMap(({ links }) => links),
      preview: preview.text,
    };
  }
}

export type World = ReturnType<typeof createWorld>;

export function key(channel: string, ts: string): string {
  return `${channel}/${ts}`;
}

export function newSecret(prefix: string): string {
  return `${prefix}${randomBytes(12).toString("hex")}`;
}
