import type { Action } from "../../shared/action.ts";
import { StewardError } from "../../shared/errors.ts";
import {
  apiVersionOf,
  controllerOf,
  field,
  type KubeObject,
  kindNamed,
  kinds,
  listField,
  type ObjectRef,
  type OwnerReference,
  parseTarget,
  type ResourceType,
  stringField,
} from "../../shared/kube.ts";
import type { ClusterReader } from "../edges.ts";
import type { Target } from "./definition.ts";

/** Longer chains of owners than this do not occur; a circle of them would. */
const mostOwners = 16;

/**
 * Reads what an action is about, now: the object, all its owners, its namespace, its pods.
 * Throws `not_found` when the object is not there, `invalid` for a kind Steward does not act on, and what the reader throws
 * for the object itself. Owners and namespace that cannot be read are named in `unreadable` instead.
 */
export async function resolveTarget(
  read: ClusterReader,
  { namespace, target }: Pick<Action, "namespace" | "target">,
  signal?: AbortSignal,
): Promise<Target> {
  const ref = refOf(namespace, target);
  const object = await read.get(ref, signal);
  if (object === null) throw new StewardError("not_found", `there is no ${target} in namespace ${namespace}`);
  const uid = object.metadata.uid;
  if (uid === undefined) throw new StewardError("unavailable", `the API server gave ${target} without a uid`);

  const unreadable: string[] = [];
  const [owners, place, pods] = await Promise.all([
    ownersOf(read, object, unreadable, signal),
    readNamespace(read, namespace, unreadable, signal),
    podsOf(read, object, signal),
  ]);
  return {
    ref,
    object,
    uid,
    owners: owners.all,
    top: owners.top,
    ownerKey: ownerKeyOf(namespace, owners.top),
    namespace: place,
    unreadable,
    pods,
  };
}

/** Where the object of an action is served. Throws `invalid`. */
export function refOf(namespace: string, target: string): ObjectRef {
  const parsed = parseTarget(target);
  const type = parsed === null ? null : kindNamed(parsed.kind);
  if (parsed === null || type === null) {
    throw new StewardError("invalid", `${target} is not a kind and a name`, { path: "action.target" });
  }
  return { type, namespace, name: parsed.name };
}

/** What "one at a time" and the hourly limit are counted for. */
function ownerKeyOf(namespace: string, top: { kind: string; name: string }): string {
  return `${namespace}/${top.kind.toLowerCase()}/${top.name}`;
}

async function ownersOf(
  read: ClusterReader,
  object: KubeObject,
  unreadable: string[],
  signal: AbortSignal | undefined,
): Promise<{ all: KubeObject[]; top: { kind: string; name: string } }> {
  const namespace = object.metadata.namespace ?? null;
  const all: KubeObject[] = [];
  const seen = new Set<string>();
  let top = { kind: object.kind, name: object.metadata.name };
  let controlled: KubeObject | null = object;
  const waiting = [object];
  for (let next = waiting.shift(); next !== undefined && seen.size < mostOwners; next = waiting.shift()) {
    for (const owner of next.metadata.ownerReferences ?? []) {
      if (seen.has(owner.uid)) continue;
      seen.add(owner.uid);
      const found = await readOwner(read, namespace, owner, signal);
      if (typeof found === "string") unreadable.push(found);
      else {
        all.push(found);
        waiting.push(found);
      }
      if (next === controlled && owner.controller === true) {
        top = { kind: owner.kind, name: owner.name };
        controlled = typeof found === "string" ? null : found;
      }
    }
  }
  return { all, top };
}

/** The owner, or why it could not be read. */
async function readOwner(
  read: ClusterReader,
  namespace: string | null,
  owner: OwnerReference,
  signal: AbortSignal | undefined,
): Promise<KubeObject | string> {
  const name = `${owner.kind.toLowerCase()}/${owner.name}`;
  try {
    const type = await typeOf(read, owner, signal);
    if (type === null) return `${name}: the cluster does not serve ${owner.kind} of ${owner.apiVersion}`;
    const found = await read.get({ type, namespace: type.namespaced ? namespace : null, name: owner.name }, signal);
    if (found === null) return `${name}: it is not there`;
    return found.metadata.uid === owner.uid ? found : `${name}: another object has taken its name`;
  } catch (error) {
    return `${name}: ${error instanceof StewardError ? error.message : "the read failed"}`;
  }
}

export async function typeOf(
  read: ClusterReader,
  { apiVersion, kind }: OwnerReference,
  signal: AbortSignal | undefined,
): Promise<ResourceType | null> {
  const builtin = kindNamed(kind);
  if (builtin !== null && apiVersionOf(builtin) === apiVersion) return builtin;
  const [group = ""] = apiVersion.includes("/") ? apiVersion.split("/") : [];
  return read.resolve(group === "" ? kind.toLowerCase() : `${kind.toLowerCase()}.${group}`, signal);
}

async function readNamespace(
  read: ClusterReader,
  name: string,
  unreadable: string[],
  signal: AbortSignal | undefined,
): Promise<KubeObject | null> {
  try {
    const found = await read.get({ type: kinds.namespace, namespace: null, name }, signal);
    if (found === null) unreadable.push(`namespace ${name}: it is not there`);
    return found;
  } catch (error) {
    unreadable.push(`namespace ${name}: ${error instanceof StewardError ? error.message : "the read failed"}`);
    return null;
  }
}

/** The pods of a workload, or the pod itself. Followed by owner, since selectors of strangers may overlap. */
export async function podsOf(read: ClusterReader, object: KubeObject, signal?: AbortSignal): Promise<KubeObject[]> {
  if (object.kind === "Pod") return [object];
  const namespace = object.metadata.namespace ?? null;
  const labelSelector = selectorText(field(object, "spec", "selector"));
  if (labelSelector === "") return [];
  const query = { namespace, labelSelector };
  const owners = new Set([object.metadata.uid]);
  if (object.kind === "Deployment") {
    const { items } = await read.list({ type: kinds.replicaset, ...query }, signal);
    for (const set of items) if (controllerOf(set)?.uid === object.metadata.uid) owners.add(set.metadata.uid);
  }
  const { items } = await read.list({ type: kinds.pod, ...query }, signal);
  return items.filter((pod) => {
    const controller = controllerOf(pod);
    return controller !== undefined && owners.has(controller.uid);
  });
}

/** A LabelSelector as the API takes it in a query. */
export function selectorText(selector: unknown): string {
  const labels = Object.entries(field(selector, "matchLabels") ?? {}).map(([key, value]) => `${key}=${String(value)}`);
  const expressions = listField(selector, "matchExpressions").flatMap((expression) => {
    const key = stringField(expression, "key") ?? "";
    const values = listField(expression, "values").map(String).join(",");
    switch (stringField(expression, "operator")) {
      case "In":
        return `${key} in (${values})`;
      case "NotIn":
        return `${key} notin (${values})`;
      case "Exists":
        return key;
      case "DoesNotExist":
        return `!${key}`;
      default:
        return [];
    }
  });
  return [...labels, ...expressions].join(",");
}

/** Whether a LabelSelector takes an object with these labels. An absent or empty selector takes none. */
export function selects(selector: unknown, labels: Readonly<Record<string, string>>): boolean {
  const wanted = Object.entries(field(selector, "matchLabels") ?? {});
  const expressions = listField(selector, "matchExpressions");
  if (wanted.length === 0 && expressions.length === 0) return false;
  const has = (key: string) => Object.hasOwn(labels, key);
  return (
    wanted.every(([key, value]) => has(key) && labels[key] === value) &&
    expressions.every((expression) => {
      const key = stringField(expression, "key") ?? "";
      const values = listField(expression, "values");
      switch (stringField(expression, "operator")) {
        case "In":
          return has(key) && values.includes(labels[key]);
        case "NotIn":
          return !has(key) || !values.includes(labels[key]);
        case "Exists":
          return has(key);
        case "DoesNotExist":
          return !has(key);
        default:
          return false;
      }
    })
  );
}
