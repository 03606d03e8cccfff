import type { Card, CardOf, Fact, Text } from "../card.ts";
import { own, say } from "../text.ts";
import { levelOf } from "./headline.ts";
import type { View } from "./view.ts";

export interface DigestFacts {
  /** The least pressing first; each the headline of a card that has no message of its own, and where it stands. */
  entries: readonly { severity: string; line: Text }[];
}

const linesShown = 20;

/** The line that stands for a card: its headline, where it stands, and the code to decide it by. */
export function digestLine(card: Card): { line: Text; waiting: boolean } {
  const codes =
    card.kind === "notice" ? [] : card.proposals.filter(({ state }) => state === "pending").map(({ code }) => code);
  const status = card.status === "" ? [] : own(` · ${card.status}`);
  const code = codes.length === 0 ? [] : own(` [${codes.join(", ")}]`);
  return { line: say`${card.headline}${status}${code}`, waiting: codes.length > 0 };
}

/** The card that stands for all the cards that found no room in this hour: how many, how bad, the newest by name. */
export function digestCard(
  { entries }: DigestFacts,
  { locale, words }: Pick<View, "locale" | "words">,
): CardOf<"notice"> {
  const levels = entries.map(({ severity }) => levelOf(severity));
  const counted = (["critical", "warning", "info"] as const).flatMap((level): Fact[] => {
    const count = levels.filter((one) => one === level).length;
    return count === 0 ? [] : [{ label: words.severity[level], value: own(count) }];
  });
  const newest = entries.slice(-linesShown).reverse();
  const left = entries.length - newest.length;
  return {
    kind: "notice",
    schema: 1,
    locale,
    tone: "warning",
    title: words.title.digest,
    headline: own(words.digest.headline(entries.length)),
    status: "",
    marks: [],
    lead: [{ label: null, text: own(words.digest.lead), frame: null }],
    facts: counted,
    sections: [
      {
        title: own(words.section.alerts),
        ref: null,
        body: { form: "text", lines: newest.map(({ line }) => line) },
        note: own(left > 0 ? `${words.digest.rest(left)}${words.semicolon}${words.digest.how}` : words.digest.how),
      },
    ],
    links: [],
    buttons: [],
    footer: "",
  };
}
