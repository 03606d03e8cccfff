/** The RBAC authorizer, over the role objects that are stored. */
import { asList, asObject, asString } from "./json.ts";
import type { KubeObject } from "./object.ts";
import type { User } from "./registry/registry.ts";
import type { Store } from "./storage.ts";

export interface Attributes {
  readonly verb: string;
  /** Set for API resources; otherwise `path` is what is asked for. */
  readonly resource: string;
  readonly subresource: string;
  readonly group: string;
  readonly version: string;
  readonly namespace: string;
  readonly name: string;
  readonly path: string;
}

interface Rule {
  readonly verbs: readonly string[];
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames: readonly string[];
  readonly nonResourceURLs: readonly string[];
}

interface Decision {
  readonly allowed: boolean;
  readonly reason: string;
}

export interface Authorizer {
  authorize(user: User, attributes: Attributes): Decision;
  rulesFor(user: User, namespace: string): Rule[];
}

function strings(value: unknown): string[] {
  return asList(value).map(asString);
}

function rulesOf(role: KubeObject | undefined): Rule[] {
  return asList(role?.["rules"])
    .map(asObject)
    .map((rule) => ({
      verbs: strings(rule["verbs"]),
      apiGroups: strings(rule["apiGroups"]),
      resources: strings(rule["resources"]),
      resourceNames: strings(rule["resourceNames"]),
      nonResourceURLs: strings(rule["nonResourceURLs"]),
    }));
}

function matches(rule: Rule, attributes: Attributes): boolean {
  const has = (list: readonly string[], value: string) => list.includes("*") || list.includes(value);
  if (!has(rule.verbs, attributes.verb)) return false;
  if (attributes.resource === "") {
    return rule.nonResourceURLs.some(
      (url) =>
        url === "*" || url === attributes.path || (url.endsWith("*") && attributes.path.startsWith(url.slice(0, -1))),
    );
  }
  const full = attributes.subresource ? `${attributes.resource}/${attributes.subresource}` : attributes.resource;
  return (
    has(rule.apiGroups, attributes.group) &&
    (has(rule.resources, full) ||
      (attributes.subresource !== "" && rule.resources.includes(`*/${attributes.subresource}`))) &&
    (rule.resourceNames.length === 0 || rule.resourceNames.includes(attributes.name))
  );
}

function isSubject(user: User, subject: Record<string, unknown>, bindingNamespace: string): boolean {
  const name = asString(subject["name"]);
  switch (subject["kind"]) {
    case "User":
      return name === user.name;
    case "Group":
      return user.groups.includes(name);
    case "ServiceAccount":
      return user.name === `system:serviceaccount:${asString(subject["namespace"]) || bindingNamespace}:${name}`;
    default:
      return false;
  }
}

export function createAuthorizer(store: Store): Authorizer {
  const rbac = (resource: string) => `rbac.authorization.k8s.io/${resource}`;

  function* bound(user: User, namespace: string): Generator<{ rules: Rule[]; reason: string }> {
    for (const binding of store.list(rbac("clusterrolebindings"))) {
      const subject = asList(binding["subjects"])
        .map(asObject)
        .find((s) => isSubject(user, s, ""));
      if (!subject) continue;
      const role = asString(asObject(binding["roleRef"])["name"]);
      const rules = rulesOf(store.get(rbac("clusterroles"), "", role));
      yield { rules, reason: reason("ClusterRoleBinding", binding.metadata.name, "ClusterRole", role, subject) };
    }
    if (namespace === "") return;
    for (const binding of store.list(rbac("rolebindings"), namespace)) {
      const subject = asList(binding["subjects"])
        .map(asObject)
        .find((s) => isSubject(user, s, namespace));
      if (!subject) continue;
      const ref = asObject(binding["roleRef"]);
      const role = asString(ref["name"]);
      const rules = rulesOf(
        ref["kind"] === "ClusterRole"
          ? store.get(rbac("clusterroles"), "", role)
          : store.get(rbac("roles"), namespace, role),
      );
      const full = `${binding.metadata.name}/${namespace}`;
      yield { rules, reason: reason("RoleBinding", full, asString(ref["kind"]), role, subject) };
    }
  }
  function reason(kind: string, binding: string, roleKind: string, role: string, subject: Record<string, unknown>) {
    const who = `${asString(subject["kind"])} "${asString(subject["name"])}${subject["kind"] === "ServiceAccount" ? `/${asString(subject["namespace"])}` : ""}"`;
    return `RBAC: allowed by ${kind} "${binding}" of ${roleKind} "${role}" to ${who}`;
  }

  return {
    authorize(user, attributes) {
      if (user.groups.includes("system:masters")) return { allowed: true, reason: "" };
      for (const { rules, reason: why } of bound(user, attributes.namespace)) {
        if (rules.some((rule) => matches(rule, attributes))) return { allowed: true, reason: why };
      }
      return { allowed: false, reason: "" };
    },
    rulesFor(user, namespace) {
      const everything: Rule = {
        verbs: ["*"],
        apiGroups: ["*"],
        resources: ["*"],
        resourceNames: [],
        nonResourceURLs: [],
      };
      const anyPath: Rule = { verbs: ["*"], apiGroups: [], resources: [], resourceNames: [], nonResourceURLs: ["*"] };
      if (user.groups.includes("system:masters")) return [everything, anyPath];
      return [...bound(user, namespace)].flatMap(({ rules }) => rules);
    },
  };
}

/** What follows `is forbidden: ` for a refused request. */
export function refusal(user: User, attributes: Attributes): string {
  if (attributes.resource === "") return `User "${user.name}" cannot ${attributes.verb} path "${attributes.path}"`;
  const resource = attributes.subresource ? `${attributes.resource}/${attributes.subresource}` : attributes.resource;
  const where = attributes.namespace ? `in the namespace "${attributes.namespace}"` : "at the cluster scope";
  return `User "${user.name}" cannot ${attributes.verb} resource "${resource}" in API group "${attributes.group}" ${where}`;
}

type RuleTuple = readonly [groups: readonly string[], resources: readonly string[], verbs: readonly string[]];

const read = ["get", "list", "watch"] as const;
const write = ["create", "delete", "deletecollection", "patch", "update"] as const;
const viewable: readonly RuleTuple[] = [
  [
    [""],
    [
      "configmaps",
      "endpoints",
      "persistentvolumeclaims",
      "persistentvolumeclaims/status",
      "pods",
      "replicationcontrollers",
      "replicationcontrollers/scale",
      "serviceaccounts",
      "services",
      "services/status",
      "bindings",
      "events",
      "limitranges",
      "namespaces/status",
      "pods/log",
      "pods/status",
      "replicationcontrollers/status",
      "resourcequotas",
      "resourcequotas/status",
      "namespaces",
    ],
    read,
  ],
  [["discovery.k8s.io"], ["endpointslices"], read],
  [
    ["apps"],
    [
      "controllerrevisions",
      "daemonsets",
      "daemonsets/status",
      "deployments",
      "deployments/scale",
      "deployments/status",
      "replicasets",
      "replicasets/scale",
      "replicasets/status",
      "statefulsets",
      "statefulsets/scale",
      "statefulsets/status",
    ],
    read,
  ],
  [["autoscaling"], ["horizontalpodautoscalers", "horizontalpodautoscalers/status"], read],
  [["batch"], ["cronjobs", "cronjobs/status", "jobs", "jobs/status"], read],
  [["policy"], ["poddisruptionbudgets", "poddisruptionbudgets/status"], read],
  [["networking.k8s.io"], ["ingresses", "ingresses/status", "networkpolicies"], read],
];
const editable: readonly RuleTuple[] = [
  [[""], ["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"], read],
  [[""], ["serviceaccounts"], ["impersonate"]],
  [[""], ["pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"], write],
  [[""], ["pods/eviction"], ["create"]],
  [
    [""],
    [
      "configmaps",
      "events",
      "persistentvolumeclaims",
      "replicationcontrollers",
      "replicationcontrollers/scale",
      "secrets",
      "serviceaccounts",
      "services",
      "services/proxy",
    ],
    write,
  ],
  [[""], ["serviceaccounts/token"], ["create"]],
  [
    ["apps"],
    [
      "daemonsets",
      "deployments",
      "deployments/rollback",
      "deployments/scale",
      "replicasets",
      "replicasets/scale",
      "statefulsets",
      "statefulsets/scale",
    ],
    write,
  ],
  [["autoscaling"], ["horizontalpodautoscalers"], write],
  [["batch"], ["cronjobs", "jobs"], write],
  [["policy"], ["poddisruptionbudgets"], write],
  [["networking.k8s.io"], ["ingresses", "networkpolicies"], write],
  [["coordination.k8s.io"], ["leases"], [...write, ...read]],
  ...viewable,
];
const administrable: readonly RuleTuple[] = [
  ...editable,
  [["authorization.k8s.io"], ["localsubjectaccessreviews"], ["create"]],
  [["rbac.authorization.k8s.io"], ["rolebindings", "roles"], [...write, ...read]],
];

function role(name: string, rules: readonly Record<string, unknown>[]): KubeObject {
  return {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRole",
    metadata: { name, labels: { "kubernetes.io/bootstrapping": "rbac-defaults" } },
    rules,
  };
}

function binding(name: string, groups: readonly string[]): KubeObject {
  return {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name, labels: { "kubernetes.io/bootstrapping": "rbac-defaults" } },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
    subjects: groups.map((group) => ({ kind: "Group", apiGroup: "rbac.authorization.k8s.io", name: group })),
  };
}

/** The roles that every cluster starts with, as far as people use them. */
export function bootstrapRoles(): KubeObject[] {
  const rules = (tuples: readonly RuleTuple[]) =>
    tuples.map(([apiGroups, resources, verbs]) => ({ apiGroups, resources, verbs: [...verbs] }));
  const paths = [
    "/api",
    "/api/*",
    "/apis",
    "/apis/*",
    "/healthz",
    "/livez",
    "/openapi",
    "/openapi/*",
    "/readyz",
    "/version",
    "/version/",
  ];
  return [
    role("cluster-admin", [
      { apiGroups: ["*"], resources: ["*"], verbs: ["*"] },
      { nonResourceURLs: ["*"], verbs: ["*"] },
    ]),
    binding("cluster-admin", ["system:masters"]),
    role("admin", rules(administrable)),
    role("edit", rules(editable)),
    role("view", rules(viewable)),
    role("system:discovery", [{ nonResourceURLs: paths, verbs: ["get"] }]),
    binding("system:discovery", ["system:authenticated"]),
    role("system:public-info-viewer", [
      { nonResourceURLs: ["/healthz", "/livez", "/readyz", "/version", "/version/"], verbs: ["get"] },
    ]),
    binding("system:public-info-viewer", ["system:authenticated", "system:unauthenticated"]),
    role("system:basic-user", [
      {
        apiGroups: ["authorization.k8s.io"],
        resources: ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
        verbs: ["create"],
      },
      { apiGroups: ["authentication.k8s.io"], resources: ["selfsubjectreviews"], verbs: ["create"] },
    ]),
    binding("system:basic-user", ["system:authenticated"]),
    role("system:auth-delegator", [
      { apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"], verbs: ["create"] },
      { apiGroups: ["authorization.k8s.io"], resources: ["subjectaccessreviews"], verbs: ["create"] },
    ]),
  ];
}
