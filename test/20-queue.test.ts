import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { removeFolder } from "./desk.ts";
import { type Intake, type IntakeOptions, openIntake } from "./intake.ts";
import { webhookBody } from "./payloads.ts";

function intake(t: TestContext, options: IntakeOptions = {}): Intake {
  const opened = openIntake(options);
  t.after(async () => {
    await opened.close();
    await removeFolder(opened.folder);
  });
  return opened;
}

/** Work that waits until the test ends it, and notes what began and what ran side by side. */
function createBench() {
  const began: string[] = [];
  const running = new Map<string, () => void>();
  let most = 0;
  return {
    began,
    running,
    most: () => most,
    async work(id: string) {
      began.push(id);
      await new Promise<void>((resolve) => {
        running.set(id, resolve);
        most = Math.max(most, running.size);
      });
      running.delete(id);
    },
    end(id: string | undefined) {
      assert.ok(id !== undefined && running.has(id), `${id} is not being worked on`);
      running.get(id)?.();
    },
  };
}

function isAbout(opened: Intake, receipt: string, alertname: string): boolean {
  return opened.store.receipts.get(receipt)?.body.includes(alertname) ?? false;
}

/** Delivers without waiting for the work; answers the receipt. */
async function send(opened: Intake, groupKey: string, n: number): Promise<string> {
  const startsAt = new Date(Date.UTC(2026, 0, 1) + n * 1_000);
  const answer = await opened.accept(
    webhookBody([{ alertname: `A${n}`, labels: { namespace: "x", deployment: `d${n}` }, startsAt }], groupKey),
  );
  assert.equal(answer.status, 202);
  await opened.settle();
  return (answer.body as { receipt: string }).receipt;
}

test("deliveries of one group are worked on in their order, those of others beside them, never more than there are workers", async (t) => {
  const bench = createBench();
  const opened = intake(t, { workers: 2, work: bench.work });
  const a1 = await send(opened, "a", 1);
  const a2 = await send(opened, "a", 2);
  const b1 = await send(opened, "b", 3);
  const c1 = await send(opened, "c", 4);
  assert.deepEqual(bench.began, [a1, b1]);
  bench.end(b1);
  await opened.settle();
  assert.deepEqual(bench.began, [a1, b1, c1]);
  bench.end(a1);
  await opened.settle();
  assert.deepEqual(bench.began, [a1, b1, c1, a2]);
  bench.end(c1);
  bench.end(a2);
  await opened.settle();
  assert.equal(bench.most(), 2);
  assert.equal(opened.queue.size(), 0);
});

test("a busy group does not keep the others waiting", async (t) => {
  const bench = createBench();
  const opened = intake(t, { workers: 1, work: bench.work });
  const loud = [await send(opened, "loud", 1), await send(opened, "loud", 2), await send(opened, "loud", 3)];
  const quiet = await send(opened, "quiet", 4);
  bench.end(loud[0]);
  await opened.settle();
  assert.equal(bench.began.at(-1), quiet);
  bench.end(quiet);
  await opened.settle();
  bench.end(loud[1]);
  await opened.settle();
  bench.end(loud[2]);
});

test("work that fails is tried again later and later; the group waits, others go on, and the error is kept", async (t) => {
  let broken = true;
  const tried: string[] = [];
  const opened = intake(t, {
    workers: 1,
    before(id) {
      tried.push(id);
      if (broken && isAbout(opened, id, "Bad")) throw new Error("the disk of the owner is on fire");
    },
  });
  const bad = (await opened.accept(webhookBody([{ alertname: "Bad" }], "a"))).body as { receipt: string };
  await opened.settle();
  const behind = await send(opened, "a", 2);
  const other = await send(opened, "b", 3);
  assert.ok(tried.includes(other));
  assert.ok(!tried.includes(behind));
  assert.equal(opened.store.receipts.get(bad.receipt)?.tries, 1);
  broken = false;
  await opened.clock.advance(1_000);
  await opened.settle();
  assert.deepEqual(tried.slice(-2), [bad.receipt, behind]);
  assert.equal(opened.store.receipts.get(bad.receipt)?.state, "done");
  assert.equal(opened.all().length, 3);
});

test("what fails five times is dead: said to people with its reason, kept with its body, and the group goes on", async (t) => {
  const opened = intake(t, {
    before(id) {
      if (!healed && isAbout(opened, id, "Poison")) throw new Error("no such planet");
    },
  });
  let healed = false;
  const body = webhookBody([{ alertname: "Poison", labels: { namespace: "x", deployment: "y" } }], "a");
  const poison = ((await opened.accept(body)).body as { receipt: string }).receipt;
  for (const wait of [0, 1_000, 5_000, 15_000, 60_000]) {
    assert.equal(opened.store.receipts.get(poison)?.state, "queued");
    await opened.clock.advance(wait);
    await opened.settle();
  }
  const row = opened.store.receipts.get(poison);
  assert.equal(row?.state, "dead");
  assert.match(row?.body ?? "", /Poison/);
  const notices = [...opened.chat.messages.values()].filter(({ card }) => card.kind === "notice");
  assert.equal(notices.length, 1);
  assert.match(JSON.stringify(notices), /no such planet/);
  assert.equal(opened.queue.size(), 0);

  healed = true;
  await send(opened, "a", 2);
  assert.equal(opened.all().length, 1);
  // Alertmanager's next repeat gives it a new chance.
  assert.equal((await opened.accept(body)).status, 202);
  await opened.settle();
  assert.equal(opened.store.receipts.get(poison)?.state, "done");
  assert.equal(opened.all().length, 2);
});

test("after a restart everything that was acknowledged and not finished is worked on, in its order", async (t) => {
  const bench = createBench();
  const first = openIntake({ workers: 2, work: bench.work });
  t.after(() => removeFolder(first.folder));
  const sent = [];
  for (let i = 0; i < 6; i++) sent.push(await send(first, `group ${i % 2}`, i));
  await first.close();
  const order: string[] = [];
  const second = openIntake({ folder: first.folder, workers: 1, before: (id) => void order.push(id) });
  t.after(() => second.close());
  second.queue.refill();
  await second.settle();
  assert.deepEqual([...order].sort(), [...sent].sort());
  for (const group of [0, 1]) {
    const inGroup: string[] = sent.filter((_, i) => i % 2 === group);
    assert.deepEqual(
      order.filter((id) => inGroup.includes(id)),
      inGroup,
    );
  }
  assert.equal(second.all().length, 6);
  assert.equal(second.store.receipts.countQueued(), 0);
});

test("rows beyond what memory holds wait on disk and follow in order; new ones do not overtake them", async (t) => {
  const first = openIntake({ capacity: 100, workers: 1, work: () => new Promise(() => {}) });
  t.after(() => removeFolder(first.folder));
  const sent: string[] = [];
  for (let i = 0; i < 25; i++) sent.push(await send(first, "one group", i));
  await first.close();

  const order: string[] = [];
  const held: (() => void)[] = [];
  const second = openIntake({
    folder: first.folder,
    capacity: 4,
    workers: 1,
    work: async (id) => {
      order.push(id);
      await new Promise<void>((resolve) => held.push(resolve));
      second.store.transact(() => second.store.receipts.finish(id, "done"));
    },
  });
  t.after(() => second.close());
  second.queue.refill();
  await second.settle();
  assert.ok(second.queue.size() <= 4);
  assert.equal(second.queue.isFull(), true);
  const push = { id: "a-newer-one", groupKey: "one group" };
  second.store.transact(() =>
    second.store.receipts.take({ ...push, receiver: "", body: "{}", alerts: 1, truncated: 0 }),
  );
  assert.equal(second.queue.push(push), false);
  for (let i = 0; i < 26; i++) {
    held.shift()?.();
    await second.settle();
    assert.ok(second.queue.size() <= 4);
  }
  assert.deepEqual(order, [...sent, push.id]);
  assert.equal(second.queue.isFull(), false);
});

test("stopping waits for what is being worked on and takes nothing new; what is left stays for the next start", async (t) => {
  const bench = createBench();
  const opened = openIntake({ workers: 1, work: bench.work });
  t.after(() => removeFolder(opened.folder));
  const [one, two] = [await send(opened, "a", 1), await send(opened, "b", 2)];
  let drained = false;
  const draining = opened.queue.drain(20_000).then(() => {
    drained = true;
  });
  await opened.settle();
  assert.equal(drained, false);
  bench.end(one);
  await draining;
  assert.deepEqual(bench.began, [one]);
  assert.equal(opened.queue.push({ id: two, groupKey: "b" }), false);
  assert.equal(opened.store.receipts.get(two)?.state, "queued");
  await opened.close();
});

test("in a storm taking in comes before working: workers take turns and rest, and all is worked on when it is over", async (t) => {
  const bench = createBench();
  const opened = intake(t, { workers: 4, work: bench.work });
  for (let i = 0; i < 120; i++) await send(opened, `group ${i}`, i);
  assert.equal(opened.store.receipts.countQueued(), 120);
  const early = [...bench.running.keys()];
  assert.equal(early.length, 4);
  for (const id of early) bench.end(id);
  await opened.settle();
  assert.equal(bench.running.size, 0);
  await opened.clock.advance(10);
  assert.equal(bench.running.size, 1);
  await opened.clock.advance(1_000);
  for (let i = 0; i < 200 && bench.began.length < 120; i++) {
    for (const id of [...bench.running.keys()]) bench.end(id);
    await opened.settle();
  }
  assert.equal(bench.began.length, 120);
  assert.ok(bench.most() <= 4);
  for (const id of [...bench.running.keys()]) bench.end(id);
});
