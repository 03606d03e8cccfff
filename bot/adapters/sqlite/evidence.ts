import { z } from "zod";
import { Chart, type Evidence } from "../../../shared/finding.ts";
import { newId } from "../../../shared/ids.ts";
import type { EvidenceStore, Investigation } from "../../store.ts";
import type { Connection } from "./connection.ts";

interface EvidenceRow {
  id: string;
  incident_id: string | null;
  tool: string;
  args: string;
  text: string;
  charts: string | null;
  at: string;
}

interface InvestigationRow {
  id: string;
  diagnosed_by: Investigation["by"];
  state: Investigation["state"];
  model: string | null;
  calls: number;
  tokens: number;
  error: string | null;
  started_at: string;
  finished_at: string | null;
}

const Args = z.record(z.string(), z.unknown());
const Charts = z.array(Chart);

export function createEvidenceStore({ db, now }: Connection): EvidenceStore {
  const begin = db.prepare(
    "INSERT INTO investigations (id, incident_id, diagnosed_by, state, model, started_at) VALUES (?, ?, ?, 'running', ?, ?)",
  );
  const finish = db.prepare(
    "UPDATE investigations SET state = ?, calls = ?, tokens = ?, error = ?, finished_at = ? WHERE id = ? AND state = 'running'",
  );
  const insert = db.prepare(
    "INSERT INTO evidence (id, incident_id, investigation_id, tool, args, text, charts, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
  );
  const columns = "id, incident_id, tool, args, text, charts, at";
  const ofIncident = db.prepare<[string], EvidenceRow>(
    `SELECT ${columns} FROM evidence WHERE incident_id = ? ORDER BY at, rowid`,
  );
  const investigations = db.prepare<[string], InvestigationRow>(
    `SELECT id, diagnosed_by, state, model, calls, tokens, error, started_at, finished_at FROM investigations
     WHERE incident_id = ? ORDER BY started_at, rowid`,
  );
  const byId = db.prepare<[string], EvidenceRow>(`SELECT ${columns} FROM evidence WHERE id = ?`);

  return {
    begin({ incidentId, by, model }) {
      const id = newId();
      begin.run(id, incidentId, by, model, now().toISOString());
      return id;
    },
    finish(id, { state, calls, tokens, error }) {
      finish.run(state, calls, tokens, error ?? null, now().toISOString(), id);
    },
    insert(evidence, investigationId) {
      now();
      const { id, incidentId, tool, args, text, charts, at } = evidence;
      const drawn = charts === undefined ? null : JSON.stringify(charts);
      insert.run(id, incidentId, investigationId, tool, JSON.stringify(args), text, drawn, at.toISOString());
    },
    ofIncident: (incidentId) => ofIncident.all(incidentId).map(readEvidence),
    investigations: (incidentId) =>
      investigations.all(incidentId).map(({ diagnosed_by, started_at, finished_at, ...run }) => ({
        ...run,
        by: diagnosed_by,
        startedAt: new Date(started_at),
        finishedAt: finished_at === null ? null : new Date(finished_at),
      })),
    get(id) {
      const row = byId.get(id);
      return row === undefined ? null : readEvidence(row);
    },
  };
}

function readEvidence(row: EvidenceRow): Evidence {
  return {
    id: row.id,
    incidentId: row.incident_id,
    tool: row.tool,
    args: Args.parse(JSON.parse(row.args)),
    text: row.text,
    ...(row.charts === null ? {} : { charts: Charts.parse(JSON.parse(row.charts)) }),
    at: new Date(row.at),
  };
}
