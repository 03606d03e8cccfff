import type { Clock, Cluster, Log } from "../edges.ts";
import { createConnection } from "./kubernetes/connection.ts";
import type { Environment } from "./kubernetes/proxy.ts";
import { createReader } from "./kubernetes/reader.ts";
import { createSelf } from "./kubernetes/self.ts";
import { createSession } from "./kubernetes/session.ts";
import { createWriter } from "./kubernetes/writer.ts";

export interface ClusterOptions {
  /** Path of a kubeconfig; null: the pod's own account, else the default kubeconfig. */
  kubeconfig: string | null;
  /** null: the kubeconfig's current context. */
  context: string | null;
  /** User names to impersonate for reading and for acting; null: the kubeconfig's own. */
  identities: { read: string | null; act: string | null };
  clock: Clock;
  log: Log;
  /** For proxies; the process's own when left out. */
  env?: Environment;
}

/**
 * The cluster by its API server. Nothing is asked before it is needed, so a cluster that is down does not stop the start.
 * Throws `invalid`, with the path in the configuration, when the kubeconfig or the context cannot be used.
 */
export function createCluster({
  kubeconfig,
  context,
  identities,
  clock,
  log,
  env = process.env,
}: ClusterOptions): Cluster {
  const connection = createConnection({ kubeconfig, context, env });
  const as = (identity: string | null) => createSession(connection, identity, clock);
  return {
    read: createReader(as(identities.read), clock, log),
    act: createWriter(as(identities.act)),
    self: createSelf(as(null), log),
  };
}
