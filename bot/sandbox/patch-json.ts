/** RFC 6902. */

import { goJsonKind } from "./go-text.ts";
import { clone, equal, isObject } from "./json.ts";
import { badRequest, patchRejected } from "./status.ts";

function pointer(path: unknown): string[] {
  if (typeof path !== "string" || (path !== "" && !path.startsWith("/"))) throw patchRejected();
  return path
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function index(list: readonly unknown[], part: string, end: number): number {
  const i = part === "-" ? list.length : /^(0|[1-9]\d*)$/.test(part) ? Number(part) : Number.NaN;
  if (!(i >= 0 && i <= end)) throw patchRejected();
  return i;
}

function read(document: unknown, parts: readonly string[]): unknown {
  let current = document;
  for (const part of parts) {
    if (Array.isArray(current)) current = current[index(current, part, current.length - 1)];
    else if (isObject(current) && Object.hasOwn(current, part)) current = current[part];
    else throw patchRejected();
  }
  return current;
}

function set(document: unknown, parts: readonly string[], value: unknown, how: "add" | "replace" | "remove"): unknown {
  const last = parts.at(-1);
  if (last === undefined) return value;
  const parent = read(document, parts.slice(0, -1));
  if (Array.isArray(parent)) {
    const i = index(parent, last, how === "add" ? parent.length : parent.length - 1);
    if (how === "add") parent.splice(i, 0, value);
    else if (how === "replace") parent[i] = value;
    else parent.splice(i, 1);
  } else if (isObject(parent)) {
    // Only remove wants the member to be there: the library the real server uses lets replace add one.
    if (how === "remove" && !Object.hasOwn(parent, last)) throw patchRejected();
    if (how === "remove") delete parent[last];
    else Object.defineProperty(parent, last, { value, enumerable: true, configurable: true, writable: true });
  } else throw patchRejected();
  return document;
}

/** Applies the operations to a copy. A failing one, `test` included, is 422; a patch that is none is 400. */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) {
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${goJsonKind(patch)} into Go value of type []handlers.jsonPatchOp`,
    );
  }
  let current = clone(document);
  for (const operation of patch) {
    if (!isObject(operation))
      throw badRequest("json: cannot unmarshal string into Go value of type jsonpatch.Operation");
    const path = pointer(operation["path"]);
    switch (operation["op"]) {
      case "add":
      case "replace":
        if (!("value" in operation)) throw patchRejected();
        current = set(current, path, clone(operation["value"]), operation["op"]);
        break;
      case "remove":
        current = set(current, path, undefined, "remove");
        break;
      case "copy":
        current = set(current, path, clone(read(current, pointer(operation["from"]))), "add");
        break;
      case "move": {
        const from = pointer(operation["from"]);
        const value = read(current, from);
        current = set(set(current, from, undefined, "remove"), path, value, "add");
        break;
      }
      case "test": {
        // An absent member equals null, as in the library the real server uses.
        const found = exists(current, path) ? read(current, path) : null;
        if (!equal(found ?? null, operation["value"] ?? null)) throw patchRejected();
        break;
      }
      default:
        throw patchRejected();
    }
  }
  return current;
}

function exists(document: unknown, parts: readonly string[]): boolean {
  const last = parts.at(-1);
  if (last === undefined) return true;
  const parent = read(document, parts.slice(0, -1));
  if (Array.isArray(parent)) return index(parent, last, parent.length - 1) >= 0;
  return isObject(parent) && Object.hasOwn(parent, last);
}
