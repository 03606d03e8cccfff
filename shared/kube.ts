import { StewardError } from "./errors.ts";

/** What Steward needs to know of any Kubernetes object. Fields beyond these are reached through `field()`. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: KubeMeta;
  [field: string]: unknown;
}

export interface KubeMeta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
  managedFields?: unknown[];
  [field: string]: unknown;
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
}

/** A served resource, as discovery names it. */
export interface ResourceType {
  /** `""` for the core group. */
  group: string;
  version: string;
  /** Lower-case plural, as in the URL. */
  resource: string;
  kind: string;
  namespaced: boolean;
}

/** One object of the cluster. `type` says where it is served, so no second look-up is needed. */
export interface ObjectRef {
  type: ResourceType;
  namespace: string | null;
  name: string;
}

/** `apps/v1` or `v1`. */
export function apiVersionOf(type: ResourceType): string {
  return type.group === "" ? type.version : `${type.group}/${type.version}`;
}

/**
 * The path of a collection, an object or a subresource below the API server's root, without query.
 * Throws `invalid` for a name that is no path segment (it could reach another object), and for a namespace where there is none or the lack of one.
 * Source: k8s.io/apimachinery ValidatePathSegmentName.
 */
export function pathOf(type: ResourceType, namespace: string | null, name?: string, subresource?: string): string {
  if (!type.namespaced && namespace !== null)
    throw new StewardError("invalid", `${type.resource} are not in a namespace`);
  if (type.namespaced && namespace === null && name !== undefined) {
    throw new StewardError("invalid", `${type.resource} need a namespace`);
  }
  const segments = [
    ...(type.group === "" ? ["api", type.version] : ["apis", type.group, type.version]),
    ...(namespace === null ? [] : ["namespaces", namespace]),
    type.resource,
    ...(name === undefined ? [] : [name]),
    ...(subresource === undefined ? [] : [subresource]),
  ];
  return segments.map((segment) => `/${pathSegment(segment)}`).join("");
}

function pathSegment(text: string): string {
  if (!/^(?!\.{1,2}$)[^/%\\?#\s\p{C}]{1,253}$/u.test(text)) {
    throw new StewardError("invalid", `${JSON.stringify(text.slice(0, 80))} is not a name`);
  }
  return encodeURIComponent(text).replaceAll("%3A", ":");
}

/** The way people and kubectl name an object within its namespace: `deployment/checkout`. */
export function targetOf(kind: string, name: string): string {
  return `${kind.toLowerCase()}/${name}`;
}

/** Splits `deployment/checkout`; null if it is not of that form. */
export function parseTarget(target: string): { kind: string; name: string } | null {
  const match = /^([a-z]+)\/([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)$/.exec(target);
  return match?.[1] !== undefined && match[2] !== undefined ? { kind: match[1], name: match[2] } : null;
}

const builtin = (group: string, version: string, resource: string, kind: string, namespaced = true): ResourceType => ({
  group,
  version,
  resource,
  kind,
  namespaced,
});

/** The kinds Steward reasons about by name. Anything else is found through discovery. */
export const kinds = {
  pod: builtin("", "v1", "pods", "Pod"),
  service: builtin("", "v1", "services", "Service"),
  node: builtin("", "v1", "nodes", "Node", false),
  namespace: builtin("", "v1", "namespaces", "Namespace", false),
  event: builtin("", "v1", "events", "Event"),
  configmap: builtin("", "v1", "configmaps", "ConfigMap"),
  secret: builtin("", "v1", "secrets", "Secret"),
  persistentvolumeclaim: builtin("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim"),
  deployment: builtin("apps", "v1", "deployments", "Deployment"),
  statefulset: builtin("apps", "v1", "statefulsets", "StatefulSet"),
  daemonset: builtin("apps", "v1", "daemonsets", "DaemonSet"),
  replicaset: builtin("apps", "v1", "replicasets", "ReplicaSet"),
  controllerrevision: builtin("apps", "v1", "controllerrevisions", "ControllerRevision"),
  job: builtin("batch", "v1", "jobs", "Job"),
  cronjob: builtin("batch", "v1", "cronjobs", "CronJob"),
  horizontalpodautoscaler: builtin("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
  poddisruptionbudget: builtin("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget"),
  lease: builtin("coordination.k8s.io", "v1", "leases", "Lease"),
} as const satisfies Record<string, ResourceType>;

export type KindName = keyof typeof kinds;

/** kubectl's short names of the built-in kinds. Source: ShortNames() of each registry in k8s.io/kubernetes pkg/registry. */
const shortNames: Readonly<Record<string, KindName>> = {
  po: "pod",
  svc: "service",
  no: "node",
  ns: "namespace",
  ev: "event",
  cm: "configmap",
  pvc: "persistentvolumeclaim",
  deploy: "deployment",
  sts: "statefulset",
  ds: "daemonset",
  rs: "replicaset",
  cj: "cronjob",
  hpa: "horizontalpodautoscaler",
  pdb: "poddisruptionbudget",
};

/** The built-in kind for any word kubectl takes for it: `deploy`, `deployments`, `Deployment`, `deployments.apps`; null for every other word. */
export function kindWritten(word: string): ResourceType | null {
  const text = word.toLowerCase();
  const dot = text.indexOf(".");
  const name = dot === -1 ? text : text.slice(0, dot);
  const short = Object.hasOwn(shortNames, name) ? shortNames[name] : undefined;
  const type =
    (short !== undefined ? kinds[short] : kindNamed(name)) ??
    Object.values(kinds).find(({ resource }) => resource === name);
  if (type === undefined) return null;
  const qualifier = dot === -1 ? type.group : text.slice(dot + 1);
  return qualifier === type.group || qualifier === `${type.version}.${type.group}` ? type : null;
}

/** The built-in kind for `deployment` or `Deployment`; null for kinds Steward knows only through discovery. */
export function kindNamed(name: string): ResourceType | null {
  const key = name.toLowerCase();
  return Object.hasOwn(kinds, key) ? kinds[key as KindName] : null;
}

/** Whether a value from outside has the shape that the rest of the house relies on. */
export function isKubeObject(value: unknown): value is KubeObject {
  return (
    typeof field(value, "apiVersion") === "string" &&
    typeof field(value, "kind") === "string" &&
    typeof field(value, "metadata", "name") === "string" &&
    isStringMap(field(value, "metadata", "labels")) &&
    isStringMap(field(value, "metadata", "annotations")) &&
    isOwnerList(field(value, "metadata", "ownerReferences"))
  );
}

function isStringMap(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return typeof value === "object" && Object.values(value).every((entry) => typeof entry === "string");
}

function isOwnerList(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  const names = ["apiVersion", "kind", "name", "uid"];
  return Array.isArray(value) && value.every((owner) => names.every((name) => typeof field(owner, name) === "string"));
}

/** The owner that controls an object; undefined for one that stands alone. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find(({ controller }) => controller === true);
}

/** Reads a nested field of an object of unknown shape; undefined as soon as a step is missing. Array steps are numbers. */
export function field(from: unknown, ...path: readonly (string | number)[]): unknown {
  let value: unknown = from;
  for (const step of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}

/** As `field`, for a string; undefined for anything else. */
export function stringField(from: unknown, ...path: readonly (string | number)[]): string | undefined {
  const value = field(from, ...path);
  return typeof value === "string" ? value : undefined;
}

/** As `field`, for a number; undefined for anything else. */
export function numberField(from: unknown, ...path: readonly (string | number)[]): number | undefined {
  const value = field(from, ...path);
  return typeof value === "number" ? value : undefined;
}

/** As `field`, for a list; empty for anything else. */
export function listField(from: unknown, ...path: readonly (string | number)[]): readonly unknown[] {
  const value = field(from, ...path);
  return Array.isArray(value) ? value : [];
}

const suffixes: Readonly<Record<string, number>> = {
  "": 1,
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** A Kubernetes quantity (`512Mi`, `250m`, `1.5`, `1e3`) as a number of its base unit; null if it is not one. */
export function parseQuantity(text: string): number | null {
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)$/.exec(text);
  if (match === null) return null;
  const factor = match[2] !== undefined ? 10 ** Number(match[2]) : suffixes[match[3] ?? ""];
  return factor === undefined ? null : Number(match[1]) * factor;
}
