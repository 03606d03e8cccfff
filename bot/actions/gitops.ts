import { field, type KubeObject, listField, stringField } from "../../shared/kube.ts";
import type { Locale } from "../../shared/locale.ts";
import type { ClusterReader } from "../edges.ts";
import type { FieldPath, Target } from "./definition.ts";
import { allManagers, managersOf } from "./managed-fields.ts";

/** What puts an object back to what a repository says. */
export interface GitOpsSource {
  tool: "Argo CD" | "Flux" | "Config Sync" | "Fleet";
  /** The application or Kustomization, as its tool names it; null when only its writing was seen. */
  name: string | null;
  /** Repository, path and revision to change, as far as they could be read. */
  repository: string | null;
  path: string | null;
  revision: string | null;
}

interface Mark {
  tool: GitOpsSource["tool"];
  name: string;
  /** The resource that says where the source is: name for discovery, and where it is. */
  source: { resource: string; namespace: string | null; name: string } | null;
}

/** Field managers of the tools, as they write themselves. */
const managers: Readonly<Record<string, GitOpsSource["tool"]>> = {
  "argocd-controller": "Argo CD",
  "argocd-application-controller": "Argo CD",
  argocd: "Argo CD",
  "kustomize-controller": "Flux",
  "helm-controller": "Flux",
  "configsync.gke.io": "Config Sync",
  configsync: "Config Sync",
  fleetagent: "Fleet",
};

/**
 * Who would put these fields back (SPEC 8, GitOps); null when nobody would. A tracking mark on the object or an owner speaks
 * for every field, unless managedFields shows that its tool writes here and leaves just these fields alone (as replicas
 * left to an autoscaler).
 */
export async function gitOpsOf(
  read: ClusterReader,
  { object, owners }: Target,
  writes: readonly FieldPath[],
  signal?: AbortSignal,
): Promise<GitOpsSource | null> {
  if (writes.length === 0) return null;
  const owning = writes.flatMap((path) => managersOf(object, path).flatMap(({ manager }) => managers[manager] ?? []));
  const writesHere = allManagers(object).some((manager) => managers[manager] !== undefined);
  const mark = [object, ...owners].map(markOf).find((found) => found !== null) ?? null;
  if (owning.length === 0 && (mark === null || writesHere)) return null;
  if (mark !== null) return { tool: mark.tool, name: mark.name, ...(await sourceOf(read, mark, signal)) };
  const [tool = "Argo CD"] = owning;
  return { tool, name: null, repository: null, path: null, revision: null };
}

/** What has to be changed instead, in one sentence. */
export function describeGitOps({ tool, name, repository, path, revision }: GitOpsSource, locale: Locale): string {
  const owner = name === null ? tool : `${tool} (${name})`;
  const place = [repository, path, revision === null ? null : `@ ${revision}`]
    .filter((part) => part !== null)
    .join(" ");
  return {
    en: `${owner} owns this and would put it back${place === "" ? "; change it in its repository" : `; change it in ${place}`}`,
    "zh-CN": `${owner} 管理该字段，会将其改回${place === "" ? "；请在其代码仓库中修改" : `；请在 ${place} 中修改`}`,
  }[locale];
}

/** Sources: Argo CD "Resource Tracking"; Flux kustomize-controller and helm-controller, labels on applied objects. */
function markOf({ metadata }: KubeObject): Mark | null {
  const { labels = {}, annotations = {} } = metadata;
  const tracking =
    annotations["argocd.argoproj.io/tracking-id"]?.split(":")[0] ?? labels["argocd.argoproj.io/instance"];
  if (tracking !== undefined && tracking !== "") {
    // With applications in any namespace the id is namespace_name.
    const [, namespace = null, name = tracking] = /^([^_]+)_(.+)$/.exec(tracking) ?? [];
    return { tool: "Argo CD", name, source: { resource: "applications.argoproj.io", namespace, name } };
  }
  const kustomization = labels["kustomize.toolkit.fluxcd.io/name"];
  if (kustomization !== undefined) {
    const namespace = labels["kustomize.toolkit.fluxcd.io/namespace"] ?? null;
    const source = { resource: "kustomizations.kustomize.toolkit.fluxcd.io", namespace, name: kustomization };
    return { tool: "Flux", name: `${namespace === null ? "" : `${namespace}/`}${kustomization}`, source };
  }
  const release = labels["helm.toolkit.fluxcd.io/name"];
  if (release !== undefined) {
    const namespace = labels["helm.toolkit.fluxcd.io/namespace"] ?? null;
    const source = { resource: "helmreleases.helm.toolkit.fluxcd.io", namespace, name: release };
    return { tool: "Flux", name: `${namespace === null ? "" : `${namespace}/`}${release}`, source };
  }
  const sync = annotations["configsync.gke.io/declared-fields"];
  return sync === undefined ? null : { tool: "Config Sync", name: metadata.name, source: null };
}

const nowhere = { repository: null, path: null, revision: null };

/** Reads the application itself. What cannot be read is left out: the mark alone is reason enough. */
async function sourceOf(
  read: ClusterReader,
  { source }: Mark,
  signal: AbortSignal | undefined,
): Promise<Pick<GitOpsSource, "repository" | "path" | "revision">> {
  if (source === null) return nowhere;
  try {
    const type = await read.resolve(source.resource, signal);
    if (type === null) return nowhere;
    const fieldSelector = `metadata.name=${source.name}`;
    const { items } = await read.list({ type, namespace: source.namespace, fieldSelector, limit: 1 }, signal);
    const spec = field(items[0], "spec");
    const argo = field(spec, "source") ?? listField(spec, "sources")[0];
    const reference = field(spec, "sourceRef") ?? field(spec, "chart", "spec", "sourceRef");
    const referred = [stringField(reference, "kind"), stringField(reference, "name")].filter(
      (part) => part !== undefined,
    );
    return {
      repository: stringField(argo, "repoURL") ?? (referred.length === 0 ? null : referred.join("/")),
      path:
        stringField(argo, "path") ?? stringField(spec, "path") ?? stringField(spec, "chart", "spec", "chart") ?? null,
      revision: stringField(argo, "targetRevision") ?? stringField(items[0], "status", "lastAppliedRevision") ?? null,
    };
  } catch {
    return nowhere;
  }
}
