import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { createClock } from "../../bot/adapters/clock.ts";
import { createLeader } from "../../bot/leader.ts";
import { StewardError } from "../../shared/errors.ts";
import { field, kinds, listField, pathOf } from "../../shared/kube.ts";
import { until } from "../until.ts";
import { configMap, deployment } from "./drafts.ts";
import { type Ground, quiet, wordsOf } from "./ground.ts";

const rbac = "rbac.authorization.k8s.io";

/** Who may do what: roles, access reviews, impersonation; and the Lease, of which there is one holder. */
export function rightsContract(ground: () => Ground): void {
  describe("rights", () => {
    let ns: string;
    let reader: string;
    let actor: string;

    const role = (name: string, rules: readonly object[]) => ({
      apiVersion: `${rbac}/v1`,
      kind: "Role",
      metadata: { name },
      rules,
    });
    const binding = (name: string, user: string, of = name) => ({
      apiVersion: `${rbac}/v1`,
      kind: "RoleBinding",
      metadata: { name },
      roleRef: { apiGroup: rbac, kind: "Role", name: of },
      subjects: [{ apiGroup: rbac, kind: "User", name: user }],
    });
    const patchOf = (name: string) => ({
      method: "PATCH" as const,
      path: pathOf(kinds.deployment, ns, name),
      contentType: "application/json-patch+json",
      body: JSON.stringify([{ op: "replace", path: "/spec/replicas", value: 0 }]),
    });
    /** Rights take a moment to be known to the API server. */
    const may = (user: string, attributes: object) =>
      until(`${user} may ${JSON.stringify(attributes)}`, () => review(user, attributes));
    const review = async (user: string, attributes: object, more: object = {}) => {
      const { code, body } = await ground().raw({
        method: "POST",
        path: "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        body: { spec: { user, resourceAttributes: { namespace: ns, ...attributes }, ...more } },
      });
      assert.equal(code, 201, JSON.stringify(body));
      return field(body, "status", "allowed") === true;
    };

    before(async () => {
      ns = await ground().namespace("rights");
      reader = `reader-of-${ns}`;
      actor = `actor-of-${ns}`;
      await ground().create(
        ns,
        role("read", [
          { apiGroups: [""], resources: ["pods", "configmaps"], verbs: ["get", "list", "watch"] },
          { apiGroups: ["apps"], resources: ["deployments"], verbs: ["get"] },
        ]),
        role("act", [
          { apiGroups: ["apps"], resources: ["deployments"], verbs: ["patch"], resourceNames: ["web"] },
          { apiGroups: ["apps"], resources: ["deployments/scale"], verbs: ["*"] },
        ]),
        binding("read", reader),
        binding("act", actor),
        deployment("web", { replicas: 0, paused: true }),
        deployment("other", { replicas: 0, paused: true }),
        configMap("settings"),
      );
      await may(reader, { verb: "list", resource: "pods" });
      await may(actor, { verb: "patch", group: "apps", resource: "deployments", name: "web" });
    });

    test("the reader reads what it may, is refused the rest, and writes nothing", async () => {
      const { read, act } = ground().as(reader);
      assert.equal((await read.get({ type: kinds.configmap, namespace: ns, name: "settings" }))?.kind, "ConfigMap");
      assert.ok((await read.get({ type: kinds.deployment, namespace: ns, name: "web" })) !== null);
      await assert.rejects(read.list({ type: kinds.deployment, namespace: ns }), {
        code: "forbidden",
        message: `deployments.apps is forbidden: User "${reader}" cannot list resource "deployments" in API group "apps" in the namespace "${ns}"`,
      });
      await assert.rejects(read.list({ type: kinds.secret, namespace: ns }), { code: "forbidden" });
      await assert.rejects(read.get({ type: kinds.node, namespace: null, name: "nope" }), {
        code: "forbidden",
        message: `nodes "nope" is forbidden: User "${reader}" cannot get resource "nodes" in API group "" at the cluster scope`,
      });
      await assert.rejects(read.list({ type: kinds.pod, namespace: null }), { code: "forbidden" });
      assert.deepEqual(await act.send(patchOf("web"), { dryRun: false }), {
        outcome: "rejected",
        status: 403,
        reason: "Forbidden",
        message: `deployments.apps "web" is forbidden: User "${reader}" cannot patch resource "deployments" in API group "apps" in the namespace "${ns}"`,
      });
    });

    test("a right on one name is none on another, and a dry run needs the same right", async () => {
      const { act, read } = ground().as(actor);
      for (const dryRun of [true, false]) {
        assert.equal((await act.send(patchOf("web"), { dryRun })).outcome, "done");
        const refused = await act.send(patchOf("other"), { dryRun });
        assert.ok(refused.outcome === "rejected" && refused.status === 403, JSON.stringify(refused));
      }
      await assert.rejects(read.get({ type: kinds.deployment, namespace: ns, name: "web" }), { code: "forbidden" });
    });

    test("a right on a subresource is none on its object", async () => {
      const path = (sub: string) => `${pathOf(kinds.deployment, ns, "other")}${sub}`;
      const as = { "impersonate-user": actor };
      const scale = await ground().raw({ method: "GET", path: path("/scale"), headers: as });
      assert.equal(scale.code, 200);
      assert.equal((await ground().raw({ method: "GET", path: path(""), headers: as })).code, 403);
    });

    test("access reviews say what the server will do", async () => {
      const questions = [
        [{ verb: "patch", group: "apps", resource: "deployments", name: "web" }, true],
        [{ verb: "patch", group: "apps", resource: "deployments", name: "other" }, false],
        [{ verb: "patch", group: "apps", resource: "deployments" }, false],
        [{ verb: "patch", group: "extensions", resource: "deployments", name: "web" }, false],
        [{ verb: "update", group: "apps", resource: "deployments", subresource: "scale", name: "other" }, true],
        [{ verb: "patch", group: "apps", resource: "deployments", namespace: "default", name: "web" }, false],
      ] as const;
      for (const [attributes, allowed] of questions) {
        assert.equal(await review(actor, attributes), allowed, JSON.stringify(attributes));
      }
      assert.equal(await review("x", { verb: "delete", resource: "nodes" }, { groups: ["system:masters"] }), true);
    });

    test("an access review says by which binding", async () => {
      const { body } = await ground().raw({
        method: "POST",
        path: "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        body: { spec: { user: reader, resourceAttributes: { namespace: ns, verb: "list", resource: "pods" } } },
      });
      assert.deepEqual(field(body, "status"), {
        allowed: true,
        reason: `RBAC: allowed by RoleBinding "read/${ns}" of Role "read" to User "${reader}"`,
      });
    });

    test("groups are impersonated with their user; groups without a user are refused", async () => {
      const whoami = async (headers: Readonly<Record<string, string>>) =>
        ground().raw({
          method: "POST",
          path: "/apis/authentication.k8s.io/v1/selfsubjectreviews",
          headers,
          body: {},
        });
      const ada = await whoami({
        "impersonate-user": "ada",
        "impersonate-group": "ops",
        "impersonate-extra-team": "x",
      });
      assert.deepEqual(field(ada.body, "status", "userInfo"), {
        username: "ada",
        groups: ["ops", "system:authenticated"],
        extra: { team: ["x"] },
      });
      const nobody = await whoami({ "impersonate-group": "ops" });
      assert.equal(wordsOf(nobody), "400: requested [{Group  ops    }] without impersonating a user");
      const account = await whoami({ "impersonate-user": `system:serviceaccount:${ns}:default` });
      assert.deepEqual(field(account.body, "status", "userInfo", "groups"), [
        "system:serviceaccounts",
        `system:serviceaccounts:${ns}`,
        "system:authenticated",
      ]);
    });

    test("who may impersonate one name may not impersonate another", async () => {
      const token = await ground().raw({
        method: "POST",
        path: `/api/v1/namespaces/${ns}/serviceaccounts/default/token`,
        body: { spec: {} },
      });
      const by = { authorization: `Bearer ${String(field(token.body, "status", "token"))}` };
      const account = `system:serviceaccount:${ns}:default`;
      await ground().create(
        null,
        {
          apiVersion: `${rbac}/v1`,
          kind: "ClusterRole",
          metadata: { name: `${ns}-impersonate` },
          rules: [{ apiGroups: [""], resources: ["users"], verbs: ["impersonate"], resourceNames: [reader] }],
        },
        {
          apiVersion: `${rbac}/v1`,
          kind: "ClusterRoleBinding",
          metadata: { name: `${ns}-impersonate` },
          roleRef: { apiGroup: rbac, kind: "ClusterRole", name: `${ns}-impersonate` },
          subjects: [{ kind: "ServiceAccount", name: "default", namespace: ns }],
        },
      );
      const as = (user: string) =>
        ground().raw({
          method: "GET",
          path: pathOf(kinds.configmap, ns, "settings"),
          headers: { ...by, "impersonate-user": user },
          anonymous: true,
        });
      await until("it may impersonate the reader", async () => (await as(reader)).code === 200);
      assert.equal(
        wordsOf(await as(actor)),
        `403: users "${actor}" is forbidden: User "${account}" cannot impersonate resource "users" in API group "" at the cluster scope`,
      );
      const own = await ground().raw({
        method: "GET",
        path: pathOf(kinds.configmap, ns, "settings"),
        headers: by,
        anonymous: true,
      });
      assert.equal(own.code, 403);
      for (const name of ["clusterroles", "clusterrolebindings"]) {
        await ground().raw({ method: "DELETE", path: `/apis/${rbac}/v1/${name}/${ns}-impersonate` });
      }
      await until("the right is gone", async () => (await as(reader)).code === 403);
    });

    test("rights change under a client that is connected", async () => {
      const person = `person-of-${ns}`;
      const { read } = ground().as(person);
      const look = () => read.get({ type: kinds.configmap, namespace: ns, name: "settings" });
      await assert.rejects(look(), { code: "forbidden" });
      await ground().create(ns, binding("person", person, "read"));
      await until("it may read", () => look().catch(() => null));
      await ground().raw({ method: "DELETE", path: `/apis/${rbac}/v1/namespaces/${ns}/rolebindings/person` });
      await until("it may no longer", async () =>
        look().then(
          () => false,
          (error: unknown) => error instanceof StewardError && error.code === "forbidden",
        ),
      );
    });

    test("nobody gives away a right that is not theirs", async () => {
      const granter = `granter-of-${ns}`;
      await ground().create(
        ns,
        role("grant", [{ apiGroups: [rbac], resources: ["roles", "rolebindings"], verbs: ["create"] }]),
        binding("grant", granter),
      );
      await may(granter, { verb: "create", group: rbac, resource: "roles" });
      const answer = await ground().raw({
        method: "POST",
        path: `/apis/${rbac}/v1/namespaces/${ns}/roles`,
        headers: { "impersonate-user": granter },
        body: role("more", [{ apiGroups: [""], resources: ["secrets"], verbs: ["get"] }]),
      });
      assert.equal(answer.code, 403);
      assert.match(
        wordsOf(answer),
        /is attempting to grant RBAC permissions not currently held:\n\{APIGroups:\[""\], Resources:\["secrets"\], Verbs:\["get"\]\}/,
      );
      const bound = await ground().raw({
        method: "POST",
        path: `/apis/${rbac}/v1/namespaces/${ns}/rolebindings`,
        headers: { "impersonate-user": granter },
        body: binding("more", granter, "read"),
      });
      assert.equal(bound.code, 403);
    });

    describe("a Lease", () => {
      const { self } = { self: () => ground().cluster.self };
      const lease = (name: string, holderIdentity: string) => ({
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: { name, namespace: ns },
        spec: { holderIdentity, leaseDurationSeconds: 15, renewTime: "2026-01-01T00:00:00.000000Z" },
      });

      test("of two who make it, one does", async () => {
        const outcomes = await Promise.allSettled([
          self().writeLease(lease("made", "a")),
          self().writeLease(lease("made", "b")),
        ]);
        assert.deepEqual(outcomes.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
        const lost = outcomes.find((outcome) => outcome.status === "rejected");
        assert.ok(lost?.reason instanceof StewardError);
        assert.equal(lost.reason.code, "conflict");
        assert.equal(lost.reason.message, 'leases.coordination.k8s.io "made" already exists');
      });

      test("of several who renew it from one version, one does, and the others hear of a conflict", async () => {
        const held = await self().writeLease(lease("renewed", "a"));
        const renew = (holder: string) =>
          self().writeLease({ ...held, spec: { ...Object(held["spec"]), holderIdentity: holder } });
        const outcomes = await Promise.allSettled([renew("b"), renew("c"), renew("d")]);
        assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
        for (const outcome of outcomes) {
          if (outcome.status === "rejected") assert.equal(outcome.reason.code, "conflict");
        }
        const now = await self().readLease(ns, "renewed");
        assert.equal(field(now, "spec", "leaseDurationSeconds"), 15);
        assert.equal(field(now, "spec", "renewTime"), "2026-01-01T00:00:00.000000Z");
      });

      test("an update that changes nothing is no renewal: the version stays, and the next one from it wins", async () => {
        const held = await self().writeLease(lease("same", "a"));
        const again = await self().writeLease(held);
        assert.equal(again.metadata.resourceVersion, held.metadata.resourceVersion);
        await self().writeLease({ ...held, spec: { ...Object(held["spec"]), holderIdentity: "b" } });
        await assert.rejects(self().writeLease({ ...held, spec: { ...Object(held["spec"]), holderIdentity: "c" } }), {
          code: "conflict",
        });
      });

      test("a renewal keeps its microseconds", async () => {
        const held = await self().writeLease(lease("micro", "a"));
        const renewed = await self().writeLease({
          ...held,
          spec: { ...Object(held["spec"]), renewTime: "2026-01-01T00:00:01.234567Z" },
        });
        assert.equal(field(renewed, "spec", "renewTime"), "2026-01-01T00:00:01.234567Z");
      });

      test("two Stewards have one leader; when it stops, the other follows at once", async () => {
        const candidate = (holder: string) =>
          createLeader({
            self: self(),
            clock: createClock(),
            log: quiet,
            holder,
            namespace: ns,
            name: "steward",
          });
        const [one, two] = [candidate("one"), candidate("two")];
        const stopping = new AbortController();
        await one.start(stopping.signal);
        await until("one holds", () => one.state() === "holding");
        const following = two.start(stopping.signal);
        await until("two stands by", () => two.state() === "standby");
        assert.deepEqual([await one.confirm(), await two.confirm()], [true, false]);
        await one.stop();
        await following;
        await until("two holds", () => two.state() === "holding");
        const held = await self().readLease(ns, "steward");
        assert.equal(field(held, "spec", "holderIdentity"), "two");
        await two.stop();
      });
    });

    test("a token's bearer is the service account", async () => {
      const token = await ground().raw({
        method: "POST",
        path: `/api/v1/namespaces/${ns}/serviceaccounts/default/token`,
        body: { spec: { expirationSeconds: 600 } },
      });
      assert.equal(token.code, 201);
      const { body } = await ground().raw({
        method: "POST",
        path: "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        headers: { authorization: `Bearer ${String(field(token.body, "status", "token"))}` },
        anonymous: true,
        body: {},
      });
      assert.equal(field(body, "status", "userInfo", "username"), `system:serviceaccount:${ns}:default`);
      assert.deepEqual(listField(body, "status", "userInfo", "groups"), [
        "system:serviceaccounts",
        `system:serviceaccounts:${ns}`,
        "system:authenticated",
      ]);
    });
  });
}
