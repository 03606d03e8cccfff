import assert from "node:assert/strict";
import { test } from "node:test";
import { createLink, type LinkEvents, type LinkLimits } from "../bot/channels/link.ts";
import { StewardError } from "../shared/errors.ts";
import { createFakeClock } from "./clock.ts";
import { createMemoryLog } from "./desk.ts";

const limits: LinkLimits = {
  connectMs: 10_000,
  silentMs: 20_000,
  renewMs: 3_600_000,
  slowestMs: 30_000,
  refusedMs: 300_000,
};

interface Opened {
  events: LinkEvents;
  signal: AbortSignal;
  closed: boolean;
}

/** A platform that does as it is told; `fault` may throw, or wait for ever. */
function rig({ random = () => 0.5 }: { random?: () => number } = {}) {
  const clock = createFakeClock();
  const log = createMemoryLog();
  const opened: Opened[] = [];
  const platform: { fault: (signal: AbortSignal) => Promise<void> } = { fault: async () => {} };
  const link = createLink({
    name: "chat",
    limits,
    clock,
    log,
    random,
    async open(events, signal) {
      await platform.fault(signal);
      const one: Opened = { events, signal, closed: false };
      opened.push(one);
      return {
        async close() {
          one.closed = true;
        },
      };
    },
  });
  const last = () => {
    const one = opened.at(-1);
    assert.ok(one !== undefined, "nothing was opened");
    return one;
  };
  const open = () => opened.filter(({ closed }) => !closed).length;
  return { clock, log, opened, platform, link, last, open };
}

/** Signs of life for as long as it takes. */
async function live({ clock }: ReturnType<typeof rig>, one: Opened, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 5_000) {
    one.events.heard();
    await clock.advance(5_000);
  }
}

const refuse = async () => {
  throw new StewardError("unavailable", "connect ECONNREFUSED");
};

test("a link that is lost is opened again at once, and the old one is closed", async () => {
  const r = rig();
  r.link.start();
  await r.clock.advance(0);
  assert.equal(r.link.state().state, "connected");
  await live(r, r.last(), 30_000);
  r.last().events.lost("the server went");
  await r.clock.advance(0);
  assert.equal(r.opened.length, 2);
  assert.deepEqual(
    r.opened.map(({ closed }) => closed),
    [true, false],
  );
  assert.equal(r.link.state().state, "connected");
  await r.link.stop();
});

test("a half-open connection is replaced within 45 seconds of its last sign of life", async () => {
  const r = rig();
  r.link.start();
  await r.clock.advance(0);
  await live(r, r.last(), 60_000);
  const silentFrom = r.clock.now().getTime();
  while (r.opened.length === 1) await r.clock.advance(1_000);
  assert.ok(r.clock.now().getTime() - silentFrom <= 45_000, "it took longer");
  assert.equal(r.open(), 1);
  await r.link.stop();
});

test("before a planned end the next connection receives before the old one goes", async () => {
  const r = rig();
  r.link.start();
  await r.clock.advance(0);
  const first = r.last();
  await live(r, first, 30_000);
  const let_in = Promise.withResolvers<void>();
  r.platform.fault = () => let_in.promise;
  first.events.retiring("refresh requested");
  await r.clock.advance(1_000);
  assert.equal(first.closed, false, "closed before there was another");
  assert.equal(r.link.state().state, "connected");
  let_in.resolve();
  await r.clock.advance(0);
  assert.equal(first.closed, true);
  assert.equal(r.open(), 1);
  await r.link.stop();
});

test("a connection that seems well is renewed by age", async () => {
  const r = rig();
  r.link.start();
  await r.clock.advance(0);
  const first = r.last();
  await live(r, first, 3_700_000);
  assert.equal(first.closed, true);
  assert.equal(r.open(), 1);
  await r.link.stop();
});

test("a platform that refuses for a minute is asked a few times and never given up", async () => {
  const r = rig();
  r.platform.fault = refuse;
  r.link.start();
  await r.clock.advance(60_000);
  assert.equal(r.link.state().state, "down");
  assert.match(r.link.state().detail ?? "", /ECONNREFUSED/);
  assert.ok(r.link.attempts() >= 5 && r.link.attempts() <= 12, `asked ${r.link.attempts()} times`);
  await r.clock.advance(24 * 3_600_000);
  r.platform.fault = async () => {};
  await r.clock.advance(limits.slowestMs);
  assert.equal(r.link.state().state, "connected");
  await r.link.stop();
});

test("two who lost the same platform do not come back together", async () => {
  const times = [0.1, 0.9].map(async (chance) => {
    const r = rig({ random: () => chance });
    r.platform.fault = refuse;
    r.link.start();
    await r.clock.advance(900);
    const attempts = r.link.attempts();
    await r.link.stop();
    return attempts;
  });
  const [early, late] = await Promise.all(times);
  assert.notEqual(early, late);
});

test("refused credentials are said and tried again every five minutes, not every second", async () => {
  const r = rig();
  r.platform.fault = async () => {
    throw new StewardError("unauthenticated", "invalid_auth");
  };
  r.link.start();
  await r.clock.advance(20 * 60_000);
  assert.deepEqual([r.link.state().state, r.link.state().detail], ["down", "invalid_auth"]);
  assert.ok(r.link.attempts() <= 6, `asked ${r.link.attempts()} times`);
  r.platform.fault = async () => {};
  await r.clock.advance(6 * 60_000);
  assert.equal(r.link.state().state, "connected");
  await r.link.stop();
});

test("what never answers is given up at the deadline, and closed should it come late", async () => {
  const r = rig();
  const late = Promise.withResolvers<void>();
  r.platform.fault = () => late.promise;
  r.link.start();
  await r.clock.advance(10_000);
  r.platform.fault = async () => {};
  await r.clock.advance(5_000);
  assert.equal(r.link.state().state, "connected");
  late.resolve();
  await r.clock.advance(0);
  assert.equal(r.opened.length, 2);
  assert.equal(r.open(), 1, "the late one stands beside the other");
  await r.link.stop();
});

test("one that falls as soon as it stands is not opened in a circle", async () => {
  const r = rig();
  r.link.start();
  for (let second = 0; second < 60; second++) {
    await r.clock.advance(1_000);
    if (r.link.state().state === "connected") r.last().events.lost("gone again");
  }
  assert.ok(r.link.attempts() <= 12, `opened ${r.link.attempts()} times`);
  await r.link.stop();
});

test("nothing is left after a stop, whatever it was doing", async () => {
  for (const doing of ["standing", "connecting", "waiting"] as const) {
    const r = rig();
    if (doing === "connecting")
      r.platform.fault = (signal) =>
        new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    if (doing === "waiting") r.platform.fault = refuse;
    r.link.start();
    await r.clock.advance(500);
    await r.link.stop();
    await r.clock.advance(0);
    assert.equal(r.open(), 0, doing);
    assert.equal(r.clock.waiting, 0, `${doing}: a timer is left`);
    assert.equal(r.link.state().state, "stopped");
  }
});
