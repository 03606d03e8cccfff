import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parsePhrase } from "../bot/chat/phrases.ts";

test("both languages are understood, whatever language the card was in", () => {
  const same: readonly (readonly [string, string, unknown])[] = [
    ["help", "帮助", { kind: "help" }],
    ["status", "状态", { kind: "status" }],
    ["incidents", "告警", { kind: "incidents" }],
    ["approve a7f3", "批准 A7F3", { kind: "decide", verdict: "approve", code: "A7F3", reason: null }],
    ["Approve A7F3.", "批准a7f3。", { kind: "decide", verdict: "approve", code: "A7F3", reason: null }],
    ["deny A7F3 not now", "拒绝 A7F3 not now", { kind: "decide", verdict: "deny", code: "A7F3", reason: "not_now" }],
    ["undo A7F3", "撤销 A7F3", { kind: "undo", code: "A7F3" }],
    ["renew A7F3", "重新检查 A7F3", { kind: "renew", code: "A7F3" }],
    ["claim", "认领", { kind: "claim", about: null }],
    ["ignore 4h", "忽略 4h", { kind: "ignore", about: null, for: 14_400_000 }],
    ["ignore A7F3", "忽略 A7F3", { kind: "ignore", about: "A7F3", for: null }],
    ["resume -n payment", "恢复 -n payment", { kind: "resume", namespace: "payment" }],
    [
      "pause 6h -n payment moving the database",
      "暂停 6h -n payment moving the database",
      { kind: "pause", for: 21_600_000, namespace: "payment", autofixOnly: false, reason: "moving the database" },
    ],
    ["link ACDEFGHJ", "绑定 acdefghj", { kind: "link", code: "ACDEFGHJ" }],
    ["restart nginx", "重启 nginx", { kind: "wish", wish: { kind: "restart", object: "nginx", namespace: null } }],
    ["approve", "批准", { kind: "incomplete", command: "approve" }],
  ];
  for (const [english, chinese, intent] of same) {
    assert.deepEqual(parsePhrase(english), intent, english);
    assert.deepEqual(parsePhrase(chinese), intent, chinese);
  }
});

test("a wish in plain words names its object, its namespace and its number", () => {
  assert.deepEqual(parsePhrase("scale checkout to 5 in payment"), {
    kind: "wish",
    wish: { kind: "scale", object: "checkout", namespace: "payment", replicas: 5 },
  });
  assert.deepEqual(parsePhrase("把 checkout 扩容到 5"), {
    kind: "wish",
    wish: { kind: "scale", object: "checkout", namespace: null, replicas: 5 },
  });
  assert.deepEqual(parsePhrase("roll back deployment checkout -n payment"), {
    kind: "wish",
    wish: { kind: "rollback", object: "deployment/checkout", namespace: "payment" },
  });
});

test("a kubectl line is taken as one, with or without its first word", () => {
  for (const line of [
    "kubectl scale deploy/x --replicas=3",
    "rollout restart deploy/x",
    "set image deploy/x a=b:1",
    "delete pod x-1",
  ])
    assert.deepEqual(parsePhrase(line), { kind: "kubectl", line });
});

test("what only sounds like a decision decides nothing", () => {
  for (const text of [
    "approve A7F3?",
    "do not approve A7F3",
    "approve A7F3 tomorrow",
    "should I approve A7F3",
    "please approve A7F3",
    "approve of this?",
    "不要批准 A7F3",
    "批准 A7F3 吗",
    "why was A7F3 approved",
    "> approve A7F3",
    "approve A7F3 B7F4",
    "constructor",
    "__proto__",
    "status of checkout?",
  ])
    assert.equal(parsePhrase(text).kind, "question", text);
});

test("no text makes it fail, and only the very phrase makes a decision", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary", maxLength: 300 }), fc.string({ unit: "grapheme" })), (text) => {
      const intent = parsePhrase(text);
      if (intent.kind === "decide") assert.match(text.trim(), /^(approve|deny|reject|批准|同意|拒绝)/iu);
    }),
    { numRuns: 2_000 },
  );
});
