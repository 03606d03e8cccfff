/** Server-side printing: the columns `kubectl get` shows, computed as the real printers do. */
import { asList, asNumber, asObject, asString, at } from "./json.ts";
import type {
  Container,
  ContainerStatus,
  CronJob,
  Job,
  KubeObject,
  LabelSelector,
  Node,
  Pod,
  Service,
} from "./object.ts";
import type { Resource } from "./registry/kinds.ts";

interface Column {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly description: string;
  readonly priority: number;
}

type Cell = string | number | boolean | null;
interface Printer {
  readonly columns: readonly string[];
  readonly row: (object: KubeObject, now: Date) => Cell[];
}

/** A column as `Name`, `Name:integer`, `Name+` (only wide). */
function column(text: string): Column {
  const [head = "", type = "string"] = text.replace("+", "").split(":");
  return {
    name: head,
    type,
    format: head === "Name" ? "name" : "",
    description: "",
    priority: text.includes("+") ? 1 : 0,
  };
}

/** Go's duration.HumanDuration. */
function humanDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (hours < 192) return hours % 24 === 0 ? `${days}d` : `${days}d${hours % 24}h`;
  if (hours < 24 * 365 * 2) return `${days}d`;
  const years = Math.floor(days / 365);
  if (hours < 24 * 365 * 8) return days % 365 === 0 ? `${years}y` : `${years}y${days % 365}d`;
  return `${years}y`;
}

function age(time: unknown, now: Date): string {
  return typeof time === "string" && time !== "" ? humanDuration(now.getTime() - Date.parse(time)) : "<unknown>";
}

export function selectorText(selector: unknown): string {
  const { matchLabels, matchExpressions } = asObject(selector) as LabelSelector;
  const parts = Object.entries(matchLabels ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`);
  for (const { key, operator, values } of matchExpressions ?? []) {
    if (operator === "Exists") parts.push(key);
    else if (operator === "DoesNotExist") parts.push(`!${key}`);
    else parts.push(`${key} ${operator.toLowerCase()} (${(values ?? []).join(",")})`);
  }
  return parts.length > 0 ? parts.join(",") : "<none>";
}

function mapText(map: unknown): string {
  const entries = Object.entries(asObject(map)).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length > 0 ? entries.map(([key, value]) => `${key}=${String(value)}`).join(",") : "<none>";
}

function containers(object: KubeObject, ...path: string[]): Container[] {
  return asList(at(object, ...path, "containers")) as Container[];
}

function names(list: readonly Container[]): string {
  return list.map((container) => container.name).join(",");
}

function images(list: readonly Container[]): string {
  return list.map((container) => container.image ?? "").join(",");
}

/** STATUS, READY and RESTARTS of a pod: kubectl's best known logic. */
function podSummary(pod: Pod, now: Date): { ready: string; status: string; restarts: string } {
  const status = pod.status ?? {};
  const statuses = status.containerStatuses ?? [];
  let reason = status.reason || status.phase || "";
  for (const condition of status.conditions ?? []) {
    if (condition.type === "PodScheduled" && condition.reason === "SchedulingGated") reason = "SchedulingGated";
  }
  let restarts = 0;
  let lastRestart = 0;
  let initializing = false;
  const noteRestart = (container: ContainerStatus) => {
    restarts += container.restartCount;
    const finished = container.lastState?.terminated?.finishedAt;
    if (finished) lastRestart = Math.max(lastRestart, Date.parse(finished));
  };
  const inits = status.initContainerStatuses ?? [];
  for (const [i, container] of inits.entries()) {
    noteRestart(container);
    const { terminated, waiting } = container.state ?? {};
    if (terminated?.exitCode === 0) continue;
    if (terminated) reason = terminated.reason ? `Init:${terminated.reason}` : `Init:ExitCode:${terminated.exitCode}`;
    else if (waiting?.reason && waiting.reason !== "PodInitializing") reason = `Init:${waiting.reason}`;
    else reason = `Init:${i}/${pod.spec.initContainers?.length ?? 0}`;
    initializing = true;
    break;
  }
  let ready = 0;
  if (!initializing) {
    restarts = 0;
    lastRestart = 0;
    let hasRunning = false;
    for (const container of statuses.toReversed()) {
      noteRestart(container);
      const { terminated, waiting, running } = container.state ?? {};
      if (waiting?.reason) reason = waiting.reason;
      else if (terminated) reason = terminated.reason || `ExitCode:${terminated.exitCode}`;
      else if (container.ready && running) {
        hasRunning = true;
        ready += 1;
      }
    }
    if (reason === "Completed" && hasRunning) {
      const isReady = status.conditions?.some((c) => c.type === "Ready" && c.status === "True");
      reason = isReady ? "Running" : "NotReady";
    }
  }
  if (pod.metadata.deletionTimestamp) {
    if (status.reason === "NodeLost") reason = "Unknown";
    else if (status.phase !== "Failed" && status.phase !== "Succeeded") reason = "Terminating";
  }
  const ago = restarts > 0 && lastRestart > 0 ? ` (${humanDuration(now.getTime() - lastRestart)} ago)` : "";
  return { ready: `${ready}/${pod.spec.containers?.length ?? 0}`, status: reason, restarts: `${restarts}${ago}` };
}

function nodeRow(object: KubeObject, now: Date): Cell[] {
  const node = object as Node;
  const ready = node.status?.conditions?.find((condition) => condition.type === "Ready");
  const state = [ready ? (ready.status === "True" ? "Ready" : "NotReady") : "Unknown"];
  if (node.spec?.unschedulable) state.push("SchedulingDisabled");
  const roles = Object.keys(node.metadata.labels ?? {})
    .filter((label) => label.startsWith("node-role.kubernetes.io/"))
    .map((label) => label.slice("node-role.kubernetes.io/".length))
    .sort();
  const address = (type: string) => node.status?.addresses?.find((a) => a.type === type)?.address ?? "<none>";
  const info = node.status?.nodeInfo ?? {};
  return [
    node.metadata.name,
    state.join(","),
    roles.length > 0 ? roles.join(",") : "<none>",
    age(node.metadata.creationTimestamp, now),
    info["kubeletVersion"] ?? "",
    address("InternalIP"),
    address("ExternalIP"),
    info["osImage"] ?? "<unknown>",
    info["kernelVersion"] ?? "<unknown>",
    info["containerRuntimeVersion"] ?? "<unknown>",
  ];
}

function serviceRow(object: KubeObject, now: Date): Cell[] {
  const { metadata, spec } = object as Service;
  const external =
    spec.type === "LoadBalancer"
      ? "<pending>"
      : spec.type === "ExternalName"
        ? asString(at(object, "spec", "externalName"))
        : "<none>";
  const ports = (spec.ports ?? []).map(
    (port) => `${port.port}${port.nodePort ? `:${port.nodePort}` : ""}/${port.protocol ?? "TCP"}`,
  );
  return [
    metadata.name,
    spec.type ?? "ClusterIP",
    spec.clusterIP || "<none>",
    external,
    ports.length > 0 ? ports.join(",") : "<none>",
    age(metadata.creationTimestamp, now),
    mapText(spec.selector),
  ];
}

function jobRow(object: KubeObject, now: Date): Cell[] {
  const job = object as Job;
  const { spec, status } = job;
  const completions =
    spec.completions !== undefined
      ? `${status?.succeeded ?? 0}/${spec.completions}`
      : (spec.parallelism ?? 1) > 1
        ? `${status?.succeeded ?? 0}/1 of ${spec.parallelism}`
        : `${status?.succeeded ?? 0}/1`;
  const has = (type: string) => status?.conditions?.some((c) => c.type === type && c.status === "True") === true;
  const state = has("Complete")
    ? "Complete"
    : has("Failed")
      ? "Failed"
      : job.metadata.deletionTimestamp
        ? "Terminating"
        : has("Suspended")
          ? "Suspended"
          : "Running";
  const end = status?.completionTime ? Date.parse(status.completionTime) : now.getTime();
  const duration = status?.startTime ? humanDuration(end - Date.parse(status.startTime)) : "";
  const list = containers(object, "spec", "template", "spec");
  return [
    job.metadata.name,
    state,
    completions,
    duration,
    age(job.metadata.creationTimestamp, now),
    names(list),
    images(list),
    selectorText(spec.selector),
  ];
}

function eventRow(object: KubeObject, now: Date): Cell[] {
  const involved = asObject(object["involvedObject"]);
  const series = asObject(object["series"]);
  const first = asString(object["firstTimestamp"]) || asString(object["eventTime"]);
  let last = asString(series["lastObservedTime"]) || asString(object["lastTimestamp"]) || first;
  const count = asNumber(series["count"]) || asNumber(object["count"], 1) || 1;
  if (last === "") last = first;
  const component = asString(at(object, "source", "component")) || asString(object["reportingComponent"]);
  const host = asString(at(object, "source", "host")) || asString(object["reportingInstance"]);
  return [
    age(last, now),
    asString(object["type"]),
    asString(object["reason"]),
    `${asString(involved["kind"]).toLowerCase()}/${asString(involved["name"])}`,
    asString(involved["fieldPath"]),
    host && host !== component ? `${component}, ${host}` : component,
    asString(object["message"]).trim(),
    age(first, now),
    count,
    object.metadata.name,
  ];
}

function subjects(object: KubeObject, kind: string): string {
  return asList(object["subjects"])
    .map(asObject)
    .filter((subject) => subject["kind"] === kind)
    .map((subject) =>
      kind === "ServiceAccount"
        ? `${asString(subject["namespace"])}/${asString(subject["name"])}`
        : asString(subject["name"]),
    )
    .join(", ");
}

function bindingRow(object: KubeObject, now: Date): Cell[] {
  const ref = asObject(object["roleRef"]);
  return [
    object.metadata.name,
    `${asString(ref["kind"])}/${asString(ref["name"])}`,
    age(object.metadata.creationTimestamp, now),
    subjects(object, "User"),
    subjects(object, "Group"),
    subjects(object, "ServiceAccount"),
  ];
}

function count(object: KubeObject, key: string): number {
  return Object.keys(asObject(object[key])).length;
}

function metricText(object: KubeObject): string {
  const current = asList(at(object, "status", "currentMetrics")).map(asObject);
  const parts = asList(at(object, "spec", "metrics")).map((item, i) => {
    const metric = asObject(item);
    const target = asNumber(at(metric, "resource", "target", "averageUtilization"), Number.NaN);
    const now = at(current[i], "resource", "current", "averageUtilization");
    const name = asString(at(metric, "resource", "name"));
    return Number.isNaN(target)
      ? "<unknown>/<auto>"
      : `${name}: ${typeof now === "number" ? `${now}%` : "<unknown>"}/${target}%`;
  });
  return parts.length > 0 ? parts.join(", ") : "<none>";
}

const created = (object: KubeObject, now: Date) => age(object.metadata.creationTimestamp, now);

const printers: Readonly<Record<string, Printer>> = {
  "/pods": {
    columns: ["Name", "Ready", "Status", "Restarts", "Age", "IP+", "Node+", "Nominated Node+", "Readiness Gates+"],
    row(object, now) {
      const pod = object as Pod;
      const { ready, status, restarts } = podSummary(pod, now);
      return [
        pod.metadata.name,
        ready,
        status,
        restarts,
        created(pod, now),
        pod.status?.podIP || "<none>",
        pod.spec.nodeName || "<none>",
        "<none>",
        "<none>",
      ];
    },
  },
  "apps/deployments": {
    columns: ["Name", "Ready", "Up-to-date", "Available", "Age", "Containers+", "Images+", "Selector+"],
    row(object, now) {
      const list = containers(object, "spec", "template", "spec");
      return [
        object.metadata.name,
        `${asNumber(at(object, "status", "readyReplicas"))}/${asNumber(at(object, "spec", "replicas"))}`,
        asNumber(at(object, "status", "updatedReplicas")),
        asNumber(at(object, "status", "availableReplicas")),
        created(object, now),
        names(list),
        images(list),
        selectorText(at(object, "spec", "selector")),
      ];
    },
  },
  "apps/replicasets": {
    columns: [
      "Name",
      "Desired:integer",
      "Current:integer",
      "Ready:integer",
      "Age",
      "Containers+",
      "Images+",
      "Selector+",
    ],
    row(object, now) {
      const list = containers(object, "spec", "template", "spec");
      return [
        object.metadata.name,
        asNumber(at(object, "spec", "replicas")),
        asNumber(at(object, "status", "replicas")),
        asNumber(at(object, "status", "readyReplicas")),
        created(object, now),
        names(list),
        images(list),
        selectorText(at(object, "spec", "selector")),
      ];
    },
  },
  "apps/statefulsets": {
    columns: ["Name", "Ready", "Age", "Containers+", "Images+"],
    row(object, now) {
      const list = containers(object, "spec", "template", "spec");
      const ready = `${asNumber(at(object, "status", "readyReplicas"))}/${asNumber(at(object, "spec", "replicas"))}`;
      return [object.metadata.name, ready, created(object, now), names(list), images(list)];
    },
  },
  "apps/daemonsets": {
    columns: [
      "Name",
      "Desired:integer",
      "Current:integer",
      "Ready:integer",
      "Up-to-date:integer",
      "Available:integer",
      "Node Selector",
      "Age",
      "Containers+",
      "Images+",
      "Selector+",
    ],
    row(object, now) {
      const list = containers(object, "spec", "template", "spec");
      const status = (key: string) => asNumber(at(object, "status", key));
      return [
        object.metadata.name,
        status("desiredNumberScheduled"),
        status("currentNumberScheduled"),
        status("numberReady"),
        status("updatedNumberScheduled"),
        status("numberAvailable"),
        mapText(at(object, "spec", "template", "spec", "nodeSelector")),
        created(object, now),
        names(list),
        images(list),
        selectorText(at(object, "spec", "selector")),
      ];
    },
  },
  "apps/controllerrevisions": {
    columns: ["Name", "Controller", "Revision:integer", "Age"],
    row(object, now) {
      const owner = object.metadata.ownerReferences?.find((ref) => ref.controller);
      const group = owner?.apiVersion.split("/")[0] ?? "";
      const controller = owner ? `${owner.kind.toLowerCase()}.${group}/${owner.name}` : "<none>";
      return [object.metadata.name, controller, asNumber(object["revision"]), created(object, now)];
    },
  },
  "batch/jobs": {
    columns: ["Name", "Status", "Completions", "Duration", "Age", "Containers+", "Images+", "Selector+"],
    row: jobRow,
  },
  "batch/cronjobs": {
    columns: [
      "Name",
      "Schedule",
      "Timezone",
      "Suspend:boolean",
      "Active:integer",
      "Last Schedule",
      "Age",
      "Containers+",
      "Images+",
      "Selector+",
    ],
    row(object, now) {
      const { spec, status, metadata } = object as CronJob;
      const list = containers(object, "spec", "jobTemplate", "spec", "template", "spec");
      return [
        metadata.name,
        spec.schedule,
        asString(at(object, "spec", "timeZone")) || "<none>",
        spec.suspend === true ? "True" : "False",
        asList(status?.active).length,
        status?.lastScheduleTime ? age(status.lastScheduleTime, now) : "<none>",
        created(object, now),
        names(list),
        images(list),
        selectorText(spec.jobTemplate.spec.selector),
      ];
    },
  },
  "/services": {
    columns: ["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "Selector+"],
    row: serviceRow,
  },
  "/nodes": {
    columns: [
      "Name",
      "Status",
      "Roles",
      "Age",
      "Version",
      "Internal-IP+",
      "External-IP+",
      "OS-Image+",
      "Kernel-Version+",
      "Container-Runtime+",
    ],
    row: nodeRow,
  },
  "/namespaces": {
    columns: ["Name", "Status", "Age"],
    row: (object, now) => [object.metadata.name, asString(at(object, "status", "phase")), created(object, now)],
  },
  "/configmaps": {
    columns: ["Name", "Data", "Age"],
    row: (object, now) => [
      object.metadata.name,
      count(object, "data") + count(object, "binaryData"),
      created(object, now),
    ],
  },
  "/secrets": {
    columns: ["Name", "Type", "Data:integer", "Age"],
    row: (object, now) => [object.metadata.name, asString(object["type"]), count(object, "data"), created(object, now)],
  },
  "/serviceaccounts": {
    columns: ["Name", "Secrets:integer", "Age"],
    row: (object, now) => [object.metadata.name, asList(object["secrets"]).length, created(object, now)],
  },
  "/endpoints": {
    columns: ["Name", "Endpoints", "Age"],
    row(object, now) {
      const all = asList(object["subsets"]).flatMap((subset) => {
        const ports = asList(asObject(subset)["ports"]).map(asObject);
        return asList(asObject(subset)["addresses"]).flatMap((address) =>
          ports.map((port) => `${asString(asObject(address)["ip"])}:${asNumber(port["port"])}`),
        );
      });
      const more = all.length > 3 ? ` + ${all.length - 3} more...` : "";
      return [object.metadata.name, all.length > 0 ? all.slice(0, 3).join(",") + more : "<none>", created(object, now)];
    },
  },
  "discovery.k8s.io/endpointslices": {
    columns: ["Name", "AddressType", "Ports", "Endpoints", "Age"],
    row(object, now) {
      const ports = asList(object["ports"]).map((port) => String(asObject(port)["port"] ?? "*"));
      const addresses = asList(object["endpoints"]).flatMap((e) => asList(asObject(e)["addresses"]).map(asString));
      const more = addresses.length > 3 ? ` + ${addresses.length - 3} more...` : "";
      return [
        object.metadata.name,
        asString(object["addressType"]),
        ports.length > 0 ? ports.join(",") : "<unset>",
        addresses.length > 0 ? addresses.slice(0, 3).join(",") + more : "<unset>",
        created(object, now),
      ];
    },
  },
  "/events": {
    columns: [
      "Last Seen",
      "Type",
      "Reason",
      "Object",
      "Subobject+",
      "Source+",
      "Message",
      "First Seen+",
      "Count+",
      "Name+",
    ],
    row: eventRow,
  },
  "/persistentvolumeclaims": {
    columns: [
      "Name",
      "Status",
      "Volume",
      "Capacity",
      "Access Modes",
      "StorageClass",
      "VolumeAttributesClass",
      "Age",
      "VolumeMode+",
    ],
    row(object, now) {
      const short: Readonly<Record<string, string>> = {
        ReadWriteOnce: "RWO",
        ReadOnlyMany: "ROX",
        ReadWriteMany: "RWX",
        ReadWriteOncePod: "RWOP",
      };
      const bound = asString(at(object, "spec", "volumeName")) !== "";
      const modes = asList(at(object, "status", "accessModes")).map((mode) => short[asString(mode)] ?? "");
      return [
        object.metadata.name,
        asString(at(object, "status", "phase")),
        asString(at(object, "spec", "volumeName")),
        bound ? asString(at(object, "status", "capacity", "storage")) : "",
        bound ? modes.join(",") : "",
        asString(at(object, "spec", "storageClassName")),
        "<unset>",
        created(object, now),
        asString(at(object, "spec", "volumeMode")),
      ];
    },
  },
  "autoscaling/horizontalpodautoscalers": {
    columns: ["Name", "Reference", "Targets", "MinPods", "MaxPods", "Replicas", "Age"],
    row: (object, now) => [
      object.metadata.name,
      `${asString(at(object, "spec", "scaleTargetRef", "kind"))}/${asString(at(object, "spec", "scaleTargetRef", "name"))}`,
      metricText(object),
      String(asNumber(at(object, "spec", "minReplicas"), 1)),
      asNumber(at(object, "spec", "maxReplicas")),
      asNumber(at(object, "status", "currentReplicas")),
      created(object, now),
    ],
  },
  "policy/poddisruptionbudgets": {
    columns: ["Name", "Min Available", "Max Unavailable", "Allowed Disruptions:integer", "Age"],
    row(object, now) {
      const show = (key: string) => {
        const value = at(object, "spec", key);
        return value === undefined ? "N/A" : String(value);
      };
      return [
        object.metadata.name,
        show("minAvailable"),
        show("maxUnavailable"),
        asNumber(at(object, "status", "disruptionsAllowed")),
        created(object, now),
      ];
    },
  },
  "networking.k8s.io/ingresses": {
    columns: ["Name", "Class", "Hosts", "Address", "Ports", "Age"],
    row(object, now) {
      const hosts = asList(at(object, "spec", "rules")).map((rule) => asString(asObject(rule)["host"]) || "*");
      const tls = asList(at(object, "spec", "tls")).length > 0;
      return [
        object.metadata.name,
        asString(at(object, "spec", "ingressClassName")) || "<none>",
        hosts.length > 0 ? hosts.join(",") : "*",
        "",
        tls ? "80, 443" : "80",
        created(object, now),
      ];
    },
  },
  "networking.k8s.io/networkpolicies": {
    columns: ["Name", "Pod-Selector", "Age"],
    row: (object, now) => [object.metadata.name, selectorText(at(object, "spec", "podSelector")), created(object, now)],
  },
  "coordination.k8s.io/leases": {
    columns: ["Name", "Holder", "Age"],
    row: (object, now) => [object.metadata.name, asString(at(object, "spec", "holderIdentity")), created(object, now)],
  },
  "/resourcequotas": {
    columns: ["Name", "Request", "Limit", "Age"],
    row(object, now) {
      const hard = asObject(at(object, "status", "hard"));
      const used = asObject(at(object, "status", "used"));
      const all = Object.keys(hard).sort();
      const show = (list: string[]) =>
        list.map((name) => `${name}: ${String(used[name] ?? "0")}/${String(hard[name])}`).join(", ");
      return [
        object.metadata.name,
        show(all.filter((name) => !name.startsWith("limits."))),
        show(all.filter((name) => name.startsWith("limits."))),
        created(object, now),
      ];
    },
  },
  "rbac.authorization.k8s.io/roles": {
    columns: ["Name", "Created At"],
    row: (object) => [object.metadata.name, asString(object.metadata.creationTimestamp)],
  },
  "rbac.authorization.k8s.io/clusterroles": {
    columns: ["Name", "Created At"],
    row: (object) => [object.metadata.name, asString(object.metadata.creationTimestamp)],
  },
  "rbac.authorization.k8s.io/rolebindings": {
    columns: ["Name", "Role", "Age", "Users+", "Groups+", "ServiceAccounts+"],
    row: bindingRow,
  },
  "rbac.authorization.k8s.io/clusterrolebindings": {
    columns: ["Name", "Role", "Age", "Users+", "Groups+", "ServiceAccounts+"],
    row: bindingRow,
  },
  "apiextensions.k8s.io/customresourcedefinitions": {
    columns: ["Name", "Created At"],
    row: (object) => [object.metadata.name, asString(object.metadata.creationTimestamp)],
  },
};

const plain: Printer = { columns: ["Name", "Age"], row: (object, now) => [object.metadata.name, created(object, now)] };

function customPrinter(resource: Resource): Printer {
  const columns = resource.custom?.columns ?? [];
  if (columns.length === 0) return plain;
  return {
    columns: ["Name", ...columns.map((c) => `${c.name}:${c.type}${c.priority > 0 ? "+" : ""}`)],
    row: (object, now) => [
      object.metadata.name,
      ...columns.map((c): Cell => {
        const value = at(object, ...c.jsonPath.split(".").filter((part) => part !== ""));
        if (c.type === "date") return age(value, now);
        return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null;
      }),
    ],
  };
}

/** A meta.k8s.io/v1 Table. `include` says how much of each object goes along. */
export function tableOf(
  resource: Resource,
  objects: readonly KubeObject[],
  now: Date,
  include: string,
  listMeta: Record<string, unknown>,
  headers = true,
): Record<string, unknown> {
  const printer = resource.custom ? customPrinter(resource) : (printers[resource.storage] ?? plain);
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata: listMeta,
    columnDefinitions: headers ? printer.columns.map(column) : null,
    rows: objects.map((object) => ({
      cells: printer.row(object, now),
      ...(include === "None" ? {} : { object: include === "Object" ? object : partial(object) }),
    })),
  };
}

export function partial(object: KubeObject): KubeObject {
  return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: object.metadata };
}
