import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Card } from "../cards/card.ts";
import { renderTerminal } from "../cards/render/terminal.ts";
import { plain } from "../cards/text.ts";
import type { Incident } from "../shared/incident.ts";
import { at, decisionOf, incidentOf, oomDiagnosis, proposalOf, verificationOf } from "./card-facts.ts";
import { another, createFakeChat, type DeskOptions, fire, openDesk, removeFolder } from "./desk.ts";

function desk(t: TestContext, options: DeskOptions = {}) {
  const opened = openDesk(options);
  t.after(async () => {
    await opened.close();
    await removeFolder(opened.folder);
  });
  return opened;
}

test("one incident is one card in each chat, however often its state changes, and an unchanged one is not sent again", async (t) => {
  const chat = createFakeChat("slack", { chats: ["C1", "C2"] });
  const opened = desk(t, { channels: [chat] });
  const { id, cardId } = fire(opened);
  await opened.settle();
  assert.equal(chat.messages.size, 2);

  opened.store.transact(() => opened.notify.incident(id));
  await opened.settle();
  assert.equal(opened.store.cards.get(cardId)?.version, 1);
  assert.deepEqual(chat.tried, ["send", "send"]);

  opened.store.transact(() => {
    opened.store.incidents.patch(id, { claimedBy: "alice" });
    opened.notify.incident(id);
  });
  await opened.settle();
  assert.equal(chat.messages.size, 2);
  assert.deepEqual(
    [...chat.messages.values()].map(({ versions }) => versions),
    [2, 2],
  );
});

test("a change of state that is rolled back leaves neither card nor delivery", async (t) => {
  const chat = createFakeChat("slack");
  const opened = desk(t, { channels: [chat] });
  assert.throws(() =>
    opened.store.transact(() => {
      opened.store.incidents.insert(incidentOf());
      opened.notify.incident(incidentOf().id);
      throw new Error("the audit could not be written");
    }),
  );
  await opened.settle();
  assert.equal(opened.store.cards.latestSeq(), 0);
  assert.deepEqual(chat.tried, []);
});

test("an incident nobody is to be told of has no card", async (t) => {
  const chat = createFakeChat("slack");
  const opened = desk(t, { channels: [chat] });
  fire(opened, { route: "ignore" });
  await opened.settle();
  assert.equal(chat.messages.size, 0);
});

test("a button keeps its opaque id over every version of its card, and the id leads to what it does", (t) => {
  const opened = desk(t);
  const { id, cardId } = fire(opened);
  const claim = () => opened.store.cards.get(cardId)?.card.buttons.find(({ action }) => action === "claim");
  const first = claim();
  opened.store.transact(() => {
    opened.store.incidents.setDiagnosis(id, mutable(oomDiagnosis));
    opened.notify.incident(id);
  });
  assert.equal(claim()?.id, first?.id);
  assert.match(first?.id ?? "", /^[a-z2-7]{26}$/);
  assert.deepEqual(opened.store.cards.buttonById(first?.id ?? ""), {
    cardId,
    action: "claim",
    incidentId: id,
    proposalId: null,
  });
  assert.equal(opened.store.cards.buttonById("a".repeat(26)), null);
});

test("a proposal walks over its incident's card from waiting to success, with the name of who let it", async (t) => {
  const chat = createFakeChat("slack");
  const opened = desk(t, { channels: [chat] });
  const { store, notify } = opened;
  const { id, cardId } = fire(opened);
  const proposal = proposalOf({ createdAt: opened.clock.now(), updatedAt: opened.clock.now() });
  const shown = () => {
    const stored = store.cards.get(cardId);
    assert.ok(stored !== null);
    return { kind: stored.card.kind, state: stored.state, text: renderTerminal(stored.card) };
  };

  store.transact(() => {
    store.proposals.insert(proposal);
    notify.proposal(proposal.id);
  });
  assert.deepEqual([shown().kind, shown().state], ["diagnosis", "pending"]);
  assert.match(shown().text, /⚠️ High-risk operation · A7F3 · Wait Approval/);

  store.transact(() => {
    store.proposals.addDecision(proposal.id, decisionOf({ at: opened.clock.now() }));
    store.proposals.move(proposal.id, "pending", "approved");
    notify.proposal(proposal.id);
  });
  assert.match(shown().text, /✔ Approved by alice/);
  for (const [from, to] of [
    ["approved", "executing"],
    ["executing", "verifying"],
  ] as const) {
    store.transact(() => {
      assert.ok(store.proposals.move(proposal.id, from, to));
      if (to === "verifying") store.proposals.putVerification(verificationOf());
      notify.proposal(proposal.id);
    });
    assert.equal(shown().state, to);
  }
  assert.match(shown().text, /█+░+ 50%/);
  assert.match(shown().text, /listening on :8080/);

  store.transact(() => {
    store.proposals.putVerification(verificationOf({ verdict: "succeeded", progress: 100, finishedAt: at(4) }));
    store.proposals.move(proposal.id, "verifying", "succeeded");
    notify.proposal(proposal.id);
  });
  assert.match(shown().text, /✅ Success/);
  assert.match(shown().text, /still clearing/);
  assert.deepEqual(undoButtons(store.cards.get(cardId)?.card), ["undo"]);
  await opened.settle();
  assert.equal(chat.messages.size, 1, "still one card");
  assert.equal([...chat.messages.values()][0]?.card.kind, "status");
  assert.equal(store.incidents.get(id)?.state, "open");
});

test("a proposal asked for in chat has a card of its own, under one id for its whole life", async (t) => {
  const chat = createFakeChat("slack");
  const opened = desk(t, { channels: [chat] });
  const { store, notify } = opened;
  const proposal = proposalOf({ incidentId: null, requestedBy: "bob", requestedVia: "slack" });
  store.transact(() => {
    store.proposals.insert(proposal);
    notify.proposal(proposal.id);
  });
  store.transact(() => {
    store.proposals.move(proposal.id, "pending", "denied");
    notify.proposal(proposal.id);
  });
  await opened.settle();
  assert.equal(chat.messages.size, 1);
  const [message] = chat.messages.values();
  assert.equal(message?.card.kind, "approval");
  assert.match(renderTerminal(message?.card ?? assert.fail()), /Denied/);
});

test("who is needed is called once for each reason, by name and by their account on that channel, after the card", async (t) => {
  const chat = createFakeChat("slack");
  const opened = desk(t, { channels: [chat] });
  const { store, notify } = opened;
  store.transact((now) => {
    store.users.insert({ id: "u1", username: "alice", passwordHash: null, role: "admin", createdAt: now });
    store.users.insert({ id: "u2", username: "vera", passwordHash: null, role: "viewer", createdAt: now });
    store.users.link("slack", "U111", "u1");
    store.users.link("feishu", "ou_1", "u1");
  });
  fire(opened);
  const proposal = proposalOf();
  for (let time = 0; time < 3; time++) {
    store.transact(() => {
      if (time === 0) store.proposals.insert(proposal);
      notify.need({ proposalId: proposal.id }, "approval");
    });
    await opened.settle();
  }
  assert.equal(chat.lines.length, 1);
  const [call] = chat.lines;
  assert.deepEqual(call?.line.mention, ["U111"]);
  assert.equal(call?.message, "slack-1");
  const text = plain(call?.line.text ?? []);
  assert.match(text, /Waits for approval: Critical · payment\/checkout .*\[A7F3\]; needed: alice$/);
  assert.doesNotMatch(text, /vera/);
  assert.ok(chat.tried.indexOf("send") < chat.tried.indexOf("line"));

  store.transact(() => notify.need({ proposalId: proposal.id }, "failed"));
  await opened.settle();
  assert.equal(chat.lines.length, 2, "another reason rings again");
});

test("an alert that goes to people rings as soon as its card stands, without a user to call too", async (t) => {
  const chat = createFakeChat("slack");
  const opened = desk(t, { channels: [chat] });
  const { id } = fire(opened, { route: "notify" });
  opened.store.transact(() => opened.notify.need({ incidentId: id }, "notify"));
  await opened.settle();
  assert.deepEqual(chat.tried, ["send", "line"]);
  assert.equal(
    plain(chat.lines[0]?.line.text ?? []),
    "Look at this now: Critical · payment/checkout · KubePodCrashLooping",
  );
});

test("each channel reads the card and the call in its own language", async (t) => {
  const slack = createFakeChat("slack", { locale: "en" });
  const feishu = createFakeChat("feishu");
  const opened = desk(t, { channels: [slack, feishu], locale: "zh-CN" });
  const { id } = fire(opened);
  opened.store.transact(() => opened.notify.need({ incidentId: id }, "escalated"));
  await opened.settle();
  const read = (chat: typeof slack) => [
    [...chat.messages.values()][0]?.card.title,
    plain(chat.lines[0]?.line.text ?? []),
  ];
  assert.deepEqual(read(slack)[0], "🔴 Critical alert");
  assert.match(read(slack)[1] ?? "", /Nobody has taken this yet/);
  assert.deepEqual(read(feishu)[0], "🔴 严重告警");
  assert.match(read(feishu)[1] ?? "", /还没有人处理/);
});

test("routes decide by labels which chats get a card, the terminal gets every one, and a card stays where it stands", async (t) => {
  const slack = createFakeChat("slack", { chats: ["C1"] });
  const feishu = createFakeChat("feishu", { chats: ["oc_1"] });
  const routes = [{ match: ['namespace="payment"'], to: ["slack:C9"] }];
  const opened = desk(t, { channels: [slack, feishu], routes });
  const seen: string[] = [];
  opened.terminal.subscribe(0, ({ id }) => void seen.push(id));
  const paying = fire(opened);
  const other = fire(opened, another(1, { labels: { namespace: "web" } }));
  await opened.settle();
  assert.deepEqual([...slack.messages.values()].map(({ chat }) => chat).sort(), ["C1", "C9"]);
  assert.equal(feishu.messages.size, 1);
  assert.deepEqual(new Set(seen), new Set([paying.cardId, other.cardId]));
  await opened.close();

  const again = openDesk({ channels: [slack, feishu], folder: opened.folder, clock: opened.clock });
  t.after(() => again.close());
  again.store.transact(() => {
    again.store.incidents.patch(paying.id, { claimedBy: "alice" });
    again.notify.incident(paying.id);
  });
  await again.settle();
  assert.equal([...slack.messages.values()].find(({ chat }) => chat === "C9")?.versions, 2);
});

test("a fix that does not hold is said on both cards", (t) => {
  const opened = desk(t);
  const { store, notify } = opened;
  const first = fire(opened);
  const proposal = proposalOf();
  store.transact(() => {
    store.proposals.insert(proposal);
    for (const [from, to] of [
      ["pending", "approved"],
      ["approved", "executing"],
      ["executing", "verifying"],
      ["verifying", "succeeded"],
    ] as const) {
      assert.ok(store.proposals.move(proposal.id, from, to));
    }
    store.proposals.putVerification(verificationOf({ verdict: "succeeded", finishedAt: at(5) }));
    store.incidents.move(first.id, "open", "resolved", { resolvedAt: at(9) });
    notify.incident(first.id);
  });
  const second = fire(opened, another(2, { key: first.key, previousId: first.id, startedAt: at(120) }));
  const text = (cardId: string) => renderTerminal(store.cards.get(cardId)?.card ?? assert.fail());
  assert.match(text(second.cardId), /The fix A7F3 of 03:17 did not hold/);
  assert.match(text(first.cardId), /Did not hold: the alert came back at 05:12/);
});

test("a joined incident shrinks to a pointer, and the one it joined names it", (t) => {
  const opened = desk(t);
  const { store, notify } = opened;
  const node = fire(opened, another(1, { alertname: "KubeNodeNotReady", target: "node/worker-2", namespace: null }));
  const pods = fire(opened, another(2));
  store.transact(() => {
    store.incidents.patch(pods.id, { joined: node.id });
    notify.incident(pods.id);
  });
  const text = (cardId: string) =>
    renderTerminal(store.cards.get(cardId)?.card ?? assert.fail(), { hint: ({ label }) => label });
  assert.match(text(pods.cardId), /The same cause as node\/worker-2 · KubeNodeNotReady/);
  assert.doesNotMatch(text(pods.cardId), /\[/);
  assert.match(text(node.cardId), /Also here payment\/app-2 KubePodCrashLooping/);
});

test("while Steward is paused there, a card carries the maintenance mark", (t) => {
  const opened = desk(t);
  opened.store.transact((now) =>
    opened.store.pauses.insert({
      id: "p1",
      namespace: "payment",
      autofixOnly: false,
      reason: "database move",
      by: "alice",
      startedAt: now,
      until: at(60),
    }),
  );
  const marks = (incident: Incident) => opened.store.cards.get(incident.cardId)?.card.marks.map(({ mark }) => mark);
  assert.deepEqual(marks(fire(opened)), ["maintenance"]);
  assert.deepEqual(marks(fire(opened, another(1, { namespace: "web" }))), []);
});

test("a notice is said once under its key, and changes in place when there is more to say", async (t) => {
  const chat = createFakeChat("slack");
  const opened = desk(t, { channels: [chat] });
  const say = (lines: string[]) =>
    opened.store.transact(() => opened.notify.notice({ title: "Paused", lines, dedupe: "pause:1" }));
  say(["by alice"]);
  say(["by alice"]);
  await opened.settle();
  say(["by alice", "until 05:00"]);
  await opened.settle();
  assert.equal(chat.messages.size, 1);
  assert.deepEqual(
    [...chat.messages.values()].map(({ versions }) => versions),
    [2],
  );
});

test("every card in the store fits the published schema", (t) => {
  const opened = desk(t);
  fire(opened);
  opened.store.transact(() => opened.notify.notice({ title: "x", lines: ["y"], dedupe: "z" }));
  for (const { card } of opened.store.cards.changedAfter(0, 10)) assert.ok(Card.safeParse(card).success);
});

function undoButtons(card: Card | undefined): string[] {
  return card?.kind === "status" ? card.run.buttons.map(({ action }) => action) : [];
}

function mutable(diagnosis: typeof oomDiagnosis): NonNullable<Incident["diagnosis"]> {
  const { findings, ruledOut, unseen, ...rest } = diagnosis;
  return {
    ...rest,
    findings: findings.map(({ text, evidence }) => ({ text, evidence: [...evidence] })),
    ruledOut: [...ruledOut],
    unseen: [...unseen],
  };
}
