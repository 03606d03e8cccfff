import type { CardOf, Section, Text } from "../card.ts";
import { foreign, own } from "../text.ts";
import type { View } from "./view.ts";

export interface NoticeFacts {
  /** Steward's own words. */
  title: string;
  /** Whoever wrote them: shown as they are, never parsed. */
  lines: readonly string[];
  urgent: boolean;
}

const linesUnfolded = 6;

/** A plain notification: what happened, and the rest folded. */
export function noticeCard(
  { title, lines, urgent }: NoticeFacts,
  { locale, words }: Pick<View, "locale" | "words">,
): CardOf<"notice"> {
  const texts = lines.slice(0, 40).map((line): Text => [foreign("cluster", line, 400)]);
  const [first = []] = texts;
  const rest = texts.slice(linesUnfolded);
  const detail: Section[] =
    rest.length === 0
      ? []
      : [{ title: own(words.section.detail), ref: null, body: { form: "text", lines: rest }, note: null }];
  return {
    kind: "notice",
    schema: 1,
    locale,
    tone: urgent ? "warning" : "info",
    title: urgent ? words.title.urgentNotice : words.title.notice,
    headline: [foreign("cluster", title, 160)],
    status: "",
    marks: [],
    lead: (first.length === 0 ? [] : texts.slice(0, linesUnfolded)).map((text) => ({ label: null, text, frame: null })),
    facts: [],
    sections: detail,
    links: [],
    buttons: [],
    footer: "",
  };
}
