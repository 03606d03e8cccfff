/** What the server says it serves: discovery in both forms. */

import { type Kinds, type Resource, unservedSubresources } from "./registry/kinds.ts";
import { kubernetesVersion } from "./registry/kubernetes-resources.ts";

export const aggregatedTypes = "apidiscovery.k8s.io";

export function versionInfo(): Record<string, string> {
  const [major = "1", minor = ""] = kubernetesVersion.split(".");
  return {
    major,
    minor,
    gitVersion: `v${kubernetesVersion}+sandbox`,
    gitCommit: "",
    gitTreeState: "clean",
    buildDate: "1970-01-01T00:00:00Z",
    goVersion: "",
    compiler: "",
    platform: "sandbox",
  };
}

function groups(kinds: Kinds): Map<string, Map<string, Resource[]>> {
  const out = new Map<string, Map<string, Resource[]>>();
  for (const resource of kinds.all()) {
    const versions = out.get(resource.group) ?? new Map<string, Resource[]>();
    versions.set(resource.version, [...(versions.get(resource.version) ?? []), resource]);
    out.set(resource.group, versions);
  }
  return out;
}

function servedSubresources(resource: Resource) {
  return resource.subresources.filter((sub) => !unservedSubresources.has(sub.name));
}

/** `/api` or `/apis` with Accept as=APIGroupDiscoveryList. */
export function aggregated(kinds: Kinds, core: boolean, version: string): unknown {
  const items = [...groups(kinds)]
    .filter(([group]) => (group === "") === core)
    .map(([group, versions]) => ({
      metadata: { ...(group ? { name: group } : {}), creationTimestamp: null },
      versions: [...versions].map(([v, resources]) => ({
        version: v,
        freshness: "Current",
        resources: resources.map((resource) => ({
          resource: resource.resource,
          responseKind: { group: resource.group, version: resource.version, kind: resource.kind },
          scope: resource.namespaced ? "Namespaced" : "Cluster",
          singularResource: resource.singular,
          verbs: resource.verbs,
          ...(resource.shortNames.length ? { shortNames: resource.shortNames } : {}),
          ...(resource.categories.length ? { categories: resource.categories } : {}),
          ...(servedSubresources(resource).length
            ? {
                subresources: servedSubresources(resource).map((sub) => ({
                  subresource: sub.name,
                  responseKind: {
                    group: sub.group ?? resource.group,
                    version: sub.version ?? resource.version,
                    kind: sub.kind,
                  },
                  verbs: sub.verbs,
                })),
              }
            : {}),
        })),
      })),
    }));
  return { kind: "APIGroupDiscoveryList", apiVersion: `${aggregatedTypes}/${version}`, metadata: {}, items };
}

export function apiVersions(address: string): unknown {
  return {
    kind: "APIVersions",
    versions: ["v1"],
    serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: address }],
  };
}

function groupOf(group: string, versions: Iterable<string>) {
  const list = [...versions].map((version) => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions: list, preferredVersion: list[0] };
}

export function apiGroups(kinds: Kinds): unknown {
  return {
    kind: "APIGroupList",
    apiVersion: "v1",
    groups: [...groups(kinds)]
      .filter(([group]) => group !== "")
      .map(([group, versions]) => groupOf(group, versions.keys())),
  };
}

export function apiGroup(kinds: Kinds, group: string): unknown {
  const versions = groups(kinds).get(group);
  return versions && { kind: "APIGroup", apiVersion: "v1", ...groupOf(group, versions.keys()) };
}

export function apiResources(kinds: Kinds, group: string, version: string): unknown {
  const resources = groups(kinds).get(group)?.get(version);
  return (
    resources && {
      kind: "APIResourceList",
      ...(group ? { apiVersion: "v1" } : {}),
      groupVersion: group ? `${group}/${version}` : version,
      resources: resources.flatMap((resource) => [
        {
          name: resource.resource,
          singularName: resource.singular,
          namespaced: resource.namespaced,
          kind: resource.kind,
          verbs: resource.verbs,
          ...(resource.shortNames.length ? { shortNames: resource.shortNames } : {}),
          ...(resource.categories.length ? { categories: resource.categories } : {}),
        },
        ...servedSubresources(resource).map((sub) => ({
          name: `${resource.resource}/${sub.name}`,
          singularName: "",
          namespaced: resource.namespaced,
          ...(sub.group !== undefined ? { group: sub.group, version: sub.version } : {}),
          kind: sub.kind,
          verbs: sub.verbs,
        })),
      ]),
    }
  );
}
