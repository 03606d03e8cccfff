/** What the API server fills in when a manifest leaves it out. Changes the (freshly decoded) object in place. */
import { asList, asObject, asString, at, type JsonObject } from "./json.ts";
import type { Resource } from "./registry/kinds.ts";

function fill(object: JsonObject, values: JsonObject): void {
  for (const [key, value] of Object.entries(values)) {
    if (object[key] === undefined || object[key] === null) object[key] = structuredClone(value);
  }
}

function child(object: JsonObject, key: string): JsonObject {
  const existing = object[key];
  if (typeof existing === "object" && existing !== null && !Array.isArray(existing)) return existing as JsonObject;
  const created: JsonObject = {};
  object[key] = created;
  return created;
}

function objects(list: unknown): JsonObject[] {
  return asList(list).map(asObject);
}

function defaultProbe(probe: JsonObject): void {
  fill(probe, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 });
  if (probe["httpGet"]) defaultHttpGet(asObject(probe["httpGet"]));
  if (probe["grpc"]) fill(asObject(probe["grpc"]), { service: "" });
}

function defaultHttpGet(action: JsonObject): void {
  fill(action, { path: "/", scheme: "HTTP" });
}

/** `latest` and untagged images are always pulled. */
function pullPolicy(image: string): string {
  if (image.includes("@")) return "IfNotPresent";
  const tag = /:([^:/]+)$/.exec(image)?.[1];
  return tag === undefined || tag === "latest" ? "Always" : "IfNotPresent";
}

function defaultContainer(container: JsonObject, hostNetwork: boolean, inPod: boolean): void {
  fill(container, {
    terminationMessagePath: "/dev/termination-log",
    terminationMessagePolicy: "File",
    imagePullPolicy: pullPolicy(asString(container["image"])),
  });
  for (const port of objects(container["ports"])) {
    fill(port, { protocol: "TCP" });
    if (hostNetwork) fill(port, { hostPort: port["containerPort"] });
  }
  for (const key of ["livenessProbe", "readinessProbe", "startupProbe"]) {
    if (container[key]) defaultProbe(asObject(container[key]));
  }
  for (const key of ["postStart", "preStop"]) {
    const action = at(container, "lifecycle", key, "httpGet");
    if (action) defaultHttpGet(asObject(action));
  }
  for (const variable of objects(container["env"])) {
    const ref = at(variable, "valueFrom", "fieldRef");
    if (ref) fill(asObject(ref), { apiVersion: "v1" });
  }
  const resources = asObject(container["resources"]);
  if (inPod && resources["limits"]) {
    const requests = child(resources, "requests");
    for (const [name, amount] of Object.entries(asObject(resources["limits"]))) {
      if (requests[name] === undefined) requests[name] = amount;
    }
  }
}

function defaultVolume(volume: JsonObject): void {
  const sources = Object.keys(volume).filter((key) => key !== "name");
  if (sources.length === 0) volume["emptyDir"] = {};
  for (const key of ["configMap", "secret", "downwardAPI", "projected"]) {
    if (volume[key]) fill(asObject(volume[key]), { defaultMode: 420 });
  }
  if (volume["hostPath"]) fill(asObject(volume["hostPath"]), { type: "" });
  const items = [...objects(at(volume, "downwardAPI", "items"))];
  for (const source of objects(at(volume, "projected", "sources"))) {
    if (source["serviceAccountToken"]) fill(asObject(source["serviceAccountToken"]), { expirationSeconds: 3600 });
    items.push(...objects(at(source, "downwardAPI", "items")));
  }
  for (const item of items) if (item["fieldRef"]) fill(asObject(item["fieldRef"]), { apiVersion: "v1" });
}

/** `inPod` also fills what a Pod gets and a template does not, such as requests from limits. */
function defaultPodSpec(spec: JsonObject, inPod: boolean): void {
  fill(spec, {
    dnsPolicy: "ClusterFirst",
    restartPolicy: "Always",
    securityContext: {},
    terminationGracePeriodSeconds: 30,
    schedulerName: "default-scheduler",
  });
  if (inPod) fill(spec, { enableServiceLinks: true });
  if (spec["serviceAccountName"] && !spec["serviceAccount"]) spec["serviceAccount"] = spec["serviceAccountName"];
  if (spec["serviceAccount"] && !spec["serviceAccountName"]) spec["serviceAccountName"] = spec["serviceAccount"];
  const host = spec["hostNetwork"] === true;
  for (const key of ["containers", "initContainers"]) {
    for (const container of objects(spec[key])) defaultContainer(container, host, inPod);
  }
  for (const volume of objects(spec["volumes"])) defaultVolume(volume);
}

function defaultTemplate(spec: JsonObject): void {
  defaultPodSpec(child(child(spec, "template"), "spec"), false);
}

function defaultJobSpec(spec: JsonObject): void {
  if (spec["completions"] === undefined && spec["parallelism"] === undefined)
    fill(spec, { completions: 1, parallelism: 1 });
  fill(spec, {
    parallelism: 1,
    backoffLimit: 6,
    completionMode: "NonIndexed",
    suspend: false,
    podReplacementPolicy: spec["podFailurePolicy"] ? "Failed" : "TerminatingOrFailed",
    manualSelector: false,
  });
  defaultTemplate(spec);
}

type Defaulter = (object: JsonObject, spec: JsonObject) => void;

const byKind: Readonly<Record<string, Defaulter>> = {
  Pod: (_, spec) => defaultPodSpec(spec, true),
  Deployment: (_, spec) => {
    fill(spec, { replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 });
    const strategy = child(spec, "strategy");
    fill(strategy, { type: "RollingUpdate" });
    if (strategy["type"] === "RollingUpdate") {
      fill(child(strategy, "rollingUpdate"), { maxUnavailable: "25%", maxSurge: "25%" });
    }
    defaultTemplate(spec);
  },
  LimitRange: (_, spec) => {
    for (const limit of objects(spec["limits"])) {
      if (limit["type"] !== "Container") continue;
      if (limit["max"]) fill(child(limit, "default"), asObject(limit["max"]));
      for (const given of ["default", "min"]) {
        if (limit[given]) fill(child(limit, "defaultRequest"), asObject(limit[given]));
      }
    }
  },
  ReplicaSet: (_, spec) => {
    fill(spec, { replicas: 1 });
    defaultTemplate(spec);
  },
  StatefulSet: (_, spec) => {
    fill(spec, {
      replicas: 1,
      revisionHistoryLimit: 10,
      podManagementPolicy: "OrderedReady",
      persistentVolumeClaimRetentionPolicy: {},
    });
    fill(child(spec, "persistentVolumeClaimRetentionPolicy"), { whenDeleted: "Retain", whenScaled: "Retain" });
    const strategy = child(spec, "updateStrategy");
    if (!strategy["type"]) {
      strategy["type"] = "RollingUpdate";
      fill(strategy, { rollingUpdate: {} });
    }
    if (strategy["type"] === "RollingUpdate" && strategy["rollingUpdate"]) {
      fill(child(strategy, "rollingUpdate"), { partition: 0 });
    }
    defaultTemplate(spec);
    for (const claim of objects(spec["volumeClaimTemplates"])) {
      fill(claim, { apiVersion: "v1", kind: "PersistentVolumeClaim" });
      fill(child(claim, "spec"), { volumeMode: "Filesystem" });
      fill(child(claim, "status"), { phase: "Pending" });
    }
  },
  DaemonSet: (object, spec) => {
    const metadata = child(object, "metadata");
    fill(child(metadata, "annotations"), { "deprecated.daemonset.template.generation": "0" });
    fill(spec, { revisionHistoryLimit: 10 });
    const strategy = child(spec, "updateStrategy");
    fill(strategy, { type: "RollingUpdate" });
    if (strategy["type"] === "RollingUpdate")
      fill(child(strategy, "rollingUpdate"), { maxUnavailable: 1, maxSurge: 0 });
    defaultTemplate(spec);
  },
  Job: (object, spec) => {
    const labels = at(spec, "template", "metadata", "labels");
    if (labels && !at(object, "metadata", "labels")) child(object, "metadata")["labels"] = structuredClone(labels);
    defaultJobSpec(spec);
  },
  CronJob: (_, spec) => {
    fill(spec, {
      concurrencyPolicy: "Allow",
      suspend: false,
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 1,
    });
    defaultTemplate(child(child(spec, "jobTemplate"), "spec"));
  },
  Service: (_, spec) => {
    fill(spec, { sessionAffinity: "None", type: "ClusterIP" });
    for (const port of objects(spec["ports"])) {
      fill(port, { protocol: "TCP" });
      if (port["targetPort"] === undefined || port["targetPort"] === 0 || port["targetPort"] === "") {
        port["targetPort"] = port["port"];
      }
    }
    if (spec["type"] !== "ExternalName") fill(spec, { internalTrafficPolicy: "Cluster" });
    if (spec["type"] === "NodePort" || spec["type"] === "LoadBalancer")
      fill(spec, { externalTrafficPolicy: "Cluster" });
    if (spec["type"] === "LoadBalancer") fill(spec, { allocateLoadBalancerNodePorts: true });
  },
  Secret: (object) => {
    fill(object, { type: "Opaque" });
    const plain = Object.entries(asObject(object["stringData"]));
    if (plain.length === 0) return;
    const encoded = plain.map(([key, value]) => [key, Buffer.from(asString(value)).toString("base64")]);
    object["data"] = { ...asObject(object["data"]), ...Object.fromEntries(encoded) };
    delete object["stringData"];
  },
  PersistentVolumeClaim: (object, spec) => {
    fill(spec, { volumeMode: "Filesystem" });
    fill(child(object, "status"), { phase: "Pending" });
  },
  PersistentVolume: (object, spec) => {
    fill(spec, { persistentVolumeReclaimPolicy: "Retain", volumeMode: "Filesystem" });
    fill(child(object, "status"), { phase: "Pending" });
  },
  Namespace: (object) => {
    const metadata = child(object, "metadata");
    if (metadata["name"]) child(metadata, "labels")["kubernetes.io/metadata.name"] = metadata["name"];
    fill(child(object, "status"), { phase: "Active" });
  },
  Endpoints: (object) => {
    for (const subset of objects(object["subsets"])) {
      for (const port of objects(subset["ports"])) fill(port, { protocol: "TCP" });
    }
  },
  EndpointSlice: (object) => {
    for (const port of objects(object["ports"])) fill(port, { name: "", protocol: "TCP" });
  },
  HorizontalPodAutoscaler: (_, spec) => {
    fill(spec, { minReplicas: 1 });
    if (asList(spec["metrics"]).length === 0) {
      spec["metrics"] = [
        { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } } },
      ];
    }
  },
  RoleBinding: (object) => defaultBinding(object),
  ClusterRoleBinding: (object) => defaultBinding(object),
  StorageClass: (object) => fill(object, { reclaimPolicy: "Delete", volumeBindingMode: "Immediate" }),
  NetworkPolicy: (_, spec) => {
    if (asList(spec["policyTypes"]).length === 0) {
      spec["policyTypes"] = ["Ingress", ...(asList(spec["egress"]).length > 0 ? ["Egress"] : [])];
    }
    for (const rule of [...objects(spec["ingress"]), ...objects(spec["egress"])]) {
      for (const port of objects(rule["ports"])) fill(port, { protocol: "TCP" });
    }
  },
  PriorityClass: (object) => fill(object, { preemptionPolicy: "PreemptLowerPriority" }),
  CustomResourceDefinition: (_, spec) => {
    fill(spec, { conversion: { strategy: "None" } });
    const names = child(spec, "names");
    fill(names, {
      singular: asString(names["kind"]).toLowerCase(),
      listKind: `${asString(names["kind"])}List`,
    });
  },
};

function defaultBinding(object: JsonObject): void {
  fill(child(object, "roleRef"), { apiGroup: "rbac.authorization.k8s.io" });
  const ref = child(object, "roleRef");
  if (ref["apiGroup"] === "") ref["apiGroup"] = "rbac.authorization.k8s.io";
  for (const subject of objects(object["subjects"])) {
    if (subject["kind"] === "User" || subject["kind"] === "Group")
      fill(subject, { apiGroup: "rbac.authorization.k8s.io" });
  }
}

/** Fills in the defaults of this kind; custom resources have none here. */
export function applyDefaults(resource: Resource, object: JsonObject): void {
  if (resource.custom) return;
  const defaulter = byKind[resource.kind];
  if (!defaulter) return;
  const hasSpec = resource.struct.fields.has("spec");
  defaulter(object, hasSpec ? child(object, "spec") : {});
}
