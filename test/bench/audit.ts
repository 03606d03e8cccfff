/** How long a filtered page and a whole verification of the audit take (SPEC 16: 10 ms and 10 s over a million records). */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClock } from "../../bot/adapters/clock.ts";
import { openStore } from "../../bot/adapters/sqlite.ts";
import { createAudit } from "../../bot/audit.ts";
import type { AuditFilter, Store } from "../../bot/store.ts";
import type { AuditEntry } from "../../shared/audit.ts";
import { type Spread, spreadOf } from "./figures.ts";

export interface AuditFigures {
  records: number;
  /** The slowest of several filters, each warm, in ms. */
  page: Spread;
  /** In ms. */
  verify: number;
  /** The longest that verifying kept other work waiting, in ms. */
  longestWait: number;
}

const filters: readonly AuditFilter[] = [
  {},
  { user: "u-1" },
  { action: "deny_scale" },
  { target: "deployment/app7" },
  { target: "ns7/deployment/app7" },
  { status: "FAILED" },
  { incident: "inc500" },
  { user: "u-1", action: "deny_scale" },
  { user: "u-2", target: "deployment/app7" },
  { platform: "feishu", status: "FAILED" },
];

export async function measureAudit(records: number): Promise<AuditFigures> {
  const folder = mkdtempSync(join(tmpdir(), "steward-audit-"));
  const clock = createClock();
  const unredacted = { text: (text: string) => text, object: <T>(value: T) => value };
  const store = openStore({ path: join(folder, "steward.db"), clock, holder: "bench", redactor: unredacted });
  try {
    fill(store, records);
    const audit = createAudit({ store, clock, signingKey: null, keepFor: 1e12, publish: () => undefined });
    const pages = filters.flatMap((filter) => Array.from({ length: 5 }, () => timePage(store, filter)).slice(1));
    const waits = watchWaits();
    const started = performance.now();
    const answer = await audit.verify();
    const verify = performance.now() - started;
    if (!answer.ok || answer.records !== records)
      throw new Error(`the audit does not verify: ${JSON.stringify(answer)}`);
    return { records, page: spreadOf(pages), verify, longestWait: waits.stop() };
  } finally {
    store.close();
    rmSync(folder, { recursive: true });
  }
}

function timePage(store: Store, filter: AuditFilter): number {
  const started = performance.now();
  store.audit.page({ limit: 50, cursor: null, since: null, ...filter });
  return performance.now() - started;
}

function fill(store: Store, records: number): void {
  for (let first = 0; first < records; first += 5_000) {
    store.transact(() => {
      for (let n = first; n < Math.min(records, first + 5_000); n++) store.audit.append(entryOf(n));
    });
  }
}

function entryOf(n: number): AuditEntry {
  return {
    userId: `u-${n % 5}`,
    intent: "Raise the memory limit from 512Mi to 1Gi",
    actionType: ["execute_restart", "approve_restart", "deny_scale", "gate_refuse", "login", "ask"][n % 6] ?? "ask",
    targetResource: `ns${n % 50}/deployment/app${n % 1_000}`,
    commandSnapshot: "kubectl set resources deployment/checkout -n payment --limits=memory=1Gi",
    status: n % 11 === 0 ? "FAILED" : "SUCCESS",
    clientIp: "10.0.0.1",
    platform: (["slack", "feishu", "terminal"] as const)[n % 3] ?? "api",
    incidentId: `inc${Math.floor(n / 8)}`,
    proposalId: n % 2 === 0 ? `p${Math.floor(n / 16)}` : null,
    detail: { by: "alice", code: "A7F3", digest: "0".repeat(64), n },
  };
}

/** How late a timer of 1 ms was at the worst. */
function watchWaits(): { stop(): number } {
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  return {
    stop() {
      clearInterval(timer);
      return longest;
    },
  };
}
