import assert from "node:assert/strict";
import { createClock } from "../../bot/adapters/clock.ts";
import { createCluster } from "../../bot/adapters/kubernetes.ts";
import type { Cluster, Log } from "../../bot/edges.ts";
import { field, isKubeObject, type KubeObject, kindNamed, pathOf, type ResourceType } from "../../shared/kube.ts";
import { createRawClient, type RawAnswer, type RawClient } from "../cluster/raw-client.ts";
import { until } from "../until.ts";

/** A cluster that the contract is held against. */
export interface Subject {
  /** Path of the administrator's kubeconfig. */
  kubeconfig: string;
  stop(): Promise<void>;
}

/** Any object as one writes it down. */
export interface Draft {
  apiVersion: string;
  kind: string;
  metadata: { name?: string; namespace?: string; [more: string]: unknown };
  [more: string]: unknown;
}

/** What every case of the contract stands on: Steward's client, a client without opinions, and namespaces of its own. */
export interface Ground {
  readonly kubeconfig: string;
  /** Steward's client as administrator. */
  readonly cluster: Cluster;
  /** Steward's client, where reading and acting are these people. */
  as(user: string): Cluster;
  readonly raw: RawClient;
  /** A new namespace, in which pods may be made. It and everything that was made goes with `clear`. */
  namespace(label: string, labels?: Readonly<Record<string, string>>): Promise<string>;
  /** Makes objects as they are written, and returns them as the server left them. */
  create(namespace: string | null, ...drafts: readonly Draft[]): Promise<KubeObject[]>;
  get(type: ResourceType, namespace: string | null, name: string): Promise<KubeObject>;
  /** Waits until an object is as wanted. */
  settled(
    what: string,
    type: ResourceType,
    namespace: string | null,
    name: string,
    isSo: (object: KubeObject) => boolean,
    deadlineMs?: number,
  ): Promise<KubeObject>;
  /** A patch by raw HTTP; whatever the server answers. */
  patch(kind: keyof typeof patchTypes, path: string, body: unknown, query?: string): Promise<RawAnswer>;
  clear(): Promise<void>;
}

export const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };

export const patchTypes = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
} as const;

/** @param prefix of every namespace, so that runs on one cluster do not meet */
export function createGround(kubeconfig: string, prefix: string): Ground {
  const raw = createRawClient(kubeconfig);
  const clusterAs = (user: string | null) =>
    createCluster({
      kubeconfig,
      context: null,
      identities: { read: user, act: user },
      clock: createClock(),
      log: quiet,
    });
  const cluster = clusterAs(null);
  /** Paths of what does not go with a namespace, and the namespaces. */
  const made: string[] = [];

  const ground: Ground = {
    kubeconfig,
    cluster,
    as: clusterAs,
    raw,
    async namespace(label, labels = {}) {
      const name = `${prefix}-${label}`;
      const answer = await raw({
        method: "POST",
        path: "/api/v1/namespaces",
        body: { metadata: { name, labels } },
      });
      assert.equal(answer.code, 201, JSON.stringify(answer.body));
      made.push(`/api/v1/namespaces/${name}`);
      await until(`the service account of ${name}`, async () => {
        const { code } = await raw({ method: "GET", path: `/api/v1/namespaces/${name}/serviceaccounts/default` });
        return code === 200;
      });
      return name;
    },
    async create(namespace, ...drafts) {
      const objects: KubeObject[] = [];
      for (const draft of drafts) {
        const answer = await raw({ method: "POST", path: collection(draft, namespace), body: draft });
        assert.equal(answer.code, 201, `${draft.kind}: ${JSON.stringify(answer.body)}`);
        const object = objectOf(answer.body);
        objects.push(object);
        if (object.metadata.namespace === undefined) made.push(`${collection(draft, null)}/${object.metadata.name}`);
      }
      return objects;
    },
    async get(type, namespace, name) {
      const object = await cluster.read.get({ type, namespace, name });
      assert.ok(object, `${type.resource} ${name} is not there`);
      return object;
    },
    settled: (what, type, namespace, name, isSo, deadlineMs = 30_000) =>
      until(
        what,
        async () => {
          const object = await cluster.read.get({ type, namespace, name });
          return object !== null && isSo(object) ? object : null;
        },
        deadlineMs,
      ),
    patch: (kind, path, body, query = "") =>
      raw({
        method: "PATCH",
        path: `${path}${query === "" ? "" : `?${query}`}`,
        headers: { "content-type": patchTypes[kind] },
        body,
      }),
    async clear() {
      for (const path of made) await raw({ method: "DELETE", path });
    },
  };
  return ground;
}

/** Where the kinds that the contract makes and Steward does not know are served. */
const others: Readonly<Record<string, string>> = {
  Role: "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles",
  RoleBinding: "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings",
  ClusterRole: "/apis/rbac.authorization.k8s.io/v1/clusterroles",
  ClusterRoleBinding: "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
  ServiceAccount: "/api/v1/namespaces/{ns}/serviceaccounts",
  ResourceQuota: "/api/v1/namespaces/{ns}/resourcequotas",
  CustomResourceDefinition: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
};

function collection({ kind }: Draft, namespace: string | null): string {
  const type = kindNamed(kind);
  if (type !== null) return pathOf(type, type.namespaced ? namespace : null);
  const path = others[kind];
  assert.ok(path, `the contract does not know where a ${kind} is served`);
  return path.replace("{ns}", namespace ?? "");
}

export function objectOf(body: unknown): KubeObject {
  assert.ok(isKubeObject(body), `not an object: ${JSON.stringify(body)}`);
  return body;
}

/** Names of the items of a list as it came over the wire. */
export function namesOf(body: unknown): string[] {
  const items = field(body, "items");
  assert.ok(Array.isArray(items), `not a list: ${JSON.stringify(body)}`);
  return items.map((item) => objectOf({ apiVersion: "", kind: "", ...item }).metadata.name);
}

/** `code: message` of a refusal. */
export function wordsOf({ code, body }: RawAnswer): string {
  return `${code}: ${String(field(body, "message"))}`;
}
