import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { cardJsonSchema } from "../cards/card.ts";
import { sparkline } from "../cards/render/drawing.ts";
import { plain, say } from "../cards/text.ts";
import {
  clean,
  cleanLine,
  displayWidth,
  truncate,
  truncateBytes,
  truncateLines,
  visible,
  wrap,
} from "../shared/text.ts";
import { createTimes, relativeTime } from "../shared/time.ts";

test("the published schema of a card is the one the program holds itself to", () => {
  const published: unknown = JSON.parse(readFileSync("cards/card.schema.json", "utf8"));
  assert.deepEqual(
    published,
    JSON.parse(JSON.stringify(cardJsonSchema())),
    "npx tsx test/programs/card-schema.ts writes it anew",
  );
});

test("cleaning leaves nothing that cannot be seen, keeps what can, and is done once", () => {
  assert.equal(clean("\u001b[31mred\u001b[0m plain\tkept\nline"), "red plain\tkept\nline");
  assert.equal(clean("\u001b]8;;https://evil.example\u0007link\u001b]8;;\u0007"), "link");
  assert.equal(clean("a\r\nb\rc\u2028d"), "a\nb\nc\nd");
  assert.equal(clean("pay\u202egnp\u200b\u{e0061}\u00ad"), "paygnp");
  assert.equal(clean("⚠️ 高危操作确认 — naïve ✅"), "⚠️ 高危操作确认 — naïve ✅");
  assert.equal(cleanLine("  a \n\t b  "), "a b");
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const once = clean(text);
      assert.match(once, visible);
      assert.equal(clean(once), once);
    }),
  );
});

test("a text is cut between code points, by their number or by its bytes after escaping, and says that it was", () => {
  assert.equal(truncate("👍👍👍", 3), "👍👍👍");
  assert.equal(truncate("👍👍👍👍", 3), "👍👍…");
  assert.equal(truncateBytes("严重告警", 9), "严重…");
  const escaped = (text: string) => text.replaceAll("<", "&lt;");
  assert.equal(truncateBytes("<<<<", 11, { escaped }), "<<…");
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.integer({ min: 3, max: 60 }), (text, size) => {
      const short = truncateBytes(text, size, { escaped });
      assert.ok(Buffer.byteLength(escaped(short)) <= size);
      assert.ok([...truncate(text, size)].length <= size);
      if (text.isWellFormed()) assert.ok(short.isWellFormed());
    }),
  );
  assert.deepEqual(truncateLines("1\n2\n3\n4\n", { lines: 2, columns: 5, keep: "end" }), {
    lines: ["3", "4"],
    left: 2,
  });
});

test("columns are counted as terminals count them, and no line of a wrapped text is wider than its room", () => {
  assert.deepEqual(
    ["ab", "告警", "⚠️", "✅ok", "é", "e\u0301", "ｗ", "한글"].map(displayWidth),
    [2, 4, 2, 4, 1, 1, 2, 4],
  );
  assert.deepEqual(wrap("the quick brown fox", 10), ["the quick", "brown fox"]);
  assert.deepEqual(wrap("内存不足，容器被终止。", 10), ["内存不足，", "容器被终", "止。"]);
  assert.deepEqual(wrap("averyveryverylongword", 8), ["averyver", "yverylon", "gword"]);
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 200 }), fc.integer({ min: 4, max: 60 }), (text, columns) => {
      const tidy = clean(text);
      const lines = wrap(tidy, columns);
      for (const line of lines) assert.ok(displayWidth(line) <= columns, `${displayWidth(line)} > ${columns}: ${line}`);
      const letters = (all: string) => all.replace(/\s/gu, "");
      assert.equal(letters(lines.join("")), letters(tidy));
    }),
  );
});

test("times are told in the configured zone, and how long ago in the reader's language", () => {
  const times = createTimes("Asia/Shanghai");
  const night = new Date("2026-11-21T19:41:00Z");
  assert.equal(times.full(night), "2026-11-22 03:41");
  assert.equal(times.short(night, new Date("2026-11-22T15:00:00Z")), "03:41");
  assert.equal(times.short(night, new Date("2026-11-22T16:00:00Z")), "11-22 03:41");
  assert.equal(relativeTime(night, new Date("2026-11-21T20:01:00Z"), "en"), "20 min ago");
  assert.equal(relativeTime(night, new Date("2026-11-21T17:00:00Z"), "zh-CN"), "3小时后");
  assert.throws(() => createTimes("Mars/Olympus"), RangeError);
});

test("a template joins our words with theirs and keeps them apart", () => {
  const text = say`Approved by ${{ from: "person", text: "alice" }}, ${["03:15"]}`;
  assert.deepEqual(text, ["Approved by ", { from: "person", text: "alice" }, ", 03:15"]);
  assert.equal(plain(text), "Approved by alice, 03:15");
});

test("a sparkline shows the shape of a series in the room there is", () => {
  assert.equal(sparkline([0, 1, 2, 3, 4, 5, 6, 7], 20), "▁▂▃▄▅▆▇█");
  assert.equal(sparkline([5, 5, 5], 20), "▁▁▁");
  assert.equal(
    [
      ...sparkline(
        Array.from({ length: 500 }, (_, i) => i),
        40,
      ),
    ].length,
    40,
  );
});
