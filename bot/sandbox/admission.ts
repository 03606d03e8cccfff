/** The admission plugins that are on in a plain cluster, as far as they change or refuse what people write. */
import { refuseEscalation } from "./escalation.ts";
import { asList, asObject, at, isObject } from "./json.ts";
import type { Container, KubeObject, Pod } from "./object.ts";
import { securityFaults, securityLevel } from "./pod-security.ts";
import { addQuantities, compareQuantities, formatQuantity, parseQuantity } from "./quantity.ts";
import type { Kinds, Resource } from "./registry/kinds.ts";
import { randomSuffix } from "./registry/names.ts";
import type { Caller } from "./registry/registry.ts";
import { forbidden, notFound } from "./status.ts";
import type { Store } from "./storage.ts";

interface Cluster {
  readonly store: Store;
  readonly kinds: Kinds;
}

/** Changes `object` in place or throws 403, 404 or 422. `existing` is undefined on create. */
export function admit(
  cluster: Cluster,
  resource: Resource,
  object: KubeObject,
  existing: KubeObject | undefined,
  caller: Caller,
  sub = "",
): void {
  refuseEscalation(cluster.store, resource, object, existing, caller);
  if (existing !== undefined) {
    if (resource.kind === "Service" && sub === "") allocateService(cluster, object);
    return;
  }
  if (resource.namespaced) namespaceLifecycle(cluster, resource, object);
  if (resource.kind === "Pod" && resource.group === "") {
    const pod = object as Pod;
    serviceAccount(cluster, pod);
    tolerations(pod);
    priority(cluster, pod);
    limitRanges(cluster, pod);
    podSecurity(cluster, pod, caller);
  }
  if (resource.kind === "Service") allocateService(cluster, object);
  if (resource.namespaced) quotas(cluster, resource, object);
}

function namespaceLifecycle({ store }: Cluster, resource: Resource, object: KubeObject): void {
  const name = object.metadata.namespace ?? "";
  const namespace = store.get("/namespaces", "", name);
  if (!namespace) throw notFound({ group: "", resource: "namespaces" }, name);
  if (namespace.metadata.deletionTimestamp && resource.kind !== "Event") {
    const error = forbidden(
      resource,
      object.metadata.name,
      `unable to create new content in namespace ${name} because it is being terminated`,
    );
    error.status.details = {
      ...error.status.details,
      causes: [
        {
          reason: "NamespaceTerminating",
          message: `namespace ${name} is being terminated`,
          field: "metadata.namespace",
        },
      ],
    };
    throw error;
  }
}

function serviceAccount({ store }: Cluster, pod: Pod): void {
  const { spec } = pod;
  const name = spec.serviceAccountName || "default";
  spec.serviceAccountName = name;
  spec["serviceAccount"] = name;
  const account = store.get("/serviceaccounts", pod.metadata.namespace ?? "", name);
  if (!account) {
    throw forbidden(
      { group: "", resource: "pods" },
      pod.metadata.name,
      `error looking up service account ${pod.metadata.namespace}/${name}: serviceaccount "${name}" not found`,
    );
  }
  const wanted = spec["automountServiceAccountToken"] ?? account["automountServiceAccountToken"] ?? true;
  if (wanted !== true) return;
  const path = "/var/run/secrets/kubernetes.io/serviceaccount";
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  const lacking = containers.filter((c) => !c.volumeMounts?.some((mount) => mount.mountPath === path));
  if (lacking.length === 0) return;
  const volume = `kube-api-access-${randomSuffix(5)}`;
  for (const container of lacking) {
    container.volumeMounts = [...(container.volumeMounts ?? []), { name: volume, readOnly: true, mountPath: path }];
  }
  spec.volumes = [
    ...(spec.volumes ?? []),
    {
      name: volume,
      projected: {
        sources: [
          { serviceAccountToken: { expirationSeconds: 3607, path: "token" } },
          { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
          {
            downwardAPI: {
              items: [{ path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } }],
            },
          },
        ],
        defaultMode: 420,
      },
    },
  ];
}

function tolerations({ spec }: Pod): void {
  const list = spec.tolerations ?? [];
  for (const key of ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]) {
    const covered = list.some(
      (t) => (t.key === key || t.key === undefined) && (t.effect === "NoExecute" || t.effect === undefined),
    );
    if (!covered) list.push({ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 });
  }
  spec.tolerations = list;
}

function priority({ store }: Cluster, pod: Pod): void {
  const { spec } = pod;
  const name = typeof spec["priorityClassName"] === "string" ? spec["priorityClassName"] : "";
  const builtIn: Readonly<Record<string, number>> = {
    "system-cluster-critical": 2_000_000_000,
    "system-node-critical": 2_000_001_000,
  };
  const found = name ? store.get("scheduling.k8s.io/priorityclasses", "", name) : undefined;
  if (name && !found && builtIn[name] === undefined) {
    throw forbidden({ group: "", resource: "pods" }, pod.metadata.name, `no PriorityClass with name ${name} was found`);
  }
  spec["priority"] = found?.["value"] ?? builtIn[name] ?? 0;
  spec["preemptionPolicy"] = found?.["preemptionPolicy"] ?? "PreemptLowerPriority";
}

function limitRanges({ store }: Cluster, pod: Pod): void {
  const failures: string[] = [];
  for (const range of store.list("/limitranges", pod.metadata.namespace ?? "")) {
    for (const limit of asList(at(range, "spec", "limits"))) {
      if (!isObject(limit) || limit["type"] !== "Container") continue;
      for (const container of pod.spec.containers) {
        const resources = container.resources ?? {};
        const fill = (own: Record<string, string> | undefined, defaults: unknown) => ({
          ...(asObject(defaults) as Record<string, string>),
          ...own,
        });
        const limits = fill(resources.limits, limit["default"]);
        const requests = fill(resources.requests, limit["defaultRequest"]);
        container.resources = {
          ...(Object.keys(limits).length > 0 ? { limits } : {}),
          ...(Object.keys(requests).length > 0 ? { requests } : {}),
        };
        for (const [name, max] of Object.entries(asObject(limit["max"]))) {
          const own = limits[name];
          if (own === undefined) failures.push(`maximum ${name} usage per Container is ${max}.  No limit is specified`);
          else if (compareQuantities(own, String(max)) > 0) {
            failures.push(`maximum ${name} usage per Container is ${max}, but limit is ${own}`);
          }
        }
        for (const [name, min] of Object.entries(asObject(limit["min"]))) {
          const own = requests[name];
          if (own === undefined)
            failures.push(`minimum ${name} usage per Container is ${min}.  No request is specified`);
          else if (compareQuantities(own, String(min)) < 0) {
            failures.push(`minimum ${name} usage per Container is ${min}, but request is ${own}`);
          }
        }
      }
    }
  }
  if (failures.length > 0) {
    const text = failures.length === 1 ? (failures[0] ?? "") : `[${failures.join(", ")}]`;
    throw forbidden({ group: "", resource: "pods" }, pod.metadata.name, text);
  }
}

function podSecurity({ store }: Cluster, pod: Pod, caller: Caller): void {
  const namespace = store.get("/namespaces", "", pod.metadata.namespace ?? "");
  for (const mode of ["enforce", "warn"] as const) {
    const { level, version } = securityLevel(namespace, mode);
    const faults = securityFaults(pod, level);
    if (faults === "") continue;
    const text = `violates PodSecurity "${level}:${version}": ${faults}`;
    if (mode === "enforce") throw forbidden({ group: "", resource: "pods" }, pod.metadata.name, text);
    caller.warn(`would violate PodSecurity "${level}:${version}": ${faults}`);
  }
}

/** What one object counts for against quotas. */
export function quotaUsage(resource: Resource, object: KubeObject): Record<string, string> {
  const usage: Record<string, string> = {
    [`count/${resource.resource}${resource.group ? `.${resource.group}` : ""}`]: "1",
  };
  if (resource.group === "") usage[resource.resource] = "1";
  if (resource.kind !== "Pod") return usage;
  const containers = asList(at(object, "spec", "containers")) as Container[];
  for (const [side, key] of [
    ["requests", "requests"],
    ["limits", "limits"],
  ] as const) {
    for (const name of ["cpu", "memory"]) {
      let total = "0";
      let given = false;
      for (const container of containers) {
        const amount = container.resources?.[key]?.[name];
        if (amount === undefined) continue;
        given = true;
        total = addQuantities(total, amount);
      }
      if (given) usage[`${side}.${name}`] = total;
      if (given && side === "requests") usage[name] = total;
    }
  }
  return usage;
}

export function quotaCounts(resource: Resource, object: KubeObject): boolean {
  const phase = at(object, "status", "phase");
  return resource.kind !== "Pod" || (phase !== "Succeeded" && phase !== "Failed");
}

function quotas({ store }: Cluster, resource: Resource, object: KubeObject): void {
  if (resource.kind === "Event" || resource.kind === "ResourceQuota") return;
  const namespace = object.metadata.namespace ?? "";
  for (const quota of store.list("/resourcequotas", namespace)) {
    const hard = asObject(at(quota, "spec", "hard")) as Record<string, string>;
    const asked = quotaUsage(resource, object);
    const names = Object.keys(hard).filter((name) => asked[name] !== undefined);
    if (resource.kind === "Pod") {
      const missing = Object.keys(hard).filter(
        (name) => /^(requests\.|limits\.)?(cpu|memory)$/.test(name) && asked[name] === undefined,
      );
      if (missing.length > 0) {
        throw forbidden(
          resource,
          object.metadata.name,
          `failed quota: ${quota.metadata.name}: must specify ${missing
            .sort()
            .map((name) => `${name} for: ${podContainers(object)}`)
            .join("; ")}`,
        );
      }
    }
    if (names.length === 0) continue;
    const used: Record<string, string> = {};
    for (const other of store.list(resource.storage, namespace)) {
      if (!quotaCounts(resource, other)) continue;
      const usage = quotaUsage(resource, other);
      for (const name of names) used[name] = addQuantities(used[name] ?? "0", usage[name] ?? "0");
    }
    const over = names
      .filter((name) => compareQuantities(addQuantities(used[name] ?? "0", asked[name] ?? "0"), hard[name] ?? "0") > 0)
      .sort();
    if (over.length > 0) {
      const show = (values: Record<string, string>) =>
        over.map((name) => `${name}=${canonical(values[name] ?? "0")}`).join(",");
      throw forbidden(
        resource,
        object.metadata.name,
        `exceeded quota: ${quota.metadata.name}, requested: ${show(asked)}, used: ${show(used)}, limited: ${show(hard)}`,
      );
    }
  }
}

function canonical(amount: string): string {
  const parsed = parseQuantity(amount);
  return "error" in parsed ? amount : formatQuantity(parsed);
}

function podContainers(object: KubeObject): string {
  return (asList(at(object, "spec", "containers")) as Container[]).map((container) => container.name).join(",");
}

/** Cluster IPs and node ports, from the ranges a kubeadm cluster has. */
function allocateService({ store }: Cluster, object: KubeObject): void {
  const spec = asObject(object["spec"]);
  object["spec"] = spec;
  const services = store.list("/services");
  if (spec["type"] !== "ExternalName" && !spec["clusterIP"]) {
    const used = new Set(services.map((service) => at(service, "spec", "clusterIP")));
    let n = 10;
    while (used.has(`10.96.${Math.floor(n / 250)}.${(n % 250) + 1}`)) n += 1;
    spec["clusterIP"] = `10.96.${Math.floor(n / 250)}.${(n % 250) + 1}`;
  }
  if (spec["type"] !== "ExternalName") {
    spec["clusterIPs"] ??= [spec["clusterIP"]];
    spec["ipFamilies"] ??= ["IPv4"];
    spec["ipFamilyPolicy"] ??= "SingleStack";
  }
  if (spec["type"] === "NodePort" || spec["type"] === "LoadBalancer") {
    const used = new Set(
      services.flatMap((service) => asList(at(service, "spec", "ports")).map((port) => asObject(port)["nodePort"])),
    );
    for (const port of asList(spec["ports"]).map(asObject)) {
      if (port["nodePort"]) continue;
      let n = 30000;
      while (used.has(n)) n += 1;
      used.add(n);
      port["nodePort"] = n;
    }
  }
}
