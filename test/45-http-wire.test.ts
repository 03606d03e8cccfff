import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { limits } from "../bot/http/server.ts";
import { CardEvent } from "../shared/api/card.ts";
import { type ApiServer, ask, ready, setUp, signInAs, startApiServer } from "./api-server.ts";
import { createFakeClock } from "./clock.ts";
import { createAuthority } from "./cluster/certificates.ts";
import { until } from "./until.ts";

const webhook = "/api/v1/webhook/alertmanager";
const mib = 1024 * 1024;

describe("bodies and sockets", () => {
  test("a delivery of 4 MiB is taken, one byte more is answered 413 and told to people", async () => {
    await withServer(async (server) => {
      const whole = await ask(server.url, "POST", webhook, { body: "x".repeat(4 * mib) });
      assert.equal(whole.status, 202);
      assert.equal(server.delivered[0]?.length, 4 * mib);
      const over = await ask(server.url, "POST", webhook, { body: "x".repeat(4 * mib + 1) });
      assert.equal(over.status, 413);
      assert.equal(server.oversized.count, 1);
      assert.equal(server.delivered.length, 1);
    });
  });

  test("a body that does not say its length is cut off at 4 MiB, and its sender still reads the answer", async () => {
    await withServer(async (server) => {
      const { answer, sent } = await sendEndless(server, {});
      assert.equal(answer.statusCode, 413);
      assert.ok(sent() < 32 * mib, `${sent()} bytes were taken`);
      assert.equal(server.oversized.count, 1);
    });
  });

  test("a sender that asks first is told 413 before it sends a byte", async () => {
    await withServer(async (server) => {
      const request = httpRequest(server.url + webhook, {
        method: "POST",
        headers: { "content-length": 100 * mib, "content-type": "application/json", expect: "100-continue" },
      });
      let asked = false;
      request.on("continue", () => {
        asked = true;
      });
      request.on("error", () => {});
      request.flushHeaders();
      const [answer] = (await once(request, "response")) as [IncomingMessage];
      assert.equal(answer.statusCode, 413);
      assert.equal(asked, false);
      request.destroy();
    });
  });

  test("headers that trickle, a body that trickles and a socket that says nothing are closed in time", async () => {
    await withServer(async (server) => {
      const began = performance.now();
      const ends = [
        trickle(server, `POST ${webhook} HTTP/1.1\r\nhost: x\r\n`, "a: b\r\n"),
        trickle(server, `POST ${webhook} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n`, "."),
        trickle(server, "", ""),
      ];
      const [headers, body, silent] = await Promise.all(ends.map(async (end) => (await end) - began));
      assert.ok((headers ?? 0) < limits.headers + 2_000, `trickling headers lived ${headers} ms`);
      assert.ok((body ?? 0) < limits.request + 2_000, `a trickling body lived ${body} ms`);
      assert.ok((silent ?? 0) < limits.request + 2_000, `a silent socket lived ${silent} ms`);
      assert.equal(server.delivered.length, 0);
      assert.equal((await ask(server.url, "GET", "/healthz")).status, 200);
    });
  });

  test("over TLS the cookie is marked Secure, and only there", async (t) => {
    if (spawnSync("openssl", ["version"]).status !== 0)
      return t.skip("needs the command openssl to make a certificate");
    const folder = mkdtempSync(join(tmpdir(), "steward-tls-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const paths = createAuthority(folder, "ca").issue({
      name: "server",
      commonName: "steward",
      hosts: ["IP:127.0.0.1"],
    });
    const [ca, cert, key] = [join(folder, "ca.crt"), paths.cert, paths.key].map((path) => readFileSync(path, "utf8"));
    if (ca === undefined || cert === undefined || key === undefined) throw new Error("no certificate was made");
    await withServer(
      async (server) => {
        const body = JSON.stringify({ token: server.setupToken, username: "ada", password: "correct horse" });
        const request = httpsRequest(`${server.url}/api/v1/setup`, {
          method: "POST",
          ca,
          headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
        });
        request.end(body);
        const [answer] = (await once(request, "response")) as [IncomingMessage];
        answer.resume();
        assert.equal(answer.statusCode, 200);
        assert.match(answer.headers["set-cookie"]?.[0] ?? "", /; HttpOnly; SameSite=Strict; Max-Age=\d+; Secure$/);
      },
      { tls: { cert, key } },
    );
    await withServer(async (server) => {
      const answer = await ask(server.url, "POST", "/api/v1/setup", {
        body: { token: server.setupToken, username: "ada", password: "correct horse" },
      });
      assert.match(answer.headers.get("set-cookie") ?? "", /; HttpOnly; SameSite=Strict; Max-Age=\d+$/);
    });
  });
});

describe("events", () => {
  test("every change of a card arrives in order, and a reader that comes back misses none and sees none twice", async () => {
    await withServer(async (server) => {
      const cookie = await setUp(server);
      server.putCard("before anybody listened");
      const first = await listen(server, cookie);
      server.putCard("one");
      server.putCard("two");
      await until("two events", () => first.events.length >= 2);
      first.close();
      assert.deepEqual(
        first.events.map(({ data }) => data.state),
        ["one", "two"],
      );
      server.putCard("three");
      const second = await listen(server, cookie, first.events[0]?.id);
      server.putCard("four");
      await until("the missed and the new one", () => second.events.at(-1)?.data.state === "four");
      // One card in several states: what was missed in between is its newest state, as the store has it.
      assert.deepEqual(
        second.events.map(({ data }) => data.state),
        ["three", "four"],
      );
      assert.deepEqual(
        second.events.map(({ id }) => id),
        second.events.map(({ id }) => id).toSorted((a, b) => a - b),
      );
      second.close();
    });
  });

  test("a number from another store's life means: from now on", async () => {
    await withServer(async (server) => {
      const cookie = await setUp(server);
      server.putCard("old");
      const reader = await listen(server, cookie, 1_000_000);
      server.putCard("new");
      await until("the new one", () => reader.events.length > 0);
      assert.deepEqual(
        reader.events.map(({ data }) => data.state),
        ["new"],
      );
      reader.close();
    });
  });

  test("a quiet stream says that it is alive, and ends soon after its session does", async () => {
    const clock = createFakeClock();
    await withServer(
      async (server) => {
        const cookie = await setUp(server);
        const viewer = await signInAs(server, cookie, "vic", "viewer");
        const reader = await listen(server, viewer);
        await clock.advance(15_000);
        await until("a heartbeat", () => reader.comments() > 1);
        assert.equal(reader.ended(), false);
        server.identity.removeUser("vic", {
          userId: null,
          username: "x",
          role: "admin",
          platform: "api",
          clientIp: null,
        });
        await clock.advance(15_000);
        await until("the end of the stream", () => reader.ended());
      },
      { clock },
    );
  });
});

describe("stopping", () => {
  test("streams end, a request under way is answered, no new connection is taken, and the port is free again", async () => {
    const server = await startApiServer();
    const cookie = await setUp(server);
    const reader = await listen(server, cookie);
    const slow = Promise.withResolvers<void>();
    const { policy } = server.services;
    const shown = policy.test;
    let entered = false;
    policy.test = async (payload, rules) => {
      entered = true;
      await slow.promise;
      return shown(payload, rules);
    };
    const underWay = ask(server.url, "POST", "/api/v1/policy/test", { cookie, body: { payload: {} } });
    await until("the request is under way", () => entered);
    const stopped = server.stop();
    await until("the stream ended", () => reader.ended());
    await assert.rejects(ask(server.url, "GET", "/healthz"));
    slow.resolve();
    assert.equal((await underWay).status, 200);
    const began = performance.now();
    await stopped;
    assert.ok(performance.now() - began < 500, "nothing was left to wait for");
  });

  test("what does not end by itself is cut when the time is over", async () => {
    const server = await startApiServer();
    const cookie = await setUp(server);
    let entered = false;
    server.services.policy.test = () => {
      entered = true;
      return new Promise(() => {});
    };
    const stuck = ask(server.url, "POST", "/api/v1/policy/test", { cookie, body: { payload: {} } });
    const cut = assert.rejects(stuck);
    await until("the request is under way", () => entered);
    const began = performance.now();
    await server.stop();
    await cut;
    assert.ok(performance.now() - began < 3_000);
  });

  test("a backend that is taken away leaves health and an honest 503", async () => {
    await withServer(async (server) => {
      server.readiness = { ...ready, ready: false, state: "stopping" };
      server.http.detach();
      const answer = await ask(server.url, "POST", webhook, { body: {} });
      assert.deepEqual([answer.status, (answer.body["error"] as { state: string }).state], [503, "stopping"]);
    });
  });
});

async function withServer(
  run: (server: ApiServer) => Promise<void>,
  options: Parameters<typeof startApiServer>[0] = {},
) {
  const server = await startApiServer(options);
  try {
    await run(server);
  } finally {
    await server.stop();
  }
}

/** Sends chunks without end until an answer comes. */
async function sendEndless(server: ApiServer, headers: Readonly<Record<string, string>>) {
  const request = httpRequest(server.url + webhook, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
  });
  let sent = 0;
  const chunk = Buffer.alloc(64 * 1024, "x");
  const pump = () => {
    while (!request.destroyed && sent < 256 * mib) {
      sent += chunk.length;
      if (!request.write(chunk)) return void request.once("drain", pump);
    }
  };
  request.on("error", () => {});
  pump();
  const [answer] = (await once(request, "response")) as [IncomingMessage];
  answer.resume();
  await once(answer, "end");
  request.destroy();
  return { answer, sent: () => sent };
}

/** Opens a socket, says `first`, then `more` twice a second; resolves with the time at which the server closed it. */
async function trickle(server: ApiServer, first: string, more: string): Promise<number> {
  const socket: Socket = connect(server.port, "127.0.0.1");
  socket.on("error", () => {});
  socket.resume();
  await once(socket, "connect");
  socket.write(first);
  const timer = setInterval(() => more !== "" && socket.write(more), 500);
  await once(socket, "close");
  clearInterval(timer);
  return performance.now();
}

interface Reader {
  readonly events: readonly { id: number; data: CardEvent }[];
  comments(): number;
  ended(): boolean;
  close(): void;
}

/** A server-sent events client over the plain HTTP client, resumed the way the standard says. */
async function listen(server: ApiServer, cookie: string, lastEventId?: number): Promise<Reader> {
  const request = httpRequest(`${server.url}/api/v1/events`, {
    headers: {
      cookie,
      accept: "text/event-stream",
      ...(lastEventId === undefined ? {} : { "last-event-id": String(lastEventId) }),
    },
  });
  request.on("error", () => {});
  request.end();
  const [answer] = (await once(request, "response")) as [IncomingMessage];
  assert.equal(answer.statusCode, 200);
  assert.match(answer.headers["content-type"] ?? "", /^text\/event-stream/);
  const events: { id: number; data: CardEvent }[] = [];
  let comments = 0;
  let over = false;
  let rest = "";
  answer.setEncoding("utf8");
  answer.on("data", (text: string) => {
    const blocks = (rest + text).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const field = (name: string) =>
        block
          .split("\n")
          .filter((line) => line.startsWith(`${name}: `))
          .map((line) => line.slice(name.length + 2))
          .join("\n");
      if (/^:/m.test(block)) comments++;
      if (field("event") === "card")
        events.push({ id: Number(field("id")), data: CardEvent.parse(JSON.parse(field("data"))) });
    }
  });
  answer.on("close", () => {
    over = true;
  });
  return { events, comments: () => comments, ended: () => over, close: () => request.destroy() };
}
