import { StewardError } from "../../../shared/errors.ts";
import type { ChangeStore } from "../../store.ts";
import type { Connection } from "./connection.ts";

interface ChangeRow {
  rowid: number;
  at: string;
  code: string;
  namespace: string | null;
  target: string;
  summary: string;
  kubectl: string;
  origin: "person" | "autofix";
  rule: string | null;
  requested_by: string;
  approved_by: string;
  state: string;
  incident_id: string | null;
}

/** Reads what was executed together with who wished, decided and what became of it; changes nothing. */
export function createChangeStore({ db }: Connection): ChangeStore {
  const page = db.prepare<{ below: number; since: string; namespace: string | null; limit: number }, ChangeRow>(
    `SELECT executions.rowid, executions.started_at AS at, code, namespace, target, summary, kubectl, proposals.origin, rule,
            requested_by, proposals.state, incident_id,
            (SELECT coalesce(group_concat(username, char(10)), '') FROM
              (SELECT username FROM decisions WHERE proposal_id = proposals.id AND verdict = 'approve' AND voided_at IS NULL
               ORDER BY at)) AS approved_by
     FROM executions JOIN proposals ON proposals.id = executions.proposal_id
     WHERE executions.rowid < @below AND executions.started_at >= @since AND (@namespace IS NULL OR namespace = @namespace)
     ORDER BY executions.rowid DESC LIMIT @limit`,
  );
  return {
    page({ limit, cursor, since, namespace }) {
      if (cursor !== null && !/^\d{1,15}$/.test(cursor)) {
        throw new StewardError("invalid", "not a cursor of this list", { path: "cursor" });
      }
      const rows = page.all({
        below: cursor === null ? Number.MAX_SAFE_INTEGER : Number(cursor),
        since: since?.toISOString() ?? "",
        namespace,
        limit: limit + 1,
      });
      const shown = rows.slice(0, limit);
      return {
        items: shown.map(({ rowid: _, origin, rule, requested_by, approved_by, incident_id, ...row }) => ({
          ...row,
          by: origin === "autofix" ? `rule ${rule ?? "built-in"}` : requested_by,
          approvedBy: approved_by === "" ? [] : approved_by.split("\n"),
          incidentId: incident_id,
        })),
        next: rows.length > limit ? String(shown.at(-1)?.rowid) : null,
      };
    },
  };
}
