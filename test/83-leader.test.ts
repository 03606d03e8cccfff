import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createClock } from "../bot/adapters/clock.ts";
import { createCluster } from "../bot/adapters/kubernetes.ts";
import type { ClusterSelf, Log } from "../bot/edges.ts";
import { createLeader, type Leader } from "../bot/leader.ts";
import { startSandbox } from "../bot/sandbox/index.ts";
import { StewardError } from "../shared/errors.ts";
import { field, type KubeObject } from "../shared/kube.ts";
import { createFakeClock, type FakeClock } from "./clock.ts";
import { until } from "./until.ts";

const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** What an API server does with one Lease, and the ways in which it can be gone. */
function createLeaseServer() {
  let stored: KubeObject | null = null;
  let version = 0;
  const server = {
    fault: "none" as "none" | "refuses" | "hangs",
    reads: 0,
    stored: () => stored,
    self: {
      async readLease(_namespace, _name, signal) {
        await answer(signal);
        server.reads++;
        return structuredClone(stored);
      },
      async writeLease(lease, signal) {
        await answer(signal);
        if ((stored?.metadata.resourceVersion ?? undefined) !== lease.metadata.resourceVersion) {
          throw new StewardError("conflict", "the object has been modified");
        }
        stored = structuredClone({ ...lease, metadata: { ...lease.metadata, resourceVersion: String(++version) } });
        return stored;
      },
      writeSetupToken: async () => false,
    } satisfies ClusterSelf,
  };
  return server;

  async function answer(signal?: AbortSignal): Promise<void> {
    if (server.fault === "refuses") throw new StewardError("unavailable", "connection refused");
    if (server.fault === "hangs") {
      await new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    }
  }
}

function leader(server: ReturnType<typeof createLeaseServer>, clock: FakeClock, holder: string): Leader {
  return createLeader({ self: server.self, clock, log: quiet, holder, namespace: "steward", name: "steward" });
}

function begin(one: Leader): { free: () => boolean } {
  let free = false;
  one.start(new AbortController().signal).then(
    () => {
      free = true;
    },
    () => undefined,
  );
  return { free: () => free };
}

test("the first takes the Lease, the second waits for as long as it is renewed", async () => {
  const server = createLeaseServer();
  const clock = createFakeClock();
  const one = leader(server, clock, "one");
  const two = leader(server, clock, "two");
  const first = begin(one);
  await clock.advance(0);
  const second = begin(two);
  await clock.advance(60_000);
  assert.deepEqual([one.state(), two.state()], ["holding", "standby"]);
  assert.deepEqual([first.free(), second.free()], [true, false]);
  assert.deepEqual([await one.confirm(), await two.confirm()], [true, false]);
  await two.stop();
  await one.stop();
});

test("a Lease that is given up at a stop is taken at the next try; one whose holder died only after 15 s", async () => {
  const server = createLeaseServer();
  const clock = createFakeClock();
  const frozen = createFakeClock(clock.now());
  const died = leader(server, frozen, "died");
  begin(died);
  await frozen.advance(0);
  const two = leader(server, clock, "two");
  const waiting = begin(two);
  await clock.advance(12_000);
  assert.equal(waiting.free(), false);
  await clock.advance(8_000);
  assert.equal(waiting.free(), true);
  assert.equal(await died.confirm(), true, "what was read 0 s ago by its own clock");
  frozen.jump(3_000);
  assert.equal(await died.confirm(), false, "it reads again and sees who has it now");

  const three = leader(server, clock, "three");
  begin(three);
  await clock.advance(4_000);
  assert.equal(three.state(), "standby");
  await two.stop();
  await clock.advance(2_000);
  assert.equal(three.state(), "holding");
  await three.stop();
});

test("the same holder, restarted, has its Lease again at once", async () => {
  const server = createLeaseServer();
  const before = createFakeClock();
  begin(leader(server, before, "steward-0"));
  await before.advance(0);
  const clock = createFakeClock();
  const again = leader(server, clock, "steward-0");
  const started = begin(again);
  await clock.advance(0);
  assert.deepEqual([started.free(), again.state()], [true, "holding"]);
  await again.stop();
});

test("a wall clock that jumps does not end another's Lease", async () => {
  const server = createLeaseServer();
  const clock = createFakeClock();
  begin(leader(server, createFakeClock(), "one"));
  await clock.advance(0);
  const two = leader(server, clock, "two");
  begin(two);
  await clock.advance(4_000);
  clock.jump(3_600_000);
  await clock.advance(4_000);
  assert.equal(two.state(), "standby");
  await two.stop();
});

for (const fault of ["refuses", "hangs"] as const) {
  test(`an API server that ${fault} at the start holds nobody up, and nothing is confirmed`, async () => {
    const server = createLeaseServer();
    server.fault = fault;
    const clock = createFakeClock();
    const one = leader(server, clock, "one");
    const started = begin(one);
    await clock.advance(2_000);
    assert.deepEqual([started.free(), one.state()], [true, "unknown"]);
    const asked = one.confirm();
    await clock.advance(2_000);
    assert.equal(await asked, false);
    server.fault = "none";
    await clock.advance(20_000);
    assert.deepEqual([one.state(), await one.confirm()], ["holding", true]);
    await one.stop();
  });

  test(`losing the API server (${fault}) stops confirming within 2 s, and the Lease counts as lost after 10 s`, async () => {
    const server = createLeaseServer();
    const clock = createFakeClock();
    const one = leader(server, clock, "one");
    begin(one);
    await clock.advance(10_000);
    server.fault = fault;
    clock.jump(2_001);
    const asked = one.confirm();
    await clock.advance(2_000);
    assert.equal(await asked, false);
    assert.equal(one.state(), "holding");
    await clock.advance(60_000);
    assert.equal(one.state(), "unknown");
    server.fault = "none";
    await clock.advance(12_000);
    assert.deepEqual([one.state(), await one.confirm()], ["holding", true]);
    await one.stop();
  });
}

test("of two that race for a free Lease one wins", async () => {
  const server = createLeaseServer();
  const clock = createFakeClock();
  const all = Array.from({ length: 5 }, (_, i) => leader(server, clock, `p${i}`));
  for (const one of all) begin(one);
  await clock.advance(4_000);
  assert.equal(all.filter((one) => one.state() === "holding").length, 1);
  const confirmed = await Promise.all(all.map((one) => one.confirm()));
  assert.equal(confirmed.filter(Boolean).length, 1);
  await Promise.all(all.map((one) => one.stop()));
});

test("confirming a Lease just renewed asks nobody; one renewed longer ago is read again", async () => {
  const server = createLeaseServer();
  const clock = createFakeClock();
  const one = leader(server, clock, "one");
  begin(one);
  await clock.advance(0);
  const before = server.reads;
  assert.equal(await one.confirm(), true);
  assert.equal(server.reads, before);
  clock.jump(2_001);
  assert.equal(await one.confirm(), true);
  assert.equal(server.reads, before + 1);
  clock.jump(-60_000);
  assert.equal(await one.confirm(), true);
  assert.equal(server.reads, before + 2, "a clock that went back makes nothing fresh");
  await one.stop();
});

test("an API server keeps the Lease as any other client sees it, and says no to the second", async () => {
  const sandbox = await startSandbox();
  const folder = mkdtempSync(join(tmpdir(), "steward-leader-"));
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, sandbox.kubeconfig(), { mode: 0o600 });
  const clock = createClock();
  const identities = { read: null, act: null };
  const { self } = createCluster({ kubeconfig, context: null, identities, clock, log: quiet });
  const participant = (holder: string) =>
    createLeader({ self, clock, log: quiet, holder, namespace: "default", name: "steward" });
  const one = participant("one");
  const two = participant("two");
  try {
    await one.start(new AbortController().signal);
    two.start(new AbortController().signal).catch(() => undefined);
    await until("two stands by", () => two.state() === "standby");
    assert.deepEqual([await one.confirm(), await two.confirm()], [true, false]);
    const lease = await self.readLease("default", "steward");
    assert.equal(field(lease, "spec", "holderIdentity"), "one");
    assert.match(String(field(lease, "spec", "renewTime")), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    await one.stop();
    await until("two has it", () => two.state() === "holding");
    assert.equal(field(await self.readLease("default", "steward"), "spec", "leaseTransitions"), 1);
    await two.stop();
  } finally {
    await sandbox.stop();
    rmSync(folder, { recursive: true });
  }
});
