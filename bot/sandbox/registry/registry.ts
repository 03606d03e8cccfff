/**
 * The verbs of the API on stored objects: decode, default, admit, validate, own, write. Everybody goes through here, the
 * controllers included; HTTP is elsewhere.
 */
import { randomUUID } from "node:crypto";
import { admit } from "../admission.ts";
import { applyConfiguration } from "../apply.ts";
import { applyDefaults } from "../defaults.ts";
import { goJsonKind } from "../go-text.ts";
import { asList, asObject, asString, at, clone, equal, isObject, type JsonObject } from "../json.ts";
import { afterUpdate, type Writer } from "../managed-fields.ts";
import type { KubeObject, ManagedFieldsEntry } from "../object.ts";
import { applyJsonPatch } from "../patch-json.ts";
import { applyMergePatch } from "../patch-merge.ts";
import { applyStrategicPatch } from "../patch-strategic.ts";
import {
  ApiError,
  alreadyExists,
  badRequest,
  conflict,
  invalid,
  modifiedMessage,
  notFound,
  type Status,
  unsupportedMediaType,
} from "../status.ts";
import type { Store } from "../storage.ts";
import { type Clock, timestamp } from "../timers.ts";
import { validate } from "../validation.ts";
import { warningsOf } from "../warnings.ts";
import type { Kinds, Resource } from "./kinds.ts";
import { randomSuffix } from "./names.ts";
import { DecodeError, decode, type Schema } from "./schema.ts";
import { bumpsGeneration, hasStatus, prepareForCreate, prepareForUpdate, returnsDeleted } from "./strategy.ts";

export interface User {
  readonly name: string;
  readonly uid?: string | undefined;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>> | undefined;
}

/** Who writes, and how. */
export interface Caller {
  readonly user: User;
  readonly manager: string;
  readonly dryRun: boolean;
  readonly fieldValidation: "Ignore" | "Warn" | "Strict";
  warn(text: string): void;
}

export type PatchKind = "json" | "merge" | "strategic" | "apply";

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number | undefined;
  readonly propagationPolicy?: string | undefined;
  readonly orphanDependents?: boolean | undefined;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

export interface Registry {
  readonly schema: Schema;
  readonly kinds: Kinds;
  readonly store: Store;
  readonly clock: Clock;
  get(resource: Resource, namespace: string, name: string): KubeObject;
  create(caller: Caller, resource: Resource, namespace: string, body: unknown): KubeObject;
  update(
    caller: Caller,
    resource: Resource,
    namespace: string,
    name: string,
    sub: string,
    body: unknown,
  ): { object: KubeObject; created: boolean };
  patch(
    caller: Caller,
    resource: Resource,
    namespace: string,
    name: string,
    sub: string,
    kind: PatchKind,
    patch: unknown,
    force: boolean,
  ): { object: KubeObject; created: boolean };
  /** Changes a copy of the stored object and writes it back: how controllers write. */
  edit(
    caller: Caller,
    resource: Resource,
    namespace: string,
    name: string,
    sub: string,
    change: (object: KubeObject) => void,
  ): KubeObject;
  remove(
    caller: Caller,
    resource: Resource,
    namespace: string,
    name: string,
    options: DeleteOptions,
  ): KubeObject | Status;
  /** Writes as given: no admission, no validation, no ownership. For seeding what others would have written. */
  seed(resource: Resource, object: KubeObject): KubeObject;
}

export function createRegistry(schema: Schema, kinds: Kinds, store: Store, clock: Clock): Registry {
  const now = () => timestamp(clock.now());

  function decodeBody(caller: Caller, resource: Resource, body: unknown): KubeObject {
    if (!isObject(body)) throw badRequest("the object provided is unrecognized (must be of type object)");
    const { apiVersion, kind } = body;
    if (kind !== undefined && kind !== "" && kind !== resource.kind) {
      throw badRequest(
        `${asString(kind)} in version "${asString(apiVersion).split("/").at(-1)}" cannot be handled as a ${resource.kind}: converting (${asString(apiVersion).split("/").at(-1)}.${asString(kind)}) to (${resource.group.split(".")[0] || "core"}.${resource.kind}): unknown conversion`,
      );
    }
    if (apiVersion !== undefined && apiVersion !== "" && apiVersion !== resource.apiVersion) {
      throw badRequest(
        `the API version in the data (${asString(apiVersion)}) does not match the expected API version (${resource.apiVersion})`,
      );
    }
    const object = decodeAs(caller, resource, { ...body, apiVersion: resource.apiVersion, kind: resource.kind });
    applyDefaults(resource, object);
    return object;
  }

  function decodeAs(caller: Caller, resource: Resource, body: JsonObject, from = ""): KubeObject {
    const report = { unknown: [] as string[] };
    let object: JsonObject;
    try {
      object = decode(resource.struct, body, report);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      throw badRequest(
        `${resource.kind} in version "${resource.version}" cannot be handled as a ${resource.kind}: ${error.message}`,
      );
    }
    if (report.unknown.length > 0) {
      const found = report.unknown.map((path) => `unknown field "${path}"`);
      if (caller.fieldValidation === "Strict") {
        const list = `strict decoding error: ${found.join(", ")}`;
        throw badRequest(
          from || `${resource.kind} in version "${resource.version}" cannot be handled as a ${resource.kind}: ${list}`,
        );
      }
      if (caller.fieldValidation === "Warn") for (const text of found) caller.warn(text);
    }
    return { ...object, apiVersion: resource.apiVersion, kind: resource.kind, metadata: metadataOf(object) };
  }

  function metadataOf(object: JsonObject): KubeObject["metadata"] {
    const metadata = asObject(object["metadata"]);
    return { ...metadata, name: asString(metadata["name"]) };
  }

  function writerOf(caller: Caller, resource: Resource, sub: string, operation: "Update" | "Apply"): Writer {
    return { manager: caller.manager, operation, apiVersion: resource.apiVersion, subresource: sub, time: now() };
  }

  function get(resource: Resource, namespace: string, name: string): KubeObject {
    const object = store.get(resource.storage, namespace, name);
    if (!object) throw notFound(resource, name);
    return object;
  }

  function withManagedFields(object: KubeObject, entries: ManagedFieldsEntry[]): KubeObject {
    const { managedFields: _, ...metadata } = object.metadata;
    return { ...object, metadata: { ...metadata, ...(entries.length > 0 ? { managedFields: entries } : {}) } };
  }

  /** Go's zero object of this kind: what a create is compared with to know which fields the creator set. */
  function zero(resource: Resource): JsonObject {
    const { status, ...object } = decode(
      resource.struct,
      { apiVersion: resource.apiVersion, kind: resource.kind },
      { unknown: [] },
    );
    return hasStatus(resource) ? object : { ...object, ...(status === undefined ? {} : { status }) };
  }

  function create(caller: Caller, resource: Resource, namespace: string, body: unknown): KubeObject {
    const object = decodeBody(caller, resource, body);
    return createDecoded(caller, resource, namespace, object, undefined);
  }

  function createDecoded(
    caller: Caller,
    resource: Resource,
    namespace: string,
    object: KubeObject,
    applied: ManagedFieldsEntry[] | undefined,
  ): KubeObject {
    const { metadata } = object;
    if (resource.namespaced) {
      if (metadata.namespace && metadata.namespace !== namespace) {
        throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
      }
      metadata.namespace = namespace;
    } else delete metadata.namespace;
    if (metadata.resourceVersion) {
      throw new ApiError(500, "", "resourceVersion should not be set on objects to be created");
    }
    if (!metadata.name && metadata.generateName) {
      metadata.name = `${metadata.generateName.slice(0, 58)}${randomSuffix(5)}`;
      // Namespace labels carry the name, which exists only now.
      applyDefaults(resource, object);
    }
    delete metadata.deletionTimestamp;
    delete metadata.deletionGracePeriodSeconds;
    metadata.uid = randomUUID();
    metadata.creationTimestamp = now();
    delete metadata.generation;
    if (bumpsGeneration(resource)) metadata.generation = 1;
    // Owned is what was sent and defaulted; what the server sets by itself, the status among it, belongs to nobody.
    const { status: _, ...sent } = object;
    const entries =
      applied ??
      afterUpdate(
        resource.struct,
        zero(resource),
        withManagedFields(
          hasStatus(resource) ? { ...sent, apiVersion: object.apiVersion, kind: object.kind, metadata } : object,
          [],
        ),
        [],
        writerOf(caller, resource, "", "Update"),
      );
    prepareForCreate(resource, object);
    const owned = withManagedFields(object, entries);
    admit({ store, kinds }, resource, owned, undefined, caller);
    const errors = validate(resource, owned, undefined);
    if (errors.length > 0) throw invalid(resource.group, resource.kind, owned.metadata.name, errors);
    for (const text of warningsOf(owned, undefined)) caller.warn(text);
    if (store.get(resource.storage, namespace, owned.metadata.name)) throw alreadyExists(resource, owned.metadata.name);
    return caller.dryRun ? owned : store.put(resource.storage, owned);
  }

  /**
   * Writes `incoming` over `existing`: identity and system fields are the stored ones, status or spec by subresource.
   * Nothing is written when nothing changed.
   */
  function commit(
    caller: Caller,
    resource: Resource,
    existing: KubeObject,
    incoming: KubeObject,
    sub: string,
    applied: ManagedFieldsEntry[] | undefined,
  ): KubeObject {
    const name = existing.metadata.name;
    const before = existing.metadata;
    const meta = incoming.metadata;
    if (meta.resourceVersion && meta.resourceVersion !== before.resourceVersion) {
      throw conflict(resource, name, modifiedMessage);
    }
    const next: KubeObject = {
      ...incoming,
      metadata: {
        ...meta,
        name,
        uid: meta.uid || before.uid,
        creationTimestamp: before.creationTimestamp,
        resourceVersion: before.resourceVersion,
      },
    };
    for (const key of ["namespace", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"] as const) {
      if (before[key] === undefined) delete next.metadata[key];
      else Object.assign(next.metadata, { [key]: before[key] });
    }
    if (before.generateName && !next.metadata.generateName) next.metadata.generateName = before.generateName;
    prepareForUpdate(resource, next, existing, sub);
    const specChanged = !equal(withoutNoise(next), withoutNoise(existing));
    const annotated =
      resource.kind === "Deployment" && !equal(next.metadata.annotations ?? {}, before.annotations ?? {});
    if (bumpsGeneration(resource) && sub !== "status" && (specChanged || annotated)) {
      next.metadata.generation = (before.generation ?? 0) + 1;
    }
    // An explicitly emptied list resets ownership, as the API allows; otherwise the stored one is what counts.
    const stored =
      meta.managedFields?.length === 1 && Object.keys(meta.managedFields[0] ?? {}).length === 0
        ? []
        : (before.managedFields ?? []);
    const entries =
      applied ??
      afterUpdate(
        resource.struct,
        withManagedFields(existing, []),
        withManagedFields(next, []),
        stored,
        writerOf(caller, resource, sub, "Update"),
      );
    const owned = withManagedFields(next, entries);
    admit({ store, kinds }, resource, owned, existing, caller, sub);
    const errors = validate(resource, owned, existing, sub);
    if (errors.length > 0) throw invalid(resource.group, resource.kind, name, errors);
    for (const text of warningsOf(owned, existing)) caller.warn(text);
    if (equal(withoutTimes(owned), withoutTimes(existing))) return existing;
    const finished =
      owned.metadata.deletionTimestamp !== undefined &&
      (owned.metadata.finalizers ?? []).length === 0 &&
      (owned.metadata.deletionGracePeriodSeconds ?? 0) === 0 &&
      asList(resource.kind === "Namespace" ? at(owned, "spec", "finalizers") : []).length === 0;
    if (caller.dryRun) return owned;
    return finished ? store.remove(resource.storage, owned) : store.put(resource.storage, owned);
  }

  function checkIdentity(resource: Resource, namespace: string, name: string, object: KubeObject): void {
    const { metadata } = object;
    if (metadata.name !== name) {
      throw badRequest(
        metadata.name === ""
          ? "name must be provided"
          : `the name of the object (${metadata.name}) does not match the name on the URL (${name})`,
      );
    }
    if (resource.namespaced && metadata.namespace && metadata.namespace !== namespace) {
      throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
    }
  }

  function update(
    caller: Caller,
    resource: Resource,
    namespace: string,
    name: string,
    sub: string,
    body: unknown,
  ): { object: KubeObject; created: boolean } {
    const object = decodeBody(caller, resource, body);
    if (object.metadata.name === "") object.metadata.name = name;
    checkIdentity(resource, namespace, name, object);
    if (!store.get(resource.storage, namespace, name) && createsOnUpdate(resource)) {
      delete object.metadata.resourceVersion;
      return { object: createDecoded(caller, resource, namespace, object, undefined), created: true };
    }
    const existing = get(resource, namespace, name);
    const uid = object.metadata.uid;
    if (uid && uid !== existing.metadata.uid) {
      throw conflict(
        resource,
        name,
        `StorageError: invalid object, Code: 4, Key: /registry/${resource.group && `${resource.group}/`}${resource.resource}/${namespace && `${namespace}/`}${name}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${uid}, UID in object meta: ${existing.metadata.uid}`,
      );
    }
    if (!object.metadata.resourceVersion && needsVersion(resource)) {
      throw invalid(resource.group, resource.resource, name, [
        { type: "Invalid", field: "metadata.resourceVersion", value: 0, detail: "must be specified for an update" },
      ]);
    }
    return { object: commit(caller, resource, existing, object, sub, undefined), created: false };
  }

  function patch(
    caller: Caller,
    resource: Resource,
    namespace: string,
    name: string,
    sub: string,
    kind: PatchKind,
    body: unknown,
    force: boolean,
  ): { object: KubeObject; created: boolean } {
    if (kind === "apply") return applyPatch(caller, resource, namespace, name, sub, body, force);
    const existing = get(resource, namespace, name);
    let patched: unknown;
    if (kind === "json") patched = applyJsonPatch(existing, body);
    else if (!isObject(body))
      throw badRequest(
        `error decoding patch: json: cannot unmarshal ${goJsonKind(body)} into Go value of type map[string]interface {}`,
      );
    else if (kind === "merge") patched = applyMergePatch(existing, body);
    else if (resource.custom) {
      throw unsupportedMediaType([
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/apply-patch+yaml",
      ]);
    } else patched = applyStrategicPatch(resource.struct, existing, body);
    if (!isObject(patched)) throw badRequest("patch did not yield an object");
    const object = decodePatched(caller, resource, patched);
    checkIdentity(resource, namespace, name, object);
    return { object: commit(caller, resource, existing, object, sub, undefined), created: false };
  }

  /** Wrong content after a patch is 422, unlike a wrong body. */
  function decodePatched(caller: Caller, resource: Resource, patched: JsonObject): KubeObject {
    try {
      const object = decodeAs(caller, resource, patched);
      applyDefaults(resource, object);
      return object;
    } catch (error) {
      if (!(error instanceof ApiError) || error.status.code !== 400) throw error;
      const text = error.message.replace(/^.*? cannot be handled as a \w+: /, "");
      const { apiVersion, kind, ...rest } = patched;
      const value = JSON.stringify({ apiVersion, kind, ...rest });
      throw invalid("", "", "", [{ type: "Invalid", field: "patch", value, detail: text }]);
    }
  }

  function applyPatch(
    caller: Caller,
    resource: Resource,
    namespace: string,
    name: string,
    sub: string,
    body: unknown,
    force: boolean,
  ): { object: KubeObject; created: boolean } {
    if (!isObject(body)) throw badRequest("error decoding YAML: expected an object");
    if (body["apiVersion"] !== resource.apiVersion || body["kind"] !== resource.kind) {
      const given = asString(body["apiVersion"]);
      throw badRequest(
        `invalid object type: ${given.includes("/") ? given : `/${given}`}, Kind=${asString(body["kind"])}`,
      );
    }
    if (asList(at(body, "metadata", "managedFields")).length > 0)
      throw badRequest("metadata.managedFields must be nil");
    const existing = store.get(resource.storage, namespace, name);
    if (!existing && sub !== "") throw notFound(resource, name);
    const config = decodeConfig(caller, resource, body);
    if (hasStatus(resource)) {
      // What the other subresource owns is neither applied nor claimed.
      if (sub === "status") delete config["spec"];
      else delete config["status"];
    }
    const writer = writerOf(caller, resource, sub, "Apply");
    const live = existing ? withManagedFields(existing, []) : {};
    const { object: merged, managedFields } = applyConfiguration(
      resource.struct,
      live,
      config,
      existing?.metadata.managedFields ?? [],
      writer,
      force,
    );
    // Another name is noticed only now, after the conflicts that it makes.
    checkIdentity(resource, namespace, name, config);
    const report = { ...caller, fieldValidation: "Ignore" as const };
    const object = decodeAs(report, resource, merged);
    applyDefaults(resource, object);
    if (!existing) return { object: createDecoded(caller, resource, namespace, object, managedFields), created: true };
    return { object: commit(caller, resource, existing, object, sub, managedFields), created: false };
  }

  /** The applied configuration as sent, checked but not filled: only what is written there is claimed. */
  function decodeConfig(caller: Caller, resource: Resource, body: JsonObject): KubeObject {
    const checked = decodeAs(caller, resource, body);
    return {
      ...onlyGiven(checked, body),
      apiVersion: resource.apiVersion,
      kind: resource.kind,
      metadata: { ...metadataOf(onlyGiven(checked, body)) },
    };
  }

  function edit(
    caller: Caller,
    resource: Resource,
    namespace: string,
    name: string,
    sub: string,
    change: (object: KubeObject) => void,
  ): KubeObject {
    const existing = get(resource, namespace, name);
    const copy = clone(existing);
    change(copy);
    return commit(caller, resource, existing, decodeAs(caller, resource, copy), sub, undefined);
  }

  function checkPreconditions(resource: Resource, object: KubeObject, options: DeleteOptions): void {
    const { uid, resourceVersion, name } = object.metadata;
    const kindAsResource = { group: resource.group, resource: resource.kind };
    if (options.uid !== undefined && options.uid !== uid) {
      throw conflict(
        kindAsResource,
        name,
        `the UID in the precondition (${options.uid}) does not match the UID in record (${uid}). The object might have been deleted and then recreated`,
      );
    }
    if (options.resourceVersion !== undefined && options.resourceVersion !== resourceVersion) {
      throw conflict(
        kindAsResource,
        name,
        `the ResourceVersion in the precondition (${options.resourceVersion}) does not match the ResourceVersion in record (${resourceVersion}). The object might have been modified`,
      );
    }
  }

  function remove(
    caller: Caller,
    resource: Resource,
    namespace: string,
    name: string,
    options: DeleteOptions,
  ): KubeObject | Status {
    const existing = get(resource, namespace, name);
    checkPreconditions(resource, existing, options);
    const finalizers = finalizersFor(resource, existing, options, caller);
    const grace = graceFor(resource, existing, options);
    const isNamespace = resource.kind === "Namespace";
    const already = existing.metadata.deletionTimestamp !== undefined;
    if (grace > 0 || finalizers.length > 0 || isNamespace) {
      const shorter = already && resource.kind === "Pod" && grace < (existing.metadata.deletionGracePeriodSeconds ?? 0);
      if (already && !shorter && equal(finalizers, existing.metadata.finalizers ?? [])) return existing;
      const next = clone(existing);
      if (!already || shorter) {
        next.metadata.deletionTimestamp = timestamp(new Date(clock.now().getTime() + grace * 1000));
        if (!isNamespace) next.metadata.deletionGracePeriodSeconds = grace;
        if (!already && next.metadata.generation) next.metadata.generation += 1;
      }
      if (finalizers.length > 0) next.metadata.finalizers = finalizers;
      else delete next.metadata.finalizers;
      if (isNamespace) next["status"] = { ...asObject(next["status"]), phase: "Terminating" };
      return caller.dryRun ? next : store.put(resource.storage, next);
    }
    if (!caller.dryRun) store.remove(resource.storage, existing);
    if (returnsDeleted(resource)) return existing;
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Success",
      details: {
        name,
        ...(resource.group ? { group: resource.group } : {}),
        kind: resource.resource,
        ...(existing.metadata.uid ? { uid: existing.metadata.uid } : {}),
      },
    };
  }

  function finalizersFor(resource: Resource, object: KubeObject, options: DeleteOptions, caller: Caller): string[] {
    const current = object.metadata.finalizers ?? [];
    let policy = options.propagationPolicy;
    if (policy === undefined && options.orphanDependents !== undefined)
      policy = options.orphanDependents ? "Orphan" : "Background";
    if (policy === undefined && current.includes("foregroundDeletion")) policy = "Foreground";
    if (
      policy === undefined &&
      (current.includes("orphan") || (resource.kind === "Job" && resource.group === "batch"))
    ) {
      policy = "Orphan";
      if (resource.kind === "Job") {
        caller.warn(
          "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning",
        );
      }
    }
    const others = current.filter((name) => name !== "foregroundDeletion" && name !== "orphan");
    if (policy === "Foreground") return [...others, "foregroundDeletion"];
    return policy === "Orphan" ? [...others, "orphan"] : others;
  }

  function graceFor(resource: Resource, object: KubeObject, options: DeleteOptions): number {
    if (resource.kind !== "Pod") return 0;
    const phase = at(object, "status", "phase");
    if (!at(object, "spec", "nodeName") || phase === "Succeeded" || phase === "Failed") return 0;
    const own = at(object, "spec", "terminationGracePeriodSeconds");
    const asked = options.gracePeriodSeconds ?? (typeof own === "number" ? own : 30);
    const grace = asked < 0 ? 1 : asked;
    const left = object.metadata.deletionGracePeriodSeconds;
    return left === undefined ? grace : Math.min(left, options.gracePeriodSeconds === undefined ? left : grace);
  }

  return {
    schema,
    kinds,
    store,
    clock,
    get,
    create,
    update,
    patch,
    edit,
    remove,
    seed: (resource, object) => store.put(resource.storage, object),
  };
}

/** Kinds that an update creates when they are not there. */
function createsOnUpdate(resource: Resource): boolean {
  return (
    resource.group === "rbac.authorization.k8s.io" ||
    ["Endpoints", "Event", "LimitRange", "Service", "Lease"].includes(resource.kind)
  );
}

/** Kinds whose update must name the version it changes. */
function needsVersion(resource: Resource): boolean {
  return (
    resource.custom !== undefined ||
    ["CustomResourceDefinition", "Lease", "PodDisruptionBudget"].includes(resource.kind)
  );
}

function withoutNoise(object: KubeObject): JsonObject {
  const { status: _, metadata: __, ...rest } = object;
  return rest;
}

function withoutTimes(object: KubeObject): JsonObject {
  const managedFields = object.metadata.managedFields?.map(({ time: _, ...entry }) => entry) ?? [];
  return { ...object, metadata: { ...object.metadata, managedFields } };
}

/** The decoded value cut to the keys that were given: decoding writes fields Go always writes, apply must not claim them. */
function onlyGiven(decoded: JsonObject, given: JsonObject): JsonObject {
  const out: JsonObject = {};
  for (const [key, value] of Object.entries(given)) {
    if (value === null) continue;
    if (!Object.hasOwn(decoded, key)) continue;
    const mine = decoded[key];
    if (isObject(mine) && isObject(value)) out[key] = onlyGiven(mine, value);
    else if (Array.isArray(mine) && Array.isArray(value)) {
      out[key] = mine.map((item, i) => {
        const source = value[i];
        return isObject(item) && isObject(source) ? onlyGiven(item, source) : item;
      });
    } else out[key] = mine;
  }
  return out;
}
