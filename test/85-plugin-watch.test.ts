import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Paint } from "../kubectl-steward/output.ts";
import { render } from "../kubectl-steward/watch/screen.ts";
import { type Effect, type Item, learn, press, start, type WatchState } from "../kubectl-steward/watch/state.ts";
import type { ApprovalAnswer } from "../shared/api/approval.ts";
import type { IncidentAnswer } from "../shared/api/incident.ts";
import { displayWidth } from "../shared/text.ts";

const now = new Date("2026-01-05T09:00:00Z");
const plain: Paint = (_tone, text) => text;

describe("the live view", () => {
  test("what waits for a person comes first, then what runs, then what fires, critical before the rest", () => {
    const state = learn(start, [
      incident("i1", { severity: "warning" }),
      incident("i2", { severity: "critical" }),
      approval("A1", { state: "succeeded" }),
      approval("A2", { state: "verifying" }),
      approval("A3", {}),
      incident("i3", { state: "resolved" }),
    ]);
    assert.deepEqual(
      state.items.map(({ id }) => id),
      ["A3", "A2", "i2", "i1", "A1"],
    );
    assert.equal(state.selected, "A3");
  });

  test("an approval takes two keys, and the second must be y", () => {
    const state = learn(start, [approval("A1", {})]);
    assert.deepEqual(type(state, "a", "y").effects, [{ kind: "approve", code: "A1" }]);
    assert.deepEqual(type(state, "a", "n").effects, []);
    assert.deepEqual(type(state, "a", "a").effects, []);
    assert.deepEqual(type(state, "a", "\r").effects, []);
    assert.deepEqual(type(state, "y").effects, []);
  });

  test("a denial takes its reason as it is typed; Esc leaves it, and no letter of a reason is a command", () => {
    const state = learn(start, [approval("A1", {})]);
    assert.deepEqual(type(state, "d", ..."aq wrongx", "\u007f", "\r").effects, [
      { kind: "deny", code: "A1", reason: "aq wrong" },
    ]);
    assert.deepEqual(type(state, "d", "\r").effects, [{ kind: "deny", code: "A1", reason: "" }]);
    const left = type(state, "d", "x", "\u001b");
    assert.deepEqual([left.effects, left.state.mode.kind], [[], "browse"]);
  });

  test("what somebody else decides while one is asked is not decided again", () => {
    const asking = type(learn(start, [approval("A1", {}), approval("A2", {})]), "a").state;
    assert.equal(asking.mode.kind, "confirm");
    const code = asking.mode.kind === "confirm" ? asking.mode.code : "";
    const taken = learn(asking, [approval(code, { state: "denied" })]);
    assert.equal(taken.mode.kind, "browse");
    assert.deepEqual(type(taken, "y").effects, []);
    assert.match(taken.message, /meanwhile/);
  });

  test("the selection stays on its item while others come and go", () => {
    const state = type(learn(start, [approval("A1", {}), incident("i1", {})]), "j").state;
    assert.equal(state.selected, "i1");
    assert.equal(learn(state, [approval("A9", {}), incident("i0", { severity: "critical" })]).selected, "i1");
    assert.equal(learn(state, [incident("i1", { state: "resolved" })]).selected, "A1");
    assert.equal(type(state, "j", "j", "j").state.selected, "i1", "it stops at the end");
  });

  test("keys that mean nothing for what is selected say so and do nothing", () => {
    const done = learn(start, [approval("A1", { state: "succeeded", reversible: true })]);
    assert.deepEqual(type(done, "a", "y").effects, []);
    assert.match(type(done, "a").state.message, /pending/);
    assert.deepEqual(type(done, "u", "y").effects, [{ kind: "undo", code: "A1" }]);
    assert.deepEqual(type(learn(start, [approval("A1", { state: "stale" })]), "r").effects, [
      { kind: "renew", code: "A1" },
    ]);
    assert.deepEqual(type(learn(start, [incident("i1", {})]), "a", "y", "d", "u", "r").effects, []);
    assert.deepEqual(type(start, "q").effects, [{ kind: "quit" }]);
    assert.deepEqual(type(type(done, "d").state, "\u0003").effects, [{ kind: "quit" }]);
  });

  test("the screen fits every size, whatever the texts are", () => {
    const long = "超长的摘要 ".repeat(60);
    const state = learn(start, [
      ...Array.from({ length: 40 }, (_, i) =>
        approval(`A${i}`, { summary: long, diff: `+${long}\n-${long}`, warnings: [long] }),
      ),
      ...Array.from({ length: 40 }, (_, i) => incident(`i${i}`, { alertname: long, target: long })),
    ]);
    for (const [columns, rows] of [
      [20, 6],
      [80, 24],
      [200, 60],
      [1, 1],
      [120, 10],
    ] as const) {
      for (const mode of [state, type(state, "a").state, type(state, "d", "x").state, start]) {
        const lines = render(mode, "somewhere", { columns, rows }, now, plain);
        assert.ok(lines.length <= rows, `${lines.length} lines of ${rows}`);
        for (const line of lines) {
          assert.ok(displayWidth(line) <= Math.max(2, columns), `${displayWidth(line)} of ${columns}: ${line}`);
        }
      }
    }
  });

  test("the one that is selected is in sight, and shown with its diff", () => {
    const items = Array.from({ length: 40 }, (_, i) =>
      approval(`A${String(i).padStart(2, "0")}`, { diff: `+ line of ${i}` }),
    );
    const state = type(learn(start, items), ...Array.from({ length: 30 }, () => "j")).state;
    const text = render(state, "somewhere", { columns: 100, rows: 40 }, now, plain).join("\n");
    assert.match(text, new RegExp(`› ${state.selected}`));
    assert.match(text, /\+ line of \d+/);
  });
});

/** Presses keys one after the other. */
function type(state: WatchState, ...keys: readonly string[]): { state: WatchState; effects: Effect[] } {
  const effects: Effect[] = [];
  let current = state;
  for (const key of keys) {
    const pressed = press(current, key);
    current = pressed.state;
    if (pressed.effect !== null) effects.push(pressed.effect);
  }
  return { state: current, effects };
}

function approval(code: string, given: Partial<ApprovalAnswer>): Item {
  const approval: ApprovalAnswer = {
    id: code,
    code,
    state: "pending",
    action: { kind: "restart" },
    namespace: "payment",
    target: "deployment/checkout",
    summary: "Restart deployment/checkout",
    kubectl: "kubectl rollout restart deployment/checkout",
    diff: "",
    risk: "high",
    warnings: [],
    gate: { allowed: true, reasons: [], used: 0, limit: 3, nextAt: null },
    reason: null,
    reversible: false,
    requestedBy: "ada",
    origin: "person",
    rule: null,
    undoOf: null,
    createdAt: now.toISOString(),
    expiresAt: new Date(now.getTime() + 900_000).toISOString(),
    incidentId: null,
    requirement: { roles: ["admin"], approvals: 1, selfApproval: true },
    decisions: [],
    execution: null,
    verification: null,
    ...given,
  };
  return { kind: "approval", id: code, approval };
}

function incident(id: string, given: Partial<IncidentAnswer>): Item {
  const incident: IncidentAnswer = {
    id,
    cardId: id,
    alertname: "KubePodCrashLooping",
    severity: "warning",
    namespace: "payment",
    target: "deployment/checkout",
    state: "open",
    route: "diagnose",
    rule: null,
    labels: {},
    groupKeys: [],
    late: false,
    flapping: false,
    claimedBy: null,
    joined: null,
    startedAt: now.toISOString(),
    updatedAt: now.toISOString(),
    resolvedAt: null,
    ignoredUntil: null,
    alerts: 1,
    diagnosis: null,
    approvals: [],
    ...given,
  };
  return { kind: "incident", id, incident };
}
