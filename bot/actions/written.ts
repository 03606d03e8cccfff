import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import type { ClusterRequest } from "../../shared/approval.ts";
import type { KubeObject } from "../../shared/kube.ts";
import { fieldPathOf, managersOf } from "./managed-fields.ts";
import { readablePath, steps, valueAt, writtenFields } from "./patch.ts";

/** The field manager of every write of Steward. */
const ownManager = "steward";

/** JSON pointer → hash of the value there. Hashes, since a template may carry what must not be kept twice. */
export type Fingerprint = Readonly<Record<string, string>>;

/** What a request's fields hold on an object that it was applied to. */
export function fingerprintOf(request: ClusterRequest, object: KubeObject): Fingerprint {
  return Object.fromEntries(writtenFields(request).map(({ path }) => [path, hash(valueAt(object, path))]));
}

/** A field that no longer holds what Steward wrote. */
export interface Reversion {
  path: string;
  /** Who wrote it last; null when managedFields does not say. */
  by: string | null;
}

/** Which of the written fields an object no longer holds, and by whose hand. */
export function reversionsOf(fingerprint: Fingerprint, object: KubeObject): Reversion[] {
  return Object.entries(fingerprint)
    .filter(([path, expected]) => hash(valueAt(object, path)) !== expected)
    .map(([path]) => {
      const [last] = managersOf(object, fieldPathOf(object, steps(path))).filter(
        ({ manager }) => manager !== ownManager,
      );
      const by =
        last === undefined ? null : `${last.manager}${last.subresource === null ? "" : `/${last.subresource}`}`;
      return { path: readablePath(path), by };
    });
}

/** Whether an object holds all that a request writes. */
export function holdsWritten(request: ClusterRequest, object: KubeObject): boolean {
  const fields = writtenFields(request);
  return fields.length > 0 && fields.every(({ path, value }) => hash(valueAt(object, path)) === hash(value));
}

/** Whether Steward is the last that wrote these fields. */
export function wroteLast(request: ClusterRequest, object: KubeObject): boolean {
  return writtenFields(request).every(({ path }) => {
    const [last] = managersOf(object, fieldPathOf(object, steps(path)));
    return last?.manager === ownManager;
  });
}

function hash(value: unknown): string {
  return createHash("sha256")
    .update(canonicalize(value ?? null) ?? "null")
    .digest("hex");
}
