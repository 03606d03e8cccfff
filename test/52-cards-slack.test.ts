import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import type { SlackMessage } from "../cards/render/slack/blocks.ts";
import { renderSlack, renderSlackLine } from "../cards/render/slack.ts";
import { locales } from "../shared/locale.ts";
import { viewOf } from "./card-facts.ts";
import { gallery } from "./card-gallery.ts";
import { hostile, hostileCards } from "./card-hostile.ts";
import { readMrkdwn, takeBlocks, textOf } from "./emulators/slack/block-kit.ts";

const folder = new URL("golden/slack/", import.meta.url);
const update = process.env["UPDATE_GOLDEN"] === "1";
const hosts = /^https:\/\/(runbooks\.prometheus-operator\.dev|grafana\.example\.com)\//;

/** Blocks as Slack takes them, and what in them is live. Throws where it would refuse. */
function taken({ text, blocks }: SlackMessage, containers = true) {
  const answer = takeBlocks(JSON.stringify(blocks), { containers });
  if ("error" in answer) throw new Error(`${answer.error}: ${answer.why}`);
  assert.ok(Buffer.byteLength(text) <= 4_000, `a preview of ${Buffer.byteLength(text)} bytes`);
  const reads = answer.blocks.map(textOf);
  const preview = readMrkdwn(text);
  return {
    words: reads.map((read) => read.text).join("\n"),
    mentions: [...reads.flatMap(({ mentions }) => mentions), ...preview.mentions],
    links: reads.flatMap(({ links }) => links),
    preview: preview.text,
  };
}

for (const locale of locales) {
  const cards = Object.entries(gallery(viewOf(locale)));

  test(`every card in ${locale} is as Block Kit as it was last reviewed`, () => {
    mkdirSync(folder, { recursive: true });
    for (const [name, card] of cards) {
      const text = `${JSON.stringify(renderSlack(card, { folding: true }), null, 1)}\n`;
      const file = new URL(`${locale}-${name}.json`, folder);
      if (update) writeFileSync(file, text);
      else assert.equal(text, readFileSync(file, "utf8"), `${locale}-${name}; UPDATE_GOLDEN=1 writes it anew`);
    }
  });

  test(`every card in ${locale} is taken by Slack, and its first words say what it is about`, () => {
    for (const [name, card] of cards) {
      for (const folding of [true, false]) {
        const { preview, words, mentions } = taken(renderSlack(card, { folding }), folding);
        assert.ok(preview.length > 0 && preview.length < 400, name);
        assert.ok(words.includes(card.title), name);
        assert.deepEqual(mentions, [], name);
      }
    }
  });
}

test("no golden file is left over from a card that is no longer made", () => {
  const made = locales.flatMap((locale) =>
    Object.keys(gallery(viewOf(locale))).map((name) => `${locale}-${name}.json`),
  );
  assert.deepEqual(
    readdirSync(folder).filter((name) => !made.includes(name)),
    [],
  );
});

test("whatever the cluster, a model or a person writes, Slack takes the card, nobody is mentioned and only named hosts are linked", () => {
  fc.assert(
    fc.property(hostileCards, fc.boolean(), (cards, folding) => {
      for (const card of cards) {
        const { mentions, links } = taken(renderSlack(card, { folding }), folding);
        assert.deepEqual(mentions, []);
        for (const link of links) assert.match(link, hosts);
      }
    }),
    { numRuns: 200 },
  );
});

test("every button of a card is on it, whatever had to be cut", () => {
  fc.assert(
    fc.property(hostileCards, (cards) => {
      for (const card of cards) {
        const { blocks } = renderSlack(card, { folding: true });
        const shown = blocks.flatMap((block) => (block.type === "actions" ? block.elements : []));
        const ids = new Set(shown.flatMap((element) => (element.type === "button" ? [element.value] : [])));
        const proposals = card.kind === "notice" ? [] : card.proposals;
        const wanted = [card, ...proposals, ...(card.kind === "status" ? [card.run] : [])].flatMap(
          ({ buttons }) => buttons,
        );
        for (const { id, label } of wanted) assert.ok(ids.has(id), `${label} is missing`);
      }
    }),
    { numRuns: 100 },
  );
});

test("a line mentions those it is meant for and nobody else", () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const foreign = { from: "person" as const, text: text.toWellFormed().slice(0, 8_000) };
      const { mentions, links } = taken(renderSlackLine({ text: ["Needed: ", foreign], mention: ["U0ALICE"] }));
      assert.deepEqual(mentions, ["U0ALICE"]);
      assert.deepEqual(links, []);
    }),
    { numRuns: 200 },
  );
});
