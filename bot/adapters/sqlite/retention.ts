import type { RetentionStore } from "../../store.ts";
import type { Connection } from "./connection.ts";

/** Every incident removed here loses its rows in all tables; what the audit says of it stays with the audit. */
export function createRetentionStore({ db, now }: Pick<Connection, "db" | "now">): RetentionStore {
  const decided =
    "EXISTS (SELECT 1 FROM proposals p JOIN decisions d ON d.proposal_id = p.id WHERE p.incident_id = i.id)";
  const old = db
    .prepare<[string, string, number], string>(
      `SELECT id FROM incidents i WHERE state = 'resolved'
         AND (resolved_at < ? AND NOT ${decided} OR resolved_at < ?) ORDER BY started_at LIMIT ?`,
    )
    .pluck();
  const ofIncident = db.prepare<[string], string>("SELECT id FROM proposals WHERE incident_id = ?").pluck();
  const lonely = db
    .prepare<[string, string, number], string>(
      `SELECT id FROM proposals p WHERE incident_id IS NULL
         AND state NOT IN ('pending', 'approved', 'executing', 'verifying', 'unknown')
         AND (updated_at < ? AND NOT EXISTS (SELECT 1 FROM decisions d WHERE d.proposal_id = p.id) OR updated_at < ?) LIMIT ?`,
    )
    .pluck();
  const freeProposal = [
    "UPDATE proposals SET undo_of = NULL WHERE undo_of = ?",
    "DELETE FROM verifications WHERE proposal_id = ?",
    "DELETE FROM executions WHERE proposal_id = ?",
    "DELETE FROM cards WHERE proposal_id = ?",
    "DELETE FROM proposals WHERE id = ?",
  ].map((sql) => db.prepare<[string]>(sql));
  const freeIncident = [
    "UPDATE incidents SET joined = NULL WHERE joined = ?",
    "UPDATE incidents SET previous_id = NULL WHERE previous_id = ?",
    "DELETE FROM incidents WHERE id = ?",
  ].map((sql) => db.prepare<[string]>(sql));
  const leftovers = [
    "DELETE FROM receipts WHERE state <> 'queued' AND last_received_at < ?",
    "DELETE FROM cards WHERE incident_id IS NULL AND proposal_id IS NULL AND updated_at < ?",
    "DELETE FROM investigations WHERE incident_id IS NULL AND started_at < ?",
    "DELETE FROM incident_changes WHERE at < ?",
    "DELETE FROM outbox WHERE state <> 'queued' AND created_at < ?",
  ].map((sql) => db.prepare<[string]>(sql));

  const run = (statements: typeof leftovers, value: string) =>
    statements.reduce((changes, statement) => changes + statement.run(value).changes, 0);

  return {
    prune({ undecidedBefore, decidedBefore, limit }) {
      now();
      const times = [undecidedBefore.toISOString(), decidedBefore.toISOString()] as const;
      const incidents = old.all(...times, limit);
      for (const id of incidents) {
        for (const proposal of ofIncident.all(id)) run(freeProposal, proposal);
        run(freeIncident, id);
      }
      const proposals = lonely.all(...times, limit);
      for (const id of proposals) run(freeProposal, id);
      return incidents.length + proposals.length;
    },
    pruneLeftovers(before) {
      now();
      return run(leftovers, before.toISOString());
    },
  };
}
