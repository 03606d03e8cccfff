import { clean, cleanLine, truncate } from "../shared/text.ts";
import type { Foreign, Source, Span, Text } from "./card.ts";

/** Somebody else's words on one line, fit to be shown. */
export function foreign(from: Source, text: string, max = 200): Foreign {
  return { from, text: truncate(cleanLine(text), max) };
}

/** One line of somebody else's code or output: its blanks stay. */
export function foreignCode(from: Source, line: string, max = 200): Foreign {
  return { from, text: truncate(clean(line).replace(/\n/g, " ").replaceAll("\t", "    ").trimEnd(), max) };
}

/** Somebody else's words with their line breaks, for preformatted blocks. The caller has cut them to size. */
export function foreignBlock(from: Source, text: string): Foreign {
  return { from, text: truncate(clean(text).replaceAll("\t", "    "), 4_000) };
}

/** Steward's own words that are not a literal: a time, a duration, an entry of a word table. */
export function own(text: string | number): Text {
  return [String(text)];
}

/**
 * Builds a paragraph from a template. A bare string cannot be put in: it must be said whose it is, `own(…)` or `foreign(…)`.
 * That is what keeps words of the cluster from being taken for Steward's.
 */
export function say(literals: TemplateStringsArray, ...parts: readonly (Foreign | Text)[]): Text {
  const spans: Span[] = [];
  literals.forEach((literal, i) => {
    add(spans, literal);
    const part = parts[i];
    if (part === undefined) return;
    for (const span of Array.isArray(part) ? part : [part]) add(spans, span);
  });
  return spans;
}

function add(spans: Span[], span: Span): void {
  const last = spans.at(-1);
  if (span === "") return;
  if (typeof span === "string" && typeof last === "string") spans[spans.length - 1] = last + span;
  else spans.push(span);
}

/** Joins paragraphs with Steward's own separator. */
export function joinText(texts: readonly Text[], separator: string): Text {
  const spans: Span[] = [];
  texts.forEach((text, i) => {
    if (i > 0) add(spans, separator);
    for (const span of text) add(spans, span);
  });
  return spans;
}

/** The words alone, for a push preview, a search or a plain terminal. */
export function plain(text: Text): string {
  return text.map((span) => (typeof span === "string" ? span : span.text)).join("");
}
