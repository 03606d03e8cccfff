/** The sandbox on the wire, and through @kubernetes/client-node. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { AppsV1Api, CoreV1Api, KubeConfig, PatchStrategy, setHeaderOptions, Watch } from "@kubernetes/client-node";
import { parse } from "yaml";
import { type Manifest, type Sandbox, startSandbox } from "../bot/sandbox/index.ts";
import { until } from "./until.ts";

type Json = Record<string, unknown>;
interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
}

const node: Manifest = {
  apiVersion: "v1",
  kind: "Node",
  metadata: { name: "node-0" },
  status: { allocatable: { cpu: "4", memory: "8Gi", pods: "110" }, conditions: [{ type: "Ready", status: "True" }] },
};
const web: Manifest = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "web", namespace: "default" },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: "web" } },
    template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "web", image: "web:1" }] } },
  },
};
const deployment = "/apis/apps/v1/namespaces/default/deployments/web";
const configMaps = "/api/v1/namespaces/default/configmaps";

describe("the sandbox API server", () => {
  let sandbox: Sandbox;
  let kubeConfig: KubeConfig;

  before(async () => {
    sandbox = await startSandbox({
      speed: 20,
      world: {
        objects: [node, web],
        images: { "web:1": { log: ["ready to serve"], periodic: [{ everyMs: 1000, line: "tick" }] } },
      },
    });
    kubeConfig = new KubeConfig();
    kubeConfig.loadFromString(sandbox.kubeconfig());
    await until(
      "web is up",
      async () =>
        (await call("GET", deployment)).body["status"] &&
        field((await call("GET", deployment)).body, "status", "readyReplicas") === 2,
    );
  });
  after(() => sandbox.stop());

  function tokenOf(user: string): string {
    return String(field(parse(sandbox.kubeconfig(user)), "users", "0", "user", "token"));
  }
  async function call(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
    user = "admin",
  ): Promise<Reply> {
    const response = await fetch(sandbox.url + path, {
      method,
      headers: { authorization: `Bearer ${tokenOf(user)}`, "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    return { status: response.status, headers: response.headers, body: (await response.json()) as Json };
  }
  function field(value: unknown, ...path: string[]): unknown {
    return path.reduce<unknown>(
      (at, key) => (typeof at === "object" && at !== null ? (at as Json)[key] : undefined),
      value,
    );
  }
  const merge = { "content-type": "application/merge-patch+json" };
  const json = { "content-type": "application/json-patch+json" };

  it("changes nothing in a dry run, of any verb", async () => {
    const before = await call("GET", deployment);
    const patched = await call("PATCH", `${deployment}?dryRun=All`, { spec: { replicas: 5 } }, merge);
    assert.equal(field(patched.body, "spec", "replicas"), 5);
    assert.equal((await call("DELETE", `${deployment}?dryRun=All`)).status, 200);
    assert.equal((await call("POST", `${configMaps}?dryRun=All`, { metadata: { name: "ghost" } })).status, 201);
    assert.deepEqual((await call("GET", deployment)).body, before.body);
    assert.equal((await call("GET", `${configMaps}/ghost`)).status, 404);
  });

  it("guards a write by its test operations, its version and its uid", async () => {
    const now = await call("GET", deployment);
    const version = field(now.body, "metadata", "resourceVersion");
    const refused = await call(
      "PATCH",
      deployment,
      [
        { op: "test", path: "/metadata/uid", value: "other" },
        { op: "replace", path: "/spec/replicas", value: 9 },
      ],
      json,
    );
    assert.equal(refused.status, 422);
    assert.equal(refused.body["message"], "the server rejected our request due to an error in our request");
    const stale = await call("PATCH", deployment, { metadata: { resourceVersion: "1" }, spec: { replicas: 9 } }, merge);
    assert.equal(stale.status, 409);
    const deleted = await call("DELETE", deployment, { preconditions: { uid: "other" } });
    assert.equal(deleted.status, 409);
    assert.match(
      String(deleted.body["message"]),
      /the UID in the precondition \(other\) does not match the UID in record/,
    );
    assert.equal(field((await call("GET", deployment)).body, "metadata", "resourceVersion"), version);
  });

  it("does not write what changes nothing", async () => {
    await call("POST", configMaps, { metadata: { name: "same" }, data: { a: "1" } });
    const first = field((await call("GET", `${configMaps}/same`)).body, "metadata", "resourceVersion");
    await call("PATCH", `${configMaps}/same`, { data: { a: "1" } }, merge);
    assert.equal(field((await call("GET", `${configMaps}/same`)).body, "metadata", "resourceVersion"), first);
  });

  it("lists a consistent snapshot page by page, and says 410 once that is compacted", async () => {
    for (const name of ["p1", "p2", "p3"])
      await call("POST", configMaps, { metadata: { name, labels: { page: "yes" } } });
    const list = `${configMaps}?labelSelector=page%3Dyes`;
    const first = await call("GET", `${list}&limit=2`);
    const names = (reply: Reply) => (reply.body["items"] as Json[]).map((item) => field(item, "metadata", "name"));
    assert.deepEqual(names(first), ["p1", "p2"]);
    await call("DELETE", `${configMaps}/p3`);
    const token = encodeURIComponent(String(field(first.body, "metadata", "continue")));
    assert.deepEqual(names(await call("GET", `${list}&limit=2&continue=${token}`)), ["p3"]);
    await call("POST", configMaps, { metadata: { name: "p4" } });
    sandbox.compact();
    assert.equal((await call("GET", `${list}&limit=2&continue=${token}`)).status, 410);
  });

  it("watches from a version, through selectors, until told that the version is gone", async () => {
    const version = String(field((await call("GET", configMaps)).body, "metadata", "resourceVersion"));
    const seen: string[] = [];
    const watch = new Watch(kubeConfig);
    const controller = await watch.watch(
      configMaps,
      { labelSelector: "colour=red", resourceVersion: version },
      (type, object) => seen.push(`${type} ${object.metadata.name}`),
      () => undefined,
    );
    await call("POST", configMaps, { metadata: { name: "w1", labels: { colour: "red" } } });
    await call("POST", configMaps, { metadata: { name: "w2", labels: { colour: "blue" } } });
    await call("PATCH", `${configMaps}/w2`, { metadata: { labels: { colour: "red" } } }, merge);
    await call("PATCH", `${configMaps}/w1`, { metadata: { labels: { colour: "blue" } } }, merge);
    await call("DELETE", `${configMaps}/w2`);
    await until("four events", () => seen.length === 4);
    assert.deepEqual(seen, ["ADDED w1", "ADDED w2", "DELETED w1", "DELETED w2"]);
    controller.abort();
    await call("POST", configMaps, { metadata: { name: "w3" } });
    sandbox.compact();
    const response = await fetch(`${sandbox.url}${configMaps}?watch=1&resourceVersion=${version}`, {
      headers: { authorization: `Bearer ${tokenOf("admin")}` },
    });
    assert.match(await response.text(), /"type":"ERROR".*"reason":"Expired".*"code":410/);
  });

  it("gives each manager its fields, and takes them on other writes", async () => {
    const applied = { "content-type": "application/apply-patch+yaml" };
    const config = (value: string) =>
      `{apiVersion: v1, kind: ConfigMap, metadata: {name: owned}, data: {a: "${value}"}}`;
    assert.equal((await call("PATCH", `${configMaps}/owned?fieldManager=one`, config("1"), applied)).status, 201);
    await call("PATCH", `${configMaps}/owned?fieldManager=two`, { data: { b: "2" } }, merge);
    const managers = (reply: Reply) =>
      (field(reply.body, "metadata", "managedFields") as Json[]).map((entry) => [
        entry["manager"],
        entry["operation"],
        entry["fieldsV1"],
      ]);
    assert.deepEqual(managers(await call("GET", `${configMaps}/owned`)), [
      ["one", "Apply", { "f:data": { "f:a": {} } }],
      ["two", "Update", { "f:data": { "f:b": {} } }],
    ]);
    const refused = await call("PATCH", `${configMaps}/owned?fieldManager=three`, config("3"), applied);
    assert.equal(refused.body["message"], 'Apply failed with 1 conflict: conflict with "one": .data.a');
    await call("PATCH", `${configMaps}/owned?fieldManager=three&force=true`, config("3"), applied);
    const dropped = await call(
      "PATCH",
      `${configMaps}/owned?fieldManager=three`,
      "{apiVersion: v1, kind: ConfigMap, metadata: {name: owned}}",
      applied,
    );
    assert.deepEqual(dropped.body["data"], { b: "2" });
  });

  it("lets nobody do what no role allows, impersonation included", async () => {
    sandbox.apply([
      {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRole",
        metadata: { name: "act-as-reader" },
        rules: [{ apiGroups: [""], resources: ["users"], verbs: ["impersonate"], resourceNames: ["reader"] }],
      },
      {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRoleBinding",
        metadata: { name: "bot" },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "act-as-reader" },
        subjects: [{ kind: "User", name: "bot" }],
      },
      {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "RoleBinding",
        metadata: { name: "reader", namespace: "default" },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "view" },
        subjects: [{ kind: "User", name: "reader" }],
      },
    ]);
    assert.equal((await call("GET", deployment, undefined, {}, "bot")).status, 403);
    assert.equal((await call("GET", deployment, undefined, { "impersonate-user": "reader" }, "bot")).status, 200);
    assert.equal((await call("PATCH", deployment, {}, { ...merge, "impersonate-user": "reader" }, "bot")).status, 403);
    const refused = await call("GET", deployment, undefined, { "impersonate-user": "admin" }, "bot");
    assert.equal(
      refused.body["message"],
      'users "admin" is forbidden: User "bot" cannot impersonate resource "users" in API group "" at the cluster scope',
    );
    assert.equal((await call("GET", deployment, undefined, { authorization: "Bearer made-up" })).status, 401);
    const last = sandbox.requests().findLast(({ impersonator }) => impersonator === "bot");
    assert.equal(last?.user, "reader");
  });

  it("follows logs, and says when there was no run before", async () => {
    const core = kubeConfig.makeApiClient(CoreV1Api);
    const pods = await core.listNamespacedPod({ namespace: "default", labelSelector: "app=web" });
    const name = pods.items[0]?.metadata?.name ?? "";
    const response = await fetch(`${sandbox.url}/api/v1/namespaces/default/pods/${name}/log?follow=true&tailLines=1`, {
      headers: { authorization: `Bearer ${tokenOf("admin")}` },
    });
    const reader = response.body?.getReader();
    let text = "";
    await until("ticks", async () => {
      const chunk = await reader?.read();
      text += Buffer.from(chunk?.value ?? []).toString();
      return text.split("tick").length > 3;
    });
    await reader?.cancel();
    const missing = await call("GET", `/api/v1/namespaces/default/pods/${name}/log?previous=true`);
    assert.equal(missing.body["message"], `previous terminated container "web" in pod "${name}" not found`);
  });

  it("fails as told: a status, and a connection cut after the write took effect", async () => {
    const apps = kubeConfig.makeApiClient(AppsV1Api);
    sandbox.fault({ match: { method: "GET", path: deployment }, status: 503 });
    await assert.rejects(apps.readNamespacedDeployment({ name: "web", namespace: "default" }), /503/);
    sandbox.fault({ match: { method: "PATCH" }, drop: "after" });
    const patch = apps.patchNamespacedDeployment(
      { name: "web", namespace: "default", body: { metadata: { annotations: { reached: "yes" } } } },
      setHeaderOptions("Content-Type", PatchStrategy.MergePatch),
    );
    await assert.rejects(patch);
    const now = await apps.readNamespacedDeployment({ name: "web", namespace: "default" });
    assert.equal(now.metadata?.annotations?.["reached"], "yes");
  });

  it("says 501 where it cannot follow", async () => {
    const pods = await call("GET", "/api/v1/namespaces/default/pods?labelSelector=app%3Dweb");
    const name = field((pods.body["items"] as Json[])[0], "metadata", "name");
    const exec = await call("POST", `/api/v1/namespaces/default/pods/${String(name)}/exec?command=ls`);
    assert.equal(exec.status, 501);
    assert.equal(exec.body["message"], "the sandbox cluster does not implement pods/exec");
  });

  it("uses no time when nothing happens", async () => {
    const quiet = await startSandbox({ world: { objects: [node, web] } });
    await until("settled", async () => quiet.requests().length === 0);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const { user, system } = process.cpuUsage(before);
    await quiet.stop();
    assert.ok(user + system < 250_000, `${(user + system) / 1000} ms of CPU in a second`);
  });
});
