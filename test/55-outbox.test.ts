import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { renderTerminal } from "../cards/render/terminal.ts";
import { plain } from "../cards/text.ts";
import { StewardError } from "../shared/errors.ts";
import type { Incident } from "../shared/incident.ts";
import { proposalOf } from "./card-facts.ts";
import {
  another,
  createFakeChat,
  type Desk,
  type DeskOptions,
  type FakeChat,
  fire,
  openDesk,
  removeFolder,
} from "./desk.ts";

function desk(t: TestContext, options: DeskOptions = {}) {
  const opened = openDesk(options);
  t.after(async () => {
    await opened.close();
    await removeFolder(opened.folder);
  });
  return opened;
}

const unreachable = () => {
  throw new StewardError("unavailable", "connect ECONNREFUSED");
};

function claim({ store, notify }: Desk, { id }: Incident, claimedBy: string): void {
  store.transact(() => {
    store.incidents.patch(id, { claimedBy });
    notify.incident(id);
  });
}

/** Moves time on in steps, as real time would pass, so that every timer gets its turn. */
async function pass({ clock }: Desk, ms: number, step = 1_000): Promise<void> {
  for (let passed = 0; passed < ms; passed += step) await clock.advance(step);
}

function titles(chat: FakeChat): string[] {
  return [...chat.messages.values()].map(({ card }) => card.title);
}

test("a platform that is down for an hour loses nothing, is asked rarely, and gets only the newest of each card when it is back", async (t) => {
  const chat = createFakeChat("slack");
  const opened = desk(t, { channels: [chat] });
  chat.fault = unreachable;
  const incidents = Array.from({ length: 10 }, (_, n) => fire(opened, another(n)));
  for (let minute = 0; minute < 60; minute++) {
    for (const incident of incidents) claim(opened, incident, `person-${minute}`);
    await pass(opened, 60_000, 5_000);
  }
  assert.ok(chat.tried.length < 60, `${chat.tried.length} tries in an hour`);
  assert.equal(opened.outbox.backlog().find(({ channel }) => channel === "slack")?.queued, 10);

  const before = chat.tried.length;
  chat.fault = () => undefined;
  await pass(opened, 600_000, 5_000);
  assert.equal(chat.messages.size, 10);
  assert.equal(chat.tried.length - before, 10, "one operation for each card");
  for (const { card } of chat.messages.values()) assert.match(renderTerminal(card), /person-59/);
  assert.deepEqual(
    opened.outbox.backlog().map(({ queued, oldest }) => [queued, oldest]),
    [
      [0, null],
      [0, null],
    ],
  );
});

test("what the platform asks for by Retry-After is what it gets", async (t) => {
  const chat = createFakeChat("slack");
  const opened = desk(t, { channels: [chat] });
  chat.fault = () => {
    throw new StewardError("unavailable", "ratelimited", { retryAfterMs: 45_000 });
  };
  fire(opened);
  fire(opened, another(1));
  await opened.settle();
  const tried = chat.tried.length;
  chat.fault = () => undefined;
  await pass(opened, 44_000);
  assert.equal(chat.tried.length, tried, "not one operation on this channel before");
  await pass(opened, 10_000);
  assert.equal(chat.messages.size, 2);
});

test("a card that changes while it is being sent ends up as it is now", async (t) => {
  const chat = createFakeChat("slack");
  const opened = desk(t, { channels: [chat] });
  const held = Promise.withResolvers<void>();
  chat.fault = () => held.promise;
  const incident = fire(opened);
  await opened.settle();
  claim(opened, incident, "alice");
  await opened.settle();
  assert.deepEqual(chat.tried, ["send"], "never two operations on one card at a time");
  chat.fault = () => undefined;
  held.resolve();
  await opened.settle();
  assert.deepEqual(chat.tried, ["send", "update"]);
  assert.match(renderTerminal([...chat.messages.values()][0]?.card ?? assert.fail()), /Claimed by alice/);
});

test("what a platform refuses for good is said on the others, logged and counted, and holds nothing else up", async (t) => {
  const slack = createFakeChat("slack");
  const feishu = createFakeChat("feishu");
  const opened = desk(t, { channels: [slack, feishu] });
  let refused = 0;
  slack.fault = () => {
    if (refused++ === 0) throw new StewardError("invalid", "channel_not_found", { retryable: false });
  };
  fire(opened);
  await opened.settle();
  fire(opened, another(1));
  await opened.settle();
  assert.equal(slack.messages.size, 1, "the next card goes out");
  assert.ok(titles(feishu).includes("❗ Steward"));
  const said = [...feishu.messages.values()].map(({ card }) => renderTerminal(card)).join("\n");
  assert.match(said, /could not be delivered on slack/);
  assert.match(said, /channel_not_found/);
  assert.doesNotMatch(titles(slack).join(), /Steward/);
  assert.ok(opened.log.lines.some(({ level, message }) => level === "error" && /given up/.test(message)));
  assert.equal(opened.counts.dead, 1);
});

test("what was queued before the process ended goes out after the restart, once", async (t) => {
  const chat = createFakeChat("slack");
  const opened = openDesk({ channels: [chat] });
  chat.fault = unreachable;
  fire(opened);
  await opened.settle();
  await opened.close();
  chat.fault = () => undefined;

  const again = desk(t, { channels: [chat], folder: opened.folder, clock: opened.clock });
  await pass(again, 60_000);
  assert.equal(chat.messages.size, 1);
  assert.deepEqual(chat.tried, ["send", "send"]);
});

test("a message that is gone is replaced by a new one, and the card lives on there", async (t) => {
  const chat = createFakeChat("slack");
  const opened = desk(t, { channels: [chat] });
  const incident = fire(opened);
  await opened.settle();
  chat.fault = ({ kind }) => {
    if (kind === "update" && chat.messages.size === 1) throw new StewardError("not_found", "message_not_found");
  };
  claim(opened, incident, "alice");
  await opened.settle();
  assert.deepEqual(chat.tried, ["send", "update", "send"]);
  assert.equal(new Set(chat.keys).size, 2, "a new message has a key of its own");
  claim(opened, incident, "bob");
  await opened.settle();
  assert.match(renderTerminal(chat.messages.get("slack-2")?.card ?? assert.fail()), /Claimed by bob/);
});

test("one operation that hangs does not hold up the others, and is tried again", async (t) => {
  const chat = createFakeChat("slack");
  const opened = desk(t, { channels: [chat] });
  let first = true;
  chat.fault = () => {
    if (!first) return;
    first = false;
    return new Promise(() => undefined);
  };
  fire(opened);
  await opened.settle();
  fire(opened, another(1));
  await opened.settle();
  assert.equal(chat.messages.size, 1);
  await pass(opened, 60_000);
  assert.equal(chat.messages.size, 2);
  assert.deepEqual(chat.tried, ["send", "send", "send"]);
  assert.equal(chat.keys[0], chat.keys[2], "a platform can tell that it is the same send");
  assert.ok(chat.keys.every((key) => key.length <= 50));
});

test("a channel goes at its own pace, and what is urgent goes first", async (t) => {
  const chat = createFakeChat("slack");
  const opened = desk(t, { channels: [chat] });
  let next = 0;
  chat.paced = (_operation, now) => {
    if (now.getTime() < next) return next - now.getTime();
    next = now.getTime() + 1_000;
    return 0;
  };
  opened.store.transact(() => {
    for (let n = 0; n < 5; n++) fire(opened, another(n));
    fire(opened, another(9, { severity: "critical" }));
  });
  await opened.settle();
  assert.deepEqual(titles(chat), ["🔴 Critical alert"]);
  await pass(opened, 3_000);
  assert.equal(chat.messages.size, 4);
  await pass(opened, 3_000);
  assert.equal(chat.messages.size, 6);
});

test("in a storm a chat gets thirty cards an hour and one digest that is kept up to date; critical and notify always get their own", async (t) => {
  const chat = createFakeChat("slack");
  const opened = desk(t, { channels: [chat] });
  const watched = new Set<string>();
  opened.terminal.subscribe(0, ({ id }) => void watched.add(id));
  const incidents = Array.from({ length: 200 }, (_, n) => {
    const incident = fire(opened, another(n));
    return incident;
  });
  await opened.settle();
  fire(opened, another(900, { severity: "critical" }));
  fire(opened, another(901, { route: "notify" }));
  await pass(opened, 10_000);

  const digests = () => [...chat.messages.values()].filter(({ card }) => card.title.includes("one card"));
  assert.equal(digests().length, 1);
  assert.equal(chat.messages.size, 30 + 2 + 1);
  assert.equal(plain(digests()[0]?.card.headline ?? []), "170 alerts beyond this hour's cards");
  assert.equal(watched.size, 203, "the terminal sees every card");

  const hidden = incidents.at(-1) ?? assert.fail();
  const proposal = proposalOf({ incidentId: hidden.id });
  opened.store.transact(() => {
    opened.store.proposals.insert(proposal);
    opened.notify.need({ proposalId: proposal.id }, "approval");
  });
  await pass(opened, 10_000);
  assert.equal(chat.messages.size, 33, "a change of a card in the digest makes no card");
  assert.match(
    renderTerminal(digests()[0]?.card ?? assert.fail(), { expanded: true }),
    /app-199 · KubePodCrashLooping · Wait Approval \[A7F3\]/,
  );
  assert.equal(chat.lines.length, 0, "what the digest says does not ring for each");

  opened.store.transact(() => opened.notify.need({ proposalId: proposal.id }, "failed"));
  await pass(opened, 10_000);
  assert.equal(chat.lines.length, 1, "a failure rings always");

  await opened.clock.advance(61 * 60_000);
  fire(opened, another(950));
  await pass(opened, 10_000);
  assert.equal(chat.messages.size, 34, "in the next hour there is room again");
});

test("after hours of a storm with the platform down, its return is no flood either", async (t) => {
  const chat = createFakeChat("slack");
  const opened = desk(t, { channels: [chat] });
  chat.fault = unreachable;
  for (let n = 0; n < 120; n++) {
    fire(opened, another(n));
    await pass(opened, 120_000, 60_000);
  }
  chat.fault = () => undefined;
  await pass(opened, 600_000, 5_000);
  assert.equal(chat.messages.size, 31);
});

test("a terminal that comes back reads on from the last change it saw, each card once and as it is now", async (t) => {
  const opened = desk(t);
  const first = fire(opened, another(0));
  for (let n = 1; n < 130; n++) fire(opened, another(n));
  await opened.settle();
  const seen: { id: string; seq: number }[] = [];
  const leave = opened.terminal.subscribe(0, ({ id, seq }) => void seen.push({ id, seq }));
  await opened.settle();
  assert.equal(seen.length, 130);
  leave();
  claim(opened, first, "alice");
  claim(opened, first, "bob");
  await opened.settle();
  assert.equal(seen.length, 130, "nothing after leaving");

  const last = seen.at(-1)?.seq ?? assert.fail();
  const later: string[] = [];
  opened.terminal.subscribe(last, ({ card }) => void later.push(renderTerminal(card)));
  await opened.settle();
  assert.equal(later.length, 1);
  assert.match(later[0] ?? "", /Claimed by bob/);
  assert.deepEqual(
    seen.map(({ seq }) => seq),
    seen.map(({ seq }) => seq).sort((a, b) => a - b),
  );
});

test("a terminal that cannot take a card is dropped, and the others get theirs", async (t) => {
  const opened = desk(t);
  const lines: string[] = [];
  let cards = 0;
  opened.terminal.subscribe(0, () => {
    throw new Error("the socket is full");
  });
  opened.terminal.subscribe(
    0,
    () => void cards++,
    ({ text }) => void lines.push(plain(text)),
  );
  const { id } = fire(opened);
  opened.store.transact(() => opened.notify.need({ incidentId: id }, "still_firing"));
  await opened.settle();
  assert.equal(opened.terminal.watchers(), 1);
  assert.equal(cards, 1);
  assert.match(lines.join(), /Still firing after 4 h/);
});
