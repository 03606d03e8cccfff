import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import fc from "fast-check";
import { cutNote } from "../bot/ingest/delivery.ts";
import { readPlainBody } from "../bot/ingest/plain-body.ts";
import { WebhookBody } from "../shared/alert.ts";
import { removeFolder } from "./desk.ts";
import { type IntakeOptions, json, openIntake, token } from "./intake.ts";
import { webhookBody } from "./payloads.ts";

function intake(t: TestContext, options: IntakeOptions = {}) {
  const opened = openIntake(options);
  t.after(async () => {
    await opened.close();
    await removeFolder(opened.folder);
  });
  return opened;
}

const crash = { alertname: "KubePodCrashLooping", labels: { namespace: "payment", pod: "checkout-1" } };
const body = webhookBody([crash]);

function errorOf(answer: { body: unknown }) {
  const { error } = answer.body as { error: { code: string; message: string; path?: string } };
  return error;
}

/** What is on disk of deliveries, the database asked directly. */
function kept(opened: ReturnType<typeof openIntake>) {
  return opened.store.receipts.countQueued() + opened.all().length;
}

test("a delivery is answered 202 with its receipt and the number of its alerts, and is on disk by then", async (t) => {
  const opened = intake(t, { work: () => new Promise(() => {}) });
  const answer = await opened.accept(webhookBody([crash, { ...crash, labels: { pod: "other" } }]));
  assert.equal(answer.status, 202);
  const { receipt, alerts } = answer.body as { receipt: string; alerts: number };
  assert.equal(alerts, 2);
  const row = opened.store.receipts.get(receipt);
  assert.equal(row?.state, "queued");
  assert.equal(row?.alerts, 2);
  assert.deepEqual(opened.outcomes, { accepted: 1 });
});

test("the same delivery again gets the same receipt and leaves one row, whoever sends it and however often", async (t) => {
  const opened = intake(t, { work: () => new Promise(() => {}) });
  const answers = await Promise.all(Array.from({ length: 50 }, () => opened.accept(body)));
  assert.equal(new Set(answers.map((answer) => (answer.body as { receipt: string }).receipt)).size, 1);
  assert.equal(opened.store.receipts.countQueued(), 1);
  assert.deepEqual(opened.outcomes, { accepted: 1, repeat: 49 });
});

test("a delivery that differs in group, receiver, an alert's identity or status is another one", async (t) => {
  const opened = intake(t, { work: () => new Promise(() => {}) });
  const [alert] = body.alerts;
  assert.ok(alert);
  const others = [
    { ...body, groupKey: "other" },
    { ...body, receiver: "other" },
    { ...body, alerts: [{ ...alert, status: "resolved" }] },
    { ...body, alerts: [{ ...alert, startsAt: "2026-01-01T00:00:00.001Z" }] },
    { ...body, alerts: [{ ...alert, labels: { ...alert.labels, pod: "checkout-2" } }] },
    { ...body, alerts: [{ ...alert, fingerprint: "abc" }] },
  ];
  for (const other of [body, ...others]) assert.equal((await opened.accept(other)).status, 202);
  assert.equal(opened.store.receipts.countQueued(), 7);
  await opened.accept({ ...body, alerts: [{ ...alert, annotations: { summary: "new words" } }] });
  assert.equal(opened.store.receipts.countQueued(), 7);
});

test("only who has a credential is heard: any token of the list, basic auth, or a fresh signature over the body", async (t) => {
  const opened = intake(t, {
    credentials: {
      bearerToken: ["first-token-of-two", "second-token-of-two"],
      basic: { username: "am", password: "pass:word" },
      hmacSecret: "relay-secret",
    },
  });
  const raw = JSON.stringify(body);
  const now = Math.floor(opened.clock.now().getTime() / 1_000);
  const signed = (timestamp: number | string, text = raw, secret = "relay-secret"): IncomingHttpHeaders => ({
    "x-steward-timestamp": String(timestamp),
    "x-steward-signature": `sha256=${createHmac("sha256", secret).update(`${timestamp}.${text}`).digest("hex")}`,
  });
  const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString("base64")}` });
  const rows: [IncomingHttpHeaders, number][] = [
    [{ authorization: "Bearer first-token-of-two" }, 202],
    [{ authorization: "bearer second-token-of-two" }, 202],
    [basic("am:pass:word"), 202],
    [signed(now), 202],
    [signed(now - 299), 202],
    [signed(now + 299), 202],
    [
      {
        ...signed(now),
        "x-steward-signature": signed(now)["x-steward-signature"]?.toString().toUpperCase().replace("SHA", "sha"),
      },
      202,
    ],
    [{}, 401],
    [{ authorization: "" }, 401],
    [{ authorization: "Bearer" }, 401],
    [{ authorization: "Bearer first-token-of-tw" }, 401],
    [{ authorization: "Bearer first-token-of-two second-token-of-two" }, 401],
    [{ authorization: "first-token-of-two" }, 401],
    [{ authorization: "Basic first-token-of-two" }, 401],
    [basic("am:password"), 401],
    [basic("am"), 401],
    [signed(now - 301), 401],
    [signed(now + 301), 401],
    [signed(now, `${raw} `), 401],
    [signed(now, raw, "other-secret"), 401],
    [signed(`${now}.0`), 401],
    [signed("NaN"), 401],
    [{ ...signed(now), "x-steward-timestamp": String(now + 1) }, 401],
    [{ "x-steward-signature": signed(now)["x-steward-signature"] }, 401],
  ];
  for (const [headers, status] of rows) {
    const answer = await opened.accept(raw, { "content-type": "application/json", ...headers });
    assert.equal(answer.status, status, JSON.stringify(headers));
  }
  await opened.settle();
  assert.equal(opened.all().length, 1);
});

test("a stranger leaves nothing but a count, is refused before the body is parsed, and cannot flood the log", async (t) => {
  const opened = intake(t);
  for (let i = 0; i < 1_000; i++) {
    const answer = await opened.accept(i % 2 === 0 ? body : "{ not json", { "content-type": "application/json" });
    assert.equal(answer.status, 401);
    assert.equal(errorOf(answer).code, "unauthenticated");
  }
  assert.equal(kept(opened), 0);
  assert.deepEqual(opened.outcomes, { unauthenticated: 1_000 });
  assert.ok(opened.log.lines.length <= 2);
  assert.equal(opened.audit().length, 0);
});

test("a credential that is configured is asked for, also where insecure is set", async (t) => {
  const closed = intake(t, { credentials: { insecure: true } });
  assert.equal((await closed.accept(body, { "content-type": "application/json" })).status, 401);
  const open = intake(t, { credentials: { bearerToken: [], insecure: true } });
  assert.equal((await open.accept(body, { "content-type": "application/json" })).status, 202);
});

test("another content type or any content encoding is answered 415", async (t) => {
  const opened = intake(t);
  for (const more of [
    { "content-type": "text/plain" },
    { "content-type": undefined },
    { "content-type": "application/x-www-form-urlencoded" },
    { "content-encoding": "gzip" },
    { "content-encoding": "identity" },
  ]) {
    const answer = await opened.accept(body, { ...json, ...more });
    assert.equal(answer.status, 415, JSON.stringify(more));
    assert.equal(errorOf(answer).code, "unsupported");
  }
  assert.equal((await opened.accept(body, { ...json, "content-type": "application/json; charset=utf-8" })).status, 202);
});

test("what is too large is answered 413 and people are told once a day; a stranger's is not worth a word", async (t) => {
  const opened = intake(t);
  const large = Buffer.alloc(4 * 1024 * 1024 + 1, " ");
  for (let i = 0; i < 3; i++) assert.equal((await opened.accept(large)).status, 413);
  opened.ingest.tooLarge({ headers: json, remote: "10.0.0.9" });
  opened.ingest.tooLarge({ headers: {}, remote: "10.0.0.9" });
  await opened.settle();
  const notices = () => [...opened.chat.messages.values()].filter(({ card }) => card.kind === "notice");
  assert.equal(notices().length, 1);
  assert.match(JSON.stringify(notices()), /4 MiB/);
  await opened.clock.advance(24 * 3_600_000);
  await opened.accept(large);
  await opened.settle();
  assert.equal(notices().length, 2);
  assert.equal(kept(opened), 0);
  assert.equal(opened.outcomes.too_large, 6);
});

test("a body that is not a webhook of version 4 is answered 400 with the path of what is wrong", async (t) => {
  const opened = intake(t);
  const [alert] = body.alerts;
  const withAlert = (patch: Record<string, unknown>) => ({ ...body, alerts: [alert, { ...alert, ...patch }] });
  const without = (key: string) => Object.fromEntries(Object.entries(body).filter(([name]) => name !== key));
  const rows: [unknown, string | undefined, RegExp][] = [
    ["", undefined, /not JSON/],
    ["{", undefined, /not JSON/],
    ["null", undefined, /must be object/],
    ["[]", undefined, /must be object/],
    [`${"[".repeat(40)}${"]".repeat(40)}`, undefined, /nests deeper/],
    [`{"alerts":${'{"a":'.repeat(100_000)}`, undefined, /nests deeper/],
    [without("version"), "version", /must be "4"/],
    [{ ...body, version: "3" }, "version", /must be "4"/],
    [without("groupKey"), "groupKey", /is missing/],
    [{ ...body, groupKey: "" }, "groupKey", /must not be empty/],
    [without("alerts"), "alerts", /is missing/],
    [{ ...body, alerts: [] }, "alerts", /must not be empty/],
    [{ ...body, alerts: {} }, "alerts", /must be array/],
    [{ ...body, alerts: ["x"] }, "alerts[0]", /must be object/],
    [withAlert({ status: "pending" }), "alerts[1].status", /"firing" or "resolved"/],
    [withAlert({ startsAt: undefined }), "alerts[1].startsAt", /is missing/],
    [withAlert({ startsAt: "yesterday" }), "alerts[1].startsAt", /RFC 3339/],
    [withAlert({ startsAt: 1_700_000_000 }), "alerts[1].startsAt", /must be string/],
    [withAlert({ startsAt: "2026-02-30T00:00:00Z" }), "alerts[1].startsAt", /RFC 3339/],
    [withAlert({ labels: ["a"] }), "alerts[1].labels", /must be/],
    [withAlert({ labels: { a: 1 } }), "alerts[1].labels.a", /must be string/],
    [withAlert({ annotations: null }), "alerts[1].annotations", /must be/],
    [
      JSON.stringify(body).replace('"pod":', '"__proto__":'),
      "alerts[0].labels.__proto__",
      /is not a name that is taken/,
    ],
    [JSON.stringify(body).replace('"pod":', '"\\u005f_proto__":'), "alerts[0].labels.__proto__", /not a name/],
    [JSON.stringify(body).replace('"version":', '"__proto__":{"x":1},"version":'), "__proto__", /not a name/],
  ];
  for (const [given, path, message] of rows) {
    const answer = await opened.accept(given);
    const what = JSON.stringify(given).slice(0, 120);
    assert.equal(answer.status, 400, what);
    assert.equal(errorOf(answer).code, "invalid", what);
    assert.equal(errorOf(answer).path, path, what);
    assert.match(errorOf(answer).message, message, what);
  }
  assert.equal(kept(opened), 0);
  assert.equal(({} as Record<string, unknown>)["x"], undefined);
});

test("fields that Alertmanager may add later are taken and forgotten", async (t) => {
  const opened = intake(t, { work: () => new Promise(() => {}) });
  const answer = await opened.accept({
    ...body,
    newField: { deep: [1] },
    alerts: body.alerts.map((a) => ({ ...a, more: 1 })),
  });
  assert.equal(answer.status, 202);
  assert.doesNotMatch(
    opened.store.receipts.get((answer.body as { receipt: string }).receipt)?.body ?? "",
    /newField|more/,
  );
});

test("ten thousand labels and an annotation of 1 MB are taken and cut, with a note; what says what the alert is about stays", async (t) => {
  const opened = intake(t);
  const labels = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`a${i}`, "x"]));
  await opened.deliver([
    {
      alertname: "Wide",
      labels: { ...labels, namespace: "payment", deployment: "checkout", long: "v".repeat(50_000) },
      annotations: { summary: "short", description: "é".repeat(500_000) },
    },
  ]);
  const incident = opened.only();
  assert.equal(incident.target, "deployment/checkout");
  assert.equal(Object.keys(incident.labels).length, 100);
  assert.equal(incident.labels["severity"], "warning");
  const [alert] = opened.store.incidents.alerts(incident.id);
  assert.ok((alert?.annotations["description"]?.length ?? 0) <= 8_192);
  assert.equal(alert?.annotations["summary"], "short");
  assert.match(
    alert?.annotations[cutNote] ?? "",
    /9905 of 10005 labels left out; .*annotation description cut from 500000/,
  );
});

test("alerts that differ only in what was cut off stay two", async (t) => {
  const opened = intake(t);
  const long = (end: string) => ({
    alertname: "Long",
    labels: { deployment: "x", namespace: "y", path: "p".repeat(9_000) + end },
  });
  await opened.deliver([long("1"), long("2")]);
  assert.equal(opened.store.incidents.alerts(opened.only().id).length, 2);
});

test("secrets in labels and annotations are masked before anything is written", async (t) => {
  const opened = intake(t, { work: () => new Promise(() => {}) });
  const secret = "ghp_aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xYz";
  const answer = await opened.accept(
    webhookBody([
      {
        alertname: "LoginFails",
        labels: { db_password: "hunter2-hunter2", namespace: "payment" },
        annotations: {
          description: `retry with token=${secret} and ${token}`,
          summary: "password: correct-horse-battery",
        },
      },
    ]),
  );
  const row = opened.store.receipts.get((answer.body as { receipt: string }).receipt);
  for (const hidden of [secret, "hunter2", "correct-horse", token]) assert.ok(!row?.body.includes(hidden), hidden);
  assert.match(row?.body ?? "", /\[masked:/);
  assert.match(row?.body ?? "", /"namespace":"payment"/);
});

test("a full queue answers 503 with Retry-After, stores nothing, and takes deliveries again when there is room", async (t) => {
  const held: (() => void)[] = [];
  const opened = intake(t, { capacity: 3, workers: 1, before: () => new Promise((resolve) => held.push(resolve)) });
  for (let i = 0; i < 3; i++) assert.equal((await opened.accept(webhookBody([crash], `group ${i}`))).status, 202);
  const answer = await opened.accept(webhookBody([crash], "group 3"));
  assert.equal(answer.status, 503);
  assert.equal(errorOf(answer).code, "unavailable");
  assert.match(answer.headers["retry-after"] ?? "", /^\d+$/);
  assert.equal(opened.store.receipts.countQueued(), 3);
  for (let i = 0; i < 3; i++) {
    held.shift()?.();
    await opened.settle();
  }
  assert.equal((await opened.accept(webhookBody([crash], "group 3"))).status, 202);
  held.shift()?.();
});

test("while the store cannot be written the answer is 503, and nothing that was not written is acknowledged", async (t) => {
  const opened = intake(t);
  const stranger = new Database(opened.store.path);
  stranger.exec("BEGIN IMMEDIATE");
  const answer = await opened.accept(body);
  assert.equal(answer.status, 503);
  assert.equal(errorOf(answer).code, "unavailable");
  assert.ok(answer.headers["retry-after"]);
  stranger.exec("ROLLBACK");
  stranger.close();
  assert.equal(kept(opened), 0);
  assert.equal((await opened.accept(body)).status, 202);
  await opened.settle();
  assert.equal(opened.all().length, 1);
});

test("the short way through the usual shape comes to what the schema comes to, or leaves it to the schema", () => {
  const value = fc.oneof(
    fc.constantFrom(
      "firing",
      "resolved",
      "4",
      "2026-01-01T00:00:00Z",
      "2026-02-30T00:00:00Z",
      "2026-01-01T00:00:00+08:00",
      "",
      "x",
    ),
    fc.constantFrom<unknown>(
      0,
      1.5,
      -1,
      null,
      true,
      [],
      {},
      { a: "b" },
      { a: 1 },
      ["x"],
      JSON.parse('{"__proto__":"x"}'),
    ),
  );
  const top = fc.constantFrom(...Object.keys(body), "extra", "__proto__");
  const inner = fc.constantFrom(...Object.keys(body.alerts[0] ?? {}), "extra", "__proto__");
  const set = (target: object, name: string, given: unknown) =>
    Object.defineProperty(target, name, { value: given, enumerable: true, configurable: true, writable: true });
  let plain = 0;
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), top, inner, value), { maxLength: 2 }), (changes) => {
      const copy = JSON.parse(JSON.stringify(body)) as { alerts: object[] };
      for (const [atTop, name, innerName, given] of changes) {
        if (atTop) set(copy, name, given);
        else if (Array.isArray(copy.alerts) && copy.alerts[0] !== undefined)
          set(Object(copy.alerts[0]), innerName, given);
      }
      const read = readPlainBody(copy);
      if (read === null) return;
      plain++;
      assert.deepEqual(read, WebhookBody.parse(copy));
    }),
    { numRuns: 3_000 },
  );
  assert.ok(plain > 300);
});

test("whatever is sent, the answer is 202 or a refusal with its reason, and no prototype is touched", async (t) => {
  const opened = intake(t, { work: async () => {} });
  const key = fc.constantFrom(
    "status",
    "labels",
    "alerts",
    "startsAt",
    "groupKey",
    "version",
    "__proto__",
    "constructor",
    "prototype",
    "x",
  );
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom("firing", "4", "2026-01-01T00:00:00Z", "", "\ud800", 0, null, true, 1e300),
      fc.array(tie("any"), { maxLength: 3 }),
      fc.dictionary(key, tie("any"), { maxKeys: 4, noNullPrototype: false }),
    ),
  })).any;
  const mutated = fc.tuple(fc.constantFrom("top", "alert", "labels"), key, value).map(([where, name, given]) => {
    const copy = JSON.parse(JSON.stringify(body)) as { alerts: Record<string, unknown>[] } & Record<string, unknown>;
    const target = where === "top" ? copy : where === "alert" ? copy.alerts[0] : copy.alerts[0]?.["labels"];
    Object.defineProperty(target, name, { value: given, enumerable: true, configurable: true, writable: true });
    return JSON.stringify(copy);
  });
  const cut = fc.tuple(fc.nat(1_000), fc.string()).map(([at, text]) => JSON.stringify(body).slice(0, at) + text);
  await fc.assert(
    fc.asyncProperty(fc.oneof(mutated, cut, fc.json()), async (text) => {
      const { status } = await opened.accept(text);
      assert.ok(status === 202 || status === 400, `${status}: ${text}`);
      assert.equal(Object.keys(Object.prototype).length, 0);
    }),
    { numRuns: 1_500 },
  );
});
