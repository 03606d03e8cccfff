/** The resources the server serves, built in and custom. */
import type { GroupResource } from "../status.ts";
import { builtInResources } from "./kubernetes-resources.ts";
import type { Schema, Struct } from "./schema.ts";

interface SubresourceInfo {
  readonly name: string;
  readonly kind: string;
  readonly group?: string;
  readonly version?: string;
  readonly verbs: readonly string[];
}

export interface ResourceInfo {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
  readonly singular: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly string[];
  readonly subresources: readonly SubresourceInfo[];
}

export interface Resource extends ResourceInfo, GroupResource {
  readonly apiVersion: string;
  readonly struct: Struct;
  /** Where objects are kept: events of both groups are one set. */
  readonly storage: string;
  readonly custom: { readonly columns: readonly PrinterColumn[]; readonly rawSchema: unknown } | undefined;
}

export interface PrinterColumn {
  readonly name: string;
  readonly type: string;
  readonly jsonPath: string;
  readonly priority: number;
}

export interface Kinds {
  all(): readonly Resource[];
  find(group: string, version: string, resource: string): Resource | undefined;
  /** Preferred version of a resource, by group and plural name. */
  resource(group: string, resource: string): Resource;
  ofKind(apiVersion: string, kind: string): Resource | undefined;
  define(resource: Resource): void;
  remove(group: string, resource: string): void;
}

/** Never offered: what only a kubelet or a proxy could do. They stay in discovery and answer 501. */
export const unservedSubresources: ReadonlySet<string> = new Set([
  "attach",
  "exec",
  "proxy",
  "ephemeralcontainers",
  "resize",
]);

function apiVersionOf(group: string, version: string): string {
  return group === "" ? version : `${group}/${version}`;
}

/** Prefix of the generated type names: `rbac.authorization.k8s.io` is `rbac`. */
function typeGroup(group: string): string {
  return group === "" ? "core" : (group.split(".")[0] ?? group);
}

export function createKinds(schema: Schema): Kinds {
  const table = new Map<string, Resource>();
  const key = (group: string, version: string, resource: string) => `${group}/${version}/${resource}`;
  for (const info of builtInResources) {
    table.set(key(info.group, info.version, info.resource), {
      ...info,
      apiVersion: apiVersionOf(info.group, info.version),
      struct: schema.struct(`${typeGroup(info.group)}.${info.version}.${info.kind}`),
      storage: info.group === "events.k8s.io" ? "/events" : `${info.group}/${info.resource}`,
      custom: undefined,
    });
  }
  return {
    all: () => [...table.values()],
    find: (group, version, resource) => table.get(key(group, version, resource)),
    resource(group, resource) {
      for (const entry of table.values()) if (entry.group === group && entry.resource === resource) return entry;
      throw new Error(`no resource ${resource} in group "${group}"`);
    },
    ofKind(apiVersion, kind) {
      for (const entry of table.values()) if (entry.apiVersion === apiVersion && entry.kind === kind) return entry;
      return undefined;
    },
    define: (resource) => table.set(key(resource.group, resource.version, resource.resource), resource),
    remove(group, resource) {
      for (const [id, entry] of table) if (entry.group === group && entry.resource === resource) table.delete(id);
    },
  };
}

export function isReviewKind(resource: Resource): boolean {
  return resource.verbs.length === 1 && resource.verbs[0] === "create";
}
