import assert from "node:assert/strict";
import { test } from "node:test";
import type { LinkState } from "../bot/edges.ts";
import { createLinkWatch } from "../bot/link-watch.ts";
import type { StoredCard } from "../bot/store.ts";
import { createFakeChat, openDesk, removeFolder } from "./desk.ts";

test("a channel that has been deaf for a minute is spoken of on the others, once, and so is its return", async (t) => {
  const [slack, feishu] = [createFakeChat("slack"), createFakeChat("feishu")];
  const desk = openDesk({ channels: [slack, feishu] });
  t.after(async () => {
    await desk.close();
    await removeFolder(desk.folder);
  });
  let link: LinkState = { state: "connected", since: desk.clock.now(), detail: null };
  slack.link = () => link;
  const watch = createLinkWatch({
    store: desk.store,
    channels: [slack, feishu],
    notify: desk.notify,
    clock: desk.clock,
    locale: "en",
    timezone: "Asia/Shanghai",
  });
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 5_000) {
      await desk.clock.advance(5_000);
      watch.tick();
    }
    await desk.settle();
  };
  const words = () => [...feishu.messages.values()].map(({ card }) => JSON.stringify(card));

  link = { state: "connecting", since: desk.clock.now(), detail: "the socket was closed" };
  await pass(30_000);
  assert.deepEqual(words(), [], "seconds are no deafness");
  link = { ...link, state: "connecting" };
  await pass(120_000);
  assert.equal(words().length, 1);
  assert.match(words()[0] ?? "", /slack has been deaf since 2026-11-22 03:12/);
  link = { state: "connected", since: desk.clock.now(), detail: null };
  await pass(10_000);
  assert.equal(words().length, 1, "its return is another message");
  assert.match(words()[0] ?? "", /slack hears again/);
  assert.equal(slack.messages.size, 0, "it was told to itself");
  const cards: StoredCard[] = desk.store.cards.changedAfter(0, 10);
  assert.equal(cards.length, 1);
});
