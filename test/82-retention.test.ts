import assert from "node:assert/strict";
import { test } from "node:test";
import { scheduleRetention } from "../bot/retention.ts";
import type { Store } from "../bot/store.ts";
import type { Incident } from "../shared/incident.ts";
import { addUser, insertIncident, insertProposal, openTemporaryStore, silent } from "./action-bench.ts";
import { createFakeClock } from "./clock.ts";

const day = 86_400_000;

/** A store whose clock stands `ageDays` after what `fill` put in, once retention has run. */
async function kept(
  ageDays: number,
  fill: (store: Store) => readonly Incident[],
  look: (store: Store, incidents: readonly Incident[]) => void,
): Promise<void> {
  const clock = createFakeClock();
  const { store, remove } = openTemporaryStore(clock);
  try {
    const incidents = fill(store);
    clock.jump(ageDays * day);
    const stop = scheduleRetention({ store, clock, log: silent, incidents: 90 * day, audit: 365 * day });
    await clock.advance(2 * 3_600_000);
    stop();
    look(store, incidents);
  } finally {
    store.close();
    remove();
  }
}

function resolved(store: Store, more: Partial<Incident> = {}): Incident {
  const incident = insertIncident(store, more);
  store.transact((now) => {
    const alert = {
      fingerprint: incident.id,
      status: "resolved",
      labels: {},
      annotations: {},
      generatorUrl: "",
    } as const;
    const times = { startsAt: now, endsAt: now, firstSeenAt: now, lastSeenAt: now };
    store.incidents.upsertAlert({ id: `a-${incident.id}`, incidentId: incident.id, groupKey: "g", ...alert, ...times });
    store.incidents.move(incident.id, "open", "resolved", { resolvedAt: now });
  });
  return incident;
}

function decided(store: Store, incident: Incident): void {
  const { id } = insertProposal(store, { incidentId: incident.id, ownerKey: incident.id });
  const actor = addUser(store, `user-${incident.id}`, "admin");
  store.transact((now) => {
    const decision = {
      user: actor.username,
      userId: actor.userId ?? "",
      reason: null,
      at: now,
      platform: "terminal",
    } as const;
    store.proposals.addDecision(id, { ...decision, verdict: "deny" });
    store.proposals.move(id, "pending", "denied");
  });
}

test("a resolved incident nobody decided on is forgotten after its time, with all that hangs on it", () =>
  kept(
    91,
    (store) => {
      const first = resolved(store);
      insertProposal(store, { incidentId: first.id, state: "withdrawn" });
      return [first, resolved(store, { previousId: first.id, joined: first.id })];
    },
    (store, incidents) => {
      for (const { id } of incidents) {
        assert.equal(store.incidents.get(id), null);
        assert.deepEqual(store.incidents.alerts(id), []);
        assert.deepEqual(store.proposals.ofIncident(id), []);
      }
    },
  ));

test("before its time, and while it is open, an incident stays", async () => {
  await kept(
    89,
    (store) => [resolved(store)],
    (store, [incident]) => assert.ok(store.incidents.get(incident?.id ?? "")),
  );
  await kept(
    800,
    (store) => [insertIncident(store)],
    (store, [incident]) => assert.ok(store.incidents.get(incident?.id ?? "")),
  );
});

test("an incident somebody decided on lives as long as the audit", async () => {
  const fill = (store: Store) => {
    const incident = resolved(store);
    decided(store, incident);
    return [incident];
  };
  await kept(200, fill, (store, [incident]) => assert.ok(store.incidents.get(incident?.id ?? "")));
  await kept(366, fill, (store, [incident]) => assert.equal(store.incidents.get(incident?.id ?? ""), null));
});

test("what refers to a forgotten incident stays, without the reference", () =>
  kept(
    91,
    (store) => {
      const old = resolved(store);
      return [old, insertIncident(store, { previousId: old.id })];
    },
    (store, [, later]) => assert.equal(store.incidents.get(later?.id ?? "")?.previousId, null),
  ));
