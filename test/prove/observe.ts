import Database from "better-sqlite3";
import { z } from "zod";
import type { Sandbox, SandboxRequest } from "../../bot/sandbox/index.ts";

/** Every write of Steward's that the API server saw, by operation. */
export interface WriteLog {
  /** Reads the API server's own log. It keeps the latest requests only, so this is called often. */
  note(): void;
  readonly size: number;
  byOperation(): ReadonlyMap<string, readonly SandboxRequest[]>;
}

export function createWriteLog(sandbox: Sandbox): WriteLog {
  const writes = new Set<SandboxRequest>();
  return {
    note() {
      for (const request of sandbox.requests()) {
        const isWrite = request.method !== "GET" && !request.dryRun;
        if (isWrite && operationOf(request) !== null) writes.add(request);
      }
    },
    get size() {
      return writes.size;
    },
    byOperation: () => Map.groupBy(writes, (write) => operationOf(write) ?? ""),
  };
}

function operationOf(request: SandboxRequest): string | null {
  return /"([a-z2-7]{26})"/.exec(JSON.stringify(request.body ?? ""))?.[1] ?? null;
}

const Row = z.object({
  op: z.string(),
  code: z.string(),
  state: z.string(),
  outcome: z.string().nullable(),
  started_at: z.string(),
  approvals: z.number(),
  intents: z.number(),
});

/** What the store says once the bot is gone: every execution, with how many approvals and intents on the audit stand behind it. */
export interface Disk {
  executions: readonly z.infer<typeof Row>[];
  /** State by code. */
  proposals: ReadonlyMap<string, string>;
  integrity: string;
}

export function readDisk(path: string): Disk {
  const db = new Database(path, { readonly: true });
  try {
    const executions = db
      .prepare(
        `SELECT e.op, p.code, e.state, e.outcome, e.started_at,
           (SELECT count(*) FROM decisions d WHERE d.proposal_id = e.proposal_id AND d.verdict = 'approve') AS approvals,
           (SELECT count(*) FROM audit_logs a WHERE a.proposal_id = e.proposal_id AND a.action_type = 'execute_' || p.kind
              AND json_extract(a.detail, '$.phase') = 'intent') AS intents
         FROM executions e JOIN proposals p ON p.id = e.proposal_id`,
      )
      .all();
    const proposals = z.array(z.object({ code: z.string(), state: z.string() }));
    return {
      executions: z.array(Row).parse(executions),
      proposals: new Map(
        proposals.parse(db.prepare("SELECT code, state FROM proposals").all()).map(({ code, state }) => [code, state]),
      ),
      integrity: String(db.pragma("integrity_check", { simple: true })),
    };
  } finally {
    db.close();
  }
}

/**
 * Holds what the API server saw and what was answered against what is on disk. One line for each broken promise. Times after `now` come
 * from a process whose clock was ahead, and say nothing of the order.
 */
export function brokenPromises(writes: WriteLog, disk: Disk, approved: ReadonlySet<string>, now: Date): string[] {
  const executions = new Map(disk.executions.map((execution) => [execution.op, execution]));
  const broken: string[] = [];
  if (disk.integrity !== "ok") broken.push(`integrity_check: ${disk.integrity}`);
  for (const [op, sent] of writes.byOperation()) {
    const execution = executions.get(op);
    if (sent.length > 1) broken.push(`operation ${op} was sent ${sent.length} times`);
    if (execution === undefined) {
      broken.push(`operation ${op} reached the API server without an intent on disk`);
      continue;
    }
    if (execution.started_at < now.toISOString() && sent.some(({ time }) => time < execution.started_at))
      broken.push(`operation ${op} was sent before its intent was written`);
    const worked = sent.some(({ status }) => status < 300);
    if (worked && execution.state !== "done")
      broken.push(`operation ${op} took effect and is told as ${execution.state} (${execution.outcome})`);
  }
  for (const { op, state, approvals, intents } of disk.executions) {
    if (approvals < 1) broken.push(`operation ${op} was begun without an approval`);
    if (intents !== 1) broken.push(`operation ${op} has ${intents} intents on the audit`);
    if (state === "done" && !writes.byOperation().has(op))
      broken.push(`operation ${op} is told as done and was never sent`);
  }
  for (const code of approved) {
    const state = disk.proposals.get(code);
    if (state === undefined || state === "pending") broken.push(`the approval of ${code} was answered 200 and is lost`);
  }
  return broken;
}
