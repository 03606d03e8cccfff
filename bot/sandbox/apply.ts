/** Server-side apply: merge what one manager wants into the object, keep what others own, refuse to take it silently. */
import { asList, isObject, type JsonObject } from "./json.ts";
import {
  childShape,
  compare,
  elements,
  fromFieldsV1,
  isAtomic,
  isOwnEntry,
  itemElement,
  itemShape,
  join,
  ownEntry,
  type PathSet,
  pathsOf,
  rewrite,
  type Shape,
  strip,
  type Writer,
} from "./managed-fields.ts";
import type { ManagedFieldsEntry } from "./object.ts";
import type { Struct } from "./registry/schema.ts";
import { ApiError, type StatusCause } from "./status.ts";

export interface Applied {
  readonly object: JsonObject;
  readonly managedFields: ManagedFieldsEntry[];
}

/**
 * @param live the object as stored ({} when it does not exist), without managedFields
 * @param config what the manager applies, as sent
 * @throws ApiError 409 naming every field that another manager owns with another value, unless forced
 */
export function applyConfiguration(
  struct: Struct,
  live: JsonObject,
  config: JsonObject,
  entries: readonly ManagedFieldsEntry[],
  writer: Writer,
  force: boolean,
): Applied {
  const shape: Shape = { type: { kind: "struct", struct }, field: undefined };
  const wanted = strip(pathsOf(shape, config));
  const merged = merge(shape, live, config);

  const { added, modified } = compare(shape, live, merged);
  const changed = strip([...added, ...modified]);
  const conflicts: { entry: ManagedFieldsEntry; paths: string[] }[] = [];
  for (const entry of entries) {
    if (isOwnEntry(entry, writer)) continue;
    const paths = [...fromFieldsV1(entry.fieldsV1)].filter((path) => changed.has(path));
    if (paths.length > 0) conflicts.push({ entry, paths });
  }
  if (conflicts.length > 0 && !force) throw conflictError(conflicts);

  const last = ownEntry(entries, writer);
  const dropped = new Set(last ? [...fromFieldsV1(last.fieldsV1)].filter((path) => !wanted.has(path)) : []);
  for (const entry of entries) {
    if (isOwnEntry(entry, writer)) continue;
    for (const path of fromFieldsV1(entry.fieldsV1)) dropped.delete(path);
  }
  const pruned = dropped.size === 0 ? merged : prune(shape, merged, dropped, wanted);
  return {
    object: isObject(pruned) ? pruned : {},
    managedFields: rewrite(entries, writer, wanted, new Set(conflicts.flatMap(({ paths }) => paths)), changed.size > 0),
  };
}

function merge(shape: Shape, live: unknown, config: unknown): JsonObject;
function merge(shape: Shape, live: unknown, config: unknown): unknown {
  if (config === null || live === undefined || live === null || isAtomic(shape)) return config;
  if (Array.isArray(config)) return mergeLists(shape, asList(live), config);
  if (!isObject(config) || !isObject(live)) return config;
  const out: JsonObject = { ...live };
  for (const [key, value] of Object.entries(config)) {
    const existing = Object.hasOwn(live, key) ? live[key] : undefined;
    Object.defineProperty(out, key, {
      value: merge(childShape(shape, key), existing, value),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return out;
}

/** Applied items in their own order; live items that are not applied stay after the applied one they followed. */
function mergeLists(shape: Shape, live: readonly unknown[], config: readonly unknown[]): unknown[] {
  const element = (item: unknown) => itemElement(shape.field, item);
  const liveByKey = new Map(live.map((item) => [element(item), item]));
  const applied = new Set(config.map(element));
  const out: unknown[] = [];
  const leftovers = new Map<string, unknown[]>();
  let anchor = "";
  for (const item of live) {
    if (applied.has(element(item))) anchor = element(item);
    else leftovers.set(anchor, [...(leftovers.get(anchor) ?? []), item]);
  }
  out.push(...(leftovers.get("") ?? []));
  for (const item of config) {
    out.push(merge(itemShape(shape), liveByKey.get(element(item)), item));
    out.push(...(leftovers.get(element(item)) ?? []));
  }
  return out;
}

/** Takes out what this manager applied before and no longer does, where nobody else owns it. */
function prune(shape: Shape, value: unknown, dropped: PathSet, wanted: PathSet, path = ""): unknown {
  if (isAtomic(shape)) return value;
  const holds = (child: string) =>
    [...wanted].some((other) => other === child || elements(other).join("\u0000").startsWith(`${child}\u0000`));
  if (Array.isArray(value)) {
    return value.flatMap((item) => {
      const child = join(path, itemElement(shape.field, item));
      if (dropped.has(child) && !holds(child)) return [];
      return [isObject(item) ? prune(itemShape(shape), item, dropped, wanted, child) : item];
    });
  }
  if (!isObject(value)) return value;
  const out: JsonObject = {};
  for (const [key, inner] of Object.entries(value)) {
    const child = join(path, `f:${key}`);
    if (dropped.has(child) && !holds(child)) continue;
    const left = prune(childShape(shape, key), inner, dropped, wanted, child);
    const emptied =
      isObject(left) && Object.keys(left).length === 0 && isObject(inner) && Object.keys(inner).length > 0;
    if (!emptied) out[key] = left;
  }
  return out;
}

/** `.spec.template.spec.containers[name="app"].image`, as the real conflict names it. */
function printPath(path: string): string {
  return elements(path)
    .map((element) => {
      const rest = element.slice(2);
      if (element.startsWith("f:")) return `.${rest}`;
      if (element.startsWith("v:")) return `[=${rest}]`;
      const keys: unknown = JSON.parse(rest);
      const pairs = Object.entries(isObject(keys) ? keys : {}).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
      return `[${pairs.join(",")}]`;
    })
    .join("");
}

function conflictError(conflicts: readonly { entry: ManagedFieldsEntry; paths: readonly string[] }[]): ApiError {
  const causes: StatusCause[] = [];
  const lines: string[] = [];
  for (const { entry, paths } of conflicts) {
    const using = entry.operation === "Update" ? ` using ${entry.apiVersion ?? ""}` : "";
    const subresource = entry.subresource ? ` with subresource "${entry.subresource}"` : "";
    const owner = `${JSON.stringify(entry.manager ?? "")}${subresource}${using}`;
    const fields = paths.map(printPath);
    for (const field of fields)
      causes.push({ reason: "FieldManagerConflict", message: `conflict with ${owner}`, field });
    lines.push(`conflicts with ${owner}:`, ...fields.map((field) => `- ${field}`));
  }
  const only = causes[0];
  return new ApiError(
    409,
    "Conflict",
    causes.length === 1 && only
      ? `Apply failed with 1 conflict: ${only.message}: ${only.field}`
      : `Apply failed with ${causes.length} conflicts: ${lines.join("\n")}`,
    { causes },
  );
}
