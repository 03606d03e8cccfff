import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { routes } from "../bot/http/routes/index.ts";
import { ApprovalAnswer, ApprovalList } from "../shared/api/approval.ts";
import { AuditList, AuditVerdict } from "../shared/api/audit.ts";
import { ErrorAnswer } from "../shared/api/common.ts";
import { GateExplanation, SwitchAnswer } from "../shared/api/gate.ts";
import { IncidentDetail, IncidentList } from "../shared/api/incident.ts";
import { PolicyAnswer, PolicyTestAnswer } from "../shared/api/policy.ts";
import { type Role, roles } from "../shared/approval.ts";
import { type ApiServer, ask, password, ready, setUp, signInAs, startApiServer } from "./api-server.ts";

/** SPEC 4, "Roles, by route", written down a second time on purpose: the table of the server is held against it. */
const promised: Readonly<Record<"open" | "link" | Role, readonly string[]>> = {
  open: [
    "POST /api/v1/webhook/alertmanager",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "POST /api/v1/setup",
    "POST /api/v1/login",
  ],
  link: ["GET /chat"],
  viewer: [
    "POST /api/v1/logout",
    "GET /api/v1/whoami",
    "GET /api/v1/incidents",
    "GET /api/v1/incidents/:id",
    "GET /api/v1/approvals",
    "GET /api/v1/approvals/:id",
    "GET /api/v1/audit",
    "GET /api/v1/audit/verify",
    "GET /api/v1/changes",
    "GET /api/v1/events",
    "GET /api/v1/gate",
    "GET /api/v1/pause",
    "GET /api/v1/policy",
    "POST /api/v1/policy/test",
    "POST /api/v1/policy/lint",
  ],
  approver: [
    "POST /api/v1/incidents/:id/ignore",
    "POST /api/v1/incidents/:id/claim",
    "POST /api/v1/approvals/:id/approve",
    "POST /api/v1/approvals/:id/deny",
    "POST /api/v1/approvals/:id/undo",
    "POST /api/v1/approvals/:id/renew",
    "POST /api/v1/proposals",
  ],
  admin: [
    "GET /api/v1/audit/export",
    "POST /api/v1/pause",
    "POST /api/v1/resume",
    "GET /api/v1/users",
    "POST /api/v1/users",
    "PUT /api/v1/users/:name/role",
    "DELETE /api/v1/users/:name",
    "POST /api/v1/users/:name/identities",
    "DELETE /api/v1/users/:name/identities/:channel/:id",
    "POST /api/v1/users/:name/link-code",
  ],
};

describe("every route and role", () => {
  let server: ApiServer;
  const cookies: Partial<Record<Role, string>> = {};

  before(async () => {
    server = await startApiServer();
    const adminCookie = await setUp(server);
    cookies.admin = adminCookie;
    cookies.approver = await signInAs(server, adminCookie, "amy", "approver");
    cookies.viewer = await signInAs(server, adminCookie, "vic", "viewer");
  });
  after(() => server.stop());

  test("the table of the server says what the specification says, no more and no less", () => {
    const found = Object.groupBy(routes, ({ access }) => access);
    for (const access of Object.keys(promised) as (keyof typeof promised)[]) {
      const said = (found[access] ?? []).map(({ method, path }) => `${method} ${path}`);
      assert.deepEqual(said.toSorted(), promised[access].toSorted(), access);
    }
  });

  for (const route of routes) {
    const { method, access } = route;
    // Logging out would end the session the walk is made with; streams never end: both have tests of their own.
    if (route.path.endsWith("/logout") || route.path.endsWith("/events")) continue;
    const path = route.path
      .replace(":id", "nothing")
      .replace(":name", "nobody")
      .replace(":channel", "slack")
      .replace(":id", "U1");

    test(`${method} ${route.path} answers nobody below ${access}`, async () => {
      const anonymous = await ask(server.url, method, path, method === "GET" ? {} : { body: {} });
      if (access === "open") {
        assert.notEqual(anonymous.status, 401);
        return;
      }
      assert.equal(anonymous.status, 401, anonymous.text);
      assert.equal(ErrorAnswer.parse(anonymous.body).error.code, "unauthenticated");
      const needed = roles.indexOf(access === "link" ? "viewer" : access);
      for (const role of roles) {
        const answer = await ask(server.url, method, path, {
          cookie: cookies[role] ?? "",
          ...(method === "GET" ? {} : { body: {} }),
        });
        if (roles.indexOf(role) < needed) {
          assert.equal(answer.status, 403, `${role}: ${answer.text}`);
          assert.equal(ErrorAnswer.parse(answer.body).error.code, "forbidden");
          const [record] = server.store.audit.page({
            limit: 1,
            cursor: null,
            since: null,
            action: "refuse_request",
          }).items;
          assert.deepEqual(
            [record?.intent, record?.target_resource, record?.status, JSON.parse(record?.detail ?? "{}")],
            [
              `${method} ${route.path}`,
              path,
              "FAILED",
              { by: role === "viewer" ? "vic" : "amy", role, needed: access },
            ],
          );
        } else {
          assert.ok(![401, 403].includes(answer.status), `${role}: ${answer.status} ${answer.text}`);
          assert.ok(answer.status < 500, `${role}: ${answer.status} ${answer.text}`);
        }
      }
    });
  }
});

describe("what the routes answer", () => {
  let server: ApiServer;
  let cookie: string;

  before(async () => {
    server = await startApiServer();
    cookie = await setUp(server);
  });
  after(() => server.stop());

  const get = (path: string) => ask(server.url, "GET", path, { cookie });
  const post = (path: string, body: unknown = {}) => ask(server.url, "POST", path, { cookie, body });

  test("before there is an admin every call but webhook, health and setup answers setup_required", async () => {
    const fresh = await startApiServer();
    try {
      for (const route of routes) {
        const { status, body } = await ask(
          fresh.url,
          route.method,
          route.path.replaceAll(":", ""),
          route.method === "GET" ? {} : { body: {} },
        );
        const exempt = /webhook|healthz|readyz|metrics|setup$/.test(route.path);
        assert.equal(status === 409 && ErrorAnswer.parse(body).error.code === "setup_required", !exempt, route.path);
      }
    } finally {
      await fresh.stop();
    }
  });

  test("a standby says that it lives, and answers everything else with 503 standby", async () => {
    const standby = await startApiServer({ standby: true });
    standby.readiness = { ...ready, ready: false, state: "standby" };
    try {
      assert.equal((await ask(standby.url, "GET", "/healthz")).status, 200);
      const readiness = await ask(standby.url, "GET", "/readyz");
      assert.equal(readiness.status, 503);
      assert.equal(readiness.body["state"], "standby");
      const webhook = await ask(standby.url, "POST", "/api/v1/webhook/alertmanager", { body: {} });
      assert.equal(webhook.status, 503);
      assert.equal(ErrorAnswer.parse(webhook.body).error.state, "standby");
      assert.ok(Number(webhook.headers.get("retry-after")) > 0);
      assert.equal(standby.delivered.length, 0);
      standby.http.attach({ services: standby.services, store: standby.store });
      assert.equal((await ask(standby.url, "POST", "/api/v1/webhook/alertmanager", { body: {} })).status, 202);
    } finally {
      await standby.stop();
    }
  });

  test("readyz carries every check and link, metrics are Prometheus text", async () => {
    const readiness = await ask(server.url, "GET", "/readyz");
    assert.equal(readiness.status, 200);
    assert.deepEqual(readiness.body, ready);
    const metrics = await ask(server.url, "GET", "/metrics");
    assert.match(metrics.headers.get("content-type") ?? "", /^text\/plain/);
    assert.match(metrics.text, /^steward_/);
  });

  test("incidents are listed newest first, page by page, by state, namespace and time", async () => {
    for (let i = 0; i < 5; i++) server.putIncident({ startedAt: new Date(Date.now() - i * 60_000), namespace: "shop" });
    server.putIncident({ startedAt: new Date(Date.now() - 90_000_000), namespace: "shop", state: "resolved" });
    const first = IncidentList.parse((await get("/api/v1/incidents?namespace=shop&limit=2")).body);
    assert.equal(first.items.length, 2);
    const seen = [...first.items];
    for (let { next } = first; next !== null; ) {
      const page = IncidentList.parse(
        (await get(`/api/v1/incidents?namespace=shop&limit=2&cursor=${encodeURIComponent(next)}`)).body,
      );
      seen.push(...page.items);
      next = page.next;
    }
    assert.equal(new Set(seen.map(({ id }) => id)).size, 6);
    const times = seen.map(({ startedAt }) => startedAt);
    assert.deepEqual(times, times.toSorted().reverse());
    const count = async (query: string) =>
      IncidentList.parse((await get(`/api/v1/incidents?namespace=shop&${query}`)).body).items.length;
    assert.equal(await count("state=resolved"), 1);
    assert.equal(await count("since=24h"), 5);
    assert.equal(await count(`since=${new Date(Date.now() - 100_000_000).toISOString()}`), 6);
  });

  test("one incident says what was read, and can be claimed and ignored", async () => {
    const { id } = server.putIncident();
    server.store.transact((now) => {
      const run = server.store.evidence.begin({ incidentId: id, by: "rules", model: null });
      server.store.evidence.insert(
        { id: "ev1", incidentId: id, tool: "kubectl_get", args: { name: "checkout" }, text: "NAME READY", at: now },
        run,
      );
    });
    const detail = IncidentDetail.parse((await get(`/api/v1/incidents/${id}`)).body);
    assert.deepEqual(
      detail.evidence.map(({ text }) => text),
      ["NAME READY"],
    );
    assert.equal((await post(`/api/v1/incidents/${id}/claim`)).body["claimedBy"], "ada");
    const before = Date.now();
    const ignored = (await post(`/api/v1/incidents/${id}/ignore`, { for: "4h" })).body;
    assert.equal(ignored["state"], "ignored");
    assert.ok(Math.abs(Date.parse(String(ignored["ignoredUntil"])) - before - 4 * 3_600_000) < 10_000);
    assert.equal((await post("/api/v1/incidents/none/claim")).status, 404);
  });

  test("an approval is found by id and by code, decided once, and says who decided when it is too late", async () => {
    const { id, code } = server.putProposal();
    const shown = ApprovalAnswer.parse((await get(`/api/v1/approvals/${code.toLowerCase()}`)).body);
    assert.equal(shown.id, id);
    assert.equal(shown.gate.limit, 3);
    const approved = ApprovalAnswer.parse((await post(`/api/v1/approvals/${code}/approve`)).body);
    assert.equal(approved.state, "approved");
    assert.deepEqual(
      approved.decisions.map(({ user, verdict, platform }) => [user, verdict, platform]),
      [["ada", "approve", "api"]],
    );
    assert.deepEqual(server.carriedOut, [id]);
    const late = await post(`/api/v1/approvals/${code}/deny`, { reason: "not now" });
    assert.equal(late.status, 409);
    assert.deepEqual(
      { ...ErrorAnswer.parse(late.body).error, message: "" },
      { code: "conflict", message: "", state: "approved", by: "ada" },
    );
    assert.deepEqual(server.carriedOut, [id]);
    const listed = ApprovalList.parse((await get("/api/v1/approvals?state=approved")).body);
    assert.ok(listed.items.some((item) => item.id === id));
  });

  test("undo and renew answer 201 with the new approval", async () => {
    const { id, code } = server.putProposal({ state: "succeeded" });
    const undo = await post(`/api/v1/approvals/${code}/undo`);
    assert.equal(undo.status, 201);
    assert.equal(ApprovalAnswer.parse(undo.body).undoOf, id);
    const renew = await post(`/api/v1/approvals/${code}/renew`);
    assert.equal(renew.status, 201);
    assert.notEqual(ApprovalAnswer.parse(renew.body).code, code);
  });

  test("a kubectl line and a typed action become approvals; anything else is refused with the place of the fault", async () => {
    const line = await post("/api/v1/proposals", { kubectl: "kubectl scale deployment/web --replicas=3" });
    assert.equal(line.status, 201);
    assert.equal(ApprovalAnswer.parse(line.body).target, "deployment/web");
    const typed = await post("/api/v1/proposals", {
      action: { kind: "restart", namespace: "payment", target: "deployment/checkout" },
    });
    assert.equal(typed.status, 201);
    const faults: readonly [unknown, string, string | undefined][] = [
      [{ kubectl: "kubectl frobnicate x" }, "not_understood", undefined],
      [
        { action: { kind: "restart", namespace: "payment", target: "deployment/checkout", force: true } },
        "invalid",
        "action.force",
      ],
      [
        { action: { kind: "scale", namespace: "payment", target: "deployment/x", replicas: -1 } },
        "invalid",
        "action.replicas",
      ],
      [{ kubectl: 7 }, "invalid", "kubectl"],
      [{ kubectl: "kubectl get pods", incidentId: "none" }, "not_found", "incidentId"],
      [[], "invalid", undefined],
    ];
    for (const [body, code, path] of faults) {
      const { error } = ErrorAnswer.parse((await post("/api/v1/proposals", body)).body);
      assert.equal(error.code, code, JSON.stringify(body));
      assert.equal(error.path, path, JSON.stringify(body));
    }
    const refused = server.store.audit.page({ limit: 9, cursor: null, since: null, action: "refuse_proposal" }).items;
    assert.deepEqual(
      refused.map(({ status, detail }) => [status, JSON.parse(detail ?? "{}").error]).toReversed(),
      ["not_understood", "invalid", "invalid", "invalid", "not_found", "invalid"].map((code) => ["FAILED", code]),
    );
  });

  test("the gate explains, and the stop switch is shown, set and taken back", async () => {
    const gate = GateExplanation.parse((await get("/api/v1/gate?target=deploy/x&namespace=y")).body);
    assert.deepEqual([gate.used, gate.limit, gate.namespace, gate.target], [2, 3, "y", "deployment/x"]);
    assert.equal((await get("/api/v1/gate?target=deployment/missing")).status, 404);
    assert.equal(ErrorAnswer.parse((await get("/api/v1/gate?target=x")).body).error.path, "target");
    assert.equal(ErrorAnswer.parse((await post("/api/v1/pause", { for: "6h" })).body).error.path, "reason");
    const nowhere = await post("/api/v1/pause", { namespace: "../y", reason: "window" });
    assert.equal(ErrorAnswer.parse(nowhere.body).error.path, "namespace");
    const paused = SwitchAnswer.parse(
      (await post("/api/v1/pause", { for: "6h", namespace: "y", reason: "window" })).body,
    );
    assert.equal(paused.pauses[0]?.reason, "window");
    assert.deepEqual(SwitchAnswer.parse((await get("/api/v1/pause")).body), paused);
    assert.equal(SwitchAnswer.parse((await post("/api/v1/resume")).body).paused, false);
  });

  test("the policy is shown, tested and linted", async () => {
    assert.equal(PolicyAnswer.parse((await get("/api/v1/policy")).body).rules[0]?.name, "critical");
    assert.equal(PolicyTestAnswer.parse((await post("/api/v1/policy/test", { payload: {} })).body).items.length, 1);
    assert.equal((await post("/api/v1/policy/test", { since: "7d", rules: [] })).status, 200);
    assert.equal(
      ErrorAnswer.parse((await post("/api/v1/policy/test", { since: "soon", rules: [] })).body).error.path,
      "since",
    );
    assert.deepEqual((await post("/api/v1/policy/lint", { rules: [] })).body, {
      warnings: [{ rule: "never", text: "can never match" }],
    });
  });

  test("the audit is filtered by name, paged, verified and exported", async () => {
    const mine = AuditList.parse((await get("/api/v1/audit?user=ada&action=setup")).body);
    assert.deepEqual(
      mine.items.map(({ username, action_type }) => [username, action_type]),
      [["ada", "setup"]],
    );
    const page = AuditList.parse((await get("/api/v1/audit?limit=1")).body);
    assert.equal(page.items.length, 1);
    assert.notEqual(page.next, null);
    assert.equal(ErrorAnswer.parse((await get("/api/v1/audit?platform=fax")).body).error.path, "platform");
    const verdict = AuditVerdict.parse((await get("/api/v1/audit/verify")).body);
    assert.equal(verdict.ok, true);
    const exported = await get("/api/v1/audit/export");
    assert.equal(exported.headers.get("content-type"), "application/x-ndjson");
    const lines = exported.text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { seq: number; action_type: string });
    assert.deepEqual(
      lines.map(({ seq }) => seq),
      lines.map((_, i) => i + 1),
    );
    assert.equal(lines.at(-1)?.action_type, "export_audit");
    assert.equal((await get("/api/v1/changes")).status, 200);
  });

  test("what a query or a body may not have is named, and nothing is done", async () => {
    const faults: readonly [string, string][] = [
      ["/api/v1/incidents?stat=open", "stat"],
      ["/api/v1/incidents?limit=0", "limit"],
      ["/api/v1/incidents?limit=x", "limit"],
      ["/api/v1/incidents?since=yesterday", "since"],
      ["/api/v1/incidents?state=open&state=resolved", "state"],
      ["/api/v1/audit?cursor=abc", "cursor"],
    ];
    for (const [path, at] of faults) {
      const answer = await get(path);
      assert.equal(answer.status, 400, path);
      assert.equal(ErrorAnswer.parse(answer.body).error.path, at, path);
    }
    assert.equal((await get("/api/v1/incidents/%E0%A4%A")).status, 400);
    assert.equal((await get("/api/v1/nothing")).status, 404);
    assert.equal((await ask(server.url, "PATCH", "/api/v1/incidents", { cookie, body: {} })).status, 404);
    assert.equal((await post("/api/v1/pause", '{"reason": "x"')).status, 400);
    assert.equal((await post("/api/v1/pause", '{"__proto__": {"reason": "x"}, "reason": "y"}')).status, 400);
    const form = await ask(server.url, "POST", "/api/v1/pause", {
      cookie,
      body: "reason=x",
      headers: { "content-type": "application/x-www-form-urlencoded" },
    });
    assert.equal(form.status, 415);
    const encoded = await ask(server.url, "POST", "/api/v1/pause", {
      cookie,
      body: { reason: "x" },
      headers: { "content-encoding": "gzip" },
    });
    assert.equal(encoded.status, 415);
    const large = await post("/api/v1/pause", { reason: "x".repeat(70_000) });
    assert.equal(large.status, 413);
  });

  test("a page of another origin cannot act with the visitor's session", async () => {
    const foreign = await ask(server.url, "POST", "/api/v1/pause", {
      cookie,
      body: { reason: "x" },
      headers: { origin: "https://evil.example" },
    });
    assert.equal(foreign.status, 403);
    const nobody = await ask(server.url, "POST", "/api/v1/pause", {
      cookie,
      body: { reason: "x" },
      headers: { origin: "null" },
    });
    assert.equal(nobody.status, 403);
    const own = await ask(server.url, "POST", "/api/v1/resume", { cookie, body: {}, headers: { origin: server.url } });
    assert.equal(own.status, 200);
  });

  test("a fault inside is answered as internal and nothing more; the log has it", async () => {
    const { services } = server;
    const { show } = services.policy;
    services.policy.show = () => {
      throw new Error("secret detail");
    };
    try {
      const answer = await get("/api/v1/policy");
      assert.equal(answer.status, 500);
      assert.equal(ErrorAnswer.parse(answer.body).error.code, "internal");
      assert.ok(!answer.text.includes("secret detail"));
      assert.ok(
        server.logged.some(
          ({ level, fields }) => level === "error" && String(fields["error"]).includes("secret detail"),
        ),
      );
    } finally {
      services.policy.show = show;
    }
  });

  test("a deep link opens its card with a session or its own signature, and nothing else", async () => {
    const { id } = server.putCard("opened");
    const link = server.identity.cardLink(id, new Date(Date.now() + 60_000)) ?? "";
    const text = await ask(server.url, "GET", link);
    assert.deepEqual([text.status, text.text], [200, "card opened\n"]);
    const asJson = await ask(server.url, "GET", link, { headers: { accept: "application/json" } });
    assert.equal(asJson.body["cardId"], id);
    assert.equal((await get(`/chat?card_id=${id}`)).status, 200);
    assert.equal((await ask(server.url, "GET", `/chat?card_id=${id}`)).status, 401);
    const expired = server.identity.cardLink(id, new Date(Date.now() - 1)) ?? "";
    assert.equal((await ask(server.url, "GET", expired)).status, 401);
    const other = link.replace(id, "7c9e6679-7425-40de-944b-e07fc1f90ae7");
    assert.equal((await ask(server.url, "GET", other)).status, 401);
    const longer = link.replace(/expires=(\d+)/, (_, at: string) => `expires=${Number(at) + 60}`);
    assert.equal((await ask(server.url, "GET", longer)).status, 401);
    assert.equal((await get("/chat?card_id=7c9e6679-7425-40de-944b-e07fc1f90ae7")).status, 404);
    assert.equal((await get("/chat?card_id=x")).status, 400);
  });

  test("users are added, listed, linked, given roles and removed, and no password ever comes back", async () => {
    const added = await post("/api/v1/users", { username: "bob", role: "viewer", password });
    assert.equal(added.status, 201);
    assert.equal((await post("/api/v1/users", { username: "bob", role: "viewer" })).status, 409);
    const linked = await post("/api/v1/users/bob/identities", { channel: "slack", id: "U1" });
    assert.deepEqual(linked.body["identities"], [{ channel: "slack", id: "U1", display: null }]);
    assert.equal((await post("/api/v1/users/ada/identities", { channel: "slack", id: "U1" })).status, 409);
    for (const wrong of [
      { channel: "slcak", id: "U2" },
      { channel: "slack", id: "U\u001b[1m2" },
    ]) {
      assert.equal((await post("/api/v1/users/bob/identities", wrong)).status, 400, JSON.stringify(wrong));
    }
    const role = await ask(server.url, "PUT", "/api/v1/users/bob/role", { cookie, body: { role: "approver" } });
    assert.equal(role.body["role"], "approver");
    const listed = await get("/api/v1/users");
    assert.ok(!/\$2[aby]\$/.test(listed.text));
    assert.equal((await ask(server.url, "DELETE", "/api/v1/users/bob/identities/slack/U1", { cookie })).status, 200);
    assert.equal((await ask(server.url, "DELETE", "/api/v1/users/bob", { cookie })).status, 200);
    assert.equal((await ask(server.url, "DELETE", "/api/v1/users/bob", { cookie })).status, 404);
    server.identity.seen("slack", "U9", "Zoe");
    const unlinked = await get("/api/v1/users?unlinked=true");
    assert.ok((unlinked.body["items"] as { id: string }[]).some(({ id }) => id === "U9"));
  });
});
