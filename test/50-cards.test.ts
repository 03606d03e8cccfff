import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { Card } from "../cards/card.ts";
import { kubectlHint, renderTerminal } from "../cards/render/terminal.ts";
import { locales } from "../shared/locale.ts";
import { at, viewOf } from "./card-facts.ts";
import { gallery } from "./card-gallery.ts";

const folder = new URL("golden/cards/", import.meta.url);
const update = process.env["UPDATE_GOLDEN"] === "1";

for (const locale of locales) {
  const cards = gallery(viewOf(locale));

  test(`every card in ${locale} fits the published schema`, () => {
    for (const [name, card] of Object.entries(cards)) {
      const parsed = Card.safeParse(card);
      assert.ok(parsed.success, `${name}: ${parsed.error?.message}`);
    }
  });

  test(`every card in ${locale} reads on a terminal as it was last reviewed`, () => {
    mkdirSync(folder, { recursive: true });
    for (const [name, card] of Object.entries(cards)) {
      const folded = renderTerminal(card, { width: 100, hint: kubectlHint, now: at(5) });
      const unfolded = renderTerminal(card, { width: 100, expanded: true, now: at(5) });
      const text = /^(incident-proposal-pending|incident-by-model|asked-long-diff|digest)$/.test(name)
        ? `${folded}\n\n${"=".repeat(40)} expanded\n\n${unfolded}\n`
        : `${folded}\n`;
      const file = new URL(`${locale}-${name}.txt`, folder);
      if (update) writeFileSync(file, text);
      assert.equal(text, readFileSync(file, "utf8"), `${file.pathname} (UPDATE_GOLDEN=1 writes it anew, to be read)`);
    }
  });
}

test("no golden file is left over from a card that is no longer made", () => {
  const known = locales.flatMap((locale) =>
    Object.keys(gallery(viewOf(locale))).map((name) => `${locale}-${name}.txt`),
  );
  assert.deepEqual(readdirSync(folder).sort(), known.sort());
});
