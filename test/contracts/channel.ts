import assert from "node:assert/strict";
import { after, describe, type TestContext, test } from "node:test";
import { createClock } from "../../bot/adapters/clock.ts";
import type { Channel, ChannelHandlers } from "../../bot/edges.ts";
import type { LogLine } from "../desk.ts";
import { until } from "../until.ts";
import { type House, type HouseOptions, openHouse } from "./house.ts";
import type { Emulator, Person, Seen, Subject } from "./platform.ts";

/** Longest time for what people should see soon, in ms. */
const soon = 8_000;

/**
 * What every channel must do, as people on the platform see it: the scenarios of im-protocols.md 4.3, each with its number. The adapter talks to the
 * emulator through its real SDK.
 */
export function channelContract<E extends Emulator>(subject: Subject<E>): void {
  /** Everything that was logged or printed in any scenario, and what must not be in it. */
  const logged: LogLine[] = [];
  const printed: string[] = [];
  const secrets = new Set<string>();
  const stopListening = listenToConsole(printed);

  interface Scene {
    emulator: E;
    house: House;
    channel: Channel;
  }

  async function startEmulator(t: TestContext): Promise<E> {
    const emulator = await subject.startEmulator();
    for (const secret of emulator.secrets) secrets.add(secret);
    t.after(() => emulator.stop());
    return emulator;
  }

  async function enter(t: TestContext, emulator: E, options: Partial<HouseOptions> = {}): Promise<House> {
    const house = await openHouse({
      ids: emulator.ids,
      openChannel: (log) => subject.openChannel(emulator, { clock: createClock(), log, locale: null }),
      ...options,
    });
    t.after(async () => {
      await house.close().catch(() => undefined);
      logged.push(...house.log.lines);
      await house.remove();
    });
    return house;
  }

  async function scene(t: TestContext, options: Partial<HouseOptions> = {}): Promise<Scene> {
    const emulator = await startEmulator(t);
    const house = await enter(t, emulator, options);
    await connected(house.channel);
    return { emulator, house, channel: house.channel };
  }

  /** The card of a proposal as it stands in the chat, once it can be pressed. */
  async function shown({ emulator }: Pick<Scene, "emulator">, code: string, label = "Approve"): Promise<Seen> {
    return until(
      `a card of ${code} with ${label}`,
      () => emulator.messages(emulator.chat).find((seen) => seen.text.includes(code) && seen.buttons.includes(label)),
      soon,
    );
  }

  async function sees({ emulator }: Pick<Scene, "emulator">, words: RegExp, chat = emulator.chat): Promise<Seen> {
    return until(`${words} in the chat`, () => emulator.messages(chat).find(({ text }) => words.test(text)), soon);
  }

  async function isTold({ emulator }: Pick<Scene, "emulator">, person: Person, words: RegExp): Promise<string> {
    return until(`${person} is told ${words}`, () => emulator.told(person).find((text) => words.test(text)), soon);
  }

  const pending = (house: House) => house.ask({}, { severity: "critical" });

  /** The press that is asked for was acknowledged before the platform gave up. */
  function inTime(emulator: Emulator, { acknowledgedAfter }: { acknowledgedAfter: number | null }): void {
    assert.ok(acknowledgedAfter !== null, "the person saw an error: nothing was acknowledged");
    assert.ok(acknowledgedAfter < emulator.deadlineMs, `acknowledged after ${acknowledgedAfter} ms`);
  }

  describe(`${subject.platform}: what every channel must do`, { concurrency: false }, () => {
    after(() => {
      stopListening();
      // 22: over everything above.
      const all = JSON.stringify([logged, printed]);
      for (const secret of secrets) assert.ok(!all.includes(secret), `a secret was logged: ${secret.slice(0, 4)}…`);
      assert.deepEqual(printed, [], "an SDK wrote to the console by itself");
    });

    test("1: what is written to Steward is answered where it was written", async (t) => {
      const s = await scene(t);
      await s.emulator.say("vera", "help");
      const answer = await sees(s, /approve CODE/);
      assert.ok(!answer.text.includes("payment"), "help says something of the cluster");
      await s.emulator.say("vera", "why is checkout slow?");
      await sees(s, /No model is configured/);
    });

    test("1: nothing of the cluster is said in a chat that is not configured, or to who is not a member", async (t) => {
      const s = await scene(t);
      s.house.fire();
      await s.emulator.say("vera", "incidents", { chat: s.emulator.otherChat });
      const answer = await sees(s, /configured/, s.emulator.otherChat);
      assert.ok(!answer.text.includes("checkout"));
      await s.emulator.say("olga", "incidents");
      await isTold(s, "olga", /organisation/);
      await s.emulator.say("sam", "incidents", { direct: true });
      await isTold(s, "sam", /do not know you/);
      for (const person of ["olga", "sam"] as const)
        assert.ok(s.emulator.told(person).every((text) => !text.includes("checkout")));
    });

    test("2: one who may approves; it is carried out once, and the same card says how it ended", async (t) => {
      const s = await scene(t);
      const { proposal } = pending(s.house);
      const card = await shown(s, proposal.code);
      inTime(s.emulator, await s.emulator.press("alice", card.id, "Approve"));
      await until("it is let go", () => s.house.carried.length === 1, soon);
      s.house.advance(proposal.id, "executing", "verifying", "succeeded");
      const ended = await until(
        "the card says success",
        () => s.emulator.messages(s.emulator.chat).find(({ id, text }) => id === card.id && /Success/.test(text)),
        soon,
      );
      assert.ok(!ended.buttons.includes("Approve") && ended.buttons.includes("Undo"), ended.buttons.join());
      assert.match(ended.text, /Approved by alice/);
      const cards = s.emulator.messages(s.emulator.chat).filter(({ text }) => text.includes(proposal.code));
      assert.equal(cards.length, 1, "more than one message about it");
    });

    test("2: a denial carries its reason", async (t) => {
      const s = await scene(t);
      const { proposal } = pending(s.house);
      const card = await shown(s, proposal.code);
      inTime(s.emulator, await s.emulator.press("bob", card.id, "Deny", { reason: "not now" }));
      await until("it is denied", () => s.house.stateOf(proposal.id) === "denied", soon);
      assert.equal(s.house.store.proposals.decisions(proposal.id).at(-1)?.reason, "not_now");
      assert.deepEqual(s.house.carried, []);
    });

    test("2: a typed code decides as a button does, in the chat's words", async (t) => {
      const s = await scene(t);
      const { proposal } = pending(s.house);
      await shown(s, proposal.code);
      await s.emulator.say("alice", `批准 ${proposal.code}`);
      await until("it is let go", () => s.house.carried.length === 1, soon);
    });

    test("3: what is delivered three times is done once", async (t) => {
      const s = await scene(t);
      const { proposal } = pending(s.house);
      const card = await shown(s, proposal.code);
      s.emulator.links.repeat(3);
      inTime(s.emulator, await s.emulator.press("alice", card.id, "Approve"));
      await s.emulator.say("vera", "help");
      await sees(s, /approve CODE/);
      await until("the decision", () => s.house.stateOf(proposal.id) === "approved", soon);
      await s.house.clock.sleep(300);
      assert.equal(s.house.carried.length, 1);
      assert.equal(s.emulator.messages(s.emulator.chat).filter(({ text }) => /approve CODE/.test(text)).length, 1);
      assert.deepEqual(s.emulator.told("alice"), [], "a repeated click was answered as a late one");
    });

    test("4: of two who press within 10 ms, one decides and the other is told who", async (t) => {
      const s = await scene(t);
      const { proposal } = pending(s.house);
      const card = await shown(s, proposal.code);
      const presses = await Promise.all([
        s.emulator.press("alice", card.id, "Approve"),
        s.emulator.press("bob", card.id, "Approve"),
      ]);
      for (const press of presses) inTime(s.emulator, press);
      await until("it is let go", () => s.house.carried.length === 1, soon);
      const [decision] = s.house.store.proposals.decisions(proposal.id);
      const late: Person = decision?.user === "alice" ? "bob" : "alice";
      await isTold(s, late, new RegExp(`approved already, by ${decision?.user}`));
      assert.deepEqual(s.emulator.told(late === "bob" ? "alice" : "bob"), []);
      assert.equal(s.house.carried.length, 1);
    });

    test("5: who may not approve changes nothing, and only they are told", async (t) => {
      const s = await scene(t);
      const { proposal } = pending(s.house);
      const card = await shown(s, proposal.code);
      for (const [person, words] of [
        ["vera", /may not approve/],
        ["sam", /do not know you/],
        ["olga", /organisation/],
      ] as const) {
        inTime(s.emulator, await s.emulator.press(person, card.id, "Approve"));
        await isTold(s, person, words);
      }
      assert.equal(s.house.stateOf(proposal.id), "pending");
      assert.deepEqual(s.house.carried, []);
      const now = s.emulator.messages(s.emulator.chat).find(({ id }) => id === card.id);
      assert.deepEqual([now?.text, now?.edits], [card.text, card.edits], "the card changed");
      const said = s.emulator.messages(s.emulator.chat).map(({ text }) => text);
      assert.ok(
        said.every((text) => !/may not|do not know/.test(text)),
        "it was said to everybody",
      );
      const refused = s.house.store.audit.page({ limit: 50, cursor: null, since: null }).items;
      const attempts = refused.filter(
        ({ status, action_type }) => status === "FAILED" && /^(approve|refuse)_/.test(action_type),
      );
      assert.equal(attempts.length, 3, "not every attempt is on the audit");
    });

    test("5: a forwarded card, or a button from another one, decides nothing", async (t) => {
      const s = await scene(t);
      const { proposal } = pending(s.house);
      const card = await shown(s, proposal.code);
      const copy = s.emulator.forward(card.id, s.emulator.otherChat);
      if (copy !== null) {
        inTime(s.emulator, await s.emulator.press("alice", copy, "Approve"));
        await isTold(s, "alice", /not the card Steward keeps/);
      }
      const other = pending(s.house);
      const otherCard = await shown(s, other.proposal.code);
      const foreign = s.emulator.buttonIds(card.id)["Approve"];
      assert.ok(foreign !== undefined);
      await s.emulator.pressStale("bob", otherCard.id, foreign);
      await isTold(s, "bob", /not the card Steward keeps/);
      await s.emulator.pressStale("bob", otherCard.id, "a".repeat(26));
      assert.equal(s.house.stateOf(proposal.id), "pending");
      assert.equal(s.house.stateOf(other.proposal.id), "pending");
      assert.deepEqual(s.house.carried, []);
    });

    test("6: a press after the time is over changes nothing and says so", async (t) => {
      const s = await scene(t);
      const { proposal } = s.house.ask({ expiresAt: new Date(Date.now() + 1_500) }, { severity: "critical" });
      const card = await shown(s, proposal.code);
      await s.house.clock.sleep(1_600);
      inTime(s.emulator, await s.emulator.press("alice", card.id, "Approve"));
      await isTold(s, "alice", /expired already/);
      assert.equal(s.house.stateOf(proposal.id), "expired");
      await until(
        "the card can no longer be pressed",
        () =>
          s.emulator
            .messages(s.emulator.chat)
            .find(({ id, buttons }) => id === card.id && !buttons.includes("Approve")),
        soon,
      );
    });

    test("7: a slow decision does not hold up the acknowledgement", async (t) => {
      const slow = createClock();
      const s = await scene(t, {
        between: (handlers) => ({
          ...handlers,
          async click(event) {
            await slow.sleep(3_500);
            return handlers.click(event);
          },
        }),
      });
      const { proposal } = pending(s.house);
      const card = await shown(s, proposal.code);
      inTime(s.emulator, await s.emulator.press("alice", card.id, "Approve"));
      await until("it is let go", () => s.house.carried.length === 1, soon);
    });

    test("8: a handler that throws costs its own event and no other", async (t) => {
      let broken = true;
      const breaking = (handlers: ChannelHandlers): ChannelHandlers => ({
        click(event) {
          if (broken) throw new Error("thrown at once");
          return handlers.click(event);
        },
        async mention(event) {
          if (broken) throw new Error("thrown later");
          return handlers.mention(event);
        },
      });
      const s = await scene(t, { between: breaking });
      const { proposal } = pending(s.house);
      const card = await shown(s, proposal.code);
      inTime(s.emulator, await s.emulator.press("alice", card.id, "Approve"));
      await s.emulator.say("vera", "help");
      await s.house.clock.sleep(200);
      broken = false;
      inTime(s.emulator, await s.emulator.press("alice", card.id, "Approve"));
      await until("it is let go", () => s.house.carried.length === 1, soon);
      await s.emulator.say("vera", "help");
      await sees(s, /approve CODE/);
    });

    test("9: a connection that falls while a click is worked on loses neither the decision nor the card", async (t) => {
      const slow = createClock();
      const s = await scene(t, {
        between: (handlers) => ({
          ...handlers,
          async click(event) {
            await slow.sleep(300);
            return handlers.click(event);
          },
        }),
      });
      const { proposal } = pending(s.house);
      const card = await shown(s, proposal.code);
      inTime(s.emulator, await s.emulator.press("alice", card.id, "Approve"));
      s.emulator.links.drop();
      await until("it is let go", () => s.house.carried.length === 1, soon);
      await until(
        "the card says so",
        () => s.emulator.messages(s.emulator.chat).find(({ id, text }) => id === card.id && /Approved/.test(text)),
        soon,
      );
      await until("it is connected again", () => s.emulator.links.open() > 0, soon);
    });

    test("10: an orderly rotation loses no event", async (t) => {
      const s = await scene(t);
      const asked: string[] = [];
      for (let round = 0; round < 3; round++) {
        s.emulator.links.rotate();
        for (let i = 0; i < 4; i++) {
          const { proposal } = pending(s.house);
          const card = await shown(s, proposal.code);
          inTime(s.emulator, await s.emulator.press("alice", card.id, "Approve"));
          asked.push(proposal.id);
        }
      }
      await until("all are let go", () => s.house.carried.length === asked.length, soon);
      assert.deepEqual([...s.house.carried].sort(), asked.sort());
      await until("one connection is left", () => s.emulator.links.open() === 1, soon);
    });

    test("11: a half-open connection is noticed and replaced", async (t) => {
      const s = await scene(t);
      const before = s.emulator.links.attempts();
      s.emulator.links.freeze();
      await until("another is opened", () => s.emulator.links.attempts() > before, soon);
      await until("it receives", () => s.emulator.links.open() === 1, soon);
      await s.emulator.say("vera", "help");
      await sees(s, /approve CODE/);
    });

    test("11: a platform that never says it is ready is given up and tried again", async (t) => {
      const emulator = await startEmulator(t);
      emulator.links.mute(true);
      const house = await enter(t, emulator);
      await until("it is tried again", () => emulator.links.attempts() >= 2, soon);
      assert.notEqual(house.channel.link().state, "connected");
      emulator.links.mute(false);
      await connected(house.channel);
      await until("one connection is left", () => emulator.links.open() === 1, soon);
    });

    test("12: while connections are refused a few attempts are made, and afterwards it works again", async (t) => {
      const s = await scene(t);
      s.emulator.links.refuse(true);
      s.emulator.links.drop();
      const before = s.emulator.links.attempts();
      await s.house.clock.sleep(4_000);
      const attempts = s.emulator.links.attempts() - before;
      assert.ok(attempts >= 2 && attempts <= 12, `${attempts} attempts in 4 s`);
      assert.notEqual(s.channel.link().state, "connected");
      s.emulator.links.refuse(false);
      await connected(s.channel);
      await s.emulator.say("vera", "help");
      await sees(s, /approve CODE/);
    });

    test("13: wrong credentials are said, do not crash, and are not tried in a circle", async (t) => {
      const emulator = await startEmulator(t);
      emulator.links.badCredentials(true);
      const house = await enter(t, emulator);
      await until("it is down", () => house.channel.link().state === "down", soon);
      assert.match(house.channel.link().detail ?? "", /token|auth|credential|secret/i);
      const attempts = emulator.links.attempts();
      await house.clock.sleep(1_500);
      assert.ok(emulator.links.attempts() - attempts <= 2, "tried in a circle");
    });

    test("14: what makes no sense is passed over", async (t) => {
      const s = await scene(t);
      for (let i = 0; i < 3; i++) s.emulator.links.junk();
      await s.emulator.say("vera", "help");
      await sees(s, /approve CODE/);
      const { proposal } = pending(s.house);
      const card = await shown(s, proposal.code);
      inTime(s.emulator, await s.emulator.press("alice", card.id, "Approve"));
      await until("it is let go", () => s.house.carried.length === 1, soon);
    });

    test("15: over the platform's rate nothing is lost, what is overtaken is left out, and the last state arrives", async (t) => {
      const s = await scene(t);
      const { proposal, incident } = pending(s.house);
      const card = await shown(s, proposal.code);
      s.emulator.calls.limitRate(2, 1);
      const states = 12;
      for (let i = 0; i < states; i++) {
        s.house.store.transact(() => {
          s.house.store.incidents.patch(incident.id, { claimedBy: `nobody-${i}` });
          s.house.notify.incident(incident.id);
        });
        await s.house.clock.sleep(20);
      }
      const last = await until(
        "the last state",
        () =>
          s.emulator
            .messages(s.emulator.chat)
            .find(({ id, text }) => id === card.id && text.includes(`nobody-${states - 1}`)),
        20_000,
      );
      assert.ok(last.edits - card.edits < states, `${last.edits - card.edits} edits for ${states} states`);
      assert.equal(s.house.counted.dead, 0);
    });

    test("15: a platform that fails for a while gets everything afterwards", async (t) => {
      const s = await scene(t);
      s.emulator.calls.fail(3);
      const { proposal } = pending(s.house);
      await until(
        "the card",
        () => s.emulator.messages(s.emulator.chat).some(({ text }) => text.includes(proposal.code)),
        20_000,
      );
      assert.equal(s.emulator.messages(s.emulator.chat).filter(({ text }) => text.includes(proposal.code)).length, 1);
    });

    test("16: no text from outside mentions, links or breaks a card, and none is too long", async (t) => {
      const s = await scene(t);
      for (const hostile of hostileTexts) {
        const before = s.emulator.messages(s.emulator.chat).length;
        s.house.ask(
          { summary: hostile, kubectl: hostile, reason: hostile, diff: `+${hostile}`, warnings: [hostile, hostile] },
          {
            severity: "critical",
            alertname: hostile.slice(0, 200),
            labels: { alertname: hostile, pod: hostile },
            annotations: { summary: hostile, description: hostile },
          },
        );
        const card = await until(
          "the card",
          () =>
            s.emulator
              .messages(s.emulator.chat)
              .slice(before)
              .find(({ buttons }) => buttons.includes("Approve")),
          soon,
        );
        assert.deepEqual(card.mentions, [], `it mentions somebody: ${hostile.slice(0, 40)}`);
        assert.deepEqual(card.links, [], `it links somewhere: ${hostile.slice(0, 40)}`);
      }
      assert.deepEqual(s.emulator.calls.faults(), []);
      assert.equal(s.house.counted.dead, 0);
    });

    test("17: a message that somebody removed does not trouble the rest", async (t) => {
      const s = await scene(t);
      const { proposal } = pending(s.house);
      const card = await shown(s, proposal.code);
      s.emulator.remove(card.id);
      s.house.gate.decide(proposal.id, {
        verdict: "deny",
        reason: null,
        actor: {
          userId: s.house.store.users.byName("alice")?.id ?? null,
          username: "alice",
          role: "admin",
          platform: "api",
          clientIp: null,
        },
      });
      await sees(s, /Denied/);
      const calls = s.emulator.calls.count();
      await s.house.clock.sleep(500);
      assert.equal(s.emulator.calls.count(), calls, "it goes on by itself");
      assert.equal(s.house.counted.dead, 0);
    });

    test("18: after a stop nothing is left open", async (t) => {
      const emulator = await startEmulator(t);
      const resources = () =>
        process.getActiveResourcesInfo().filter((kind) => /Timeout|TCPSocket|TLS/.test(kind)).length;
      await createClock().sleep(50);
      const before = resources();
      for (let i = 0; i < 3; i++) {
        const house = await enter(t, emulator);
        await connected(house.channel);
        if (i === 1) emulator.links.freeze();
        await house.close();
        assert.equal(house.channel.link().state, "stopped");
      }
      await until("no connection is left", () => emulator.links.open() === 0, soon);
      emulator.links.drop(); // the platform's own side of the half-open one
      await until(`timers and sockets are gone (were ${before})`, () => resources() <= before + 1, soon);
    });

    test("19: two channels in one process share nothing", async (t) => {
      const one = await scene(t);
      const two = await scene(t);
      const first = pending(one.house).proposal;
      const second = pending(two.house).proposal;
      const card = await shown(one, first.code);
      await shown(two, second.code);
      assert.ok(two.emulator.messages(two.emulator.chat).every(({ text }) => !text.includes(first.code)));
      await one.house.close();
      two.emulator.links.drop();
      await until("the other connects again", () => two.emulator.links.open() === 1, soon);
      const other = await shown(two, second.code);
      inTime(two.emulator, await two.emulator.press("alice", other.id, "Approve"));
      await until("it is let go", () => two.house.carried.length === 1, soon);
      assert.ok(card.buttons.includes("Approve"));
      assert.deepEqual(one.house.carried, []);
    });

    test("20: after a restart the cards from before can be pressed", async (t) => {
      const s = await scene(t);
      const { proposal } = pending(s.house);
      const card = await shown(s, proposal.code);
      await s.house.close();
      const again = await enter(t, s.emulator, { folder: s.house.folder });
      await connected(again.channel);
      inTime(s.emulator, await s.emulator.press("alice", card.id, "Approve"));
      await until("it is let go", () => again.carried.length === 1, soon);
      const cards = s.emulator.messages(s.emulator.chat).filter(({ text }) => text.includes(proposal.code));
      assert.equal(cards.length, 1, "it was sent again");
    });

    test("21: what is pushed over the old and the new connection of a rotation is done once", async (t) => {
      const s = await scene(t);
      const { proposal } = pending(s.house);
      const card = await shown(s, proposal.code);
      s.emulator.links.repeat(2);
      s.emulator.links.rotate();
      inTime(s.emulator, await s.emulator.press("alice", card.id, "Approve"));
      await until("it is let go", () => s.house.carried.length >= 1, soon);
      await s.house.clock.sleep(300);
      assert.equal(s.house.carried.length, 1);
      assert.deepEqual(s.emulator.told("alice"), []);
    });
  });
}

async function connected(channel: Channel): Promise<void> {
  await until(`${channel.name} is connected`, () => channel.link().state === "connected", soon);
}

/** What the cluster, a model or a person may write. None of it may be more than words to read. */
const hostileTexts: readonly string[] = [
  '<!channel> <!here> <!everyone> <@U0ALICE> <!subteam^S1> @all @所有人 <at id=all></at> <at user_id="all">all</at>',
  "[click](https://evil.example) <https://evil.example|ok> https://evil.example www.evil.example ![x](https://evil.example/x.png)",
  "*bold* _it_ ~no~ `code` ``` fence ``` > quote # head | a | b |\n---\n- list <b>x</b> &lt;!channel&gt; &amp;",
  "\u202Ereversed\u202C \u2066isolated\u2069 zero\u200bwidth\u200d \u0000\u001b[31mred\u001b[0m \ud800 lone",
  ":smile: :rotating_light: {{user}} $(x) %s <%= 1 %> \"quoted\" \\ back\\slash 'single' </script>",
  "告警：支付服务不可用，请立即处理！🔥".repeat(400),
  "a".repeat(100_000),
  `${"\n".repeat(3_000)}after many lines`,
];

/** Whatever is printed while the channels run: SDKs may not. */
function listenToConsole(printed: string[]): () => void {
  const names = ["log", "info", "warn", "error", "debug"] as const;
  const originals = names.map((name) => [name, console[name]] as const);
  for (const name of names) {
    console[name] = (...parts: unknown[]) => void printed.push(parts.map(String).join(" "));
  }
  return () => {
    for (const [name, original] of originals) console[name] = original;
  };
}
