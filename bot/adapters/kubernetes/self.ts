import { StewardError } from "../../../shared/errors.ts";
import { isKubeObject, type KubeObject, kinds, pathOf } from "../../../shared/kube.ts";
import type { ClusterSelf, Log } from "../../edges.ts";
import type { Session } from "./session.ts";
import { parseJson, refusalError } from "./status.ts";

/** The Secret that holds the one-time setup token (SPEC 12). */
const setupSecret = "steward-setup";

/** What the pod's own account does, never impersonating. */
export function createSelf(session: Session, log: Log): ClusterSelf {
  return {
    async readLease(namespace, name, signal) {
      const answer = await session.read({ method: "GET", path: pathOf(kinds.lease, namespace, name) }, signal);
      if (answer.ok) return objectOf(answer.body);
      if (answer.refusal.status === 404) return null;
      throw refusalError(answer.refusal);
    },
    async writeLease(lease, signal) {
      const { name, namespace = null, resourceVersion } = lease.metadata;
      const create = resourceVersion === undefined;
      const answer = await session.read(
        {
          method: create ? "POST" : "PUT",
          path: create ? pathOf(kinds.lease, namespace) : pathOf(kinds.lease, namespace, name),
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(lease),
        },
        signal,
      );
      if (!answer.ok) throw refusalError(answer.refusal);
      return objectOf(answer.body);
    },
    async writeSetupToken(namespace, token, signal) {
      const data = token === null ? null : Buffer.from(token).toString("base64");
      try {
        const answer = await session.read(
          {
            method: "PATCH",
            path: pathOf(kinds.secret, namespace, setupSecret),
            headers: { "Content-Type": "application/merge-patch+json" },
            body: JSON.stringify({ data: { token: data } }),
          },
          signal,
        );
        if (!answer.ok) log.info("setup token not kept in the cluster", { reason: answer.refusal.message });
        return answer.ok;
      } catch (error) {
        if (!(error instanceof StewardError)) throw error;
        log.info("setup token not kept in the cluster", { reason: error.message });
        return false;
      }
    },
  };
}

function objectOf(body: Buffer): KubeObject {
  const value = parseJson(body);
  if (!isKubeObject(value)) throw new StewardError("unavailable", "the API server's answer is not an object");
  return value;
}
