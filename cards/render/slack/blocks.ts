/**
 * The part of Block Kit that cards are made of. Text stands only where Slack parses nothing: `rich_text`, and `plain_text` with emoji off. There is
 * no mrkdwn here, so no text can mention, link or break out. Source: docs.slack.dev/reference/block-kit, @slack/types.
 */

export interface PlainText {
  type: "plain_text";
  text: string;
  emoji: false;
}

export interface RichText {
  type: "text";
  text: string;
  style?: { bold?: true; italic?: true; code?: true };
}
export type RichElement = RichText | { type: "link"; url: string; text: string } | { type: "user"; user_id: string };

export interface RichSection {
  type: "rich_text_section";
  elements: RichElement[];
}
export type RichPart =
  | RichSection
  | { type: "rich_text_preformatted"; elements: RichText[] }
  | { type: "rich_text_quote"; elements: RichElement[] }
  | { type: "rich_text_list"; style: "bullet"; elements: RichSection[] };

export interface RichBlock {
  type: "rich_text";
  elements: RichPart[];
}

export interface PressButton {
  type: "button";
  action_id: string;
  text: PlainText;
  value: string;
  style?: "primary" | "danger";
}
export interface ChoiceMenu {
  type: "static_select";
  action_id: string;
  placeholder: PlainText;
  options: { text: PlainText; value: string }[];
}

export interface ContextBlock {
  type: "context";
  elements: PlainText[];
}
export interface Container {
  type: "container";
  title: PlainText;
  is_collapsible: true;
  default_collapsed: true;
  child_blocks: (RichBlock | ContextBlock)[];
}

export type Block =
  | { type: "header"; text: PlainText }
  | { type: "divider" }
  | { type: "actions"; elements: (PressButton | ChoiceMenu)[] }
  | RichBlock
  | ContextBlock
  | Container;

/** What is posted: the blocks, and the words for a notification and for who cannot see blocks. */
export interface SlackMessage {
  text: string;
  blocks: Block[];
}

/** In `text` these three mean something; everywhere else Slack takes text as it is. */
export function escapeSlack(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

export function plainText(text: string): PlainText {
  return { type: "plain_text", text, emoji: false };
}

/** The id of a button or menu as Slack gives it back; `null` for one that is none of ours. */
export const pressPrefix = "steward.press.";
export const choosePrefix = "steward.choose.";

/** The value of a menu's last entry: in the person's own words. */
export const ownWords = "own_words";
