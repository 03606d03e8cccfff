import { truncate, truncateBytes } from "../../shared/text.ts";
import type { Button, Card, Fact, ProposalBlock, Run, Section, Text } from "../card.ts";
import { plain } from "../text.ts";
import { words as allWords, type Words } from "../words/index.ts";
import { progressBar, readable, sparkline, stepSign } from "./drawing.ts";
import {
  type Block,
  type ChoiceMenu,
  type Container,
  choosePrefix,
  escapeSlack,
  ownWords,
  type PressButton,
  plainText,
  pressPrefix,
  type RichElement,
  type RichPart,
  type SlackMessage,
} from "./slack/blocks.ts";
import { createPaper, type Paper, stack } from "./slack/paper.ts";

export interface SlackOptions {
  /** Whether this workspace takes `container` blocks; without them folded parts are named, and "More" sends them. */
  folding: boolean;
}

/** Bytes kept for what stands last: links, buttons, footer, and the names of what found no room. */
const keptForEnd = 2_000;
/** Bytes that the unfolded part leaves to the folded one. */
const keptForFolded = 3_000;
const longest = { line: 600, paragraph: 1_500, pre: 1_400, folded: 2_600, log: 1_400 } as const;
/** A folded part with less room than this is only named. */
const leastFolded = 200;
const findingsShown = 4;
/** Slack's own limits of what stands in a header, a button, a menu and a container's title, in characters. */
const slackMax = { header: 150, button: 75, menu: 75, title: 150, preview: 900 } as const;

/** A card as a Slack message. Whatever is in the card, Slack takes it: texts are cut where a reader can tell, never refused. */
export function renderSlack(card: Card, { folding }: SlackOptions): SlackMessage {
  const words = allWords[card.locale];
  const paper = createPaper(keptForEnd + keptForFolded);
  putHead(card, paper);
  if (card.kind === "status") putRun(card.run, paper, words);
  putLead(card.lead, paper);
  if (card.kind === "diagnosis" || card.kind === "status") putFindings(card.findings, paper, words);
  putFacts(card.facts, paper);
  if (card.kind !== "notice") {
    for (const block of card.proposals) putProposal(block, paper, words, card.kind !== "approval");
  }
  paper.release(keptForFolded);
  const unshown = folding ? putSections(card.sections, paper, words) : card.sections;
  paper.release(keptForEnd);
  putEnd(card, unshown, paper, words);
  return { text: preview(card), blocks: paper.blocks };
}

/** What a push notification shows. */
function preview({ headline, status, title }: Card): string {
  const text = [plain(headline), title.includes(status) ? "" : status].filter((part) => part !== "").join(" · ");
  return escapeSlack(truncateBytes(text, slackMax.preview, { escaped: escapeSlack }));
}

function putHead(card: Card, paper: Paper): void {
  const code = card.kind === "approval" ? (card.proposals[0]?.code ?? "") : "";
  const parts = [card.title, code, card.title.includes(card.status) ? "" : card.status].filter((part) => part !== "");
  const title = truncate(paper.fit(parts.join(" · "), 600), slackMax.header);
  paper.put({ type: "header", text: plainText(title === "" ? "Steward" : title) });
  paper.rich(
    stack([
      paper.spans(card.headline, longest.line, { bold: true }),
      ...card.marks.map(({ text }) => [...paper.own("▲ "), ...paper.spans(text, longest.line)]),
    ]),
  );
}

function putLead(lead: Card["lead"], paper: Paper): void {
  for (const { label, text, frame } of lead) {
    const heading = [label, frame].filter((part) => part !== null).join(" · ");
    const title = heading === "" ? [] : paper.own(heading, frame === null ? { bold: true } : { italic: true });
    const said = paper.spans(text, longest.paragraph);
    if (frame === null) paper.rich(stack([title, said]));
    else paper.rich(stack([title]), said.length === 0 ? [] : [{ type: "rich_text_quote", elements: said }]);
  }
}

function putFindings(findings: Extract<Card, { kind: "diagnosis" }>["findings"], paper: Paper, words: Words): void {
  const shown = findings.slice(0, findingsShown).map(({ text, evidence }): RichElement[] => {
    // A model's words are framed wherever they stand.
    const modelled = text.some((span) => typeof span !== "string" && span.from === "model");
    const cited = evidence.length === 0 ? [] : paper.own(` [${evidence.join(", ")}]`);
    return [...paper.spans(text, longest.line, modelled ? { italic: true } : undefined), ...cited];
  });
  const left = findings.length - shown.length;
  if (left > 0) shown.push(paper.own(words.more(left)));
  paper.rich(bullets(shown));
}

function putFacts(facts: readonly Fact[], paper: Paper): void {
  paper.rich(stack(facts.map((fact) => factElements(fact, paper))));
}

function factElements({ label, value }: Fact, paper: Paper): RichElement[] {
  return [...paper.own(`${label}  `, { bold: true }), ...paper.spans(value, longest.line)];
}

function putRun(run: Run, paper: Paper, words: Words): void {
  paper.rich(
    stack([
      paper.own(`${run.code} · ${run.label}`, { bold: true }),
      paper.spans(run.summary, longest.line),
      ...run.steps.map(({ state, text }) => [
        ...paper.own(`${stepSign[state]} `),
        ...paper.spans(text, longest.line, state === "doing" ? { bold: true } : undefined),
      ]),
      run.percent === null ? [] : paper.own(progressBar(run.percent, 20)),
    ]),
    run.kubectl === null ? [] : paper.pre(`$ ${run.kubectl.text}`, longest.line),
  );
  paper.rich(
    bullets(
      run.checks.map(({ state, text }) => [...paper.own(`${stepSign[state]} `), ...paper.spans(text, longest.line)]),
    ),
    run.log === null ? [] : [...stack([paper.own(run.log.title)]), ...paper.pre(run.log.text.text, longest.log)],
    run.outcome === null ? [] : stack([paper.spans(run.outcome, longest.paragraph, { bold: true })]),
  );
  putButtons(run.buttons, paper, words);
}

const diffSign = { add: "+", remove: "-", same: " " } as const;

function putProposal(block: ProposalBlock, paper: Paper, words: Words, titled: boolean): void {
  paper.put({ type: "divider" });
  const diff = block.diff.lines.map(({ op, text }) => `${diffSign[op]} ${text.text}`).join("\n");
  const more = block.diff.more > 0 ? `\n${words.terminal.moreChange(block.diff.more)}` : "";
  paper.rich(
    stack([
      titled ? paper.own(`${block.title} · ${block.code} · ${block.label}`, { bold: true }) : [],
      paper.spans(block.summary, longest.line, { bold: true }),
    ]),
    block.kubectl === null ? [] : paper.pre(`$ ${block.kubectl.text}`, longest.line),
    diff === "" ? [] : paper.pre(diff + more, longest.pre),
    bullets(block.warnings.map((warning) => [...paper.own("⚠ "), ...paper.spans(warning, longest.line)])),
    stack([
      ...block.gate.lines.map((line) =>
        paper.spans(line, longest.line, block.gate.allowed ? undefined : { bold: true }),
      ),
      ...block.facts.map((fact) => factElements(fact, paper)),
      block.expires === null ? [] : paper.own(block.expires.text),
      ...block.decisions.map((decision) => paper.spans(decision, longest.line)),
      block.outcome === null ? [] : paper.spans(block.outcome, longest.paragraph, { bold: true }),
    ]),
  );
  putButtons(block.buttons, paper, words);
}

/** Puts the folded parts. Answers those there was no room for. */
function putSections(sections: readonly Section[], paper: Paper, words: Words): readonly Section[] {
  for (const [i, section] of sections.entries()) {
    if (paper.left() < leastFolded || !paper.room(2 + 6)) return sections.slice(i);
    const title = truncate(paper.fit(plain(section.title), 600), slackMax.title);
    const children: Container["child_blocks"] = [];
    const parts = sectionParts(section, paper, words);
    if (parts.length > 0) children.push({ type: "rich_text", elements: parts });
    const note = section.note === null ? "" : paper.fit(plain(section.note), longest.line);
    if (note !== "") children.push({ type: "context", elements: [plainText(note)] });
    if (children.length === 0) return sections.slice(i);
    paper.put({
      type: "container",
      title: plainText(title === "" ? "…" : title),
      is_collapsible: true,
      default_collapsed: true,
      child_blocks: children,
    });
  }
  return [];
}

function sectionParts({ body }: Section, paper: Paper, words: Words): RichPart[] {
  switch (body.form) {
    case "text":
      return bullets(body.lines.map((line) => paper.spans(line, longest.line)));
    case "preformatted":
      return paper.pre(body.text.text, longest.folded);
    case "series": {
      const [min, median, max] = [body.min, body.median, body.max].map((value) => `${readable(value)}${body.unit}`);
      return stack([
        paper.spans([body.label], longest.line),
        paper.own(sparkline(body.values, 40)),
        paper.own(words.terminal.series(min ?? "", median ?? "", max ?? "")),
      ]);
    }
  }
}

function putEnd(card: Card, unshown: readonly Section[], paper: Paper, words: Words): void {
  if (unshown.length > 0) {
    const names = unshown.map(({ title }) => `▸ ${plain(title)}`).join("   ");
    const text = paper.fit(names, 700);
    if (text !== "") paper.put({ type: "context", elements: [plainText(text)] });
  }
  // Links are few, of allowed hosts and of bounded length; one that does not fit whole is left out, never cut.
  paper.rich(
    stack(
      card.links.flatMap(({ label, url }): RichElement[][] => {
        const shown = paper.fit(`${label} ${url}`, 700);
        return shown.endsWith(url)
          ? [
              [
                { type: "text", text: `${label} ` },
                { type: "link", url, text: url },
              ],
            ]
          : [];
      }),
    ),
  );
  putButtons(card.buttons, paper, words);
  const footer = paper.fit(card.footer, 600);
  if (footer !== "") paper.put({ type: "context", elements: [plainText(footer)] });
}

function putButtons(buttons: readonly Button[], paper: Paper, words: Words): void {
  const elements = buttons.flatMap((button) => [pressable(button), ...menuOf(button, words)]);
  if (elements.length > 0) paper.put({ type: "actions", elements });
}

function pressable({ id, label, style }: Button): PressButton {
  return {
    type: "button",
    action_id: pressPrefix + id,
    text: plainText(truncate(label, slackMax.button)),
    value: id,
    ...(style === "plain" ? {} : { style }),
  };
}

/** The same with a reason, chosen or in the person's own words. */
function menuOf({ id, label, choices }: Button, words: Words): ChoiceMenu[] {
  if (choices.length === 0) return [];
  const options = [...choices, { value: ownWords, label: words.ownWords }];
  return [
    {
      type: "static_select",
      action_id: choosePrefix + id,
      placeholder: plainText(truncate(words.because(label), slackMax.menu)),
      options: options.map((choice) => ({
        text: plainText(truncate(choice.label, slackMax.menu)),
        value: choice.value,
      })),
    },
  ];
}

function bullets(lines: readonly (readonly RichElement[])[]): RichPart[] {
  const elements = lines
    .filter((line) => line.length > 0)
    .map((line) => ({ type: "rich_text_section" as const, elements: [...line] }));
  return elements.length === 0 ? [] : [{ type: "rich_text_list", style: "bullet", elements }];
}

/** A line that is no card: an answer, a private word, who is needed. Only `mention` mentions. */
export function renderSlackLine({ text, mention }: { text: Text; mention: readonly string[] }): SlackMessage {
  const paper = createPaper(0);
  const parts: RichPart[] = [];
  let line: RichElement[] = [];
  const flush = () => {
    parts.push(...stack([line]));
    line = [];
  };
  for (const span of text) {
    // What has lines of its own and is not ours is shown as it stands.
    if (typeof span !== "string" && span.text.includes("\n")) {
      flush();
      parts.push(...paper.pre(span.text, 2_800));
    } else line.push(...paper.spans([span], 2_800));
  }
  for (const user of mention) line.push({ type: "text", text: " " }, { type: "user", user_id: user });
  flush();
  const blocks: Block[] = parts.length === 0 ? [] : [{ type: "rich_text", elements: parts }];
  return { text: escapeSlack(truncateBytes(plain(text), slackMax.preview, { escaped: escapeSlack })), blocks };
}
