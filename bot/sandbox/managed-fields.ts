/**
 * Who owns which field: sets of paths as structured-merge-diff builds them, kept per manager in metadata.managedFields.
 * A path is a list of elements as FieldsV1 writes them (`f:spec`, `k:{"name":"app"}`, `v:"x"`), joined by a zero byte.
 */
import { canonicalJson, equal, isObject, type JsonObject } from "./json.ts";
import type { ManagedFieldsEntry } from "./object.ts";
import type { Field, Struct, Type } from "./registry/schema.ts";

export type PathSet = ReadonlySet<string>;
const separator = "\u0000";

export function join(path: string, element: string): string {
  return path === "" ? element : `${path}${separator}${element}`;
}

export function elements(path: string): string[] {
  return path.split(separator);
}

/** How a list, map or struct merges. */
export interface Shape {
  readonly type: Type;
  readonly field: Field | undefined;
}

export function isAtomic({ type, field }: Shape): boolean {
  if (field?.atomic) return true;
  if (type.kind === "struct") return type.struct.atomic;
  if (type.kind === "list") return !field?.isSet && (field?.listKeys.length ?? 0) === 0;
  return type.kind === "scalar";
}

export function childShape({ type }: Shape, key: string): Shape {
  if (type.kind === "struct") {
    const field = type.struct.fields.get(key);
    return { type: field?.type ?? { kind: "raw" }, field };
  }
  return { type: type.kind === "map" ? type.of : { kind: "raw" }, field: undefined };
}

export function itemShape({ type }: Shape): Shape {
  return { type: type.kind === "list" ? type.of : { kind: "raw" }, field: undefined };
}

/** A free-form key: its own membership counts, unlike that of a declared struct field. */
function isMapKey({ type }: Shape, key: string): boolean {
  return type.kind !== "struct" || !type.struct.fields.has(key);
}

export function itemElement(field: Field | undefined, item: unknown): string {
  if (field?.isSet || !isObject(item)) return `v:${JSON.stringify(item)}`;
  const keys: JsonObject = {};
  for (const key of field?.listKeys ?? []) {
    const value = item[key];
    // The only key with a default in the API: ports are keyed by protocol too, which is TCP when left out.
    if (value !== undefined) keys[key] = value;
    else if (key === "protocol") keys[key] = "TCP";
  }
  return `k:${canonicalJson(keys)}`;
}

/** All paths that a value sets: what an apply claims. */
export function pathsOf(shape: Shape, value: unknown, path = "", out = new Set<string>()): Set<string> {
  if (isAtomic(shape) || !(isObject(value) || Array.isArray(value))) {
    out.add(path);
  } else if (Array.isArray(value)) {
    if (value.length === 0 && path !== "") out.add(path);
    for (const item of value) {
      const element = join(path, itemElement(shape.field, item));
      if (isObject(item)) pathsOf(itemShape(shape), item, element, out);
      out.add(element);
    }
  } else {
    for (const key of Object.keys(value)) {
      const child = join(path, `f:${key}`);
      const inner = value[key];
      pathsOf(childShape(shape, key), inner, child, out);
      if (inner === null || (isObject(inner) && Object.keys(inner).length === 0) || isMapKey(shape, key))
        out.add(child);
    }
  }
  return out;
}

export interface Comparison {
  readonly added: Set<string>;
  readonly removed: Set<string>;
  readonly modified: Set<string>;
}

/** Which paths differ between two values of one type. */
export function compare(shape: Shape, before: unknown, after: unknown): Comparison {
  const result: Comparison = { added: new Set(), removed: new Set(), modified: new Set() };
  walk(shape, before, after, "", result);
  return result;
}

function isBlank(value: unknown): boolean {
  return (
    value === undefined ||
    value === null ||
    (Array.isArray(value) && value.length === 0) ||
    (isObject(value) && Object.keys(value).length === 0)
  );
}

function walk(shape: Shape, before: unknown, after: unknown, path: string, result: Comparison): void {
  if (before === undefined && after === undefined) return;
  const nested = isObject(before) || Array.isArray(before) || isObject(after) || Array.isArray(after);
  if (isAtomic(shape) || !nested || (isBlank(before) && isBlank(after))) {
    if (before === undefined) result.added.add(path);
    else if (after === undefined) result.removed.add(path);
    else if (!equal(before, after)) result.modified.add(path);
    return;
  }
  if (path !== "") {
    if (before === undefined) result.added.add(path);
    else if (after === undefined) result.removed.add(path);
  }
  if (shape.type.kind === "list" || Array.isArray(before) || Array.isArray(after)) {
    const left = indexed(shape.field, before);
    const right = indexed(shape.field, after);
    for (const element of new Set([...left.keys(), ...right.keys()])) {
      walk(itemShape(shape), left.get(element), right.get(element), join(path, element), result);
    }
    return;
  }
  const left = isObject(before) ? before : {};
  const right = isObject(after) ? after : {};
  for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
    walk(childShape(shape, key), own(left, key), own(right, key), join(path, `f:${key}`), result);
  }
}

function own(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

function indexed(field: Field | undefined, list: unknown): Map<string, unknown> {
  return new Map((Array.isArray(list) ? list : []).map((item) => [itemElement(field, item), item]));
}

/** Nobody owns these: the server sets them. */
const stripped: readonly (readonly string[])[] = [
  ["f:apiVersion"],
  ["f:kind"],
  ["f:metadata"],
  ...[
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
  ].map((key) => ["f:metadata", `f:${key}`]),
];
const strippedPaths: PathSet = new Set(stripped.map((parts) => parts.join(separator)));
const managedFieldsPath = join("f:metadata", "f:managedFields");

export function strip(set: Iterable<string>): Set<string> {
  return new Set([...set].filter((path) => !strippedPaths.has(path) && !path.startsWith(managedFieldsPath)));
}

function toFieldsV1(set: PathSet): JsonObject {
  const root: JsonObject = {};
  const sorted = [...set].sort();
  const isPrefix = new Set<string>();
  for (const path of sorted) {
    const parts = elements(path);
    for (let i = 1; i < parts.length; i += 1) isPrefix.add(parts.slice(0, i).join(separator));
  }
  for (const path of sorted) {
    let node = root;
    for (const part of elements(path)) {
      const next = node[part];
      if (isObject(next)) node = next;
      else {
        const created: JsonObject = {};
        node[part] = created;
        node = created;
      }
    }
    if (isPrefix.has(path)) node["."] = {};
  }
  return root;
}

export function fromFieldsV1(fields: unknown, path = "", out = new Set<string>()): Set<string> {
  if (!isObject(fields)) return out;
  for (const [key, inner] of Object.entries(fields)) {
    if (key === ".") {
      out.add(path);
      continue;
    }
    const child = join(path, key);
    if (isObject(inner) && Object.keys(inner).length > 0) fromFieldsV1(inner, child, out);
    else out.add(child);
  }
  return out;
}

export interface Writer {
  readonly manager: string;
  readonly operation: "Update" | "Apply";
  readonly apiVersion: string;
  readonly subresource: string;
  readonly time: string;
}

function sameWriter(entry: ManagedFieldsEntry, writer: Writer): boolean {
  return (
    entry.manager === writer.manager &&
    entry.operation === writer.operation &&
    (entry.subresource ?? "") === writer.subresource &&
    (entry.operation === "Apply" || entry.apiVersion === writer.apiVersion)
  );
}

function entryOf(writer: Writer, set: PathSet): ManagedFieldsEntry {
  return {
    manager: writer.manager,
    operation: writer.operation,
    apiVersion: writer.apiVersion,
    // The scale subresource keeps no time, in the real server either.
    ...(writer.subresource === "scale" ? {} : { time: writer.time }),
    fieldsType: "FieldsV1",
    fieldsV1: toFieldsV1(set),
    ...(writer.subresource ? { subresource: writer.subresource } : {}),
  };
}

export function ownEntry(entries: readonly ManagedFieldsEntry[], writer: Writer): ManagedFieldsEntry | undefined {
  return entries.find((entry) => sameWriter(entry, writer));
}

export function isOwnEntry(entry: ManagedFieldsEntry, writer: Writer): boolean {
  return sameWriter(entry, writer);
}

/** Replaces one writer's set (none when it is empty) and takes `taken` from all others, in the order the server keeps. */
export function rewrite(
  entries: readonly ManagedFieldsEntry[],
  writer: Writer,
  ownSet: PathSet,
  taken: PathSet,
  wrote: boolean,
): ManagedFieldsEntry[] {
  const out: ManagedFieldsEntry[] = [];
  let found = false;
  for (const entry of entries) {
    const before = fromFieldsV1(entry.fieldsV1);
    if (sameWriter(entry, writer)) {
      found = true;
      if (ownSet.size === 0) continue;
      // The time is that of the last write of a value, not of the last change of ownership.
      const same = !wrote && before.size === ownSet.size && [...ownSet].every((path) => before.has(path));
      out.push(same ? entry : entryOf(writer, ownSet));
      continue;
    }
    const left = [...before].filter((path) => !taken.has(path));
    if (left.length === before.size) out.push(entry);
    else if (left.length > 0) out.push({ ...entry, fieldsV1: toFieldsV1(new Set(left)) });
  }
  if (!found && ownSet.size > 0) out.push(entryOf(writer, ownSet));
  // The server sorts by operation, then time, then manager.
  return out.sort(
    (a, b) =>
      order(a.operation, b.operation) ||
      order(a.time, b.time) ||
      order(a.manager, b.manager) ||
      order(a.subresource, b.subresource),
  );
}

function order(a: string | undefined, b: string | undefined): number {
  const x = a ?? "";
  const y = b ?? "";
  return x < y ? -1 : x > y ? 1 : 0;
}

/** managedFields after a plain write (create, update, patch): the writer takes every path that changed. */
export function afterUpdate(
  struct: Struct,
  before: JsonObject,
  after: JsonObject,
  entries: readonly ManagedFieldsEntry[],
  writer: Writer,
): ManagedFieldsEntry[] {
  const shape: Shape = { type: { kind: "struct", struct }, field: undefined };
  const { added, removed, modified } = compare(shape, before, after);
  const changed = strip([...added, ...modified]);
  const gone = strip(removed);
  const own = ownEntry(entries, writer);
  const ownSet = new Set(own ? fromFieldsV1(own.fieldsV1) : []);
  for (const path of gone) ownSet.delete(path);
  for (const path of changed) ownSet.add(path);
  return rewrite(entries, writer, ownSet, new Set([...changed, ...gone]), changed.size > 0);
}
