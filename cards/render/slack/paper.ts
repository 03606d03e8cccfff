import { truncateBytes } from "../../../shared/text.ts";
import type { Text } from "../../card.ts";
import { type Block, escapeSlack, type RichElement, type RichPart, type RichText } from "./blocks.ts";

type Style = NonNullable<RichText["style"]>;

/**
 * What a message may hold, in bytes of UTF-8 after escaping, counted over all its texts. Slack refuses from about 13,200 characters on
 * (bolt-js#2509); bytes are never fewer.
 */
const messageBytes = 12_000;
/** Blocks of a message, those inside others too; Slack takes 50. */
const messageBlocks = 46;

/** A message that is being written: every text is cut to what is left, so that it can never be refused for its size. */
export interface Paper {
  /** The part of `text` that fits `max` bytes and what is left of the message. */
  fit(text: string, max: number): string;
  /** Spans as elements of rich text, `max` bytes in all. */
  spans(text: Text, max: number, style?: Style): RichElement[];
  own(text: string, style?: Style): RichText[];
  pre(text: string, max: number): RichPart[];
  /** Bytes that may still be written before what is kept for the end. */
  left(): number;
  /** Gives room that was kept back. */
  release(bytes: number): void;
  room(blocks: number): boolean;
  put(...blocks: Block[]): void;
  /** Puts these parts as one block, unless there is nothing in them. */
  rich(...parts: readonly (readonly RichPart[])[]): void;
  readonly blocks: Block[];
}

/** `kept`: bytes nobody may use before they are released, for what stands last and must not be missing. */
export function createPaper(kept: number): Paper {
  const blocks: Block[] = [];
  let left = messageBytes - kept;
  let count = 0;

  const paper: Paper = {
    blocks,
    left: () => left,
    release(bytes) {
      left += bytes;
    },
    room: (wanted) => count + wanted <= messageBlocks,
    fit(text, max) {
      const cut = truncateBytes(text, Math.max(0, Math.min(max, left)), { escaped: escapeSlack });
      left -= Buffer.byteLength(escapeSlack(cut));
      return cut;
    },
    spans(text, max, style) {
      let rest = max;
      return text.flatMap((span): RichText[] => {
        const written = paper.fit(typeof span === "string" ? span : span.text, rest);
        rest -= Buffer.byteLength(escapeSlack(written));
        return written === "" ? [] : [element(written, style)];
      });
    },
    own(text, style) {
      const written = paper.fit(text, text.length * 6);
      return written === "" ? [] : [element(written, style)];
    },
    pre(text, max) {
      const written = paper.fit(text, max);
      return written.trim() === "" ? [] : [{ type: "rich_text_preformatted", elements: [element(written)] }];
    },
    put(...more) {
      for (const block of more) {
        blocks.push(block);
        count += 1 + (block.type === "container" ? block.child_blocks.length : 0);
      }
    },
    rich(...parts) {
      const elements = parts.flat().filter((part) => part.elements.length > 0);
      if (elements.length > 0) paper.put({ type: "rich_text", elements });
    },
  };
  return paper;
}

function element(text: string, style?: Style): RichText {
  return { type: "text", text, ...(style === undefined ? {} : { style }) };
}

/** Lines below each other, as one section. */
export function stack(lines: readonly (readonly RichElement[])[]): RichPart[] {
  const elements = lines
    .filter((line) => line.length > 0)
    .flatMap((line, i): RichElement[] => (i === 0 ? [...line] : [{ type: "text", text: "\n" }, ...line]));
  return elements.length === 0 ? [] : [{ type: "rich_text_section", elements }];
}
