/** What each kind does to an object on its way to storage, besides defaults and validation. */
import { asList, asObject, at, clone, equal } from "../json.ts";
import type { Container, KubeObject } from "../object.ts";
import { units } from "../quantity.ts";
import type { Resource } from "./kinds.ts";

export function hasStatus(resource: Resource): boolean {
  return resource.subresources.some((sub) => sub.name === "status");
}

const withGeneration: ReadonlySet<string> = new Set([
  "Deployment",
  "ReplicaSet",
  "StatefulSet",
  "DaemonSet",
  "Job",
  "CronJob",
  "Pod",
  "PodDisruptionBudget",
  "Ingress",
  "IngressClass",
  "NetworkPolicy",
  "EndpointSlice",
  "PriorityClass",
  "CustomResourceDefinition",
]);

export function bumpsGeneration(resource: Resource): boolean {
  return resource.custom !== undefined || withGeneration.has(resource.kind);
}

/** Kinds whose delete answers the object instead of a Status. */
export function returnsDeleted(resource: Resource): boolean {
  return [
    "Pod",
    "Service",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "ResourceQuota",
    "ServiceAccount",
    "Namespace",
    "StorageClass",
  ].includes(resource.kind);
}

function qosClass(containers: readonly Container[]): string {
  let guaranteed = containers.length > 0;
  let bestEffort = true;
  for (const { resources } of containers) {
    for (const name of ["cpu", "memory"]) {
      const request = resources?.requests?.[name];
      const limit = resources?.limits?.[name];
      if (request || limit) bestEffort = false;
      if (!limit || (request && units(request) !== units(limit))) guaranteed = false;
    }
  }
  return bestEffort ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

function containersOf(object: KubeObject): Container[] {
  const list = at(object, "spec", "containers");
  return Array.isArray(list) ? (list as Container[]) : [];
}

export function prepareForCreate(resource: Resource, object: KubeObject): void {
  if (resource.custom) {
    if (hasStatus(resource)) delete object["status"];
    return;
  }
  switch (resource.kind) {
    case "Pod":
      object["status"] = { phase: "Pending", qosClass: qosClass(containersOf(object)) };
      return;
    case "Namespace":
      object["status"] = { phase: "Active" };
      object["spec"] = { ...asObject(object["spec"]), finalizers: ["kubernetes"] };
      return;
    case "Node": {
      const spec = asObject(object["spec"]);
      const taints = asList(spec["taints"]);
      const key = "node.kubernetes.io/not-ready";
      if (taints.some((taint) => at(taint, "key") === key)) return;
      object["spec"] = { ...spec, taints: [...taints, { key, effect: "NoSchedule" }] };
      return;
    }
    case "Job":
      identifyJob(object);
      object["status"] = {};
      return;
    case "DaemonSet":
      setTemplateGeneration(object, 1);
      object["status"] = emptyStatus(resource);
      return;
    case "PersistentVolume":
    case "PersistentVolumeClaim":
      object["status"] = { phase: "Pending" };
      object.metadata.finalizers = [
        ...(object.metadata.finalizers ?? []),
        resource.kind === "PersistentVolume" ? "kubernetes.io/pv-protection" : "kubernetes.io/pvc-protection",
      ];
      return;
    case "Service":
      object["status"] = { loadBalancer: {} };
      return;
    default:
      if (hasStatus(resource)) object["status"] = emptyStatus(resource);
  }
}

function emptyStatus(resource: Resource): Record<string, unknown> {
  switch (resource.kind) {
    case "ReplicaSet":
      return { replicas: 0 };
    case "StatefulSet":
      return { replicas: 0, availableReplicas: 0 };
    case "DaemonSet":
      return { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 };
    case "PodDisruptionBudget":
      return { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };
    case "HorizontalPodAutoscaler":
      return { currentMetrics: null, desiredReplicas: 0 };
    case "Ingress":
      return { loadBalancer: {} };
    case "CustomResourceDefinition":
      return { conditions: null, acceptedNames: { plural: "", kind: "" }, storedVersions: null };
    default:
      return {};
  }
}

const generationKey = "deprecated.daemonset.template.generation";

/** What was a field once and lives on as an annotation, which the server keeps. */
function setTemplateGeneration(object: KubeObject, generation: number): void {
  object.metadata.annotations = { ...object.metadata.annotations, [generationKey]: String(generation) };
}

/** Jobs select their pods by their own uid. Labels that came from the template get the new ones too. */
function identifyJob(object: KubeObject): void {
  const spec = asObject(object["spec"]);
  if (spec["manualSelector"] === true) return;
  const uid = object.metadata.uid ?? "";
  const own = {
    "batch.kubernetes.io/controller-uid": uid,
    "batch.kubernetes.io/job-name": object.metadata.name,
    "controller-uid": uid,
    "job-name": object.metadata.name,
  };
  const template = asObject(spec["template"]);
  const labels = at(template, "metadata", "labels");
  if (object.metadata.labels === undefined || equal(labels, object.metadata.labels)) {
    object.metadata.labels = { ...object.metadata.labels, ...own };
  }
  template["metadata"] = { ...asObject(template["metadata"]), labels: { ...asObject(labels), ...own } };
  spec["selector"] = { matchLabels: { "batch.kubernetes.io/controller-uid": uid } };
}

/** Undoes what this subresource may not change. */
export function prepareForUpdate(resource: Resource, next: KubeObject, existing: KubeObject, sub: string): void {
  if (sub === "status") {
    const restored = clone(existing);
    const { metadata } = next;
    for (const key of Object.keys(next)) if (key !== "status" && key !== "metadata") delete next[key];
    for (const key of Object.keys(restored)) {
      if (key !== "status" && key !== "metadata") next[key] = restored[key];
    }
    if (resource.group === "apps") {
      if (existing.metadata.labels) metadata.labels = existing.metadata.labels;
      else delete metadata.labels;
    }
    if (resource.kind === "Pod" && existing.metadata.ownerReferences) {
      metadata.ownerReferences = existing.metadata.ownerReferences;
    }
    return;
  }
  if (hasStatus(resource)) {
    if (existing["status"] === undefined) delete next["status"];
    else next["status"] = existing["status"];
  }
  if (resource.kind === "DaemonSet") {
    const before = Number(existing.metadata.annotations?.[generationKey] ?? 1);
    setTemplateGeneration(
      next,
      equal(at(next, "spec", "template"), at(existing, "spec", "template")) ? before : before + 1,
    );
  }
  if (resource.kind === "Namespace" && sub !== "finalize") next["spec"] = existing["spec"];
  if (resource.kind === "Service") {
    const spec = asObject(next["spec"]);
    for (const key of ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]) {
      const before = at(existing, "spec", key);
      if (spec[key] === undefined && before !== undefined && spec["type"] !== "ExternalName") spec[key] = before;
    }
  }
  if (resource.kind === "Secret" && next["type"] === undefined) next["type"] = existing["type"];
}
