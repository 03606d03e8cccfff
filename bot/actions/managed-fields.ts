import { field, type KubeObject, listField, stringField } from "../../shared/kube.ts";
import type { FieldPath } from "./definition.ts";

/** An entry of managedFields that owns a field. */
export interface FieldManager {
  manager: string;
  subresource: string | null;
  time: string;
}

/**
 * Who wrote a field, the newest first. Source: structured-merge-diff's FieldsV1: `f:name` for a field, `k:{…}` for an
 * item of a keyed list, `{}` for a leaf, which owns everything below it.
 */
export function managersOf(object: KubeObject, path: FieldPath): FieldManager[] {
  return listField(object, "metadata", "managedFields")
    .filter((entry) => owns(field(entry, "fieldsV1"), path))
    .map((entry) => ({
      manager: stringField(entry, "manager") ?? "",
      subresource: stringField(entry, "subresource") ?? null,
      time: stringField(entry, "time") ?? "",
    }))
    .sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0));
}

/** Every manager that wrote anything of the object. */
export function allManagers(object: KubeObject): string[] {
  return listField(object, "metadata", "managedFields").flatMap((entry) => stringField(entry, "manager") ?? []);
}

/** The managed-fields path of a JSON pointer's steps, for an object whose lists of containers are keyed by name. */
export function fieldPathOf(object: KubeObject, pointerSteps: readonly string[]): FieldPath {
  const path: string[] = [];
  const walked: (string | number)[] = [];
  for (const step of pointerSteps) {
    const here = field(object, ...walked);
    if (Array.isArray(here)) {
      walked.push(Number(step));
      const name = stringField(object, ...walked, "name");
      if (name === undefined) return path;
      path.push(`k:${JSON.stringify({ name })}`);
    } else {
      walked.push(step);
      path.push(`f:${step}`);
    }
  }
  return path;
}

function owns(fields: unknown, path: FieldPath): boolean {
  let node = fields;
  for (const [i, key] of path.entries()) {
    if (typeof node !== "object" || node === null) return false;
    if (i > 0 && Object.keys(node).length === 0) return true;
    if (!Object.hasOwn(node, key)) return false;
    node = field(node, key);
  }
  return node !== undefined;
}
