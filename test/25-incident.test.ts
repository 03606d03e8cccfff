import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type Actor, type Proposal, systemActor } from "../shared/approval.ts";
import { StewardError } from "../shared/errors.ts";
import { newId } from "../shared/ids.ts";
import { decisionOf, proposalOf } from "./card-facts.ts";
import { removeFolder } from "./desk.ts";
import { type Intake, type IntakeOptions, openIntake } from "./intake.ts";
import { type FiredAlert, webhookBody } from "./payloads.ts";

const minute = 60_000;
const hour = 60 * minute;
const alice: Actor = { userId: "u-alice", username: "alice", role: "admin", platform: "slack", clientIp: null };

function intake(t: TestContext, options: IntakeOptions = {}): Intake {
  const opened = openIntake(options);
  t.after(async () => {
    await opened.close();
    await removeFolder(opened.folder);
  });
  return opened;
}

const startsAt = new Date("2026-11-21T19:00:00Z");
const later = (minutes: number) => new Date(startsAt.getTime() + minutes * minute);

function crash(pod = "checkout-1", more: Partial<FiredAlert> = {}): FiredAlert {
  return { alertname: "KubePodCrashLooping", startsAt, ...more, labels: { namespace: "payment", pod, ...more.labels } };
}
const ended = (alert: FiredAlert, minutes = 5): FiredAlert => ({ ...alert, resolvedAt: later(minutes) });

const pending = (patch: Partial<Proposal>): Proposal => proposalOf({ op: newId(), ...patch });

const cardsOf = (opened: Intake) => [...opened.chat.messages.values()].filter(({ card }) => card.kind !== "notice");

function conflict(words: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof StewardError, String(error));
    assert.equal(error.code, "conflict");
    assert.match(error.message, words);
    return true;
  };
}

test("an alert becomes one incident about the owner of its pod, with a card, an audit record and an investigation", async (t) => {
  const opened = intake(t);
  const receipt = await opened.deliver([crash()]);
  const incident = opened.only();
  assert.equal(incident.target, "deployment/checkout");
  assert.equal(incident.namespace, "payment");
  assert.equal(incident.route, "diagnose");
  assert.equal(incident.state, "open");
  assert.deepEqual(opened.wanted, [incident.id]);
  assert.equal(cardsOf(opened).length, 1);
  assert.deepEqual(
    opened.audit("incident_open").map(({ incident_id, target_resource }) => [incident_id, target_resource]),
    [[incident.id, "payment/deployment/checkout"]],
  );
  const ofReceipt = opened.store.incidents.page({ limit: 10, cursor: null, since: null, receipt });
  assert.deepEqual(
    ofReceipt.items.map(({ id }) => id),
    [incident.id],
  );
});

test("however often an alert is repeated, by however many senders, there is one incident, one card and one investigation", async (t) => {
  const opened = intake(t);
  for (let i = 0; i < 100; i++) {
    await opened.deliver([crash()], `route ${i % 3}`, { receiver: `steward-${i % 2}` });
    await opened.clock.advance(15 * minute);
  }
  const incident = opened.only();
  assert.equal(cardsOf(opened).length, 1);
  assert.equal(opened.wanted.length, 1);
  assert.deepEqual(incident.groupKeys, ["route 0", "route 1", "route 2"]);
  assert.equal(opened.audit("incident_open").length, 1);
});

test("a group that mixes several matters is split by alert and object, and its receipt lists them all", async (t) => {
  const opened = intake(t);
  const receipt = await opened.deliver([
    crash("checkout-1"),
    crash("checkout-2"),
    crash("cart-1"),
    { ...crash("checkout-1"), alertname: "KubePodNotReady" },
    { alertname: "KubeNodeNotReady", startsAt, labels: { node: "worker-2" } },
    { alertname: "TooManyErrors", startsAt, labels: { namespace: "payment" } },
  ]);
  assert.deepEqual(
    opened
      .all()
      .map(({ alertname, target }) => `${alertname} ${target}`)
      .sort(),
    [
      "KubeNodeNotReady node/worker-2",
      "KubePodCrashLooping deployment/cart",
      "KubePodCrashLooping deployment/checkout",
      "KubePodNotReady deployment/checkout",
      "TooManyErrors null",
    ],
  );
  assert.equal(opened.store.incidents.page({ limit: 10, cursor: null, since: null, receipt }).items.length, 5);
  const checkout = opened
    .all()
    .find(({ target, alertname }) => target === "deployment/checkout" && alertname.includes("Crash"));
  assert.equal(opened.store.incidents.alerts(checkout?.id ?? "").length, 2);
});

test("without an object the group is what an incident is about", async (t) => {
  const opened = intake(t);
  await opened.deliver([{ alertname: "TooManyErrors", startsAt, labels: { route: "a" } }], "one");
  await opened.deliver([{ alertname: "TooManyErrors", startsAt, labels: { route: "b" } }], "one");
  await opened.deliver([{ alertname: "TooManyErrors", startsAt, labels: { route: "c" } }], "two");
  assert.equal(opened.all().length, 2);
});

test("a new alert in an open incident is named on its card, and investigated no second time", async (t) => {
  const opened = intake(t);
  await opened.deliver([crash("checkout-1")]);
  await opened.deliver([crash("checkout-1"), crash("checkout-2", { startsAt: later(1) })]);
  assert.equal(opened.wanted.length, 1);
  const [{ card, versions } = assert.fail("no card")] = cardsOf(opened);
  assert.equal(versions, 2);
  assert.match(JSON.stringify(card), /checkout-2/);
});

test("an incident resolves when all its alerts have, withdraws what is pending, and says so on its card", async (t) => {
  const opened = intake(t);
  await opened.deliver([crash("checkout-1"), crash("checkout-2")]);
  await opened.deliver([ended(crash("checkout-1")), crash("checkout-2")]);
  assert.equal(opened.only().state, "open");
  await opened.deliver([ended(crash("checkout-1")), ended(crash("checkout-2"))]);
  const incident = opened.only();
  assert.equal(incident.state, "resolved");
  assert.ok(incident.resolvedAt);
  assert.deepEqual(opened.withdrawn, [{ incidentId: incident.id, why: "resolved" }]);
  assert.equal(opened.audit("incident_resolve").length, 1);
  assert.equal(cardsOf(opened).length, 1);
  assert.equal(opened.store.cards.get(incident.cardId)?.state, "resolved");
});

test("a late firing with the same startsAt does not reopen; a new startsAt makes a new incident that links to the old", async (t) => {
  const opened = intake(t);
  await opened.deliver([crash()]);
  await opened.deliver([ended(crash())]);
  await opened.deliver([crash()], "another route");
  assert.equal(opened.only().state, "resolved");
  await opened.clock.advance(30 * minute);
  await opened.deliver([crash("checkout-1", { startsAt: later(30) })]);
  const [first, second] = opened.all();
  assert.equal(second?.state, "open");
  assert.equal(second?.previousId, first?.id);
  assert.equal(opened.wanted.length, 2);
  assert.equal(cardsOf(opened).length, 2);
});

test("an alert that is heard of only when it is over is kept, shown as over, and calls nobody", async (t) => {
  const opened = intake(t);
  await opened.deliver([ended(crash("checkout-1", { labels: { severity: "critical" } }))]);
  assert.equal(opened.only().state, "resolved");
  assert.deepEqual(opened.wanted, []);
  assert.deepEqual(opened.needs, []);
  assert.equal(cardsOf(opened).length, 1);
  await opened.deliver([crash("checkout-1", { labels: { severity: "critical" } })], "late");
  assert.equal(opened.only().state, "resolved");
});

test("a word of the past after a newer one is kept as past: the incident still ends with the newer alert", async (t) => {
  const opened = intake(t);
  await opened.deliver([crash("checkout-1", { startsAt: later(30) })]);
  await opened.deliver([crash("checkout-1")]);
  assert.equal(opened.store.incidents.countAlerts(opened.only().id).firing, 1);
  await opened.deliver([ended(crash("checkout-1", { startsAt: later(30) }), 40)]);
  assert.equal(opened.only().state, "resolved");
});

test("an alert that begins again without having been said to end takes the place of the old one", async (t) => {
  const opened = intake(t);
  await opened.deliver([crash()]);
  await opened.deliver([crash("checkout-1", { startsAt: later(30) })]);
  assert.equal(opened.store.incidents.countAlerts(opened.only().id).firing, 1);
  await opened.deliver([ended(crash("checkout-1", { startsAt: later(30) }), 40)]);
  assert.equal(opened.only().state, "resolved");
});

test("four changes of state within an hour are flapping, once on record; slower ones are not", async (t) => {
  const opened = intake(t);
  const cycle = async (n: number, gap: number) => {
    await opened.deliver([crash("checkout-1", { startsAt: later(n) })]);
    await opened.clock.advance(gap);
    await opened.deliver([ended(crash("checkout-1", { startsAt: later(n) }), n + 1)]);
    await opened.clock.advance(gap);
  };
  await cycle(0, 25 * minute);
  await cycle(60, 25 * minute);
  assert.deepEqual(
    opened.all().map(({ flapping }) => flapping),
    [false, false],
  );
  await opened.clock.advance(2 * hour);
  await cycle(300, 5 * minute);
  await cycle(320, 5 * minute);
  await opened.deliver([crash("checkout-1", { startsAt: later(340) })]);
  assert.deepEqual(
    opened.all().map(({ flapping }) => flapping),
    [false, false, false, true, true],
  );
  assert.equal(opened.audit("incident_flapping").length, 2);
});

test("an incident takes the most careful route of its alerts, and people are called as soon as one asks for it", async (t) => {
  const rules = [
    { name: "quiet", match: ['tier="quiet"'], route: "ignore" },
    { name: "page", match: ['severity="critical"'], route: "notify" },
    { name: "dev", match: ['env="dev"'], route: "autofix", allow: ["restart", "rollback"] },
  ];
  const opened = intake(t, { rules });
  const alert = (pod: string, labels: Record<string, string>) => crash(pod, { labels });
  await opened.deliver([alert("checkout-1", { tier: "quiet" })]);
  assert.equal(opened.only().route, "ignore");
  assert.equal(cardsOf(opened).length, 0);
  assert.deepEqual(opened.wanted, []);

  await opened.deliver([alert("checkout-2", { env: "dev" })]);
  assert.deepEqual([opened.only().route, opened.only().allow], ["autofix", ["restart", "rollback"]]);
  assert.equal(cardsOf(opened).length, 1);
  assert.equal(opened.wanted.length, 1);

  await opened.deliver([alert("checkout-3", {})]);
  assert.deepEqual([opened.only().route, opened.only().allow, opened.only().rule], ["diagnose", [], null]);
  assert.deepEqual(opened.needs, []);

  await opened.deliver([alert("checkout-4", { severity: "critical" })]);
  assert.deepEqual([opened.only().route, opened.only().rule, opened.only().severity], ["notify", "page", "critical"]);
  assert.deepEqual(
    opened.needs.map(({ why }) => why),
    ["notify"],
  );

  await opened.deliver([alert("checkout-5", { tier: "quiet" })]);
  assert.equal(opened.only().route, "notify");
  assert.equal(opened.needs.length, 1);
  assert.equal(opened.wanted.length, 1);
});

test("the first card does not wait for a cluster that does not answer; the owner is guessed", async (t) => {
  const looks: number[] = [];
  const opened = intake(t, {
    findRoot: async (_, { deadlineMs }) => {
      looks.push(deadlineMs);
      return {
        kind: "Deployment",
        namespace: "payment",
        name: "checkout",
        uid: null,
        confirmed: false,
        nodeDown: false,
      };
    },
  });
  await opened.deliver([crash()]);
  assert.ok(looks[0] !== undefined && looks[0] <= 200);
  const incident = opened.only();
  assert.deepEqual([incident.target, incident.root?.confirmed], ["deployment/checkout", false]);
  assert.equal(cardsOf(opened).length, 1);
});

test("all look-ups of one delivery share one deadline", async (t) => {
  const opened: Intake = intake(t, {
    findRoot: async (labels, { deadlineMs }) => {
      if (deadlineMs > 0) await opened.clock.sleep(deadlineMs);
      return { kind: "Pod", namespace: "x", name: labels["pod"] ?? "", uid: null, confirmed: false, nodeDown: false };
    },
  });
  await opened.accept(
    webhookBody(
      Array.from({ length: 40 }, (_, i) => crash(`p${i}`)),
      "many",
    ),
  );
  await opened.clock.advance(200);
  await opened.settle();
  assert.equal(opened.all().length, 40);
});

test("an owner that turns out to be another than was guessed moves the incident there", async (t) => {
  let answers = false;
  const guess = {
    kind: "Deployment",
    namespace: "payment",
    name: "checkout",
    uid: null,
    confirmed: false,
    nodeDown: false,
  };
  const opened = intake(t, {
    findRoot: async () => (answers ? { ...guess, kind: "Rollout", uid: "u", confirmed: true } : guess),
  });
  await opened.deliver([crash()]);
  answers = true;
  await opened.clock.advance(20_000);
  opened.incidents.tick();
  await opened.incidents.idle();
  const incident = opened.only();
  assert.deepEqual([incident.target, incident.root?.confirmed, incident.root?.uid], ["rollout/checkout", true, "u"]);
  assert.equal(opened.audit("incident_retarget").length, 1);
  await opened.deliver([crash("checkout-9", { startsAt: later(2) })]);
  assert.equal(opened.all().length, 1);
});

test("two incidents that turn out to be about one object become the earlier one; the later points to it and its alerts go on there", async (t) => {
  let knows = false;
  const opened = intake(t, {
    findRoot: async (labels) => {
      const guessed = {
        kind: "DaemonSet",
        namespace: "payment",
        name: String(labels["pod"]),
        uid: null,
        confirmed: false,
        nodeDown: false,
      };
      return knows ? { ...guessed, kind: "Deployment", name: "checkout", uid: "u", confirmed: true } : guessed;
    },
  });
  await opened.deliver([crash("one")]);
  await opened.clock.advance(minute);
  await opened.deliver([crash("two", { labels: { severity: "critical" } })]);
  assert.equal(opened.all().length, 2);
  knows = true;
  for (let i = 0; i < 2; i++) {
    await opened.clock.advance(20_000);
    opened.incidents.tick();
    await opened.incidents.idle();
  }
  const [first, second] = opened.all();
  assert.deepEqual([first?.state, first?.target, first?.severity], ["open", "deployment/checkout", "critical"]);
  assert.deepEqual([second?.state, second?.joined], ["resolved", first?.id]);
  assert.equal(opened.store.incidents.alerts(first?.id ?? "").length, 2);
  assert.equal(opened.audit("incident_join").length, 1);
  assert.deepEqual(opened.withdrawn, [{ incidentId: second?.id, why: "joined" }]);

  await opened.deliver([ended(crash("one")), ended(crash("two", { labels: { severity: "critical" } }))]);
  assert.equal(opened.all()[0]?.state, "resolved");
});

test("what has its cause in a node that is not ready goes under what was first told of that node", async (t) => {
  const opened = intake(t, {
    findRoot: async (labels) => ({
      kind: "Node",
      namespace: null,
      name: "worker-2",
      uid: "n",
      confirmed: true,
      nodeDown: labels["pod"] !== undefined,
    }),
  });
  await opened.deliver([{ alertname: "KubeNodeNotReady", startsAt, labels: { node: "worker-2" } }], "nodes");
  await opened.clock.advance(minute);
  await opened.deliver(
    [crash("checkout-1"), crash("cart-1"), { ...crash("cart-1"), alertname: "KubePodNotReady" }],
    "payment",
  );
  const [node, ...pods] = opened.all();
  assert.equal(node?.alertname, "KubeNodeNotReady");
  assert.deepEqual(
    pods.map(({ joined, target }) => [joined, target]),
    [
      [node?.id, "node/worker-2"],
      [node?.id, "node/worker-2"],
    ],
  );
  assert.deepEqual(opened.wanted, [node?.id]);
});

test("joined by hand the later points to the earlier, whichever is named first, and pointers never chain", async (t) => {
  const opened = intake(t);
  for (const pod of ["a-1", "b-1", "c-1"]) {
    await opened.deliver([crash(pod)], pod);
    await opened.clock.advance(minute);
  }
  const [a, b, c] = opened.all().map(({ id }) => id);
  assert.ok(a && b && c);
  opened.incidents.join(b, c);
  opened.incidents.join(a, b);
  const joined = () => opened.all().map((incident) => incident.joined);
  assert.deepEqual(joined(), [null, a, a]);
  assert.deepEqual(
    opened.withdrawn.map(({ incidentId }) => incidentId),
    [c, b],
  );
  opened.incidents.join(c, a);
  assert.throws(() => opened.incidents.join("nobody", a), /no such incident/);
  await opened.deliver([crash("c-2", { startsAt: later(9) })], "c-1");
  assert.deepEqual(joined(), [null, a, a]);
  assert.throws(() => opened.incidents.ignore(b, alice, null), conflict(/joined/));
  await opened.deliver([ended(crash("b-1"))], "b-1");
  assert.equal(opened.all()[1]?.state, "resolved");
});

test("an ignored incident that an alert makes graver than it was when it was ignored calls people", async (t) => {
  const opened = intake(t);
  await opened.deliver([crash("checkout-1", { labels: { severity: "none" } })]);
  const { id } = opened.only();
  opened.incidents.ignore(id, alice, 4 * hour);
  opened.needs.length = 0;
  await opened.deliver([crash("checkout-2", { labels: { severity: "critical" } })]);
  assert.deepEqual([opened.only().state, opened.only().route], ["open", "notify"]);
  assert.equal(opened.audit("incident_wake").length, 1);
  assert.equal(opened.needs.length, 1);
});

test("an ignored incident is silent until its time is over or it resolves; both are on record", async (t) => {
  const opened = intake(t);
  await opened.deliver([crash("checkout-1", { labels: { severity: "critical" } })]);
  const { id } = opened.only();
  assert.throws(() => opened.incidents.ignore(id, alice, 3_000_000 * 24 * hour), /a year at most/);
  const until = opened.incidents.ignore(id, alice, 4 * hour).ignoredUntil;
  assert.equal(until?.getTime(), opened.clock.now().getTime() + 4 * hour);
  assert.deepEqual(opened.withdrawn, [{ incidentId: id, why: "ignored" }]);
  opened.needs.length = 0;
  await opened.deliver([crash("checkout-2", { labels: { severity: "critical" } })]);
  await opened.clock.advance(2 * hour);
  opened.incidents.tick();
  assert.deepEqual(opened.needs, []);
  assert.equal(opened.only().state, "ignored");
  await opened.clock.advance(2 * hour);
  opened.incidents.tick();
  assert.equal(opened.only().state, "open");
  assert.equal(opened.audit("incident_wake").length, 1);
  const [record] = opened.audit("incident_ignore");
  assert.deepEqual([record?.user_id, record?.platform, record?.incident_id], ["u-alice", "slack", id]);

  opened.incidents.ignore(id, alice, null);
  await opened.clock.advance(48 * hour);
  opened.incidents.tick();
  assert.equal(opened.only().state, "ignored");
  const labels = { severity: "critical" };
  await opened.deliver([ended(crash("checkout-1", { labels })), ended(crash("checkout-2", { labels }))]);
  assert.equal(opened.only().state, "resolved");
  assert.throws(() => opened.incidents.ignore(id, alice, null), conflict(/resolved/));
  assert.throws(() => opened.incidents.claim(id, alice), conflict(/resolved/));
});

test("a claim names who has it in hand; another takes over, and both are on record", async (t) => {
  const opened = intake(t);
  await opened.deliver([crash()]);
  const { id } = opened.only();
  assert.equal(opened.incidents.claim(id, alice).claimedBy, "alice");
  opened.incidents.claim(id, alice);
  opened.incidents.claim(id, { ...alice, userId: "u-bob", username: "bob" });
  assert.equal(opened.only().claimedBy, "bob");
  assert.deepEqual(
    opened.audit("incident_claim").map(({ user_id }) => user_id),
    ["u-alice", "u-bob"],
  );
  assert.throws(() => opened.incidents.claim("nobody", alice), /no such incident/);
});

test("a critical incident that nobody has taken is called out after 10 minutes, once", async (t) => {
  const opened = intake(t);
  const critical = { labels: { severity: "critical" } };
  for (const name of ["open", "claimed", "ignored", "resolved", "mild"]) {
    await opened.deliver([crash(`${name}-1`, name === "mild" ? {} : critical)], name);
  }
  const idOf = (name: string) => opened.all().find(({ target }) => target === `deployment/${name}`)?.id ?? "";
  opened.incidents.claim(idOf("claimed"), alice);
  opened.incidents.ignore(idOf("ignored"), alice, 24 * hour);
  await opened.deliver([ended(crash("resolved-1", critical))], "resolved");
  const escalated = () => opened.needs.filter(({ why }) => why === "escalated").map(({ about }) => about.incidentId);
  await opened.clock.advance(10 * minute - 1);
  opened.incidents.tick();
  assert.deepEqual(escalated(), []);
  await opened.clock.advance(1);
  for (let i = 0; i < 3; i++) {
    opened.incidents.tick();
    await opened.clock.advance(minute);
  }
  assert.deepEqual(escalated(), [idOf("open")]);
  assert.deepEqual(
    opened.audit("escalate").map(({ incident_id }) => incident_id),
    [idOf("open")],
  );
});

test("a rule says when and whom to call; an incident that was decided is not called out", async (t) => {
  const rules = [
    {
      name: "fast",
      match: ['severity="warning"'],
      route: "diagnose",
      escalate: { after: "3m", mention: ["bob", "nobody"] },
    },
  ];
  const opened = intake(t, { rules });
  opened.store.transact((now) =>
    opened.store.users.insert({ id: "u-bob", username: "bob", passwordHash: null, role: "approver", createdAt: now }),
  );
  await opened.deliver([crash("a-1")], "a");
  await opened.deliver([crash("b-1")], "b");
  const [a, b] = opened.all();
  assert.ok(a && b);
  opened.store.transact((now) => {
    const proposal = pending({
      id: newId(),
      code: "B1",
      incidentId: b.id,
      createdAt: now,
      expiresAt: new Date(now.getTime() + 2 * hour),
    });
    opened.store.proposals.insert(proposal);
    opened.store.proposals.addDecision(proposal.id, decisionOf({ at: now }));
  });
  await opened.clock.advance(3 * minute);
  opened.incidents.tick();
  assert.deepEqual(
    opened.needs.map(({ about, why, mention }) => [about.incidentId, why, mention]),
    [[a.id, "escalated", ["u-bob"]]],
  );
});

test("a proposal that nobody decided is called out after 10 minutes, once, unless its incident was", async (t) => {
  const opened = intake(t);
  await opened.deliver([crash("a-1")], "a");
  await opened.deliver([crash("b-1")], "b");
  const [a, b] = opened.all();
  assert.ok(a && b);
  const ids = { ofA: newId(), ofB: newId(), asked: newId() };
  opened.store.transact((now) => {
    const more = { createdAt: now, expiresAt: new Date(now.getTime() + 2 * hour) };
    opened.store.proposals.insert(pending({ ...more, id: ids.ofA, code: "AAAA", incidentId: a.id }));
    opened.store.proposals.insert(pending({ ...more, id: ids.ofB, code: "BBBB", incidentId: b.id }));
    opened.store.proposals.insert(pending({ ...more, id: ids.asked, code: "CCCC", incidentId: null }));
  });
  opened.incidents.claim(b.id, alice);
  await opened.clock.advance(10 * minute);
  for (let i = 0; i < 3; i++) opened.incidents.tick();
  const called = opened.needs.filter(({ why }) => why === "escalated").map(({ about }) => about.proposalId);
  assert.deepEqual(called.sort(), [ids.ofA, ids.asked].sort());
  assert.equal(opened.audit("escalate").length, 2);
});

test("what still fires after four hours is said once", async (t) => {
  const opened = intake(t);
  await opened.deliver([crash()]);
  await opened.clock.advance(4 * hour);
  for (let i = 0; i < 3; i++) {
    opened.incidents.tick();
    await opened.clock.advance(4 * hour);
  }
  assert.deepEqual(
    opened.needs.map(({ why }) => why),
    ["still_firing"],
  );
});

test("a delivery that is worked on twice, as after a crash, changes nothing the second time", async (t) => {
  const opened = intake(t);
  const alerts = [crash("checkout-1"), crash("cart-1"), ended(crash("old-1"))];
  const receipt = await opened.deliver(alerts);
  const before = { incidents: opened.all(), audit: opened.audit().length };
  const row = opened.store.receipts.get(receipt);
  assert.deepEqual([row?.state, row?.body], ["done", ""]);
  await opened.deliver(alerts, undefined, { receiver: "as if it were another" });
  assert.deepEqual(
    opened.all().map(({ updatedAt: _, ...rest }) => rest),
    before.incidents.map(({ updatedAt: _, ...rest }) => rest),
  );
  assert.equal(opened.audit().length, before.audit);
});

test("a delivery of two thousand alerts is kept whole, in pieces that let others through", async (t) => {
  const opened = intake(t);
  const many = Array.from({ length: 2_000 }, (_, i) => crash(`checkout-${i}`));
  const receipt = await opened.accept(webhookBody(many, "many"));
  assert.equal(receipt.status, 202);
  for (let i = 0; i < 20; i++) await opened.settle();
  assert.equal(opened.store.incidents.alerts(opened.only().id).length, 2_000);
  assert.equal(cardsOf(opened).length, 1);
});

test("a severity that grows is shown, and calls for people as one that was grave from the start", async (t) => {
  const opened = intake(t);
  await opened.deliver([crash("checkout-1", { labels: { severity: "info" } })]);
  await opened.clock.advance(hour);
  await opened.deliver([crash("checkout-2", { labels: { severity: "critical" } })]);
  assert.equal(opened.only().severity, "critical");
  await opened.clock.advance(10 * minute);
  opened.incidents.tick();
  assert.deepEqual(
    opened.needs.map(({ why }) => why),
    ["notify", "escalated"],
  );
});

test("the Watchdog makes no incident; when it stops people are told once that Steward may be blind, and again when it is back", async (t) => {
  const opened = intake(t);
  const beat = () => opened.deliver([{ alertname: "Watchdog", labels: { severity: "none" }, startsAt }], "watchdog");
  const notices = () => [...opened.chat.messages.values()].filter(({ card }) => card.kind === "notice");
  for (let i = 0; i < 6; i++) {
    await beat();
    await opened.clock.advance(5 * minute);
    opened.heartbeat.tick();
  }
  assert.equal(opened.all().length, 0);
  assert.equal(notices().length, 0);
  for (let i = 0; i < 10; i++) {
    await opened.clock.advance(2 * minute);
    opened.heartbeat.tick();
  }
  await opened.settle();
  assert.equal(notices().length, 1);
  assert.match(JSON.stringify(notices()), /may be blind/);
  await beat();
  assert.equal(notices().length, 1);
  assert.match(JSON.stringify(notices()), /sees again/);
  await opened.deliver(
    [{ alertname: "Watchdog", labels: { severity: "none" }, startsAt, resolvedAt: later(40) }],
    "watchdog",
  );
  assert.equal(notices().length, 2);
});

test("every change of an incident is on the audit trail, and Steward's own are marked as its own", async (t) => {
  const opened = intake(t);
  await opened.deliver([crash()]);
  await opened.deliver([ended(crash())]);
  const steps = opened.audit().map(({ action_type, platform, user_id }) => [action_type, platform, user_id]);
  assert.deepEqual(steps, [
    ["incident_open", systemActor.platform, null],
    ["incident_resolve", systemActor.platform, null],
  ]);
});
