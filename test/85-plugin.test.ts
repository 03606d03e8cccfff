import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parse as parseYaml } from "yaml";
import { type ApiServer, admin, password, startApiServer } from "./api-server.ts";
import { createPlugin, type Plugin } from "./plugin.ts";
import { until } from "./until.ts";

/** The first character that can move a cursor, change a colour or turn text around: a control but tab and newline, or a direction mark. */
function steering(text: string): string | undefined {
  return [...text].find((point) => {
    const code = point.codePointAt(0) ?? 0;
    const control = (code < 32 && point !== "\t" && point !== "\n") || (code >= 127 && code < 160);
    return control || (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  });
}

let server: ApiServer;
let plugin: Plugin;

before(async () => {
  server = await startApiServer();
  plugin = createPlugin({ STEWARD_SERVER: server.url });
  const { code, stderr } = await plugin.run(["setup", "--token", server.setupToken, "-u", admin, "--password-stdin"], {
    input: `${password}\n`,
  });
  assert.equal(code, 0, stderr);
});
after(async () => {
  await server.stop();
  await plugin.remove();
});

describe("signing in", () => {
  test("the session is kept in a file that only its owner may read, also when it was readable before", async () => {
    const path = join(plugin.home, ".config/steward/sessions.json");
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(statSync(join(path, "..")).mode & 0o777, 0o700);
    chmodSync(path, 0o644);
    await plugin.run(["login", admin, "--password-stdin"], { input: password });
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.ok(!readFileSync(path, "utf8").includes(password));
  });

  test("login, whoami and logout; a wrong password and an ended session exit 3 and say what to do", async () => {
    const other = createPlugin({ STEWARD_SERVER: server.url });
    try {
      const before = await other.run(["whoami"]);
      assert.equal(before.code, 3);
      assert.match(before.stderr, /kubectl steward login/);
      const wrong = await other.run(["login", admin], { input: "wrong wrong\n" });
      assert.deepEqual([wrong.code, wrong.stdout], [3, ""]);
      const right = await other.run(["login"], { input: `${admin}\n${password}\n` });
      assert.equal(right.code, 0, right.stderr);
      const who = await other.run(["whoami", "-o", "json"]);
      assert.deepEqual(
        { ...JSON.parse(who.stdout), expiresAt: "", user: JSON.parse(who.stdout).user.username },
        { apiVersion: "steward.io/v1", kind: "Session", user: admin, expiresAt: "", identities: [] },
      );
      assert.equal((await other.run(["logout"])).code, 0);
      assert.equal((await other.run(["whoami"])).code, 3);
      assert.equal((await other.run(["logout"])).code, 0, "signing out twice is no fault");
    } finally {
      await other.remove();
    }
  });

  test("what is done through the plugin is on the audit as terminal", async () => {
    await plugin.run(["login", admin], { input: password });
    const { stdout } = await plugin.run(["audit", "--action", "login", "--status", "SUCCESS", "-o", "json"]);
    const { items } = JSON.parse(stdout) as { items: { platform: string }[] };
    assert.ok(items.length > 0 && items.every(({ platform }) => platform === "terminal"));
  });

  test("plain http leaves this machine only on request; passwords in a URL never", async () => {
    const refused: readonly string[][] = [
      ["--server", "http://steward.example.com:8080"],
      ["--server", "http://127.0.0.1.example.com"],
      ["--server", "http://user:secret@127.0.0.1"],
      ["--server", "ftp://127.0.0.1"],
      ["--server", "127.0.0.1"],
    ];
    for (const flags of refused) {
      const { code, stderr } = await plugin.run(["status", ...flags]);
      assert.equal(code, 2, `${flags.join(" ")}: ${stderr}`);
    }
    const allowed = await plugin
      .run(["status", "--server", "http://192.0.2.1:9", "--insecure"], { env: {} })
      .catch(() => null);
    assert.notEqual(allowed?.code, 2);
  });

  test("a session goes to the bot that gave it and to no other", async () => {
    const asked: string[] = [];
    const spy = createServer((socket) => {
      socket.on("data", (data) => {
        asked.push(data.toString());
        socket.end("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
      });
    });
    spy.listen(0, "127.0.0.1");
    await once(spy, "listening");
    const address = spy.address();
    assert.ok(typeof address === "object" && address !== null);
    await plugin.run(["approvals", "--server", `http://127.0.0.1:${address.port}`]);
    spy.close();
    assert.equal(asked.length, 1);
    assert.ok(!/cookie/i.test(asked[0] ?? ""), asked[0]);
  });
});

describe("exit codes", () => {
  const cases: readonly [string, readonly string[], number][] = [
    ["done", ["approvals"], 0],
    ["help", ["--help"], 0],
    ["help of a command", ["approve", "--help"], 0],
    ["an unknown command", ["frobnicate"], 2],
    ["an unknown flag", ["approvals", "--wat"], 2],
    ["a missing argument", ["approve"], 2],
    ["a flag without its value", ["deny", "A7F3", "--reason"], 2],
    ["one argument too many", ["undo", "A", "B"], 2],
    ["a format that is none", ["approvals", "-o", "xml"], 2],
    ["a limit that is none", ["approvals", "--limit", "many"], 2],
    ["a time that is none", ["approvals", "--since", "yesterday"], 2],
    ["a line that is not understood", ["propose", "frobnicate", "x"], 2],
    ["a pause without a reason", ["pause"], 2],
    ["an approval that is not there", ["approve", "ZZZZ"], 5],
    ["an incident that is not there", ["incidents", "none"], 5],
    ["a bot that is not there", ["approvals", "--server", "http://127.0.0.1:1"], 6],
    ["a file that is not there", ["policy", "test", "-f", "/nowhere.json"], 2],
    ["a kubeconfig that is not there", ["approvals", "--server", "", "--kubeconfig", "/nowhere"], 2],
  ];
  for (const [what, args, expected] of cases) {
    test(`${what} exits ${expected}`, async () => {
      const { code, stdout, stderr } = await plugin.run(args, args.includes("") ? { env: { STEWARD_SERVER: "" } } : {});
      assert.equal(code, expected, stderr);
      if (expected !== 0) {
        assert.equal(stdout, "", "data goes to stdout, words to stderr");
        assert.match(stderr, /^error: /);
        assert.ok(!/\n\s+at /.test(stderr), `no stack: ${stderr}`);
      }
    });
  }

  test("who may not, exits 4; who is too late, exits 1 and learns who decided", async () => {
    await plugin.run(["users", "add", "vic", "--role", "viewer"], { input: password });
    const viewer = createPlugin({ STEWARD_SERVER: server.url });
    try {
      await viewer.run(["login", "vic"], { input: password });
      const { code } = server.putProposal();
      const denied = await viewer.run(["approve", code]);
      assert.equal(denied.code, 4, denied.stderr);
      assert.equal((await plugin.run(["approve", code])).code, 0);
      const late = await plugin.run(["deny", code]);
      assert.equal(late.code, 1);
      assert.match(late.stderr, /approved/);
    } finally {
      await viewer.remove();
    }
  });
});

describe("decisions", () => {
  test("a change is proposed as kubectl writes it, shown with its diff, and approved", async () => {
    const line = ["propose", "scale", "deployment/web", "--replicas=3"];
    const proposed = await plugin.run([...line, "-o", "json"]);
    assert.equal(proposed.code, 0, proposed.stderr);
    const approval = JSON.parse(proposed.stdout) as { apiVersion: string; kind: string; code: string; state: string };
    assert.deepEqual([approval.apiVersion, approval.kind, approval.state], ["steward.io/v1", "Approval", "pending"]);
    const shown = await plugin.run(["approvals", approval.code]);
    assert.match(shown.stdout, /\+ restartedAt/);
    const approved = await plugin.run(["approve", approval.code.toLowerCase()]);
    assert.equal(approved.code, 0, approved.stderr);
    assert.equal(approved.stdout, "");
    assert.match(approved.stderr, new RegExp(`^${approval.code} approved`));
    assert.equal(server.carriedOut.length > 0, true);
    const whole = await plugin.run(["propose", "kubectl scale deployment/web --replicas=4"]);
    assert.equal(whole.code, 0, whole.stderr);
  });

  test("a denial carries its reason; undo and renew make new approvals", async () => {
    const { code } = server.putProposal();
    assert.equal((await plugin.run(["deny", code, "--reason", "wrong cause"])).code, 0);
    const { stdout } = await plugin.run(["approvals", code, "-o", "json"]);
    const { decisions } = JSON.parse(stdout) as { decisions: { reason: string; platform: string }[] };
    assert.deepEqual(
      decisions.map(({ reason, platform }) => [reason, platform]),
      [["wrong cause", "terminal"]],
    );
    for (const how of ["undo", "renew"]) {
      const again = await plugin.run([how, code, "-o", "name"]);
      assert.match(again.stdout, /^approval\/C\d+\n$/);
      assert.notEqual(again.stdout.trim(), `approval/${code}`);
    }
  });

  test("the stop switch, the gate and the status say how things stand", async () => {
    const paused = await plugin.run(["pause", "--for", "6h", "-n", "payment", "--reason", "release window"]);
    assert.match(paused.stdout, /Paused.*payment.*release window/);
    const status = await plugin.run(["status"]);
    assert.equal(status.code, 0);
    assert.match(status.stdout, /Steward 0\.0\.0 ready/);
    assert.match(status.stdout, /paused all changes in payment by ada/);
    assert.match((await plugin.run(["resume"])).stdout, /Changes are allowed/);
    const gate = await plugin.run(["gate", "deployment/x", "-n", "y", "-o", "json"]);
    assert.deepEqual(JSON.parse(gate.stdout).namespace, "y");
    assert.match((await plugin.run(["gate", "deployment/x", "-n", "y"])).stdout, /2 of 3 automatic fixes/);
  });

  test("a bot that is not ready is said, and exits 1", async () => {
    const { readiness } = server;
    server.readiness = {
      ...readiness,
      ready: false,
      state: "degraded",
      checks: [{ name: "store", ok: false, text: "disk full" }],
    };
    try {
      const status = await plugin.run(["status"]);
      assert.equal(status.code, 1);
      assert.match(status.stdout, /store: disk full/);
    } finally {
      server.readiness = readiness;
    }
  });

  test("users are added, linked, listed, given roles and removed", async () => {
    assert.equal((await plugin.run(["users", "add", "bob", "--role", "approver", "--without-password"])).code, 0);
    assert.equal((await plugin.run(["users", "add", "carl"])).code, 2);
    assert.equal((await plugin.run(["users", "link", "bob", "--slack", "U1"])).code, 0);
    const code = await plugin.run(["users", "link", "bob"]);
    assert.match(code.stdout, /^[A-Z0-9]{8}\n/);
    assert.match((await plugin.run(["users", "list"])).stdout, /bob +approver +no +slack:U1/);
    server.identity.seen("feishu", "ou_9", "Zoe");
    assert.match((await plugin.run(["users", "list", "--unlinked"])).stdout, /feishu +ou_9 +Zoe/);
    assert.equal((await plugin.run(["users", "role", "bob", "viewer"])).code, 0);
    assert.equal((await plugin.run(["users", "unlink", "bob", "--slack", "U1"])).code, 0);
    assert.equal((await plugin.run(["users", "remove", "bob"])).code, 0);
    const last = await plugin.run(["users", "remove", admin]);
    assert.equal(last.code, 1);
    assert.match(last.stderr, /last admin/);
  });

  test("policies are tried, linted and shown", async () => {
    const rules = join(plugin.home, "rules.yaml");
    const payload = join(plugin.home, "payload.json");
    writeFileSync(rules, "rules:\n  - name: never\n    match: ['a=\"b\"']\n");
    writeFileSync(payload, '{"alerts": []}');
    assert.match((await plugin.run(["policy", "test", "-f", payload])).stdout, /→ diagnose by no rule/);
    assert.equal((await plugin.run(["policy", "test", "--since", "7d", "--rules", rules])).code, 0);
    assert.equal((await plugin.run(["policy", "test", "--since", "7d"])).code, 2);
    const lint = await plugin.run(["policy", "lint", "-f", rules]);
    assert.deepEqual([lint.code, /never +can never match/.test(lint.stdout)], [1, true]);
    assert.equal((await plugin.run(["policy", "lint"])).code, 0);
    assert.deepEqual(parseYaml((await plugin.run(["policy", "show"])).stdout).rules[0].name, "critical");
  });
});

describe("output", () => {
  test("one list in every format: data only, and nothing that is not asked for", async () => {
    const { id } = server.putIncident({ namespace: "formats", target: "deployment/web", severity: "critical" });
    const run = async (format: string) => (await plugin.run(["incidents", "-n", "formats", "-o", format])).stdout;
    const table = await run("table");
    assert.match(table, /^ID +SEVERITY +NAMESPACE +TARGET +ALERT +STATE +APPROVALS +AGE\n/);
    assert.match(table, new RegExp(`\\n${id} +critical +formats +deployment/web `));
    assert.match(await run("wide"), /CONCLUSION\n/);
    assert.equal(await run("name"), `incident/${id}\n`);
    const json = JSON.parse(await run("json")) as {
      apiVersion: string;
      kind: string;
      items: { kind: string; id: string }[];
    };
    assert.deepEqual(
      [json.apiVersion, json.kind, json.items[0]?.kind, json.items[0]?.id],
      ["steward.io/v1", "IncidentList", "Incident", id],
    );
    assert.deepEqual(parseYaml(await run("yaml")), json);
    const [header, line] = (await run("csv")).split("\n");
    assert.match(header ?? "", /^ID,SEVERITY,NAMESPACE/);
    assert.match(line ?? "", new RegExp(`^${id},critical,formats,deployment/web,`));
    const none = await plugin.run(["incidents", "-n", "nowhere"]);
    assert.deepEqual([none.code, none.stdout, none.stderr], [0, "", "No open incidents found.\n"]);
    assert.deepEqual(JSON.parse((await plugin.run(["incidents", "-n", "nowhere", "-o", "json"])).stdout).items, []);
  });

  test("no text from outside can steer the terminal, in any format", async () => {
    const evil = "\u001b]0;owned\u0007\u001b[2J\u009b31mred\u202egnp.exe\rover\u0000";
    const { code } = server.putProposal({
      summary: `summary ${evil}`,
      diff: `+ ${evil}\n- plain`,
      kubectl: `kubectl ${evil}`,
      warnings: [`line\nState: succeeded ${evil}`],
      reason: evil,
      requestedBy: evil,
      namespace: "evil",
    });
    const { id } = server.putIncident({ namespace: "evil", alertname: evil, target: evil, labels: { [evil]: evil } });
    for (const format of ["table", "wide", "json", "yaml", "csv", "name"]) {
      for (const args of [
        ["approvals", code],
        ["approvals", "-n", "evil"],
        ["incidents", id],
        ["incidents", "-n", "evil"],
      ]) {
        const { code: exit, stdout, stderr } = await plugin.run([...args, "-o", format]);
        assert.equal(exit, 0, stderr);
        assert.ok(stdout.length > 0);
        assert.equal(steering(stdout + stderr), undefined, `${args.join(" ")} -o ${format}: ${JSON.stringify(stdout)}`);
      }
    }
    const shown = await plugin.run(["approvals", code]);
    assert.ok(
      !/^State: succeeded/m.test(shown.stdout.split("\n").slice(2).join("\n")),
      "a line break makes no line of its own",
    );
    const json = JSON.parse((await plugin.run(["approvals", code, "-o", "json"])).stdout) as { summary: string };
    assert.equal(json.summary, `summary ${evil}`, "JSON says exactly what is there");
  });

  test("a spreadsheet finds text, no formulas", async () => {
    server.putProposal({ summary: '=HYPERLINK("http://evil")', namespace: "sheet" });
    const { stdout } = await plugin.run(["approvals", "-n", "sheet", "-o", "csv"]);
    assert.match(stdout, /"'=HYPERLINK\(""http:\/\/evil""\)"/);
  });

  test("a reader that has seen enough is no failure", async () => {
    const child = plugin.start(["audit", "--limit", "1000", "-o", "json"]);
    child.stdout.once("data", () => child.stdout.destroy());
    let stderr = "";
    child.stderr.on("data", (data: Buffer) => {
      stderr += data.toString();
    });
    const [code] = (await once(child, "close")) as [number];
    assert.deepEqual([code, stderr], [0, ""]);
  });
});

describe("the audit", () => {
  test("is verified by the bot, exported, and verified again without it; a changed line is named", async () => {
    const verified = await plugin.run(["audit", "verify"]);
    assert.equal(verified.code, 0);
    assert.match(verified.stdout, /records, none changed, none missing/);
    const file = join(plugin.home, "export.ndjson");
    assert.equal((await plugin.run(["audit", "export", file])).code, 0);
    assert.equal((await plugin.run(["audit", "export", file])).code, 2, "what is there is not written over");
    const offline = (path: string) => plugin.run(["audit", "verify", "--file", path, "--server", "http://127.0.0.1:1"]);
    assert.equal((await offline(file)).code, 0);
    const lines = readFileSync(file, "utf8").trimEnd().split("\n");
    const changed = join(plugin.home, "changed.ndjson");
    writeFileSync(
      changed,
      lines.map((line, i) => (i === 2 ? line.replace('"platform":"terminal"', '"platform":"slack"') : line)).join("\n"),
    );
    const broken = await offline(changed);
    assert.equal(broken.code, 1);
    assert.match(broken.stdout, /broken at record 3/);
    writeFileSync(changed, lines.filter((_, i) => i !== 2).join("\n"));
    assert.match((await offline(changed)).stdout, /broken at record 3/);
    assert.equal((await offline("/nowhere")).code, 2);
    const { stdout } = await plugin.run(["audit", "--user", admin, "--limit", "3", "-o", "csv"]);
    assert.equal(stdout.trimEnd().split("\n").length, 4);
  });
});

describe("watching", () => {
  test("changes are printed as they come, over a connection that breaks, with none lost and none twice", async () => {
    const sockets = new Set<Socket>();
    const proxy = createServer((socket) => {
      const upstream = connect(server.port, "127.0.0.1");
      for (const [from, to] of [
        [socket, upstream],
        [upstream, socket],
      ] as const) {
        from.pipe(to);
        from.on("error", () => {});
        from.on("close", () => to.destroy());
      }
      sockets.add(socket);
    });
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const address = proxy.address();
    assert.ok(typeof address === "object" && address !== null);
    const url = `http://127.0.0.1:${address.port}`;
    await plugin.run(["login", admin, "--server", url], { input: password });

    const child = plugin.start(["watch", "-o", "json", "--server", url]);
    const states: string[] = [];
    let words = "";
    let rest = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      states.push(...lines.map((line) => (JSON.parse(line) as { state: string }).state));
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      words += text;
    });
    await until("it watches", () => words.includes("Watching"));
    for (const socket of sockets) socket.destroy();
    server.putCard("during the break");
    await until("the missed change", () => states.length >= 1, 15_000);
    server.putCard("after it");
    await until("the next change", () => states.length >= 2);
    assert.deepEqual(states, ["during the break", "after it"]);
    assert.match(words, /trying again/);
    child.kill("SIGINT");
    await once(child, "close");
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });

  test("a list with --watch prints each thing anew that changes", async () => {
    const child = plugin.start(["approvals", "--watch", "-n", "watched"]);
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    let words = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      words += text;
    });
    await until("the empty list", () => words.includes("No pending approvals"));
    const { id, code } = server.putProposal({ namespace: "watched" });
    server.putCard("proposed", id);
    await until("its row", () => out.includes(code));
    await plugin.run(["approve", code]);
    server.putCard("decided", id);
    await until("its row again", () => out.includes("approved"));
    assert.equal(out.trimEnd().split("\n").length, 2);
    child.kill("SIGTERM");
    await once(child, "close");
  });
});
