import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { ClusterRequest } from "../../shared/approval.ts";
import { field, type KubeObject, type ObjectRef, pathOf } from "../../shared/kube.ts";
import { opAnnotation } from "./definition.ts";

const Op = z.discriminatedUnion("op", [
  z.object({ op: z.literal("test"), path: z.string(), value: z.unknown() }),
  z.object({ op: z.literal("add"), path: z.string(), value: z.unknown() }),
  z.object({ op: z.literal("replace"), path: z.string(), value: z.unknown() }),
  z.object({ op: z.literal("remove"), path: z.string() }),
]);
/** One operation of a JSON patch (RFC 6902), of the four that Steward uses. */
export type PatchOp = z.infer<typeof Op>;
const Ops = z.array(Op);
const DeleteBody = z.object({ preconditions: z.object({ uid: z.string() }) });

export type Step = string | number;

/** A JSON pointer (RFC 6901). */
export function pointer(...steps: readonly Step[]): string {
  return steps.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** The steps of a JSON pointer. */
export function steps(path: string): string[] {
  return path
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** As people write a path: `spec.template.spec.containers[0].image`. */
export function readablePath(path: string): string {
  return steps(path)
    .map((step, i) =>
      /^\d+$/.test(step) ? `[${step}]` : i === 0 ? step : step.includes(".") ? `["${step}"]` : `.${step}`,
    )
    .join("");
}

/** Tests that a field is as it was seen; an absent one is tested against null, which the API server takes for absent (evanphx/json-patch v4). */
export function same(object: KubeObject, ...path: readonly Step[]): PatchOp {
  return { op: "test", path: pointer(...path), value: field(object, ...path) ?? null };
}

/**
 * Sets and removes (null) entries of a map that may not be there, testing that each is still as it was seen.
 * `untested` are set whatever they were.
 */
export function setEntries(
  object: KubeObject,
  path: readonly Step[],
  entries: Readonly<Record<string, unknown>>,
  untested: readonly string[] = [],
): PatchOp[] {
  const present = field(object, ...path);
  const wanted = Object.entries(entries);
  if (present === undefined || present === null) {
    const added = Object.fromEntries(wanted.filter(([, value]) => value !== null));
    if (Object.keys(added).length === 0) return [];
    return [same(object, ...path), { op: "add", path: pointer(...path), value: added }];
  }
  return wanted.flatMap(([key, value]): PatchOp[] => {
    const at = [...path, key];
    const test = untested.includes(key) ? [] : [same(object, ...at)];
    if (value !== null) return [...test, { op: "add", path: pointer(...at), value }];
    return field(object, ...at) === undefined ? test : [...test, { op: "remove", path: pointer(...at) }];
  });
}

/**
 * The bytes of a patch: first that it is still the very object, then the caller's operations, then the operation id in the
 * object's own metadata. `annotations` are further entries to set there.
 */
export function patchRequest(
  ref: ObjectRef,
  object: KubeObject,
  op: string,
  ops: readonly PatchOp[],
  annotations: Readonly<Record<string, string | null>> = {},
): ClusterRequest {
  const marks = setEntries(object, ["metadata", "annotations"], { ...annotations, [opAnnotation]: op }, [opAnnotation]);
  return {
    method: "PATCH",
    path: pathOf(ref.type, ref.namespace, ref.name),
    contentType: "application/json-patch+json",
    body: JSON.stringify([same(object, "metadata", "uid"), ...ops, ...marks]),
  };
}

/** The bytes of a deletion of this very object. */
export function deleteRequest(ref: ObjectRef, uid: string): ClusterRequest {
  return {
    method: "DELETE",
    path: pathOf(ref.type, ref.namespace, ref.name),
    contentType: "application/json",
    body: JSON.stringify({ apiVersion: "v1", kind: "DeleteOptions", preconditions: { uid } }),
  };
}

/** A precondition of a request that the live object no longer meets. */
export interface Drift {
  /** Readable path. */
  path: string;
  expected: unknown;
  found: unknown;
}

/** Holds the preconditions in the bytes against an object: what would make the API server refuse them now. */
export function driftOf(request: ClusterRequest, object: KubeObject): Drift[] {
  if (request.method === "DELETE") {
    const { uid } = DeleteBody.parse(JSON.parse(request.body)).preconditions;
    return uid === object.metadata.uid ? [] : [{ path: "metadata.uid", expected: uid, found: object.metadata.uid }];
  }
  return operations(request).flatMap((op) => {
    if (op.op !== "test") return [];
    const found = field(object, ...pathSteps(object, op.path)) ?? null;
    return isDeepStrictEqual(found, op.value) ? [] : [{ path: readablePath(op.path), expected: op.value, found }];
  });
}

/** What a request writes into the specification: pointer and value, null for what it removes. */
export function writtenFields(request: ClusterRequest): { path: string; value: unknown }[] {
  if (request.method === "DELETE") return [];
  return operations(request).flatMap((op) => {
    if (op.op === "test" || !op.path.startsWith("/spec/")) return [];
    return [{ path: op.path, value: op.op === "remove" ? null : op.value }];
  });
}

/** The value at a JSON pointer; undefined where there is none. */
export function valueAt(object: KubeObject, path: string): unknown {
  return field(object, ...pathSteps(object, path));
}

function operations(request: ClusterRequest): PatchOp[] {
  return Ops.parse(JSON.parse(request.body));
}

/** A pointer's steps are text; a step into a list has to be its number. */
function pathSteps(object: KubeObject, path: string): Step[] {
  const found: Step[] = [];
  for (const step of steps(path)) {
    const here = field(object, ...found);
    found.push(Array.isArray(here) && /^\d+$/.test(step) ? Number(step) : step);
  }
  return found;
}
