import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { after, before, describe, test } from "node:test";
import bcrypt from "bcrypt";
import { AuditList } from "../shared/api/audit.ts";
import { ErrorAnswer } from "../shared/api/common.ts";
import { cookieName, SessionAnswer, WhoamiAnswer } from "../shared/api/session.ts";
import type { Actor } from "../shared/approval.ts";
import { type ApiServer, admin, ask, password, setUp, signInAs, startApiServer } from "./api-server.ts";
import { createFakeClock, type FakeClock } from "./clock.ts";

const minute = 60_000;
const boss: Actor = { userId: null, username: "boss", role: "admin", platform: "api", clientIp: null };

describe("first start", () => {
  test("the token goes into the Secret and nowhere else, works once, and leaves the Secret with it", async () => {
    const setupSecret = { written: [] as (string | null)[] };
    const server = await startApiServer({ setupSecret });
    try {
      const [token] = setupSecret.written;
      assert.match(token ?? "", /^[\w-]{43}$/);
      assert.ok(!JSON.stringify(server.logged).includes(token ?? "?"));
      assert.ok(!String(server.store.meta.get("setup_token_hash")).includes(token ?? "?"));
      const wrong = await setupWith(server, { token: "x".repeat(43) });
      assert.equal(wrong.status, 401);
      assert.equal(server.store.users.countAdmins(), 0);
      const answer = await setupWith(server, { token, identities: [{ channel: "slack", id: "U1" }] });
      assert.equal(answer.status, 200);
      assert.equal(SessionAnswer.parse(answer.body).user.role, "admin");
      assert.deepEqual(setupSecret.written, [token, null]);
      assert.equal(server.identity.behind("slack", "U1")?.username, admin);
      const again = await setupWith(server, { token, username: "eve" });
      assert.equal(ErrorAnswer.parse(again.body).error.code, "conflict");
      const records = await audit(server, answer.cookie);
      assert.deepEqual(
        records.map(({ action_type, status }) => `${action_type} ${status}`),
        ["setup FAILED", "setup SUCCESS", "user_link SUCCESS"],
      );
    } finally {
      await server.stop();
    }
  });

  test("where there is no Secret the token is logged once, under setupToken; a restart makes the old one void", async () => {
    const server = await startApiServer();
    try {
      const tokens = () =>
        server.logged.map(({ fields }) => fields["setupToken"]).filter((token) => token !== undefined);
      assert.equal(tokens().length, 1);
      await server.identity.begin({ adminPassword: null });
      assert.equal(tokens().length, 2);
      assert.equal((await setupWith(server, { token: server.setupToken })).status, 401);
      assert.equal((await setupWith(server, { token: tokens()[1] })).status, 200);
    } finally {
      await server.stop();
    }
  });

  test("two setups with the same token at once make one admin", async () => {
    const server = await startApiServer();
    try {
      const answers = await Promise.all(["ada", "eve"].map((username) => setupWith(server, { username })));
      assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 409]);
      assert.equal(server.store.users.countAdmins(), 1);
    } finally {
      await server.stop();
    }
  });

  test("an unattended password makes the admin, is kept only as a hash, and never replaces an admin there is", async () => {
    const server = await startApiServer();
    try {
      await assert.rejects(server.identity.begin({ adminPassword: "short" }), { code: "invalid" });
      await server.identity.begin({ adminPassword: "from the environment" });
      await server.identity.begin({ adminPassword: "another one entirely" });
      assert.equal((await login(server, "admin", "from the environment")).status, 200);
      assert.equal((await login(server, "admin", "another one entirely")).status, 401);
      assert.equal(server.store.users.list().length, 1);
    } finally {
      await server.stop();
    }
  });

  test("names and passwords that are none are refused with their place", async () => {
    const server = await startApiServer();
    try {
      const faults: readonly [Record<string, unknown>, string][] = [
        [{ password: "short" }, "password"],
        [{ password: "x".repeat(73) }, "password"],
        [{ password: "密".repeat(25) }, "password"],
        [{ password: "nul\0nul\0nul" }, "password"],
        [{ username: "Ada" }, "username"],
        [{ username: "a b" }, "username"],
        [{ username: "" }, "username"],
        [{ identities: [{ channel: "Slack!", id: "U1" }] }, "identities[0].channel"],
      ];
      for (const [given, path] of faults) {
        const { error } = ErrorAnswer.parse((await setupWith(server, given)).body);
        assert.deepEqual([error.code, error.path], ["invalid", path], JSON.stringify(given));
      }
      assert.equal((await setupWith(server, { password: "x".repeat(72) })).status, 200);
    } finally {
      await server.stop();
    }
  });
});

describe("sessions", () => {
  let server: ApiServer;
  let cookie: string;
  let clock: FakeClock;

  before(async () => {
    clock = createFakeClock();
    server = await startApiServer({ clock });
    cookie = await setUp(server);
  });
  after(() => server.stop());

  test("a session says who it is, lives twelve hours, and ends at logout", async () => {
    const { cookie: own, body } = await login(server);
    assert.equal(Date.parse(SessionAnswer.parse(body).expiresAt) - clock.now().getTime(), 12 * 60 * minute);
    assert.equal(WhoamiAnswer.parse((await whoami(server, own)).body).user.username, admin);
    assert.equal((await ask(server.url, "POST", "/api/v1/logout", { cookie: own })).status, 200);
    assert.equal((await whoami(server, own)).status, 401);
    const { cookie: late } = await login(server);
    await clock.advance(12 * 60 * minute - 1_000);
    assert.equal((await whoami(server, late)).status, 200);
    await clock.advance(2_000);
    assert.equal((await whoami(server, late)).status, 401);
    cookie = (await login(server)).cookie;
  });

  test("a token that this instance did not sign, or not so, is no session", async () => {
    const token = cookie.slice(cookieName.length + 1);
    const [header = "", payload = "", signature = ""] = token.split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as Record<string, unknown>;
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const signed = (head: unknown, body: unknown, key: Buffer | string, hash = "sha256") =>
      `${part(head)}.${part(body)}.${createHmac(hash, key)
        .update(`${part(head)}.${part(body)}`)
        .digest("base64url")}`;
    const key = server.store.meta.get("signing_secret") ?? "";
    const derived = createHmac("sha256", Buffer.from(key, "base64url")).update("steward session v1").digest();
    const hs256 = { alg: "HS256", typ: "JWT" };
    assert.equal(
      (await whoami(server, `${cookieName}=${signed(hs256, claims, derived)}`)).status,
      200,
      "the forge works",
    );

    const forged: Readonly<Record<string, string>> = {
      "no signature": `${header}.${payload}.`,
      "alg none": `${part({ alg: "none", typ: "JWT" })}.${payload}.`,
      "another payload": `${header}.${part({ ...claims, sub: "someone" })}.${signature}`,
      "another key": signed(hs256, claims, "guess"),
      "the raw secret": signed(hs256, claims, Buffer.from(key, "base64url")),
      "another algorithm": signed({ alg: "HS512", typ: "JWT" }, claims, derived, "sha512"),
      "another type": signed({ alg: "HS256", typ: "at+jwt" }, claims, derived),
      "a critical header": signed({ ...hs256, crit: ["exp"], exp: 1 }, claims, derived),
      "another instance": signed(hs256, { ...claims, aud: "other" }, derived),
      "another issuer": signed(hs256, { ...claims, iss: "other" }, derived),
      "no expiry": signed(hs256, { ...claims, exp: undefined }, derived),
      "long expired": signed(hs256, { ...claims, exp: 1 }, derived),
      "an unknown session": signed(hs256, { ...claims, jti: "unknown" }, derived),
      "another user's session": signed(hs256, { ...claims, sub: "unknown" }, derived),
      "white space": ` ${token.slice(0, 40)} ${token.slice(40)}`,
      nonsense: "x",
      nothing: "",
    };
    for (const [what, value] of Object.entries(forged)) {
      assert.equal((await whoami(server, `${cookieName}=${value}`)).status, 401, what);
    }
  });

  test("a new role ends the sessions made under the old one; the same role does not", async () => {
    const own = await signInAs(server, cookie, "rob", "viewer");
    server.identity.setRole("rob", "viewer", boss);
    assert.equal((await whoami(server, own)).status, 200);
    server.identity.setRole("rob", "approver", boss);
    assert.equal((await whoami(server, own)).status, 401);
  });

  test("removing a user ends sessions, links and open votes, and keeps the name in the audit", async () => {
    const own = await signInAs(server, cookie, "rita", "approver");
    const rita = server.store.users.byName("rita");
    assert.ok(rita);
    server.identity.link("rita", { channel: "slack", id: "U7" }, boss);
    const pending = server.putProposal();
    const decided = server.putProposal();
    server.store.transact((at) => {
      for (const { id } of [pending, decided]) {
        const decision = {
          user: "rita",
          userId: rita.id,
          verdict: "approve",
          reason: null,
          at,
          platform: "api",
        } as const;
        server.store.proposals.addDecision(id, decision);
      }
      server.store.proposals.move(decided.id, "pending", "denied");
    });
    server.identity.removeUser("rita", boss);
    assert.equal((await whoami(server, own)).status, 401);
    assert.equal((await login(server, "rita")).status, 401);
    assert.equal(server.identity.behind("slack", "U7"), null);
    assert.deepEqual(server.store.proposals.decisions(pending.id), []);
    assert.equal(server.store.proposals.decisions(decided.id).length, 1);
    const records = await audit(server, cookie, "user=rita");
    assert.ok(records.some(({ action_type, username }) => action_type === "login" && username === "rita"));
  });

  test("the last admin can be neither removed nor given a lower role", async () => {
    for (const [method, path, body] of [
      ["DELETE", `/api/v1/users/${admin}`, undefined],
      ["PUT", `/api/v1/users/${admin}/role`, { role: "viewer" }],
    ] as const) {
      const answer = await ask(server.url, method, path, { cookie, ...(body === undefined ? {} : { body }) });
      assert.equal(answer.status, 409, answer.text);
      assert.equal(ErrorAnswer.parse(answer.body).error.state, "last_admin");
    }
    await server.identity.addUser({ username: "second", role: "admin", password }, boss);
    server.identity.removeUser("second", boss);
    assert.equal(server.store.users.countAdmins(), 1);
  });

  test("a user without a password cannot sign in with one", async () => {
    await server.identity.addUser({ username: "linked", role: "approver" }, boss);
    for (const guess of ["", "a password that nobody has", "null"]) {
      assert.notEqual((await login(server, "linked", guess)).status, 200);
    }
  });
});

describe("passwords", () => {
  test("hashes are bcrypt at cost 12 unless a test says otherwise", async () => {
    const { createPasswords } = await import("../bot/identity/password.ts");
    const { createIdentity } = await import("../bot/identity.ts");
    assert.match(createIdentity.toString(), /passwordCost\s*=\s*12/);
    const hash = await createPasswords(12).hash(password);
    assert.match(hash, /^\$2b\$12\$/);
    assert.ok(await bcrypt.compare(password, hash));
  });

  test("an unknown name takes as long as a wrong password", async () => {
    const { createPasswords } = await import("../bot/identity/password.ts");
    const passwords = createPasswords(8);
    const hash = await passwords.hash(password);
    const time = async (stored: string | null) => {
      const began = performance.now();
      assert.equal(await passwords.matches("wrong one", stored), false);
      return performance.now() - began;
    };
    await time(null);
    const known: number[] = [];
    const unknown: number[] = [];
    for (let i = 0; i < 25; i++) {
      known.push(await time(hash));
      unknown.push(await time(null));
    }
    const median = (times: number[]) => times.toSorted((a, b) => a - b)[12] ?? 0;
    const ratio = median(unknown) / median(known);
    assert.ok(ratio > 0.7 && ratio < 1.4, `unknown over known: ${ratio}`);
  });

  test("seventy-two bytes are compared, never a cut of more", async () => {
    const { createPasswords } = await import("../bot/identity/password.ts");
    const passwords = createPasswords(4);
    const longest = "x".repeat(72);
    const hash = await passwords.hash(longest);
    assert.equal(await passwords.matches(longest, hash), true);
    assert.equal(await passwords.matches(`${longest}y`, hash), false);
    await assert.rejects(passwords.hash(`${longest}y`), { code: "invalid" });
  });

  test("a wrong sign-in is answered the same for every reason, and audited without what was typed", async () => {
    const server = await startApiServer();
    try {
      const cookie = await setUp(server);
      const answers = [
        await login(server, admin, "wrong wrong"),
        await login(server, "hunter2-typed-here", "wrong wrong"),
      ];
      assert.deepEqual(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size, 1);
      const records = (await audit(server, cookie)).filter(({ status }) => status === "FAILED");
      assert.deepEqual(
        records.map(({ username, detail }) => [username, JSON.parse(detail ?? "{}")]),
        [
          [admin, { reason: "wrong password" }],
          [null, { reason: "unknown user" }],
        ],
      );
      assert.ok(!JSON.stringify(records).includes("hunter2"));
    } finally {
      await server.stop();
    }
  });
});

describe("guessing", () => {
  let server: ApiServer;
  let clock: FakeClock;

  before(async () => {
    clock = createFakeClock();
    server = await startApiServer({ clock });
    await setUp(server);
  });
  after(() => server.stop());

  const guess = (username: string, address: string, secret = "wrong wrong") =>
    server.identity.login({ username, password: secret }, { platform: "api", clientIp: address }).then(
      () => "in",
      (error: { code: string }) => error.code,
    );

  test("five wrong passwords lock the name for that address for a quarter of an hour, right password or not", async () => {
    for (let i = 0; i < 5; i++) assert.equal(await guess(admin, "10.0.0.1"), "unauthenticated");
    assert.equal(await guess(admin, "10.0.0.1", password), "locked");
    await clock.advance(15 * minute - 1_000);
    assert.equal(await guess(admin, "10.0.0.1", password), "locked");
    await clock.advance(2_000);
    assert.equal(await guess(admin, "10.0.0.1", password), "in");
    const locks = server.store.audit
      .page({ limit: 50, cursor: null, since: null, status: "FAILED" })
      .items.filter(({ detail }) => detail?.includes("locked") === true);
    assert.equal(locks.length, 1, "the lock is said once");
  });

  test("the lock counts from the last wrong password, also when they came slowly", async () => {
    for (let i = 0; i < 5; i++) {
      assert.equal(await guess("slow", "10.0.0.2"), "unauthenticated");
      await clock.advance(3 * minute);
    }
    await clock.advance(11 * minute);
    assert.equal(await guess("slow", "10.0.0.2"), "locked");
    await clock.advance(2 * minute);
    assert.equal(await guess("slow", "10.0.0.2"), "unauthenticated");
  });

  test("many guesses at once are no way around the five", async () => {
    await clock.advance(20 * minute);
    const outcomes = await Promise.all(Array.from({ length: 40 }, () => guess("many", "10.0.0.3")));
    assert.equal(outcomes.filter((outcome) => outcome === "unauthenticated").length, 5);
    assert.equal(outcomes.filter((outcome) => outcome === "locked").length, 35);
  });

  test("a name attacked from many addresses is slowed and not locked: its owner still gets in", async () => {
    await clock.advance(20 * minute);
    for (let i = 0; i < 5; i++) assert.equal(await guess(admin, `10.1.0.${i}`), "unauthenticated");
    let outcome: string | null = null;
    void guess(admin, "10.2.0.1", password).then((result) => {
      outcome = result;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(outcome, null, "it waits");
    assert.equal(await guess(admin, "10.2.0.1", password), "locked", "one at a time while slowed");
    await clock.advance(250);
    while (outcome === null) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(outcome, "in");
  });

  test("loopback is never locked, but its guesses come to at most one in four seconds", async () => {
    await clock.advance(20 * minute);
    let tried = 0;
    const began = clock.now().getTime();
    while (clock.now().getTime() - began < 2 * minute) {
      let settled = false;
      const attempt = guess("local", "127.0.0.1").finally(() => {
        settled = true;
      });
      while (!settled) {
        await clock.advance(100);
        await new Promise((resolve) => setImmediate(resolve));
      }
      if ((await attempt) === "unauthenticated") tried++;
    }
    assert.ok(tried <= 40, `${tried} guesses in two minutes`);
    await clock.advance(20 * minute);
    assert.equal(await guess("local", "::1"), "unauthenticated");
  });

  test("one address that tries many names is stopped", async () => {
    await clock.advance(20 * minute);
    const outcomes: string[] = [];
    for (let i = 0; i < 25; i++) outcomes.push(await guess(`name${i}`, "10.3.0.1"));
    assert.equal(outcomes.filter((outcome) => outcome === "unauthenticated").length, 20);
    await clock.advance(minute + 1);
    assert.equal(await guess("name25", "10.3.0.1"), "unauthenticated");
  });

  test("a claim of another address in a header changes nothing", async () => {
    const own = await startApiServer();
    try {
      await setUp(own);
      const body = JSON.stringify({ username: admin, password: "wrong wrong" });
      const request = httpRequest(`${own.url}/api/v1/login`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "x-forwarded-for": "203.0.113.9",
          "content-length": body.length,
        },
      });
      request.end(body);
      const [answer] = (await once(request, "response")) as [IncomingMessage];
      answer.resume();
      await once(answer, "end");
      const { items } = own.store.audit.page({ limit: 1, cursor: null, since: null });
      assert.equal(items[0]?.client_ip, "127.0.0.1");
    } finally {
      await own.stop();
    }
  });
});

describe("accounts on channels", () => {
  let server: ApiServer;
  let clock: FakeClock;

  before(async () => {
    clock = createFakeClock();
    server = await startApiServer({ clock });
    await setUp(server);
    await server.identity.addUser({ username: "bob", role: "approver" }, boss);
  });
  after(() => server.stop());

  test("a code sent to the bot links the account that sent it, once and for ten minutes", async () => {
    const { code } = server.identity.linkCode("bob", boss);
    assert.match(code, /^[A-Z0-9]{8}$/);
    assert.equal(server.identity.redeemLinkCode("WRONG123", { channel: "slack", id: "U1" }, "slack"), null);
    assert.equal(
      server.identity.redeemLinkCode(code.toLowerCase(), { channel: "slack", id: "U1" }, "slack")?.username,
      "bob",
    );
    assert.equal(server.identity.redeemLinkCode(code, { channel: "slack", id: "U2" }, "slack"), null);
    assert.equal(server.identity.behind("slack", "U1")?.username, "bob");
    assert.equal(server.identity.behind("slack", "U2"), null);
    const { code: late } = server.identity.linkCode("bob", boss);
    await clock.advance(10 * minute + 1);
    assert.equal(server.identity.redeemLinkCode(late, { channel: "feishu", id: "ou_1" }, "feishu"), null);
  });

  test("an account that belongs to somebody is not taken over, by link or by code", async () => {
    assert.throws(() => server.identity.link(admin, { channel: "slack", id: "U1" }, boss), {
      code: "conflict",
      by: "bob",
    });
    const { code } = server.identity.linkCode(admin, boss);
    assert.equal(server.identity.redeemLinkCode(code, { channel: "slack", id: "U1" }, "slack"), null);
    assert.equal(server.identity.behind("slack", "U1")?.username, "bob");
    server.identity.unlink("bob", { channel: "slack", id: "U1" }, boss);
    assert.equal(server.identity.behind("slack", "U1"), null);
    assert.throws(() => server.identity.unlink("bob", { channel: "slack", id: "U1" }, boss), { code: "not_found" });
  });

  test("accounts that were seen and belong to nobody are listed, newest first", async () => {
    server.identity.seen("slack", "U10", "Tom");
    await clock.advance(minute);
    server.identity.seen("feishu", "ou_2", null);
    server.identity.seen("slack", "U10", null);
    const names = server.identity.unlinked().map(({ id, display }) => `${id} ${display}`);
    assert.ok(names.includes("U10 Tom"), names.join());
    server.identity.link("bob", { channel: "slack", id: "U10" }, boss);
    assert.ok(!server.identity.unlinked().some(({ id }) => id === "U10"));
  });

  test("every one of these is in the audit, and the chain holds", async () => {
    const done = new Set(
      server.store.audit
        .page({ limit: 100, cursor: null, since: null })
        .items.map(({ action_type, status }) => `${action_type} ${status}`),
    );
    for (const record of [
      "setup SUCCESS",
      "user_add SUCCESS",
      "user_link SUCCESS",
      "user_link FAILED",
      "user_unlink SUCCESS",
      "user_link_code SUCCESS",
    ]) {
      assert.ok(done.has(record), record);
    }
    assert.equal((await server.services.audit.verify()).ok, true);
  });
});

function setupWith(server: ApiServer, given: Readonly<Record<string, unknown>>) {
  const body = { token: server.setupToken, username: admin, password, ...given };
  return ask(server.url, "POST", "/api/v1/setup", { body });
}

function login(server: ApiServer, username = admin, secret = password) {
  return ask(server.url, "POST", "/api/v1/login", { body: { username, password: secret } });
}

function whoami(server: ApiServer, cookie: string) {
  return ask(server.url, "GET", "/api/v1/whoami", { cookie });
}

/** Audit records, oldest first. */
async function audit(server: ApiServer, cookie: string, query = "") {
  const { body } = await ask(server.url, "GET", `/api/v1/audit?limit=200&${query}`, { cookie });
  return AuditList.parse(body).items.toReversed();
}
