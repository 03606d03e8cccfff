import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { ClusterRequest } from "../../shared/approval.ts";
import { field, type KubeObject, kinds, listField, pathOf } from "../../shared/kube.ts";
import { noUid } from "../cluster/answers.ts";
import { configMap, deployment, image, template } from "./drafts.ts";
import { type Draft, type Ground, objectOf, patchTypes, wordsOf } from "./ground.ts";

/** Patches of each kind, dry runs, preconditions, server-side apply and validation of fields. */
export function writesContract(ground: () => Ground): void {
  describe("writes", () => {
    let ns: string;
    let made = 0;

    before(async () => {
      ns = await ground().namespace("writes");
    });

    const fresh = () => `object-${++made}`;
    const mapPath = (name: string) => pathOf(kinds.configmap, ns, name);
    const webPath = (name: string, sub?: string) => pathOf(kinds.deployment, ns, name, sub);

    /** A Deployment that nobody rolls out, so that its versions are only ours. */
    async function still(spec: Readonly<Record<string, unknown>> = {}): Promise<KubeObject> {
      const name = fresh();
      await ground().create(ns, deployment(name, { paused: true, replicas: 0, ...spec }));
      return ground().settled("observed", kinds.deployment, ns, name, (object) => {
        const progressing = listField(object, "status", "conditions").some((c) => field(c, "type") === "Progressing");
        return field(object, "status", "observedGeneration") === 1 && progressing;
      });
    }

    async function map(data: Readonly<Record<string, string>> = {}, metadata = {}): Promise<string> {
      const name = fresh();
      await ground().create(ns, configMap(name, data, metadata));
      return name;
    }

    const json = async (name: string, ops: unknown) => ground().patch("json", mapPath(name), ops);
    const dataOf = async (name: string) => field(await ground().get(kinds.configmap, ns, name), "data");

    describe("JSON patches", () => {
      const absent: readonly (readonly [what: string, op: object, passes: boolean])[] = [
        ["null holds for a key that is not there", { path: "/data/b", value: null }, true],
        ["null holds for a map that is not there", { path: "/metadata/annotations", value: null }, true],
        ["null does not hold under a map that is not there", { path: "/metadata/annotations/a", value: null }, false],
        ["null does not hold for what is there", { path: "/data/a", value: null }, false],
        ["a value holds for what equals it", { path: "/data", value: { a: "1" } }, true],
        ["a map holds in any order of keys", { path: "/metadata/labels", value: { y: "2", x: "1" } }, true],
        ["a value does not hold for what is not there", { path: "/data/b", value: "1" }, false],
        ["an empty map does not hold for one that is not there", { path: "/metadata/annotations", value: {} }, false],
      ];
      for (const [what, op, passes] of absent) {
        test(`test: ${what}`, async () => {
          const name = await map({ a: "1" }, { labels: { x: "1", y: "2" } });
          const answer = await json(name, [
            { op: "test", ...op },
            { op: "add", path: "/data/seen", value: "yes" },
          ]);
          assert.equal(answer.code, passes ? 200 : 422, JSON.stringify(answer.body));
          assert.deepEqual(await dataOf(name), passes ? { a: "1", seen: "yes" } : { a: "1" });
        });
      }

      test("escaped names reach the field, and only it", async () => {
        const name = await map({ a: "1" }, { annotations: { "steward.io/op": "x", "b.c/d": "y" } });
        const answer = await json(name, [
          { op: "test", path: "/metadata/annotations/steward.io~1op", value: "x" },
          { op: "replace", path: "/metadata/annotations/b.c~1d", value: "z" },
          { op: "test", path: "/metadata/annotations/a~0b", value: null },
          { op: "remove", path: "/metadata/annotations/steward.io~1op" },
        ]);
        assert.deepEqual(field(answer.body, "metadata", "annotations"), { "b.c/d": "z" });
      });

      test("add replaces a key, puts an item before an index, and after the last with -", async () => {
        const object = await still();
        const env = "/spec/template/spec/containers/0/env";
        const { body } = await ground().patch("json", webPath(object.metadata.name), [
          { op: "add", path: env, value: [{ name: "B", value: "2" }] },
          { op: "add", path: `${env}/0`, value: { name: "A", value: "1" } },
          { op: "add", path: `${env}/-`, value: { name: "C", value: "3" } },
          { op: "add", path: "/spec/replicas", value: 0 },
        ]);
        const names = listField(body, "spec", "template", "spec", "containers", 0, "env").map((e) => field(e, "name"));
        assert.deepEqual(names, ["A", "B", "C"]);
      });

      test("copy and move", async () => {
        const name = await map({ a: "1", b: "2" });
        const { body } = await json(name, [
          { op: "copy", from: "/data/a", path: "/data/c" },
          { op: "move", from: "/data/b", path: "/data/d" },
        ]);
        assert.deepEqual(field(body, "data"), { a: "1", c: "1", d: "2" });
      });

      test("all or nothing: what came before a failing operation is not kept", async () => {
        const name = await map({ a: "1" });
        const answer = await json(name, [
          { op: "replace", path: "/data/a", value: "2" },
          { op: "remove", path: "/data/nope" },
        ]);
        assert.equal(answer.code, 422);
        assert.deepEqual(await dataOf(name), { a: "1" });
      });

      test("a number is compared as a number", async () => {
        const object = await still({ replicas: 0 });
        for (const [value, code] of [
          [0, 200],
          [1, 422],
          ["0", 422],
        ] as const) {
          const ops = [{ op: "test", path: "/spec/replicas", value }];
          assert.equal((await ground().patch("json", webPath(object.metadata.name), ops)).code, code, String(value));
        }
      });
    });

    describe("merge patches", () => {
      test("null removes, maps are merged, lists are replaced", async () => {
        const object = await still();
        const { body } = await ground().patch("merge", webPath(object.metadata.name), {
          metadata: { labels: { a: "1" }, annotations: { b: "2" } },
          spec: { minReadySeconds: 3, template: { spec: { containers: [{ name: "other", image }] } } },
        });
        const containers = listField(body, "spec", "template", "spec", "containers");
        assert.deepEqual(
          containers.map((c) => field(c, "name")),
          ["other"],
        );
        const removed = await ground().patch("merge", webPath(object.metadata.name), {
          metadata: { labels: { a: null } },
          spec: { minReadySeconds: null },
        });
        assert.equal(field(removed.body, "metadata", "labels"), undefined);
        assert.equal(field(removed.body, "spec", "minReadySeconds"), undefined);
      });

      test("what is removed and has a default has it again", async () => {
        const object = await still({ revisionHistoryLimit: 3 });
        const { body } = await ground().patch("merge", webPath(object.metadata.name), {
          spec: { revisionHistoryLimit: null, strategy: null },
        });
        assert.equal(field(body, "spec", "revisionHistoryLimit"), 10);
        assert.deepEqual(field(body, "spec", "strategy"), {
          type: "RollingUpdate",
          rollingUpdate: { maxSurge: "25%", maxUnavailable: "25%" },
        });
      });
    });

    describe("strategic patches", () => {
      const containers = (...list: readonly object[]) => ({ spec: { template: { spec: { containers: list } } } });
      const namesAndImages = (body: unknown) =>
        listField(body, "spec", "template", "spec", "containers").map((c) => [field(c, "name"), field(c, "image")]);

      test("containers are merged by name, new ones come first, others stay", async () => {
        const object = await still();
        const path = webPath(object.metadata.name);
        const added = await ground().patch("strategic", path, containers({ name: "second", image: "b:1" }));
        assert.deepEqual(namesAndImages(added.body), [
          ["second", "b:1"],
          ["main", image],
        ]);
        const changed = await ground().patch("strategic", path, containers({ name: "main", image: "a:2" }));
        assert.deepEqual(namesAndImages(changed.body), [
          ["second", "b:1"],
          ["main", "a:2"],
        ]);
      });

      test("$patch: delete takes one out, $patch: replace all but one, $setElementOrder sets the order", async () => {
        const object = await still();
        const path = webPath(object.metadata.name);
        await ground().patch("strategic", path, containers({ name: "b", image: "b:1" }, { name: "c", image: "c:1" }));
        const ordered = await ground().patch("strategic", path, {
          spec: {
            template: {
              spec: { "$setElementOrder/containers": [{ name: "c" }, { name: "main" }, { name: "b" }] },
            },
          },
        });
        assert.deepEqual(
          namesAndImages(ordered.body).map(([name]) => name),
          ["c", "main", "b"],
        );
        const deleted = await ground().patch("strategic", path, containers({ $patch: "delete", name: "main" }));
        assert.deepEqual(
          namesAndImages(deleted.body).map(([name]) => name),
          ["c", "b"],
        );
        const replaced = await ground().patch(
          "strategic",
          path,
          containers({ name: "only", image: "d:1" }, { $patch: "replace" }),
        );
        assert.deepEqual(namesAndImages(replaced.body), [["only", "d:1"]]);
      });

      test("one resource is set and the other stays; null takes one away", async () => {
        const object = await still({
          template: template("x", { container: { resources: { limits: { cpu: "1", memory: "64Mi" } } } }),
          selector: { matchLabels: { app: "x" } },
        });
        const path = webPath(object.metadata.name);
        const limits = (body: unknown) => field(body, "spec", "template", "spec", "containers", 0, "resources");
        const set = await ground().patch(
          "strategic",
          path,
          containers({ name: "main", resources: { limits: { memory: "128Mi" } } }),
        );
        assert.deepEqual(limits(set.body), { limits: { cpu: "1", memory: "128Mi" } });
        const removed = await ground().patch(
          "strategic",
          path,
          containers({ name: "main", resources: { limits: { cpu: null } } }),
        );
        assert.deepEqual(limits(removed.body), { limits: { memory: "128Mi" } });
      });

      test("$retainKeys keeps the other side of a union", async () => {
        const object = await still();
        const { code, body } = await ground().patch("strategic", webPath(object.metadata.name), {
          spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } },
        });
        assert.equal(code, 200, JSON.stringify(body));
        assert.deepEqual(field(body, "spec", "strategy"), { type: "Recreate" });
      });

      test("finalizers are merged as a set", async () => {
        const name = await map({}, { finalizers: ["steward.io/a"] });
        const added = await ground().patch("strategic", mapPath(name), {
          metadata: { finalizers: ["steward.io/b", "steward.io/a"] },
        });
        assert.deepEqual(field(added.body, "metadata", "finalizers"), ["steward.io/b", "steward.io/a"]);
        const removed = await ground().patch("strategic", mapPath(name), {
          metadata: { "$deleteFromPrimitiveList/finalizers": ["steward.io/a", "steward.io/b"] },
        });
        assert.equal(field(removed.body, "metadata", "finalizers"), undefined);
      });
    });

    describe("versions and generations", () => {
      test("a patch that changes nothing leaves version, generation and managed fields", async () => {
        const before = await still();
        for (const kind of ["merge", "strategic"] as const) {
          const { body } = await ground().patch(
            kind,
            webPath(before.metadata.name),
            { spec: { replicas: 0 } },
            "fieldManager=x",
          );
          assert.equal(field(body, "metadata", "resourceVersion"), before.metadata.resourceVersion, kind);
        }
        const after = await ground().get(kinds.deployment, ns, before.metadata.name);
        assert.deepEqual(after, before);
      });

      test("the generation of a Deployment counts changes of specification and annotations, and no others", async () => {
        const object = await still();
        const path = webPath(object.metadata.name);
        const generation = async (body: object) =>
          field((await ground().patch("merge", path, body)).body, "metadata", "generation");
        assert.equal(await generation({ metadata: { labels: { a: "b" } } }), 1);
        assert.equal(await generation({ spec: { minReadySeconds: 1 } }), 2);
        assert.equal(await generation({ status: { replicas: 7 } }), 2);
        assert.equal(await generation({ metadata: { annotations: { a: "b" } } }), 3);
        assert.notEqual(field(await ground().get(kinds.deployment, ns, object.metadata.name), "status", "replicas"), 7);
      });

      test("the status is written through its own subresource, which writes nothing else", async () => {
        const object = await still();
        const { code, body } = await ground().patch("merge", webPath(object.metadata.name, "status"), {
          metadata: { labels: { a: "b" } },
          spec: { replicas: 5 },
          status: { collisionCount: 3 },
        });
        assert.equal(code, 200, JSON.stringify(body));
        assert.equal(field(body, "spec", "replicas"), 0);
        assert.equal(field(body, "metadata", "labels"), undefined);
        assert.equal(field(body, "status", "collisionCount"), 3);
      });
    });

    describe("dry runs", () => {
      test("of a patch by Steward's client: the result is shown and nothing is kept", async () => {
        const before = await still();
        const answer = await ground().cluster.act.send(
          request("PATCH", webPath(before.metadata.name), patchTypes.json, [
            { op: "test", path: "/metadata/uid", value: before.metadata.uid },
            { op: "replace", path: "/spec/replicas", value: 3 },
          ]),
          { dryRun: true },
        );
        assert.ok(answer.outcome === "done" && answer.object !== null, JSON.stringify(answer));
        assert.equal(field(answer.object, "spec", "replicas"), 3);
        assert.equal(answer.object.metadata.generation, 2);
        assert.equal(answer.object.metadata.resourceVersion, before.metadata.resourceVersion);
        assert.deepEqual(await ground().get(kinds.deployment, ns, before.metadata.name), before);
      });

      test("of a deletion by Steward's client: nothing is deleted", async () => {
        const name = await map();
        const { metadata } = await ground().get(kinds.configmap, ns, name);
        const answer = await ground().cluster.act.send(
          request("DELETE", mapPath(name), "application/json", {
            apiVersion: "v1",
            kind: "DeleteOptions",
            preconditions: { uid: metadata.uid },
          }),
          { dryRun: true },
        );
        assert.equal(answer.outcome, "done");
        assert.equal((await ground().get(kinds.configmap, ns, name)).metadata.deletionTimestamp, undefined);
      });

      test("of a deletion with options in the body is one only if the body says so", async () => {
        const name = await map();
        const { code } = await ground().raw({
          method: "DELETE",
          path: `${mapPath(name)}?dryRun=All`,
          body: { apiVersion: "v1", kind: "DeleteOptions" },
        });
        assert.equal(code, 200);
        assert.equal(await ground().cluster.read.get({ type: kinds.configmap, namespace: ns, name }), null);
      });

      test("of an update, an apply, a scale and a status", async () => {
        const before = await still();
        const { name } = before.metadata;
        const put = await ground().raw({
          method: "PUT",
          path: `${webPath(name)}?dryRun=All`,
          body: { ...before, spec: { ...Object(before["spec"]), replicas: 3 } },
        });
        assert.equal(field(put.body, "spec", "replicas"), 3, JSON.stringify(put.body));
        const applied = await ground().patch(
          "apply",
          webPath(name),
          { apiVersion: "apps/v1", kind: "Deployment", metadata: { name }, spec: { minReadySeconds: 9 } },
          "dryRun=All&fieldManager=x",
        );
        assert.equal(field(applied.body, "spec", "minReadySeconds"), 9);
        const scaled = await ground().patch("merge", webPath(name, "scale"), { spec: { replicas: 3 } }, "dryRun=All");
        assert.equal(field(scaled.body, "spec", "replicas"), 3);
        await ground().patch("merge", webPath(name, "status"), { status: { collisionCount: 3 } }, "dryRun=All");
        assert.deepEqual(await ground().get(kinds.deployment, ns, name), before);
      });

      test("is refused in the words in which the write would be", async () => {
        const object = await still();
        const send = (dryRun: boolean) =>
          ground().cluster.act.send(
            request("PATCH", webPath(object.metadata.name), patchTypes.json, [
              { op: "add", path: "/spec/template/spec/containers/0/resources", value: { limits: { memory: "-1" } } },
            ]),
            { dryRun },
          );
        const [shown, done] = [await send(true), await send(false)];
        assert.deepEqual(shown, done);
        assert.deepEqual(shown, {
          outcome: "rejected",
          status: 422,
          reason: "Invalid",
          message: `Deployment.apps "${object.metadata.name}" is invalid: spec.template.spec.containers[0].resources.limits[memory]: Invalid value: "-1": must be greater than or equal to 0`,
        });
      });
    });

    describe("preconditions", () => {
      test("a patch of another uid is refused, and Steward is told what", async () => {
        const name = await map({ a: "1" });
        const answer = await ground().cluster.act.send(
          request("PATCH", mapPath(name), patchTypes.json, [
            { op: "test", path: "/metadata/uid", value: noUid },
            { op: "replace", path: "/data/a", value: "2" },
          ]),
          { dryRun: false },
        );
        assert.deepEqual(answer, {
          outcome: "rejected",
          status: 422,
          reason: "Invalid",
          message: "the server rejected our request due to an error in our request",
        });
        assert.deepEqual(await dataOf(name), { a: "1" });
      });

      test("a deletion of another uid is a conflict, and names both", async () => {
        const name = await map();
        const { uid } = (await ground().get(kinds.configmap, ns, name)).metadata;
        const answer = await ground().cluster.act.send(
          request("DELETE", mapPath(name), "application/json", {
            apiVersion: "v1",
            kind: "DeleteOptions",
            preconditions: { uid: noUid },
          }),
          { dryRun: false },
        );
        assert.ok(answer.outcome === "rejected");
        assert.equal(answer.status, 409);
        assert.equal(answer.reason, "Conflict");
        assert.equal(
          answer.message,
          `Operation cannot be fulfilled on ConfigMap "${name}": the UID in the precondition (${noUid}) does not match the UID in record (${uid}). The object might have been deleted and then recreated`,
        );
        await ground().get(kinds.configmap, ns, name);
      });

      test("of two updates from one version, one wins and the other is told to read again", async () => {
        const name = await map({ a: "1" });
        const object = await ground().get(kinds.configmap, ns, name);
        const put = (a: string) =>
          ground().raw({ method: "PUT", path: mapPath(name), body: { ...object, data: { a } } });
        const answers = await Promise.all([put("2"), put("3")]);
        assert.deepEqual(answers.map(({ code }) => code).toSorted(), [200, 409]);
        assert.equal(
          wordsOf(answers.find(({ code }) => code === 409) ?? { code: 0, headers: {}, body: {} }),
          `409: Operation cannot be fulfilled on configmaps "${name}": the object has been modified; please apply your changes to the latest version and try again`,
        );
      });

      test("of many patches without a version, all are done", async () => {
        const name = await map();
        const answers = await Promise.all(
          Array.from({ length: 8 }, (_, i) => ground().patch("merge", mapPath(name), { data: { [`k${i}`]: "x" } })),
        );
        assert.deepEqual(
          answers.map(({ code }) => code),
          Array.from({ length: 8 }, () => 200),
        );
        assert.equal(Object.keys(Object(await dataOf(name))).length, 8);
      });
    });

    describe("managed fields", () => {
      const managersOf = (object: unknown) =>
        listField(object, "metadata", "managedFields").map(
          (entry) => `${field(entry, "manager")}/${field(entry, "operation")}`,
        );

      test("Steward's write is remembered under its name, with the fields it wrote", async () => {
        const object = await still();
        const answer = await ground().cluster.act.send(
          request("PATCH", webPath(object.metadata.name), patchTypes.json, [
            { op: "replace", path: "/spec/replicas", value: 1 },
            { op: "add", path: "/metadata/annotations", value: { "steward.io/op": "1" } },
          ]),
          { dryRun: true },
        );
        assert.ok(answer.outcome === "done", JSON.stringify(answer));
        const own = listField(answer.object, "metadata", "managedFields").find(
          (e) => field(e, "manager") === "steward",
        );
        assert.equal(field(own, "operation"), "Update");
        assert.equal(field(own, "apiVersion"), "apps/v1");
        assert.deepEqual(field(own, "fieldsV1"), {
          "f:metadata": { "f:annotations": { ".": {}, "f:steward.io/op": {} } },
          "f:spec": { "f:replicas": {} },
        });
      });

      test("a field that changes hands leaves its first manager", async () => {
        const name = fresh();
        const path = mapPath(name);
        await ground().raw({
          method: "POST",
          path: `${pathOf(kinds.configmap, ns)}?fieldManager=one`,
          body: configMap(name, { a: "1", b: "1" }),
        });
        const { body } = await ground().patch("merge", path, { data: { b: "2" } }, "fieldManager=two");
        const fields = (manager: string) =>
          field(
            listField(body, "metadata", "managedFields").find((e) => field(e, "manager") === manager),
            "fieldsV1",
          );
        assert.deepEqual(fields("one"), { "f:data": { ".": {}, "f:a": {} } });
        assert.deepEqual(fields("two"), { "f:data": { "f:b": {} } });
      });

      test("an apply owns what it names, gives up what it no longer names, and removes that", async () => {
        const name = fresh();
        const apply = (data: object) =>
          ground().patch("apply", mapPath(name), { ...configMap(name), data }, "fieldManager=one");
        const made = await apply({ a: "1", b: "1" });
        assert.equal(made.code, 201);
        const less = await apply({ a: "1" });
        assert.equal(less.code, 200);
        assert.deepEqual(field(less.body, "data"), { a: "1" });
        assert.deepEqual(managersOf(less.body), ["one/Apply"]);
      });

      test("two appliers of one value share it; a different value is a conflict that force settles", async () => {
        const name = fresh();
        const apply = (manager: string, data: object, force = false) =>
          ground().patch(
            "apply",
            mapPath(name),
            { ...configMap(name), data },
            `fieldManager=${manager}&force=${force}`,
          );
        await apply("one", { a: "1" });
        assert.equal((await apply("two", { a: "1", b: "1" })).code, 200);
        const conflict = await apply("two", { a: "2", b: "1" });
        assert.equal(wordsOf(conflict), '409: Apply failed with 1 conflict: conflict with "one": .data.a');
        assert.deepEqual(field(conflict.body, "details", "causes"), [
          { reason: "FieldManagerConflict", message: 'conflict with "one"', field: ".data.a" },
        ]);
        const forced = await apply("two", { a: "2", b: "1" }, true);
        assert.deepEqual(field(forced.body, "data"), { a: "2", b: "1" });
        assert.deepEqual(managersOf(forced.body).toSorted(), ["two/Apply"]);
      });

      test("two appliers each have a container of one list", async () => {
        const name = fresh();
        const apply = (manager: string, containers: readonly object[], rest: object = {}) =>
          ground().patch(
            "apply",
            webPath(name),
            {
              apiVersion: "apps/v1",
              kind: "Deployment",
              metadata: { name },
              spec: { ...rest, template: { metadata: { labels: { app: name } }, spec: { containers } } },
            },
            `fieldManager=${manager}`,
          );
        const base = { paused: true, replicas: 0, selector: { matchLabels: { app: name } } };
        assert.equal((await apply("one", [{ name: "a", image: "a:1" }], base)).code, 201);
        const both = await apply("two", [{ name: "b", image: "b:1" }]);
        assert.equal(both.code, 200, JSON.stringify(both.body));
        const names = (body: unknown) =>
          listField(body, "spec", "template", "spec", "containers").map((c) => field(c, "name"));
        assert.deepEqual(names(both.body), ["a", "b"]);
        const less = await apply("one", [{ name: "c", image: "c:1" }], base);
        assert.deepEqual(names(less.body).toSorted(), ["b", "c"]);
      });

      test("an update takes a field over from an applier, who then conflicts", async () => {
        const name = fresh();
        const apply = (query: string) =>
          ground().patch("apply", mapPath(name), configMap(name, { a: "1" }), `fieldManager=one${query}`);
        await apply("");
        await ground().patch("merge", mapPath(name), { data: { a: "2" } }, "fieldManager=hand");
        const conflict = await apply("");
        assert.equal(wordsOf(conflict), '409: Apply failed with 1 conflict: conflict with "hand" using v1: .data.a');
        assert.equal(field((await apply("&force=true")).body, "data", "a"), "1");
      });

      test("without a field manager the name of the client is taken", async () => {
        const name = fresh();
        const { body } = await ground().raw({
          method: "POST",
          path: pathOf(kinds.configmap, ns),
          headers: { "user-agent": "curl/8.1 (linux)" },
          body: configMap(name, { a: "1" }),
        });
        assert.deepEqual(managersOf(body), ["curl/Update"]);
      });
    });

    describe("validation of fields", () => {
      const unknown = { ...configMap("x"), dataa: { a: "1" } };
      const post = (draft: Draft | string, validation: string) =>
        ground().raw({
          method: "POST",
          path: `${pathOf(kinds.configmap, ns)}?dryRun=All&fieldValidation=${validation}`,
          body: draft,
        });

      test("Strict refuses an unknown field and one said twice, Warn warns, Ignore takes no notice", async () => {
        const strict = await post(unknown, "Strict");
        assert.equal(
          wordsOf(strict),
          '400: ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "dataa"',
        );
        const warned = await post(unknown, "Warn");
        assert.equal(warned.code, 201);
        assert.equal(warned.headers["warning"], '299 - "unknown field \\"dataa\\""');
        const ignored = await post(unknown, "Ignore");
        assert.deepEqual([ignored.code, ignored.headers["warning"]], [201, undefined]);
        const twice = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"1","a":"2"}}';
        assert.equal(
          wordsOf(await post(twice, "Strict")),
          '400: ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: duplicate field "data.a"',
        );
      });

      test("a word that is none is refused", async () => {
        assert.equal(
          wordsOf(await post(unknown, "Loose")),
          '422: CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "Loose": supported values: "", "Ignore", "Strict", "Warn"',
        );
      });

      test("Steward's writes are strict, patches too", async () => {
        const name = await map({ a: "1" });
        const answer = await ground().cluster.act.send(
          request("PATCH", mapPath(name), patchTypes.json, [{ op: "add", path: "/dataa", value: { a: "1" } }]),
          { dryRun: false },
        );
        assert.ok(answer.outcome === "rejected");
        assert.equal(answer.status, 422);
        assert.match(answer.message, /strict decoding error: unknown field "dataa"/);
      });

      test("a warning comes to Steward with the answer", async () => {
        const object = await still();
        const answer = await ground().cluster.act.send(
          request("PATCH", webPath(object.metadata.name), patchTypes.json, [
            {
              op: "add",
              path: "/spec/template/spec/containers/0/env",
              value: [
                { name: "A", value: "1" },
                { name: "A", value: "2" },
              ],
            },
          ]),
          { dryRun: true },
        );
        assert.ok(answer.outcome === "done", JSON.stringify(answer));
        assert.deepEqual(answer.warnings, [
          'spec.template.spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
        ]);
      });
    });

    describe("creation", () => {
      test("a generated name begins as asked and is free", async () => {
        const path = pathOf(kinds.configmap, ns);
        const names: string[] = [];
        for (let i = 0; i < 2; i++) {
          const { body } = await ground().raw({ method: "POST", path, body: { metadata: { generateName: "gen-" } } });
          names.push(objectOf(body).metadata.name);
        }
        for (const name of names) assert.match(name, /^gen-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
        assert.notEqual(names[0], names[1]);
      });

      test("what the server sets itself is not taken from the body", async () => {
        const name = fresh();
        const { code, body } = await ground().raw({
          method: "POST",
          path: pathOf(kinds.configmap, ns),
          body: configMap(name, {}, { uid: noUid, creationTimestamp: "2001-01-01T00:00:00Z" }),
        });
        assert.equal(code, 201);
        const { uid, creationTimestamp } = objectOf(body).metadata;
        assert.notEqual(uid, noUid);
        assert.notEqual(creationTimestamp, "2001-01-01T00:00:00Z");
      });

      test("a version in the body of a creation is refused", async () => {
        const { code, body } = await ground().raw({
          method: "POST",
          path: pathOf(kinds.configmap, ns),
          body: configMap(fresh(), {}, { resourceVersion: "1" }),
        });
        assert.deepEqual(
          [code, field(body, "message")],
          [500, "resourceVersion should not be set on objects to be created"],
        );
      });
    });
  });
}

function request(method: ClusterRequest["method"], path: string, contentType: string, body: unknown): ClusterRequest {
  return { method, path, contentType, body: JSON.stringify(body) };
}
