import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createClock } from "../bot/adapters/clock.ts";
import { createSlack } from "../bot/channels/slack.ts";
import { type HouseOptions, openHouse } from "./contracts/house.ts";
import { type SlackEmulator, startSlack } from "./emulators/slack/index.ts";
import { until } from "./until.ts";

const timing = {
  connectMs: 3_000,
  silentMs: 3_000,
  renewMs: 3_600_000,
  slowestMs: 1_000,
  refusedMs: 1_000,
  pingMs: 600,
  callMs: 1_000,
};

async function scene(
  t: TestContext,
  options: Partial<HouseOptions> & { before?: (slack: SlackEmulator) => void } = {},
) {
  const slack = await startSlack();
  options.before?.(slack);
  const { appToken, botToken, apiUrl, chat } = slack;
  const house = await openHouse({
    ids: slack.ids,
    openChannel: (log) =>
      createSlack({
        settings: { appToken, botToken, apiUrl, channel: chat, locale: null },
        locale: "en",
        clock: createClock(),
        log,
        timing,
      }),
    ...options,
  });
  t.after(async () => {
    await house.close();
    await house.remove();
    await slack.stop();
  });
  await until("connected", () => house.channel.link().state === "connected");
  const sees = (words: RegExp) =>
    until(`${words}`, () => slack.messages(chat).find(({ text }) => words.test(text)), 8_000);
  const told = (person: Parameters<SlackEmulator["told"]>[0], words: RegExp) =>
    until(`${person}: ${words}`, () => slack.told(person).find((text) => words.test(text)), 8_000);
  return { slack, house, chat, sees, told };
}

test("a workspace without collapsible blocks gets the same card with what is folded named, and the evidence on More", async (t) => {
  const s = await scene(t, { before: (slack) => slack.containers(false) });
  const { incident, proposal } = s.house.ask();
  const card = await s.sees(new RegExp(proposal.code));
  assert.match(card.text, /▸ /);
  assert.ok(card.buttons.includes("Approve"));
  s.house.store.transact(() => {
    const run = s.house.store.evidence.begin({ incidentId: incident.id, by: "rules", model: null });
    s.house.store.evidence.insert(
      {
        id: "ev1",
        incidentId: incident.id,
        tool: "kubectl_logs",
        args: {},
        text: "line one\nout of memory",
        at: new Date(),
      },
      run,
    );
    s.house.notify.incident(incident.id);
  });
  const now = await until(
    "More",
    () => s.slack.messages(s.chat).find(({ buttons }) => buttons.includes("More")),
    8_000,
  );
  await s.slack.press("vera", now.id, "More");
  const more = await s.sees(/out of memory/);
  assert.equal(more.under, card.id, "it is not in the thread of the card");
});

test("a denial in one's own words opens a form, and what is written there is kept", async (t) => {
  const s = await scene(t);
  const { proposal } = s.house.ask();
  const card = await s.sees(new RegExp(proposal.code));
  await s.slack.press("alice", card.id, "Deny", { reason: "the node is being replaced tonight" });
  await until("denied", () => s.house.stateOf(proposal.id) === "denied");
  assert.equal(s.house.store.proposals.decisions(proposal.id).at(-1)?.reason, "the node is being replaced tonight");
});

test("a send whose answer was lost is looked for before it is sent again", async (t) => {
  const s = await scene(t);
  s.slack.swallowAnswers(1);
  const { proposal } = s.house.ask();
  await until("delivered", () => s.house.counted.delivered > 0, 15_000);
  await until("settled", () => s.house.store.outbox.countQueued("slack") === 0, 15_000);
  assert.equal(s.slack.messages(s.chat).filter(({ text }) => text.includes(proposal.code)).length, 1);
  assert.ok(s.house.counted.failed > 0, "the answer was not lost");
});

test("what is typed under a card is about its incident", async (t) => {
  const s = await scene(t);
  const { incident } = s.house.ask();
  const card = await s.sees(/KubePodCrashLooping/);
  await s.slack.say("alice", "claim", { under: card.id });
  await until("claimed", () => s.house.store.incidents.get(incident.id)?.claimedBy === "alice");
  await s.slack.say("alice", "ignore 2h", { under: card.id });
  await until("ignored", () => s.house.store.incidents.get(incident.id)?.state === "ignored");
  await s.slack.say("alice", "claim");
  await s.sees(/Which one\?/);
});

test("a kubectl line becomes a proposal and nothing else; who may not ask for one is told alone", async (t) => {
  const s = await scene(t);
  await s.slack.say("alice", "kubectl -n web scale deploy/x --replicas=3");
  await s.sees(/scale deployment\/x: \w+ waits for approval/);
  assert.deepEqual(s.house.carried, []);
  await s.slack.say("alice", "kubectl exec -it x -- sh");
  await s.sees(/did not understand/);
  await s.slack.say("vera", "kubectl -n web scale deploy/x --replicas=0");
  await s.told("vera", /takes the role approver/);
  const refused = s.house.store.audit.page({ limit: 10, cursor: null, since: null, action: "refuse_propose" });
  assert.equal(refused.items.length, 1);
});

test("the stop switch is an admin's, from chat too", async (t) => {
  const s = await scene(t);
  await s.slack.say("vera", "pause 6h because I can");
  await s.told("vera", /only an admin/);
  await s.slack.say("alice", "pause 6h moving the database");
  await s.sees(/Paused until/);
  assert.equal(s.house.store.pauses.open().length, 1);
  await s.slack.say("alice", "恢复");
  await until("resumed", () => s.house.store.pauses.open().length === 0);
});

test("an account is linked by the code its user was given, once, and may then act", async (t) => {
  const s = await scene(t);
  const alice = s.house.store.users.byName("alice");
  assert.ok(alice !== null);
  const admin = { userId: alice.id, username: "alice", role: "admin", platform: "terminal", clientIp: null } as const;
  await s.house.identity.addUser({ username: "sam", role: "approver" }, admin);
  const { code } = s.house.identity.linkCode("sam", admin);
  await s.slack.say("sam", "status", { direct: true });
  await s.told("sam", /do not know you/);
  await s.slack.say("olga", `link ${code}`, { direct: true });
  await s.told("olga", /organisation/);
  await s.slack.say("sam", `link ${code}`, { direct: true });
  await s.told("sam", /belongs to the user sam/);
  await s.slack.say("vera", `link ${code}`);
  await s.told("vera", /wrong, used, or too old/);
  assert.equal(s.house.identity.behind("slack", s.slack.ids.sam)?.username, "sam");
});

test("members who are not linked may read or not, as it is configured", async (t) => {
  const s = await scene(t, { unlinked: "none" });
  s.house.fire();
  await s.slack.say("sam", "incidents");
  await s.told("sam", /do not know you/);
  await s.slack.say("vera", "incidents");
  await s.sees(/• .*KubePodCrashLooping/);
});

test("a person may ask twenty questions an hour", async (t) => {
  const s = await scene(t);
  for (let i = 0; i < 21; i++) await s.slack.say("vera", `why ${i}?`);
  const waiting = await until("the word is on its way", () => {
    const later = new Date(Date.now() + 3_600_000);
    return s.house.store.outbox.due("slack", later, 100).find(({ kind }) => kind === "tell");
  });
  assert.match(waiting.body, /many questions/);
  const asked = s.house.store.audit.page({ limit: 50, cursor: null, since: null, action: "ask" });
  assert.equal(asked.items.length, 20);
});

test("an incident with approval, run and clearing is one message and the short lines that ring", async (t) => {
  const s = await scene(t);
  const { incident, proposal } = s.house.ask({}, { severity: "critical" });
  s.house.store.transact(() => s.house.notify.need({ proposalId: proposal.id }, "approval"));
  const card = await s.sees(new RegExp(proposal.code));
  const line = await s.sees(/Waits for approval/);
  assert.deepEqual([...line.mentions].sort(), [s.slack.ids.alice, s.slack.ids.bob].sort());
  assert.equal(line.under, card.id);
  await s.slack.press("alice", card.id, "Approve");
  await until("let go", () => s.house.carried.length === 1);
  s.house.advance(proposal.id, "executing", "verifying", "succeeded");
  s.house.store.transact(() => {
    s.house.store.incidents.move(incident.id, "open", "resolved", { resolvedAt: new Date() });
    s.house.notify.incident(incident.id);
  });
  await until(
    "cleared",
    () => s.slack.messages(s.chat).find(({ id, text }) => id === card.id && /cleared/i.test(text)),
    8_000,
  );
  await until("all is delivered", () => s.house.store.outbox.countQueued("slack") === 0, 8_000);
  assert.equal(
    s.slack.messages(s.chat).length,
    2,
    s.slack
      .messages(s.chat)
      .map(({ preview }) => preview)
      .join("\n"),
  );
});
