import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { removeFolder } from "./desk.ts";
import { type Intake, openIntake } from "./intake.ts";
import type { FiredAlert } from "./payloads.ts";

/** One word about one alert: which of a few pods, its how-manieth time, and whether it fires. */
interface Word {
  pod: number;
  time: number;
  fires: boolean;
}

const base = Date.UTC(2026, 10, 21, 12);

function alertOf({ pod, time, fires }: Word): FiredAlert {
  return {
    alertname: "KubePodCrashLooping",
    labels: { namespace: "payment", pod: `app${pod % 2}-${pod}` },
    startsAt: new Date(base + time * 3_600_000),
    ...(fires ? {} : { resolvedAt: new Date(base + time * 3_600_000 + 60_000) }),
  };
}

/** What came of it, without ids and times, and the rules that hold whatever was delivered. */
function outcome(opened: Intake) {
  const all = opened.all();
  const live = all.filter(({ state }) => state !== "resolved").map(({ key }) => key);
  assert.equal(new Set(live).size, live.length, "two live incidents of one key");
  assert.equal(opened.audit("incident_open").length, all.length);
  assert.equal(opened.audit("incident_resolve").length, all.filter(({ state }) => state === "resolved").length);
  return all
    .map(({ id, key, state }) => {
      const alerts = opened.store.incidents.alerts(id);
      assert.equal(
        state === "resolved",
        alerts.every(({ status }) => status === "resolved"),
        "resolved with all its alerts, and only then",
      );
      const firing = alerts.filter(({ status }) => status === "firing").map(({ fingerprint }) => fingerprint);
      assert.equal(new Set(firing).size, firing.length, "one alert fires twice");
      return `${key} ${state} ${alerts
        .map(({ labels, startsAt, status }) => `${labels["pod"]}@${startsAt.toISOString()}=${status}`)
        .sort()
        .join(" ")}`;
    })
    .sort();
}

async function run(deliveries: readonly (readonly Word[])[]): Promise<string[]> {
  const opened = openIntake({ workers: 1 });
  try {
    for (const [n, words] of deliveries.entries()) {
      // A group and receiver of its own for each, so that only the incidents can tell a repeat.
      await opened.deliver(words.map(alertOf), `group ${n}`, { receiver: `receiver ${n}` });
      await opened.clock.advance(1_000);
    }
    return outcome(opened);
  } finally {
    await opened.close();
    await removeFolder(opened.folder);
  }
}

const word = fc.record({ pod: fc.nat(3), time: fc.nat(2), fires: fc.boolean() });
/** An alert is named once in a delivery. */
const delivery = fc.uniqueArray(word, { minLength: 1, maxLength: 4, selector: ({ pod }) => pod });
const history = fc.array(delivery, { minLength: 1, maxLength: 6 });

test("repeating earlier deliveries at any later point gives the same incidents, alerts and records", async () => {
  await fc.assert(
    fc.asyncProperty(history, fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 4 }), async (deliveries, repeats) => {
      const repeated: (readonly Word[])[] = [...deliveries];
      for (const [from, to] of repeats) {
        const source = deliveries[from % deliveries.length] ?? [];
        repeated.splice(Math.max(to % (repeated.length + 1), repeated.indexOf(source) + 1), 0, source);
      }
      assert.deepEqual(await run(repeated), await run(deliveries));
    }),
    { numRuns: 15 },
  );
});

test("in whatever order firing and resolved of an alert arrive, it is one incident that ends resolved", async () => {
  const words = [0, 1, 2].flatMap((time) => [true, false].map((fires) => ({ pod: 0, time, fires })));
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray(words, { minLength: words.length, maxLength: words.length }),
      async (order) => {
        for (const line of await run(order.map((one) => [one]))) assert.match(line, / resolved /);
      },
    ),
    { numRuns: 12 },
  );
});

test("split over deliveries or sent together, alerts of one moment become the same incidents", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.nat(6), { minLength: 1, maxLength: 6 }), async (pods) => {
      const words = pods.map((pod) => ({ pod, time: 0, fires: true }));
      assert.deepEqual(await run(words.map((one) => [one])), await run([words]));
    }),
    { numRuns: 8 },
  );
});
