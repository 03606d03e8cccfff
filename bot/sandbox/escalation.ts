/** Nobody writes a role or a binding that gives more than they hold. Source: k8s.io/kubernetes pkg/registry/rbac. */
import { asList, asObject, asString, equal } from "./json.ts";
import type { KubeObject } from "./object.ts";
import { type Authorizer, createAuthorizer } from "./rbac.ts";
import type { Resource } from "./registry/kinds.ts";
import type { Caller, User } from "./registry/registry.ts";
import { forbidden } from "./status.ts";
import type { Store } from "./storage.ts";

const group = "rbac.authorization.k8s.io";

/** @throws ApiError 403 naming the rules that the caller does not hold */
export function refuseEscalation(
  store: Store,
  resource: Resource,
  object: KubeObject,
  existing: KubeObject | undefined,
  { user }: Caller,
): void {
  if (resource.group !== group || user.groups.includes("system:masters")) return;
  const namespace = object.metadata.namespace ?? "";
  const authorizer = createAuthorizer(store);
  const may = (verb: string, target: Pick<Resource, "resource">, name: string) =>
    authorizer.authorize(user, {
      verb,
      group,
      version: "v1",
      resource: target.resource,
      subresource: "",
      namespace,
      name,
      path: "",
    }).allowed;

  let rules: unknown[] = [];
  if (resource.kind === "Role" || resource.kind === "ClusterRole") {
    if (existing && equal(existing["rules"], object["rules"])) return;
    if (may("escalate", resource, object.metadata.name)) return;
    rules = asList(object["rules"]);
  } else {
    if (existing && equal([existing["roleRef"], existing["subjects"]], [object["roleRef"], object["subjects"]])) return;
    const { kind, name } = asObject(object["roleRef"]);
    const plural = kind === "ClusterRole" ? "clusterroles" : "roles";
    if (may("bind", { resource: plural }, asString(name))) return;
    rules = asList(store.get(`${group}/${plural}`, plural === "roles" ? namespace : "", asString(name))?.["rules"]);
  }
  const missing = rules.flatMap((rule) => uncovered(authorizer, user, namespace, asObject(rule)));
  if (missing.length === 0) return;
  const groups = user.groups.map((name) => JSON.stringify(name)).join(" ");
  throw forbidden(
    resource,
    object.metadata.name,
    `user ${JSON.stringify(user.name)} (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n${missing.toSorted().join("\n")}`,
  );
}

/** What of a rule the user does not hold: one line for each resource, with the verbs that are missing. */
function uncovered(authorizer: Authorizer, user: User, namespace: string, rule: Record<string, unknown>): string[] {
  const strings = (key: string) => asList(rule[key]).map(asString);
  const quoted = (list: readonly string[]) => `[${list.map((text) => JSON.stringify(text)).join(" ")}]`;
  const verbs = strings("verbs");
  const names = strings("resourceNames");
  const ask = (more: { group?: string; resource?: string; name?: string; path?: string }) => {
    const { group: of = "", resource: full = "", name = "", path = "" } = more;
    const [resource = "", subresource = ""] = full.split("/");
    const asked = { group: of, version: "", resource, subresource, namespace, name, path };
    return verbs.filter((verb) => !authorizer.authorize(user, { verb, ...asked }).allowed);
  };
  const lines: string[] = [];
  for (const url of strings("nonResourceURLs")) {
    const missing = ask({ path: url });
    if (missing.length > 0) lines.push(`{NonResourceURLs:${quoted([url])}, Verbs:${quoted(missing)}}`);
  }
  for (const apiGroup of strings("apiGroups")) {
    for (const resource of strings("resources")) {
      for (const name of names.length > 0 ? names : [""]) {
        const missing = ask({ group: apiGroup, resource, name });
        if (missing.length === 0) continue;
        const only = name === "" ? "" : `, ResourceNames:${quoted([name])}`;
        lines.push(
          `{APIGroups:${quoted([apiGroup])}, Resources:${quoted([resource])}${only}, Verbs:${quoted(missing)}}`,
        );
      }
    }
  }
  return lines;
}
