/**
 * Strategic merge patch: lists merge by the type's patchMergeKey, with $patch, $retainKeys, $deleteFromPrimitiveList and
 * $setElementOrder directives.
 */

import { goValue } from "./go-text.ts";
import { equal, isObject, type JsonObject } from "./json.ts";
import type { Field, Struct, Type } from "./registry/schema.ts";
import { badRequest, unexplained } from "./status.ts";

export function applyStrategicPatch(struct: Struct, target: JsonObject, patch: JsonObject): JsonObject {
  return mergeObject({ kind: "struct", struct }, target, patch);
}

function fieldOf(type: Type, key: string): { type: Type; field: Field | undefined } {
  if (type.kind === "struct") {
    const field = type.struct.fields.get(key);
    return { type: field?.type ?? { kind: "raw" }, field };
  }
  return { type: type.kind === "map" ? type.of : { kind: "raw" }, field: undefined };
}

function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value))
    return value.filter((item) => !(isObject(item) && item["$patch"] === "delete")).map(withoutDirectives);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, item]) => !key.startsWith("$") && item !== null)
      .map(([key, item]) => [key, withoutDirectives(item)]),
  );
}

function mergeObject(type: Type, target: JsonObject, patch: JsonObject): JsonObject {
  const directive = patch["$patch"];
  if (directive === "replace") return withoutDirectives(patch) as JsonObject;
  if (directive === "delete") return {};
  if (directive !== undefined && directive !== "merge") {
    throw badRequest(`unknown patch type: ${JSON.stringify(directive)}`);
  }
  const out: JsonObject = { ...target };
  const retain = patch["$retainKeys"];
  if (Array.isArray(retain)) for (const key of Object.keys(out)) if (!retain.includes(key)) delete out[key];
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith("$deleteFromPrimitiveList/") && Array.isArray(value)) {
      const name = key.slice("$deleteFromPrimitiveList/".length);
      const list = out[name];
      if (Array.isArray(list)) out[name] = list.filter((item) => !value.includes(item));
    }
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith("$")) continue;
    if (value === null) {
      delete out[key];
      continue;
    }
    const { type: childType, field } = fieldOf(type, key);
    const existing = Object.hasOwn(out, key) ? out[key] : undefined;
    let merged: unknown;
    if (isObject(value)) {
      const replaces = field?.patch.has("replace") === true;
      merged = replaces ? withoutDirectives(value) : mergeObject(childType, isObject(existing) ? existing : {}, value);
      if (value["$patch"] === "delete") {
        delete out[key];
        continue;
      }
    } else if (Array.isArray(value) && field?.patch.has("merge")) {
      merged = mergeList(childType, field, Array.isArray(existing) ? existing : [], value);
      const order = patch[`$setElementOrder/${key}`];
      if (Array.isArray(order) && Array.isArray(merged)) merged = ordered(merged, order, field.mergeKey);
    } else merged = value;
    Object.defineProperty(out, key, { value: merged, enumerable: true, configurable: true, writable: true });
  }
  for (const [key, order] of Object.entries(patch)) {
    if (!key.startsWith("$setElementOrder/") || !Array.isArray(order)) continue;
    const name = key.slice("$setElementOrder/".length);
    const list = out[name];
    if (patch[name] === undefined && Array.isArray(list))
      out[name] = ordered(list, order, fieldOf(type, name).field?.mergeKey);
  }
  return out;
}

function mergeList(type: Type, field: Field, target: readonly unknown[], patch: readonly unknown[]): unknown[] {
  const key = field.mergeKey;
  if (key === undefined) {
    const out = [...target];
    for (const item of patch) if (!out.some((other) => equal(other, item))) out.push(item);
    return patchedFirst(out, target, patch, equal);
  }
  if (patch.some((item) => isObject(item) && item["$patch"] === "replace")) {
    const kept = patch.filter(
      (item) => !(isObject(item) && item["$patch"] === "replace" && Object.keys(item).length === 1),
    );
    return kept.map(withoutDirectives);
  }
  const itemType: Type = type.kind === "list" ? type.of : { kind: "raw" };
  const merged = [...target];
  for (const item of patch) {
    if (!isObject(item)) throw badRequest("list item of a merge patch must be an object");
    if (item[key] === undefined) throw unexplained(`map: ${goValue(item)} does not contain declared merge key: ${key}`);
    const i = merged.findIndex((other) => isObject(other) && equal(other[key], item[key]));
    const existing = merged[i];
    if (item["$patch"] === "delete") {
      if (i >= 0) merged.splice(i, 1);
    } else if (i >= 0 && isObject(existing)) merged[i] = mergeObject(itemType, existing, item);
    else merged.push(mergeObject(itemType, {}, item));
  }
  return patchedFirst(merged, target, patch, (a, b) => isObject(a) && isObject(b) && equal(a[key], b[key]));
}

/** Items of the patch in its order, new ones as early as they can be; untouched ones keep their place among known ones. */
function patchedFirst(
  merged: readonly unknown[],
  target: readonly unknown[],
  patch: readonly unknown[],
  same: (a: unknown, b: unknown) => boolean,
): unknown[] {
  const place = (list: readonly unknown[], item: unknown) => list.findIndex((other) => same(other, item));
  const patched = merged.filter((item) => place(patch, item) >= 0).sort((a, b) => place(patch, a) - place(patch, b));
  const untouched = merged.filter((item) => place(patch, item) < 0);
  const out: unknown[] = [];
  while (patched.length > 0 && untouched.length > 0) {
    const left = place(target, untouched[0]);
    const right = place(target, patched[0]);
    out.push(left >= 0 && right >= 0 && left < right ? untouched.shift() : patched.shift());
  }
  return [...out, ...patched, ...untouched];
}

/** Items named by the order come in that order; the others keep their places relative to the ones before them. */
function ordered(list: readonly unknown[], order: readonly unknown[], key: string | undefined): unknown[] {
  const rank = (item: unknown) =>
    order.findIndex((wanted) =>
      key === undefined ? equal(item, wanted) : isObject(item) && isObject(wanted) && equal(item[key], wanted[key]),
    );
  const named = list.filter((item) => rank(item) >= 0).sort((a, b) => rank(a) - rank(b));
  const others = list.filter((item) => rank(item) < 0);
  const out: unknown[] = [];
  for (const item of named) out.push(item);
  for (const item of others) {
    const before = list.indexOf(item);
    const previous = list.slice(0, before).findLast((other) => rank(other) >= 0);
    const place = previous === undefined ? 0 : out.indexOf(previous) + 1;
    out.splice(place, 0, item);
  }
  return out;
}
