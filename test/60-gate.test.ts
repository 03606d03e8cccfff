import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { createGate } from "../bot/gate.ts";
import { createSafety, type Question, type SafetySettings } from "../bot/safety.ts";
import { createStopSwitch } from "../bot/stop-switch.ts";
import type { Store } from "../bot/store.ts";
import type { Alert } from "../shared/alert.ts";
import {
  type Actor,
  type GateReasonCode,
  holdingStates,
  type Proposal,
  type ProposalState,
  proposalMoves,
} from "../shared/approval.ts";
import { StewardError } from "../shared/errors.ts";
import { newId } from "../shared/ids.ts";
import {
  addUser,
  auditRecords,
  chainOf,
  createRecordingNotify,
  defaultSafety,
  fakeTarget,
  insertIncident,
  insertProposal,
  openTemporaryStore,
  silent,
} from "./action-bench.ts";
import { createFakeClock } from "./clock.ts";

const minute = 60_000;
const cleanups: (() => void)[] = [];
after(() => {
  for (const cleanup of cleanups) cleanup();
});

/** Gate, safety and stop switch over a store of their own; the cluster is not asked here. */
function setUp(settings: Partial<SafetySettings> = {}) {
  const clock = createFakeClock();
  const { store, remove } = openTemporaryStore(clock);
  cleanups.push(() => {
    store.close();
    remove();
  });
  const notify = createRecordingNotify();
  const locale = "en";
  const safety = createSafety({
    store,
    settings: { ...defaultSafety, ...settings },
    ownNamespace: "steward",
    locale,
    timezone: "Asia/Shanghai",
  });
  const stopSwitch = createStopSwitch({ store, safety, notify, locale });
  const unread = async () => {
    throw new StewardError("unavailable", "no cluster here");
  };
  const read = {
    get: unread,
    list: unread,
    table: unread,
    logs: unread,
    followLogs: unread,
    watch: unread,
    resolve: unread,
    version: unread,
    allows: unread,
  };
  const gate = createGate({ store, read, safety, stopSwitch, notify, clock, log: silent, locale });
  const [alice, adam, ann, bob, vera] = [
    addUser(store, "alice", "admin"),
    addUser(store, "adam", "admin"),
    addUser(store, "ann", "approver"),
    addUser(store, "bob", "approver"),
    addUser(store, "vera", "viewer"),
  ];
  const approve = (proposal: Proposal, actor: Actor) =>
    gate.decide(proposal.id, { verdict: "approve", reason: null, actor });
  const deny = (proposal: Proposal, actor: Actor, reason: string | null = null) =>
    gate.decide(proposal.id, { verdict: "deny", reason, actor });
  const stateOf = ({ id }: Proposal) => store.proposals.get(id)?.state;
  const records = (action: string) => auditRecords(store, { action });
  return { clock, store, notify, safety, gate, alice, adam, ann, bob, vera, approve, deny, stateOf, records };
}

function refusedWith(code: StewardError["code"], words: RegExp, more: { state?: string; by?: string } = {}) {
  return (error: unknown) => {
    assert.ok(error instanceof StewardError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, words);
    if (more.state !== undefined) assert.equal(error.state, more.state);
    if (more.by !== undefined) assert.equal(error.by, more.by);
    return true;
  };
}

describe("who may decide", () => {
  test("the first valid click wins, and a later one is told the state and who", () => {
    const { store, alice, adam, approve, deny, stateOf, records } = setUp();
    const proposal = insertProposal(store);
    assert.equal(approve(proposal, alice).ready, true);
    assert.throws(() => deny(proposal, adam), refusedWith("conflict", /approved/, { state: "approved", by: "alice" }));
    assert.equal(stateOf(proposal), "approved");
    assert.deepEqual(
      [...records("approve_restart"), ...records("deny_restart")].map(({ status, user_id }) => [status, user_id]),
      [
        ["SUCCESS", alice.userId],
        ["FAILED", adam.userId],
      ],
    );
  });

  test("viewers, strangers and removed users change nothing, and the attempt is on the audit", () => {
    const { store, vera, bob, approve, deny, stateOf, records } = setUp();
    const proposal = insertProposal(store, { requirement: { roles: ["approver"], approvals: 1, selfApproval: true } });
    const stranger: Actor = { userId: null, username: "U999", role: null, platform: "slack", clientIp: null };
    store.transact(() => store.users.remove(bob.userId ?? ""));
    for (const actor of [vera, stranger, bob]) {
      assert.throws(() => approve(proposal, actor), refusedWith("forbidden", /may not approve/));
      assert.throws(() => deny(proposal, actor), refusedWith("forbidden", /may not deny/));
    }
    assert.equal(stateOf(proposal), "pending");
    assert.equal(store.proposals.decisions(proposal.id).length, 0);
    assert.equal(records("approve_restart").length, 3);
    assert.ok(records("approve_restart").every(({ status }) => status === "FAILED"));
  });

  test("the role counts that a user has now, not the one the click claims", () => {
    const { store, ann, alice, approve } = setUp();
    const proposal = insertProposal(store);
    assert.throws(() => approve(proposal, { ...ann, role: "admin" }), refusedWith("forbidden", /takes admin/));
    store.transact(() => store.users.setRole(alice.userId ?? "", "viewer"));
    assert.throws(() => approve(proposal, alice), refusedWith("forbidden", /takes admin/));
  });

  test("an approver approves where the rule names the role, and denies anywhere", () => {
    const { store, ann, approve, deny, stateOf } = setUp();
    const named = insertProposal(store, { requirement: { roles: ["approver"], approvals: 1, selfApproval: true } });
    assert.equal(approve(named, ann).ready, true);
    const other = insertProposal(store, { ownerKey: "payment/deployment/other" });
    assert.throws(() => approve(other, ann), refusedWith("forbidden", /takes admin/));
    deny(other, ann, "wrong cause");
    assert.equal(stateOf(other), "denied");
    assert.equal(store.proposals.get(other.id)?.reason, "wrong cause");
  });

  test("two approvals need two different people, both still allowed when the second comes", () => {
    const { store, alice, adam, approve, stateOf } = setUp();
    const proposal = insertProposal(store, { requirement: { roles: ["admin"], approvals: 2, selfApproval: true } });
    assert.equal(approve(proposal, alice).ready, false);
    assert.equal(approve(proposal, alice).ready, false);
    assert.equal(stateOf(proposal), "pending");
    const late = addUser(store, "late", "admin");
    store.transact(() => store.users.setRole(alice.userId ?? "", "viewer"));
    assert.equal(approve(proposal, adam).ready, false);
    assert.equal(approve(proposal, late).ready, true);
    assert.equal(stateOf(proposal), "approved");
  });

  test("one no ends it, also after a yes", () => {
    const { store, alice, adam, approve, deny, stateOf } = setUp();
    const proposal = insertProposal(store, { requirement: { roles: ["admin"], approvals: 2, selfApproval: true } });
    approve(proposal, alice);
    deny(proposal, adam);
    assert.equal(stateOf(proposal), "denied");
    assert.throws(() => approve(proposal, alice), refusedWith("conflict", /denied/, { state: "denied", by: "adam" }));
  });

  test("what a person types as the reason is kept on one line, and no secret with it", () => {
    const { store, alice, deny, records } = setUp();
    const proposal = insertProposal(store);
    deny(proposal, alice, "not now\u001b[31m\u202e\npassword=hunter2hunter2");
    const [{ reason } = { reason: "" }] = store.proposals.decisions(proposal.id);
    assert.match(reason ?? "", /^not now password=\[masked/);
    assert.equal(store.proposals.get(proposal.id)?.reason, reason);
    assert.doesNotMatch(JSON.stringify(records("deny_restart")), /hunter2|u001b/);
  });

  test("nobody approves their own wish where the rule forbids it, and they may still take it back", () => {
    const { store, alice, approve, deny, stateOf } = setUp();
    const proposal = insertProposal(store, {
      requestedBy: "alice",
      requirement: { roles: ["admin"], approvals: 1, selfApproval: false },
    });
    assert.throws(() => approve(proposal, alice), refusedWith("forbidden", /somebody else/));
    deny(proposal, alice);
    assert.equal(stateOf(proposal), "denied");
  });

  test("removing a user takes their votes back from what is undecided", () => {
    const { store, alice, adam, approve } = setUp();
    const proposal = insertProposal(store, { requirement: { roles: ["admin"], approvals: 2, selfApproval: true } });
    approve(proposal, alice);
    assert.deepEqual(
      store.transact(() => store.proposals.voidVotes(alice.userId ?? "")),
      [proposal.id],
    );
    assert.equal(approve(proposal, adam).ready, false);
  });
});

describe("time and other proposals", () => {
  test("a click after the expiry finds it expired", async () => {
    const { store, clock, alice, approve, stateOf, records } = setUp();
    const proposal = insertProposal(store);
    await clock.advance(15 * minute);
    assert.throws(() => approve(proposal, alice), refusedWith("conflict", /expired/, { state: "expired" }));
    assert.equal(stateOf(proposal), "expired");
    assert.equal(records("expire_restart").length, 1);
  });

  test("what nobody decided, and what was approved and could not begin, expires by itself", async () => {
    const { store, clock, gate, alice, approve, stateOf } = setUp();
    const waiting = insertProposal(store);
    const approved = insertProposal(store, { ownerKey: "payment/deployment/other" });
    const long = insertProposal(store, { expiresAt: new Date(clock.now().getTime() + 120 * minute) });
    approve(approved, alice);
    await clock.advance(15 * minute);
    gate.expire();
    assert.deepEqual([waiting, approved, long].map(stateOf), ["expired", "expired", "pending"]);
  });

  test("a second approval on the same owner is told who holds it, and may be given again afterwards", () => {
    const { store, alice, adam, approve, stateOf } = setUp();
    const first = insertProposal(store);
    const second = insertProposal(store);
    approve(first, alice);
    assert.throws(() => approve(second, adam), refusedWith("conflict", new RegExp(first.code), { by: first.code }));
    assert.equal(stateOf(second), "pending");
    store.transact(() => store.proposals.move(first.id, "approved", "stale"));
    assert.equal(approve(second, adam).ready, true);
  });

  test("an incident that is over takes back what it still proposes, and nothing else", () => {
    const { store, gate, alice, approve, stateOf, records } = setUp();
    const incident = insertIncident(store);
    const pending = insertProposal(store, { incidentId: incident.id });
    const approved = insertProposal(store, { incidentId: incident.id, ownerKey: "payment/deployment/other" });
    const foreign = insertProposal(store);
    approve(approved, alice);
    store.transact(() => gate.withdraw(incident.id, "resolved"));
    assert.deepEqual([pending, approved, foreign].map(stateOf), ["withdrawn", "approved", "pending"]);
    assert.equal(records("withdraw_restart")[0]?.intent, "resolved");
  });
});

describe("the stop switch", () => {
  test("only an admin turns it, with a reason, and both turns are on the audit", () => {
    const { gate, ann, alice, records } = setUp();
    const wish = { for: null, namespace: null, autofixOnly: false, reason: "maintenance" };
    assert.throws(() => gate.pause(wish, ann), refusedWith("forbidden", /admin/));
    assert.throws(() => gate.pause({ ...wish, reason: " " }, alice), refusedWith("invalid", /reason/));
    assert.throws(() => gate.pause({ ...wish, for: -1 }, alice), refusedWith("invalid", /pause/));
    assert.equal(gate.pause(wish, alice).pauses.length, 1);
    assert.throws(() => gate.resume(null, ann), refusedWith("forbidden", /admin/));
    assert.equal(gate.resume(null, alice).pauses.length, 0);
    assert.equal(records("pause").length, 1);
    assert.equal(records("resume").length, 1);
  });

  test("while it is on nothing is approved; it ends by itself and says so", async () => {
    const { store, clock, gate, notify, alice, approve, stateOf } = setUp();
    const proposal = insertProposal(store, { expiresAt: new Date(clock.now().getTime() + 600 * minute) });
    gate.pause({ for: 60 * minute, namespace: null, autofixOnly: false, reason: "maintenance" }, alice);
    assert.throws(() => approve(proposal, alice), refusedWith("refused", /paused by alice: maintenance/));
    assert.equal(stateOf(proposal), "pending");
    await clock.advance(60 * minute);
    gate.endDue();
    assert.match(notify.notices.at(-1) ?? "", /ended/);
    assert.equal(approve(proposal, alice).ready, true);
  });

  test("a namespace's pause leaves the others alone, an automatic one leaves people alone", () => {
    const { store, gate, alice, approve } = setUp();
    gate.pause({ for: null, namespace: "dev", autofixOnly: false, reason: "r" }, alice);
    gate.pause({ for: null, namespace: null, autofixOnly: true, reason: "r" }, alice);
    assert.equal(approve(insertProposal(store), alice).ready, true);
    assert.equal(gate.paused("payment", false), null);
    assert.equal(gate.paused("payment", true)?.autofixOnly, true);
    assert.equal(gate.paused("dev", false)?.namespace, "dev");
    gate.resume("dev", alice);
    assert.equal(gate.paused("dev", false), null);
    assert.notEqual(gate.paused("dev", true), null);
  });
});

/** A question to which the answer is yes, without a person. */
function openQuestion(store: Store, more: Partial<Question> = {}): Question {
  const incident = insertIncident(store, {
    namespace: "payment",
    root: { kind: "Deployment", namespace: "payment", name: "checkout", uid: "uid-1", confirmed: true },
  });
  return {
    action: { kind: "restart", namespace: "payment", target: "deployment/checkout" },
    target: fakeTarget(),
    automatic: true,
    incident,
    rule: incident.rule,
    derived: true,
    gitops: null,
    proposalId: null,
    ...more,
  };
}

function protectedBy(
  where: "object" | "owner" | "namespace",
  how: "labels" | "annotations",
  key: string,
  value: string,
) {
  const target = fakeTarget();
  const marked = { ...target.object, metadata: { ...target.object.metadata, [how]: { [key]: value } } };
  if (where === "object") return { ...target, object: marked };
  if (where === "owner") return { ...target, owners: [marked] };
  return { ...target, namespace: marked };
}

describe("reasons not to", () => {
  const codes = (question: Question, bench: ReturnType<typeof setUp>) =>
    bench.store.transact((now) => bench.safety.judge(question, now)).reasons.map(({ code }) => code);

  test("an automatic run with nothing against it is allowed", () => {
    const bench = setUp();
    assert.deepEqual(codes(openQuestion(bench.store), bench), []);
  });

  const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "p" } };
  const automatic: readonly [string, GateReasonCode, (question: Question, store: Store) => Question][] = [
    [
      "a flapping alert",
      "autofix_flapping",
      (q) => ({ ...q, incident: q.incident && { ...q.incident, flapping: true } }),
    ],
    ["an alert found late", "autofix_late", (q) => ({ ...q, incident: q.incident && { ...q.incident, late: true } })],
    [
      "a rule in shadow mode",
      "autofix_shadow",
      (q) => ({ ...q, incident: q.incident && { ...q.incident, mode: "shadow" } }),
    ],
    [
      "a kind the rule does not allow",
      "autofix_kind",
      (q) => ({ ...q, incident: q.incident && { ...q.incident, allow: ["scale"] } }),
    ],
    [
      "another route than autofix",
      "autofix_kind",
      (q) => ({ ...q, incident: q.incident && { ...q.incident, route: "diagnose" } }),
    ],
    [
      "another object than the alert's",
      "autofix_scope",
      (q) => ({ ...q, action: { ...q.action, target: "deployment/other" } }),
    ],
    ["the same name with another uid", "autofix_scope", (q) => ({ ...q, target: { ...q.target, uid: "uid-2" } })],
    [
      "an incident that is over",
      "autofix_scope",
      (q) => ({ ...q, incident: q.incident && { ...q.incident, state: "resolved" } }),
    ],
    ["an action the playbooks do not derive", "autofix_mismatch", (q) => ({ ...q, derived: false })],
    [
      "a namespace that is not open",
      "autofix_namespace",
      (q) => ({
        ...q,
        target: {
          ...q.target,
          namespace: { apiVersion: "v1", kind: "Namespace", metadata: { name: "payment", labels: { env: "prod" } } },
        },
      }),
    ],
    [
      "too many pods",
      "max_affected_pods",
      (q) => ({ ...q, target: { ...q.target, pods: Array.from({ length: 51 }, () => pod) } }),
    ],
    ["a field that GitOps owns", "gitops", (q) => ({ ...q, gitops: "Argo CD owns this" })],
    [
      "a downgraded rule",
      "autofix_downgraded",
      (q, store) => {
        store.transact(() => store.proposals.downgrade("dev-restart-loops", q.target.ownerKey, newId()));
        return q;
      },
    ],
    [
      "a pause for automatic runs",
      "paused",
      (q, store) => {
        store.transact((now) =>
          store.pauses.insert({
            id: newId(),
            namespace: null,
            autofixOnly: true,
            reason: "r",
            by: "a",
            startedAt: now,
            until: null,
          }),
        );
        return q;
      },
    ],
    [
      "an owner that is held",
      "busy",
      (q, store) => {
        insertProposal(store, { state: "executing" });
        return q;
      },
    ],
  ];
  for (const [what, code, change] of automatic) {
    test(`no automatic run for ${what}`, () => {
      const bench = setUp({ gitops: "warn" });
      assert.deepEqual(codes(change(openQuestion(bench.store), bench.store), bench), [code]);
    });
  }

  for (const [what, replicas, expected] of [
    ["down", 1, ["autofix_direction"]],
    ["to twice", 4, []],
    ["beyond twice", 5, ["autofix_direction"]],
  ] as const) {
    test(`an automatic scale ${what} is ${expected.length === 0 ? "allowed" : "left to people"}`, () => {
      const bench = setUp();
      const question = openQuestion(bench.store);
      const incident = question.incident && { ...question.incident, allow: ["scale"] };
      const action = { kind: "scale", namespace: "payment", target: "deployment/checkout", replicas } as const;
      assert.deepEqual(codes({ ...question, incident, action }, bench), expected);
    });
  }

  test("a pod is in scope when an alert of the incident names it and its owner is the incident's object", () => {
    const bench = setUp();
    const question = openQuestion(bench.store);
    const incident = question.incident && { ...question.incident, allow: ["delete"] };
    const alert = (pod: string): Alert => ({
      id: newId(),
      fingerprint: newId(),
      status: "firing",
      labels: { namespace: "payment", pod },
      annotations: {},
      generatorUrl: "",
      groupKey: "g",
      startsAt: new Date(0),
      endsAt: null,
      firstSeenAt: new Date(0),
      lastSeenAt: new Date(0),
      incidentId: incident?.id ?? "",
    });
    bench.store.transact(() => bench.store.incidents.upsertAlert(alert("checkout-1")));
    const controlled = {
      ...fakeTarget().object,
      kind: "Pod",
      metadata: {
        name: "checkout-1",
        uid: "uid-9",
        ownerReferences: [
          { apiVersion: "apps/v1", kind: "ReplicaSet", name: "checkout-x", uid: "u", controller: true },
        ],
      },
    };
    const ask = (target: string) => ({
      ...question,
      incident,
      action: { kind: "delete", namespace: "payment", target } as const,
      target: { ...question.target, object: controlled, uid: "uid-9" },
    });
    assert.deepEqual(codes(ask("pod/checkout-1"), bench), []);
    assert.deepEqual(codes(ask("pod/checkout-2"), bench), ["autofix_scope"]);
  });

  for (const where of ["object", "owner", "namespace"] as const) {
    for (const how of ["labels", "annotations"] as const) {
      test(`a mark among the ${how} of the ${where} protects, for people too`, () => {
        const bench = setUp();
        for (const value of ["true", "1", "yes", "on", "TRUE", " true ", "banana", "null"]) {
          const question = openQuestion(bench.store, {
            automatic: false,
            target: protectedBy(where, how, "protection", value),
          });
          assert.deepEqual(codes(question, bench), ["protected_object"], value);
        }
        for (const value of ["false", "0", "no", "off", "", " False ", "OFF"]) {
          const question = openQuestion(bench.store, {
            automatic: false,
            target: protectedBy(where, how, "protection", value),
          });
          assert.deepEqual(codes(question, bench), [], value);
        }
        const shouted = openQuestion(bench.store, {
          automatic: false,
          target: protectedBy(where, how, "Protection", "true"),
        });
        assert.deepEqual(codes(shouted, bench), ["protected_object"]);
      });
    }
  }

  test("what could not be read counts as protected", () => {
    const bench = setUp();
    const target = fakeTarget({ unreadable: ["namespace payment: forbidden"] });
    assert.deepEqual(codes(openQuestion(bench.store, { automatic: false, target }), bench), ["protection_unreadable"]);
  });

  test("kube-system is closed whatever the configuration says, and so are the configured and Steward's own", () => {
    const { safety } = setUp({ protectedNamespaces: ["vault"] });
    assert.equal(safety.closed("kube-system")?.code, "protected_namespace");
    assert.equal(safety.closed("vault")?.code, "protected_namespace");
    assert.equal(safety.closed("steward")?.code, "steward_namespace");
    assert.equal(safety.closed("payment"), null);
  });

  test("without an administrator nothing runs", () => {
    const bench = setUp();
    bench.store.transact(() => {
      for (const user of [bench.alice, bench.adam]) bench.store.users.setRole(user.userId ?? "", "viewer");
    });
    assert.deepEqual(codes(openQuestion(bench.store), bench), ["setup_required"]);
  });

  test("GitOps keeps people out under refuse, and only rules under warn", () => {
    for (const [gitops, expected] of [
      ["refuse", ["gitops"]],
      ["warn", []],
    ] as const) {
      const bench = setUp({ gitops });
      assert.deepEqual(
        codes(openQuestion(bench.store, { automatic: false, gitops: "Flux owns this" }), bench),
        expected,
      );
    }
  });
});

/** An automatic run that is over, as its rows stand in the store. */
function automaticRun(store: Store, outcome: "failed" | "succeeded" | "cancelled", more: Partial<Proposal> = {}): void {
  const proposal = insertProposal(store, { state: "approved", origin: "autofix", rule: "r", ...more });
  store.transact((now) => {
    const { id, op, ownerKey } = proposal;
    store.proposals.move(id, "approved", "executing");
    store.proposals.insertExecution(
      {
        op,
        proposalId: id,
        state: "intent",
        ownerKey,
        origin: "autofix",
        epoch: 1,
        startedAt: now,
        sentAt: null,
        finishedAt: null,
        outcome: null,
        message: null,
      },
      "{}",
      proposal.digest,
    );
    if (outcome === "cancelled") {
      store.proposals.moveExecution(op, "intent", "cancelled");
      return store.proposals.move(id, "executing", "cancelled");
    }
    store.proposals.moveExecution(op, "intent", "sent");
    if (outcome === "failed") {
      store.proposals.moveExecution(op, "sent", "failed");
      return store.proposals.move(id, "executing", "failed");
    }
    store.proposals.moveExecution(op, "sent", "done");
    store.proposals.move(id, "executing", "verifying");
    return store.proposals.move(id, "verifying", "succeeded");
  });
}

describe("the hourly limit and the breaker", () => {
  const ask = (bench: ReturnType<typeof setUp>) =>
    bench.store.transact((now) => bench.safety.judge(openQuestion(bench.store), now));

  test("three attempts an hour and owner, of any outcome, each counted until it is an hour old", async () => {
    const bench = setUp();
    const started: Date[] = [];
    for (const outcome of ["succeeded", "failed", "cancelled"] as const) {
      assert.equal(ask(bench).allowed, true);
      started.push(bench.clock.now());
      automaticRun(bench.store, outcome);
      await bench.clock.advance(10 * minute);
    }
    const full = ask(bench);
    assert.deepEqual([full.used, full.limit, full.allowed], [3, 3, false]);
    assert.deepEqual(
      full.reasons.map(({ code }) => code),
      ["autofix_limit"],
    );
    assert.equal(full.nextAt?.getTime(), (started[0]?.getTime() ?? 0) + 60 * minute);
    assert.match(full.reasons[0]?.text ?? "", /3 of 3 .* next at 18:00/);
    await bench.clock.advance(30 * minute);
    const again = ask(bench);
    assert.deepEqual([again.used, again.allowed, again.nextAt], [2, true, null]);
  });

  test("another owner has its own three; a person's runs do not count", () => {
    const bench = setUp();
    for (let i = 0; i < 3; i++) automaticRun(bench.store, "succeeded", { ownerKey: "payment/deployment/other" });
    assert.equal(ask(bench).used, 0);
  });

  test("in any sixty minutes no more than three runs pass, whenever they are asked for", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 50 * minute }), { maxLength: 12 }), (gaps) => {
        const bench = setUp();
        const passed: number[] = [];
        for (const gap of gaps) {
          bench.clock.jump(gap);
          if (!ask(bench).allowed) continue;
          passed.push(bench.clock.now().getTime());
          automaticRun(bench.store, "succeeded");
        }
        for (const [i, at] of passed.entries()) {
          assert.ok((passed[i + 3] ?? Number.POSITIVE_INFINITY) - at >= 60 * minute, `${passed}`);
        }
      }),
      { numRuns: 15, seed: 7 },
    );
  });

  test("a clock that is set back does not make room", () => {
    const bench = setUp();
    for (let i = 0; i < 3; i++) automaticRun(bench.store, "succeeded");
    bench.clock.jump(-365 * 24 * 60 * minute);
    assert.equal(ask(bench).allowed, false);
  });

  test("three failures within an hour, anywhere, open the breaker; a quiet hour closes it", async () => {
    const bench = setUp();
    for (const name of ["a", "b", "c"]) {
      assert.equal(ask(bench).allowed, true);
      automaticRun(bench.store, "failed", { ownerKey: `dev/deployment/${name}` });
      await bench.clock.advance(20 * minute);
    }
    assert.deepEqual(
      ask(bench).reasons.map(({ code }) => code),
      ["breaker_open"],
    );
    await bench.clock.advance(39 * minute);
    assert.equal(ask(bench).allowed, false);
    await bench.clock.advance(minute);
    assert.equal(ask(bench).allowed, true);
  });

  test("failures that are spread out do not open it", async () => {
    const bench = setUp();
    for (let i = 0; i < 6; i++) {
      automaticRun(bench.store, "failed", { ownerKey: `dev/deployment/d${i}` });
      await bench.clock.advance(31 * minute);
      assert.equal(ask(bench).allowed, true);
    }
  });

  test("resume closes the breaker and gives a downgraded rule its right back", () => {
    const bench = setUp();
    for (const name of ["a", "b", "c"]) automaticRun(bench.store, "failed", { ownerKey: `dev/deployment/${name}` });
    bench.store.transact(() =>
      bench.store.proposals.downgrade("dev-restart-loops", "payment/deployment/checkout", newId()),
    );
    assert.deepEqual(
      ask(bench).reasons.map(({ code }) => code),
      ["autofix_downgraded", "breaker_open"],
    );
    bench.clock.jump(minute);
    const state = bench.gate.resume(null, bench.alice);
    assert.equal(state.breakerOpenSince, null);
    assert.equal(ask(bench).allowed, true);
  });
});

describe("the table of states", () => {
  const states = Object.keys(proposalMoves) as ProposalState[];

  /** What the store has to be, in a few lines. */
  interface Model {
    states: Map<string, { state: ProposalState; owner: string }>;
  }

  const move = (n: number, to: ProposalState): fc.Command<Model, { store: Store; ids: string[] }> => ({
    check: () => true,
    run(model, { store, ids }) {
      const id = ids[n % ids.length] ?? "";
      const known = model.states.get(id);
      assert.ok(known);
      if (!proposalMoves[known.state].includes(to)) {
        assert.throws(() => store.transact(() => store.proposals.move(id, known.state, to)), /no proposal moves/);
        return;
      }
      const held = [...model.states].some(
        ([other, { state, owner }]) => other !== id && owner === known.owner && holdingStates.includes(state),
      );
      const expected = !(held && holdingStates.includes(to));
      assert.equal(
        store.transact(() => store.proposals.move(id, known.state, to)),
        expected,
      );
      if (expected) known.state = to;
    },
    toString: () => `move(${n}, ${to})`,
  });

  const staleMove = (
    n: number,
    from: ProposalState,
    to: ProposalState,
  ): fc.Command<Model, { store: Store; ids: string[] }> => ({
    check: () => proposalMoves[from].includes(to),
    run(model, { store, ids }) {
      const id = ids[n % ids.length] ?? "";
      if (model.states.get(id)?.state === from) return;
      assert.equal(
        store.transact(() => store.proposals.move(id, from, to)),
        false,
      );
    },
    toString: () => `staleMove(${n}, ${from}, ${to})`,
  });

  test("the store follows the table and holds one proposal an owner, over any order of moves", () => {
    const { store } = setUp();
    const index = fc.nat({ max: 5 });
    const state = fc.constantFrom(...states);
    fc.assert(
      fc.property(
        fc.commands(
          [
            fc.tuple(index, state).map(([n, to]) => move(n, to)),
            fc.tuple(index, state, state).map(([n, from, to]) => staleMove(n, from, to)),
          ],
          {
            maxCommands: 60,
            size: "+1",
          },
        ),
        (commands) => {
          const ids: string[] = [];
          const model: Model = { states: new Map() };
          const round = newId();
          for (let i = 0; i < 6; i++) {
            const owner = `${round}/deployment/o${i % 2}`;
            const { id } = insertProposal(store, { ownerKey: owner });
            ids.push(id);
            model.states.set(id, { state: "pending", owner });
          }
          fc.modelRun(() => ({ model, real: { store, ids } }), commands);
          for (const [id, known] of model.states) assert.equal(store.proposals.get(id)?.state, known.state);
          for (const owner of ["o0", "o1"]) {
            const key = `${round}/deployment/${owner}`;
            const holders = [...model.states].filter(
              ([, { owner: of, state: now }]) => of === key && holdingStates.includes(now),
            );
            assert.equal(store.proposals.holder(key)?.id ?? null, holders[0]?.[0] ?? null);
          }
        },
      ),
      { numRuns: 150, seed: 11 },
    );
  });

  test("every decision, refusal and end is on an audit that verifies", () => {
    const { store, gate, alice, vera, approve, deny } = setUp();
    const [one, two] = [insertProposal(store), insertProposal(store)];
    approve(one, alice);
    assert.throws(() => approve(two, vera));
    deny(two, alice);
    gate.expire();
    const answer = chainOf(store);
    assert.ok(answer.ok);
    assert.equal(answer.records, 3);
  });
});
