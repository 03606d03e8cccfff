import type { Locale } from "../../shared/locale.ts";
import { relativeTime } from "../../shared/time.ts";
import type { Button, Card, Fact, Finding, ProposalBlock, Run, Section, Step, Tone } from "../card.ts";
import { plain } from "../text.ts";
import { words as allWords, type Words } from "../words/index.ts";
import { progressBar, readable, sparkline, stepSign } from "./drawing.ts";
import { createPage, type Page, type Style } from "./page.ts";

export interface TerminalOptions {
  /** Columns to fill; 40 at the least. */
  width?: number;
  color?: boolean;
  /** Shows what is folded. */
  expanded?: boolean;
  /** For "in 12 min" beside a time; without it only the time is shown. */
  now?: Date;
  /** What to press or type for a button; null hides it. Without this no buttons are shown. */
  hint?: (button: Button) => string | null;
}

/** The command of a terminal for a button; null for those that have none there. */
export function kubectlHint({ action, names }: Button): string | null {
  const known = action === "approve" || action === "deny" || action === "undo" || action === "renew";
  return known ? `kubectl steward ${action} ${names}` : null;
}

/** What is typed in chat for a button, where cards have no buttons. */
export function chatHint(locale: Locale): (button: Button) => string {
  return ({ action, names }) => `${allWords[locale].command[action]} ${names}`;
}

const toneStyle: Readonly<Record<Tone, Style>> = {
  critical: "red",
  warning: "yellow",
  info: "blue",
  busy: "cyan",
  good: "green",
  bad: "red",
  quiet: "grey",
};

const stepStyle: Readonly<Record<Step["state"], Style>> = { done: "green", doing: "cyan", todo: "dim", failed: "red" };
const shownFindings = 3;

/**
 * A card as terminal text, without a newline at the end. Everything passes `Page`, which cleans what it is given before it adds colour:
 * an escape sequence in the result is one of ours or there is none.
 */
export function renderTerminal(card: Card, options: TerminalOptions = {}): string {
  const words = allWords[card.locale];
  const page = createPage(options, toneStyle[card.tone]);

  const code = card.kind === "approval" ? (card.proposals[0]?.code ?? "") : "";
  const heading = [card.title, code, card.title.includes(card.status) ? "" : card.status].filter((part) => part !== "");
  page.put(heading.join(" · "), { styles: ["bold", toneStyle[card.tone]] });
  page.put(plain(card.headline), { styles: ["bold"] });
  for (const { text, tone } of card.marks) page.put(plain(text), { first: "▲ ", styles: [toneStyle[tone]] });

  // Once something runs, it is what people look for; the reasons follow.
  if (card.kind === "status") renderRun(card.run, page, options);
  renderLead(card.lead, page);
  if (card.kind === "diagnosis" || card.kind === "status") renderFindings(card.findings, page, words, options);
  if (card.facts.length > 0) {
    page.gap();
    page.put(factLine(card.facts), { styles: ["dim"] });
  }
  if (card.kind === "approval") for (const block of card.proposals) renderProposal(block, page, card.locale, options);
  else if (card.kind !== "notice") {
    for (const block of card.proposals) {
      page.gap();
      page.put(`${block.title} · ${block.code} · ${block.label}`, { styles: ["bold", toneStyle[block.tone]] });
      page.put(plain(block.summary));
      renderProposal(block, page, card.locale, options);
    }
  }
  renderSections(card.sections, page, words, options);
  if (card.links.length > 0) {
    page.gap();
    for (const { label, url } of card.links) page.put(`${label} ${url}`, { styles: ["dim"] });
  }
  renderButtons(card.buttons, page, options);
  if (card.footer !== "") {
    page.gap();
    page.put(card.footer, { styles: ["dim"] });
  }
  return page.text();
}

function renderLead(lead: Card["lead"], page: Page): void {
  for (const { label, text, frame } of lead) {
    page.gap();
    if (frame === null) {
      if (label !== null) page.put(label, { styles: ["dim"] });
      page.put(plain(text));
    } else {
      page.put(label === null ? frame : `${label} · ${frame}`, { first: "┌ ", styles: ["magenta"] });
      page.put(plain(text), { first: "│ ", next: "│ " });
      page.put("└", {});
    }
  }
}

function renderFindings(
  findings: readonly Finding[],
  page: Page,
  words: Words,
  { expanded = false }: TerminalOptions,
): void {
  if (findings.length === 0) return;
  page.gap();
  const shown = expanded ? findings : findings.slice(0, shownFindings);
  for (const { text, evidence } of shown) {
    const line = evidence.length === 0 ? plain(text) : `${plain(text)} [${evidence.join(", ")}]`;
    const framed = text.some((span) => typeof span !== "string" && span.from === "model");
    page.put(line, framed ? { first: "│ • ", next: "│   " } : { first: "• ", next: "  " });
  }
  if (shown.length < findings.length)
    page.put(words.more(findings.length - shown.length), { first: "▸ ", styles: ["dim"] });
}

function renderRun(run: Run, page: Page, options: TerminalOptions): void {
  page.gap();
  page.put(`${run.code} · ${run.label}`, { styles: ["bold", toneStyle[run.tone]] });
  page.put(plain(run.summary));
  if (run.kubectl !== null) page.put(run.kubectl.text, { first: "  $ ", next: "    ", styles: ["dim"] });
  page.put(run.steps.map(({ state, text }) => `${stepSign[state]} ${plain(text)}`).join(" → "), {
    first: "  ",
    next: "  ",
  });
  if (run.percent !== null) page.put(progressBar(run.percent, page.columns - 12), { first: "  ", styles: ["cyan"] });
  for (const { state, text } of run.checks) {
    page.put(plain(text), { first: `  ${stepSign[state]} `, next: "    ", styles: [stepStyle[state]] });
  }
  if (run.log !== null) {
    page.put(run.log.title, { first: "  ", styles: ["dim"] });
    page.block(run.log.text.text, "  │ ", ["dim"]);
  }
  if (run.outcome !== null) page.put(plain(run.outcome), { first: "  ", next: "  " });
  renderButtons(run.buttons, page, options);
}

function renderProposal(block: ProposalBlock, page: Page, locale: Locale, options: TerminalOptions): void {
  const words = allWords[locale];
  if (block.kubectl !== null) page.put(block.kubectl.text, { first: "  $ ", next: "    ", styles: ["dim"] });
  for (const { op, text } of block.diff.lines) {
    const [sign, styles]: [string, Style[]] =
      op === "add" ? ["+", ["green"]] : op === "remove" ? ["-", ["red"]] : [" ", ["dim"]];
    page.put(text.text, { first: `  ${sign} `, next: "    ", styles, keepBlanks: true });
  }
  if (block.diff.more > 0) page.put(words.terminal.moreChange(block.diff.more), { first: "    ", styles: ["dim"] });
  for (const warning of block.warnings) page.put(plain(warning), { first: "  ! ", next: "    ", styles: ["yellow"] });
  for (const line of block.gate.lines) {
    page.put(plain(line), { first: "  ", next: "  ", styles: [block.gate.allowed ? "dim" : "yellow"] });
  }
  const expires = block.expires === null ? [] : [expiryText(block.expires, locale, options.now)];
  const facts = [...(block.facts.length === 0 ? [] : [factLine(block.facts)]), ...expires].join(" · ");
  if (facts !== "") page.put(facts, { first: "  ", next: "  ", styles: ["dim"] });
  for (const decision of block.decisions) page.put(plain(decision), { first: "  ", next: "  " });
  if (block.outcome !== null) page.put(plain(block.outcome), { first: "  ", next: "  " });
  renderButtons(block.buttons, page, options);
}

function expiryText({ at, text }: { at: string; text: string }, locale: Locale, now: Date | undefined): string {
  return now === undefined ? text : `${text} (${relativeTime(new Date(at), now, locale)})`;
}

function renderSections(
  sections: readonly Section[],
  page: Page,
  words: Words,
  { expanded = false }: TerminalOptions,
): void {
  if (sections.length === 0) return;
  page.gap();
  if (!expanded) {
    page.flow(
      sections.map(({ title }) => `▸ ${plain(title)}`),
      ["dim"],
    );
    return;
  }
  for (const { title, body, note } of sections) {
    page.put(plain(title), { first: "▾ ", next: "  ", styles: ["bold"] });
    if (body.form === "preformatted") page.block(body.text.text, "  │ ", []);
    else if (body.form === "text")
      for (const line of body.lines) page.put(plain(line), { first: "  • ", next: "    " });
    else {
      page.put(`${body.label.text}  ${sparkline(body.values, page.columns - 20)}`, { first: "  ", next: "  " });
      const [min, median, max] = [body.min, body.median, body.max].map((value) => `${readable(value)}${body.unit}`);
      page.put(words.terminal.series(min ?? "", median ?? "", max ?? ""), { first: "  ", styles: ["dim"] });
    }
    if (note !== null) page.put(plain(note), { first: "  ", next: "  ", styles: ["dim"] });
  }
}

function renderButtons(buttons: readonly Button[], page: Page, { hint }: TerminalOptions): void {
  if (hint === undefined) return;
  const shown = buttons.flatMap((button) => {
    const text = hint(button);
    return text === null ? [] : [`[${button.label}] ${text}`];
  });
  if (shown.length > 0) page.put(shown.join("   "), { first: "  ", next: "  ", styles: ["cyan"] });
}

function factLine(facts: readonly Fact[]): string {
  return facts.map(({ label, value }) => `${label} ${plain(value)}`).join(" · ");
}
