import { type KeyObject, randomBytes } from "node:crypto";
import type { Actor } from "../shared/approval.ts";
import { type ChainAnswer, walkChain } from "../shared/audit.ts";
import { type Checkpoint, signCheckpoint, signingKeyOf } from "../shared/checkpoint.ts";
import { bundleIncident, requireIncident } from "./audit/bundle.ts";
import type { Clock } from "./edges.ts";
import type { ChainLink, Store } from "./store.ts";

export interface AuditOptions {
  store: Store;
  clock: Clock;
  /** `audit.signingKey`; null: a key that is made at the first start and kept in the store. */
  signingKey: string | null;
  /** `retention.audit`, in ms. */
  keepFor: number;
  /** Takes a checkpoint out of the pod: to stdout, to a ConfigMap. Called after it is on disk. */
  publish: (checkpoint: Checkpoint) => void;
}

interface ExportFilter {
  since: Date | null;
  until: Date | null;
  incident: string | null;
}

export interface Audit {
  /** Seals the chain every 60 s or 100 records and prunes it daily, until the returned function is called, which seals it once more. */
  start(): () => void;
  /** Signs, keeps and publishes what the chain has come to; null when nothing was added since the last time. */
  seal(): Checkpoint | null;
  /** Walks the whole chain against its checkpoints, letting other work through. Calls at one time share a walk. */
  verify(): Promise<ChainAnswer>;
  /** NDJSON lines: the records of a time, oldest first, or all that is known of an incident. On record before the first line. Throws `not_found`. */
  export(filter: ExportFilter, actor: Actor): AsyncIterable<string>;
  /** Removes records older than `keepFor` from the old end, leaving a checkpoint in their place. Answers how many. */
  prune(): Promise<number>;
  /** Records that a checkpoint kept elsewhere saw and this store has not: it was emptied, or an older copy was put back. */
  missing(checkpoint: Checkpoint): { from: number; to: number } | null;
}

const sealEveryMs = 60_000;
const sealEveryRecords = 100;
const pruneEveryMs = 86_400_000;
/** So few records in one transaction that nobody waits for it. */
const pruneStep = 1_000;

export function createAudit({ store, clock, signingKey, keepFor, publish }: AuditOptions): Audit {
  const { audit } = store;
  const key = keyOf(signingKey ?? ownSecret(store));
  let sealedAt = clock.now().getTime();
  let walk: Promise<ChainAnswer> | null = null;
  let pruning: Promise<number> | null = null;

  return { start, seal, verify, export: exportLines, prune, missing };

  function start(): () => void {
    const stopSealing = clock.every(1_000, () => {
      const unsealed = audit.head().seq - (audit.latestCheckpoint()?.seq ?? 0);
      const waited = clock.now().getTime() - sealedAt;
      if (unsealed >= sealEveryRecords || (unsealed > 0 && waited >= sealEveryMs)) seal();
    });
    const stopPruning = clock.every(pruneEveryMs, async () => void (await prune()));
    return () => {
      stopSealing();
      stopPruning();
      seal();
    };
  }

  function seal(): Checkpoint | null {
    const checkpoint = store.transact((now) => {
      const head = audit.head();
      if (head.seq === (audit.latestCheckpoint()?.seq ?? 0)) return null;
      const signed = sign(head, now);
      audit.putCheckpoint(signed);
      return signed;
    });
    sealedAt = clock.now().getTime();
    if (checkpoint !== null) publish(checkpoint);
    return checkpoint;
  }

  function sign({ seq, hash }: ChainLink, now: Date): Checkpoint {
    const { instanceId: instance, epoch } = store;
    return signCheckpoint({ instance, seq, hash, at: now.toISOString(), epoch }, key);
  }

  function verify(): Promise<ChainAnswer> {
    walk ??= walkAll().finally(() => {
      walk = null;
    });
    return walk;
  }

  async function walkAll(): Promise<ChainAnswer> {
    await pruning;
    const root = audit.root();
    const chain = walkChain(root, audit.checkpoints());
    for await (const record of audit.walk(root.seq, audit.head().seq)) {
      const fault = chain.next(record);
      if (fault !== null) return fault;
    }
    return chain.end();
  }

  function exportLines({ since, until, incident }: ExportFilter, actor: Actor): AsyncIterable<string> {
    if (incident !== null) requireIncident(store, incident);
    const own = store.transact(() =>
      audit.append({
        userId: actor.userId,
        intent: null,
        actionType: "export_audit",
        targetResource: null,
        commandSnapshot: null,
        status: "SUCCESS",
        clientIp: actor.clientIp,
        platform: actor.platform,
        incidentId: incident,
        proposalId: null,
        detail: { by: actor.username, since: since?.toISOString() ?? null, until: until?.toISOString() ?? null },
      }),
    );
    if (incident !== null) return bundle(incident);
    const root = audit.root().seq;
    const from = since === null ? root : (audit.lastBefore(since)?.seq ?? root);
    const to = until === null ? own.seq : (audit.lastBefore(until)?.seq ?? root);
    return recordLines(from, Math.min(to, own.seq));
  }

  async function* bundle(incident: string): AsyncGenerator<string> {
    yield* bundleIncident(store, incident);
  }

  async function* recordLines(from: number, to: number): AsyncGenerator<string> {
    for await (const record of audit.walk(from, to)) yield JSON.stringify(record);
  }

  function prune(): Promise<number> {
    pruning ??= pruneAll().finally(() => {
      pruning = null;
    });
    return pruning;
  }

  async function pruneAll(): Promise<number> {
    await walk;
    const last = audit.lastBefore(new Date(clock.now().getTime() - keepFor));
    const first = audit.root().seq + 1;
    if (last === null || last.seq < first) return 0;
    store.transact(() =>
      audit.append({
        userId: null,
        intent: null,
        actionType: "prune_audit",
        targetResource: null,
        commandSnapshot: null,
        status: "SUCCESS",
        clientIp: null,
        platform: "system",
        incidentId: null,
        proposalId: null,
        detail: { from: first, to: last.seq },
      }),
    );
    let removed = 0;
    while (audit.root().seq < last.seq) {
      removed += store.transact((now) => {
        const upTo = audit.get(Math.min(audit.root().seq + pruneStep, last.seq));
        if (upTo === null) throw new Error("the audit chain has a gap; it is not pruned");
        return audit.prune(sign(upTo, now));
      });
      await clock.sleep(0);
    }
    return removed;
  }

  function missing({ instance, seq }: Checkpoint): { from: number; to: number } | null {
    const head = instance === store.instanceId ? audit.head().seq : 0;
    return seq > head ? { from: head + 1, to: seq } : null;
  }
}

function keyOf(secret: string): KeyObject {
  const key = signingKeyOf(secret);
  if (key === null) throw new Error("audit.signingKey is not a key");
  return key;
}

/** A key in the same file as the chain proves nothing against who has the file; the copies outside do. */
function ownSecret(store: Store): string {
  const name = "audit_signing_secret";
  return store.transact(() => {
    const known = store.meta.get(name);
    if (known !== null) return known;
    const secret = randomBytes(32).toString("base64");
    store.meta.set(name, secret);
    return secret;
  });
}
