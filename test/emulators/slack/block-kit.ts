import { z } from "zod";

/**
 * What Slack takes of Block Kit, as far as Steward could use it: strict, an unknown property is refused as Slack refuses it. Limits are those of
 * im-protocols.md 3.7 and @slack/types 3.2.0.
 */
const plain = (max: number) =>
  z.strictObject({ type: z.literal("plain_text"), text: z.string().min(1).max(max), emoji: z.boolean().optional() });
const mrkdwn = (max: number) =>
  z.strictObject({ type: z.literal("mrkdwn"), text: z.string().min(1).max(max), verbatim: z.boolean().optional() });
const anyText = (max: number) => z.union([plain(max), mrkdwn(max)]);
const id = z.string().min(1).max(255);
const blockId = { block_id: id.optional() };

const style = z
  .strictObject({
    bold: z.boolean().optional(),
    italic: z.boolean().optional(),
    strike: z.boolean().optional(),
    code: z.boolean().optional(),
  })
  .optional();
const richElement = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text"), text: z.string().min(1), style }),
  z.strictObject({ type: z.literal("link"), url: z.string().min(1).max(3_000), text: z.string().optional(), style }),
  z.strictObject({ type: z.literal("user"), user_id: z.string().regex(/^[UW][A-Z0-9]+$/), style }),
  z.strictObject({ type: z.literal("broadcast"), range: z.enum(["here", "channel", "everyone"]) }),
  z.strictObject({ type: z.literal("usergroup"), usergroup_id: z.string() }),
]);
const richSection = z.strictObject({ type: z.literal("rich_text_section"), elements: z.array(richElement).min(1) });
const richText = z.strictObject({
  type: z.literal("rich_text"),
  ...blockId,
  elements: z
    .array(
      z.discriminatedUnion("type", [
        richSection,
        z.strictObject({ type: z.literal("rich_text_preformatted"), elements: z.array(richElement).min(1) }),
        z.strictObject({ type: z.literal("rich_text_quote"), elements: z.array(richElement).min(1) }),
        z.strictObject({
          type: z.literal("rich_text_list"),
          style: z.enum(["bullet", "ordered"]),
          elements: z.array(richSection).min(1),
        }),
      ]),
    )
    .min(1),
});

const option = z.strictObject({ text: plain(75), value: z.string().min(1).max(150) });
const button = z.strictObject({
  type: z.literal("button"),
  action_id: id.optional(),
  text: plain(75),
  value: z.string().max(2_000).optional(),
  url: z.string().max(3_000).optional(),
  style: z.enum(["primary", "danger"]).optional(),
});
const select = z.strictObject({
  type: z.literal("static_select"),
  action_id: id.optional(),
  placeholder: plain(150).optional(),
  options: z.array(option).min(1).max(100),
});
const actions = z.strictObject({
  type: z.literal("actions"),
  ...blockId,
  elements: z
    .array(z.discriminatedUnion("type", [button, select]))
    .min(1)
    .max(25)
    .refine(
      (elements) => new Set(elements.map(({ action_id }) => action_id)).size === elements.length,
      "action_id is not unique",
    ),
});
const context = z.strictObject({
  type: z.literal("context"),
  ...blockId,
  elements: z.array(anyText(2_000)).min(1).max(10),
});
const header = z.strictObject({ type: z.literal("header"), ...blockId, text: plain(150) });
const divider = z.strictObject({ type: z.literal("divider"), ...blockId });
const section = z.strictObject({
  type: z.literal("section"),
  ...blockId,
  text: anyText(3_000).optional(),
  fields: z.array(anyText(2_000)).max(10).optional(),
  expand: z.boolean().optional(),
});
const container = z.strictObject({
  type: z.literal("container"),
  ...blockId,
  title: plain(150),
  subtitle: anyText(150).optional(),
  is_collapsible: z.boolean().optional(),
  default_collapsed: z.boolean().optional(),
  child_blocks: z
    .array(z.discriminatedUnion("type", [actions, context, divider, header, richText, section]))
    .min(1)
    .max(10),
});
const block = z.discriminatedUnion("type", [actions, context, divider, header, richText, section, container]);
export type EmulatedBlock = z.infer<typeof block>;

/** Longest sum of texts in the blocks of one message, in characters (slackapi/bolt-js#2509). */
const sumMax = 13_200;

/** The blocks of a message, or the error Slack answers with. `containers`: whether this workspace has them. */
export function takeBlocks(
  json: string | null,
  { containers }: { containers: boolean },
): { blocks: EmulatedBlock[] } | { error: string; why: string } {
  if (json === null || json === "") return { blocks: [] };
  let given: unknown;
  try {
    given = JSON.parse(json);
  } catch {
    return { error: "invalid_blocks_format", why: "not JSON" };
  }
  const parsed = z.array(block).safeParse(given);
  if (!parsed.success) {
    const why = parsed.error.issues.map(({ path, message }) => `${message} [json-pointer:/blocks/${path.join("/")}]`);
    return { error: "invalid_blocks", why: why.join("; ") };
  }
  const blocks = parsed.data;
  const nested = blocks.flatMap((one) => (one.type === "container" ? one.child_blocks : []));
  if (blocks.length > 50) return { error: "invalid_blocks", why: "more than 50 items" };
  if (nested.length > 0 && !containers) return { error: "invalid_blocks", why: "unsupported type: container" };
  const ids = [...blocks, ...nested].flatMap(({ block_id }) => block_id ?? []);
  if (new Set(ids).size < ids.length) return { error: "invalid_blocks", why: "block_id already exists" };
  const sum = blocks.reduce((total, one) => total + textOf(one).text.length, 0);
  return sum > sumMax ? { error: "msg_blocks_too_long", why: `${sum} characters` } : { blocks };
}

export interface Read {
  text: string;
  mentions: string[];
  links: string[];
}

/** What is to be read in a block, and what in it is live. */
export function textOf(one: EmulatedBlock): Read {
  switch (one.type) {
    case "divider":
      return { text: "", mentions: [], links: [] };
    case "header":
      return readText(one.text);
    case "context":
      return join(one.elements.map(readText));
    case "section":
      return join([...(one.text === undefined ? [] : [readText(one.text)]), ...(one.fields ?? []).map(readText)]);
    case "actions":
      return join(
        one.elements.map((element) =>
          element.type === "button"
            ? { text: element.text.text, mentions: [], links: element.url === undefined ? [] : [element.url] }
            : { text: element.placeholder?.text ?? "", mentions: [], links: [] },
        ),
      );
    case "container":
      return join([readText(one.title), ...one.child_blocks.map(textOf)]);
    case "rich_text":
      return join(
        one.elements.flatMap((part) =>
          part.type === "rich_text_list"
            ? part.elements.map((item) => readRich(item.elements))
            : [readRich(part.elements)],
        ),
      );
  }
}

function readRich(elements: readonly z.infer<typeof richElement>[]): Read {
  const read: Read = { text: "", mentions: [], links: [] };
  for (const element of elements) {
    switch (element.type) {
      case "text":
        read.text += element.text;
        break;
      case "link":
        read.text += element.text ?? element.url;
        read.links.push(element.url);
        break;
      case "user":
        read.text += `@${element.user_id}`;
        read.mentions.push(element.user_id);
        break;
      case "broadcast":
        read.mentions.push(element.range);
        break;
      case "usergroup":
        read.mentions.push(element.usergroup_id);
        break;
    }
  }
  return read;
}

function readText(text: { type: string; text: string }): Read {
  return text.type === "mrkdwn" ? readMrkdwn(text.text) : { text: text.text, mentions: [], links: [] };
}

/** mrkdwn as a client reads it: what stands in angle brackets is live, and so is a bare URL. */
export function readMrkdwn(text: string): Read {
  const mentions: string[] = [];
  const links: string[] = [];
  const shown = text.replace(/<([^<>]+)>/g, (_whole, inner: string) => {
    const [target = "", label] = inner.split("|", 2);
    if (/^[@!]/.test(target)) mentions.push(target.slice(1));
    else if (!target.startsWith("#")) links.push(target);
    return label ?? target;
  });
  for (const [url] of shown.matchAll(/https?:\/\/[^\s<>|]+/g)) links.push(url);
  return { text: unescapeSlack(shown), mentions, links };
}

export function unescapeSlack(text: string): string {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

function join(reads: readonly Read[]): Read {
  return {
    text: reads.map(({ text }) => text).join("\n"),
    mentions: reads.flatMap(({ mentions }) => mentions),
    links: reads.flatMap(({ links }) => links),
  };
}
