import { z } from "zod";
import { StewardError } from "../../../shared/errors.ts";
import { Diagnosis } from "../../../shared/finding.ts";
import { type Incident, incidentMoves, type RootObject } from "../../../shared/incident.ts";
import type { IncidentPatch, IncidentStore } from "../../store.ts";
import { createAlertQueries } from "./alerts.ts";
import type { Connection } from "./connection.ts";

interface Row {
  id: string;
  card_id: string;
  key: string;
  alertname: string;
  severity: string;
  namespace: string | null;
  target: string | null;
  root: string | null;
  state: Incident["state"];
  route: Incident["route"];
  rule: string | null;
  allow: string;
  mode: Incident["mode"];
  labels: string;
  annotations: string;
  group_keys: string;
  late: number;
  flapping: number;
  claimed_by: string | null;
  joined: string | null;
  previous_id: string | null;
  investigation: Incident["investigation"];
  facts: string;
  diagnosis: string | null;
  started_at: string;
  updated_at: string;
  resolved_at: string | null;
  ignored_until: string | null;
}

const columns =
  "id, card_id, key, alertname, severity, namespace, target, root, state, route, rule, allow, mode, labels, annotations, group_keys, late, flapping, " +
  "claimed_by, joined, previous_id, investigation, facts, diagnosis, started_at, updated_at, resolved_at, ignored_until";

const Labels = z.record(z.string(), z.string());
const Names = z.array(z.string());
const Root = z.object({
  kind: z.string(),
  namespace: z.string().nullable(),
  name: z.string(),
  uid: z.string().nullable(),
  confirmed: z.boolean(),
}) satisfies z.ZodType<RootObject>;

type Value = string | number | null;

const time = (date: Date | null): string | null => date?.toISOString() ?? null;

/** How each field that may change is written. A field without an entry does not compile. */
const writers: { readonly [K in keyof Required<IncidentPatch>]: readonly [string, (value: Incident[K]) => Value] } = {
  key: ["key", (value) => value],
  alertname: ["alertname", (value) => value],
  severity: ["severity", (value) => value],
  namespace: ["namespace", (value) => value],
  target: ["target", (value) => value],
  root: ["root", (value) => (value === null ? null : JSON.stringify(value))],
  route: ["route", (value) => value],
  rule: ["rule", (value) => value],
  allow: ["allow", (value) => JSON.stringify(value)],
  mode: ["mode", (value) => value],
  labels: ["labels", (value) => JSON.stringify(value)],
  annotations: ["annotations", (value) => JSON.stringify(value)],
  groupKeys: ["group_keys", (value) => JSON.stringify(value)],
  late: ["late", Number],
  flapping: ["flapping", Number],
  claimedBy: ["claimed_by", (value) => value],
  joined: ["joined", (value) => value],
  previousId: ["previous_id", (value) => value],
  investigation: ["investigation", (value) => value],
  facts: ["facts", (value) => JSON.stringify(value)],
  resolvedAt: ["resolved_at", time],
  ignoredUntil: ["ignored_until", time],
};

export function createIncidentStore({ db, now }: Connection): IncidentStore {
  const select = `SELECT ${columns} FROM incidents`;
  const insert = db.prepare(
    `INSERT INTO incidents (${columns}) VALUES (${columns
      .split(", ")
      .map((name) => `@${name}`)
      .join(", ")})`,
  );
  const get = db.prepare<[string], Row>(`${select} WHERE id = ?`);
  const live = db.prepare<[string], Row>(`${select} WHERE key = ? AND state IN ('open', 'ignored')`);
  const latest = db.prepare<[string], Row>(`${select} WHERE key = ? ORDER BY started_at DESC, rowid DESC LIMIT 1`);
  const liveOn = db.prepare<[string, string | null, string], Row>(
    `${select} WHERE state = 'open' AND joined IS NULL AND root ->> 'kind' = ? AND root ->> 'namespace' IS ? AND root ->> 'name' = ?
     ORDER BY started_at, rowid`,
  );
  const setDiagnosis = db.prepare("UPDATE incidents SET diagnosis = ?, updated_at = ? WHERE id = ?");
  const ids = (sql: string) => db.prepare<string[], string>(sql).pluck();
  const countOpen = db.prepare<[], number>("SELECT count(*) FROM incidents WHERE state = 'open'").pluck();
  const toInvestigate = ids(
    `SELECT id FROM incidents WHERE state = 'open' AND joined IS NULL AND (investigation IN ('queued', 'running')
       OR investigation = 'done' AND updated_at >= ? AND NOT EXISTS (SELECT 1 FROM proposals WHERE incident_id = incidents.id))
     ORDER BY started_at, rowid`,
  );
  const toEscalate = ids(
    `SELECT id FROM incidents WHERE state = 'open' AND escalate_at IS NOT NULL AND escalated_at IS NULL AND escalate_at <= ?
     AND claimed_by IS NULL AND joined IS NULL ORDER BY escalate_at`,
  );
  const toRemind = ids(
    `SELECT id FROM incidents WHERE state = 'open' AND reminded_at IS NULL AND started_at <= ? AND joined IS NULL
     AND route <> 'ignore' ORDER BY started_at`,
  );
  const toWake = ids("SELECT id FROM incidents WHERE state = 'ignored' AND ignored_until <= ?");
  const unconfirmed = db.prepare<[string, number], Row>(
    `${select} WHERE state = 'open' AND started_at >= ? AND root ->> 'confirmed' = 0 ORDER BY started_at, rowid LIMIT ?`,
  );
  const joinedTo = ids("SELECT id FROM incidents WHERE joined = ? ORDER BY started_at, rowid");
  const escalateBy = db.prepare(
    "UPDATE incidents SET escalate_at = min(coalesce(escalate_at, @at), @at) WHERE id = @id",
  );
  const said = {
    escalated: db.prepare("UPDATE incidents SET escalated_at = ? WHERE id = ?"),
    reminded: db.prepare("UPDATE incidents SET reminded_at = ? WHERE id = ?"),
  };
  const noteChange = db.prepare("INSERT INTO incident_changes (key, at, state) VALUES (?, ?, ?)");
  const forgetChanges = db.prepare("DELETE FROM incident_changes WHERE key = ? AND at < ?");
  const countChanges = db
    .prepare<[string, string], number>("SELECT count(*) FROM incident_changes WHERE key = ? AND at >= ?")
    .pluck();

  return {
    ...createAlertQueries({ db, now }),
    insert(incident) {
      now();
      insert.run(toRow(incident));
    },
    get: (id) => fromRow(get.get(id)),
    live: (key) => fromRow(live.get(key)),
    latest: (key) => fromRow(latest.get(key)),
    liveOn: (kind, namespace, name) => liveOn.all(kind, namespace, name).map(incidentOf),
    page,
    move(id, from, to, patch = {}) {
      if (!incidentMoves[from].includes(to)) throw new Error(`no incident goes from ${from} to ${to}`);
      return update(id, patch, { from, to });
    },
    patch: (id, patch) => void update(id, patch),
    setDiagnosis: (id, diagnosis) =>
      void setDiagnosis.run(JSON.stringify(Diagnosis.parse(diagnosis)), now().toISOString(), id),
    countOpen: () => countOpen.get() ?? 0,
    toInvestigate: (lately) => toInvestigate.all(lately.toISOString()),
    escalateBy(id, at) {
      now();
      escalateBy.run({ id, at: at.toISOString() });
    },
    noteSaid: (id, what) => void said[what].run(now().toISOString(), id),
    toEscalate: (at) => toEscalate.all(at.toISOString()),
    toRemind: (before) => toRemind.all(before.toISOString()),
    toWake: (at) => toWake.all(at.toISOString()),
    unconfirmed: (since, limit) => unconfirmed.all(since.toISOString(), limit).map(incidentOf),
    joinedTo: (id) => joinedTo.all(id),
    noteChange(key, state, at) {
      now();
      // Only the last hour is ever counted; a day is kept for whoever looks.
      forgetChanges.run(key, new Date(at.getTime() - 86_400_000).toISOString());
      noteChange.run(key, at.toISOString(), state);
    },
    countChanges: (key, since) => Number(countChanges.get(key, since.toISOString())),
  };

  function update(id: string, patch: IncidentPatch, move?: { from: string; to: string }): boolean {
    const sets: string[] = ["updated_at = ?"];
    const values: Value[] = [now().toISOString()];
    for (const field of Object.keys(patch) as (keyof IncidentPatch)[]) add(sets, values, field, patch[field]);
    if (move !== undefined) {
      sets.push("state = ?");
      values.push(move.to, id, move.from);
    } else values.push(id);
    const where = move === undefined ? "id = ?" : "id = ? AND state = ?";
    return db.prepare(`UPDATE incidents SET ${sets.join(", ")} WHERE ${where}`).run(...values).changes === 1;
  }

  function page({ limit, cursor, since, state, namespace, receipt }: Parameters<IncidentStore["page"]>[0]) {
    const where: string[] = [];
    const values: Value[] = [];
    const add = (clause: string, ...given: readonly Value[]) => {
      where.push(clause);
      values.push(...given);
    };
    if (cursor !== null) add("(started_at, id) < (?, ?)", ...parseCursor(cursor));
    if (since !== null) add("started_at >= ?", since.toISOString());
    if (state !== undefined) add("state = ?", state);
    if (namespace !== undefined) add("namespace = ?", namespace);
    if (receipt !== undefined) add("id IN (SELECT incident_id FROM receipt_incidents WHERE receipt_id = ?)", receipt);
    const rows = db
      .prepare<Value[], Row>(
        `${select} ${where.length > 0 ? `WHERE ${where.join(" AND ")}` : ""} ORDER BY started_at DESC, id DESC LIMIT ?`,
      )
      .all(...values, limit);
    const last = rows.at(-1);
    return {
      items: rows.map(incidentOf),
      next: last !== undefined && rows.length === limit ? `${last.started_at}_${last.id}` : null,
    };
  }
}

function add<K extends keyof IncidentPatch>(sets: string[], values: Value[], field: K, value: IncidentPatch[K]): void {
  if (value === undefined) return;
  const [column, write] = writers[field];
  sets.push(`${column} = ?`);
  values.push(write(value as Incident[K]));
}

function parseCursor(cursor: string): [string, string] {
  const match = /^(\d{4}-\d\d-\d\dT[\d:.]+Z)_([a-z0-9-]+)$/.exec(cursor);
  if (match?.[1] === undefined || match[2] === undefined) {
    throw new StewardError("invalid", "not a cursor of this list", { path: "cursor" });
  }
  return [match[1], match[2]];
}

function toRow(incident: Incident): Row {
  return {
    id: incident.id,
    card_id: incident.cardId,
    key: incident.key,
    alertname: incident.alertname,
    severity: incident.severity,
    namespace: incident.namespace,
    target: incident.target,
    root: incident.root === null ? null : JSON.stringify(incident.root),
    state: incident.state,
    route: incident.route,
    rule: incident.rule,
    allow: JSON.stringify(incident.allow),
    mode: incident.mode,
    labels: JSON.stringify(incident.labels),
    annotations: JSON.stringify(incident.annotations),
    group_keys: JSON.stringify(incident.groupKeys),
    late: Number(incident.late),
    flapping: Number(incident.flapping),
    claimed_by: incident.claimedBy,
    joined: incident.joined,
    previous_id: incident.previousId,
    investigation: incident.investigation,
    facts: JSON.stringify(incident.facts),
    diagnosis: incident.diagnosis === null ? null : JSON.stringify(incident.diagnosis),
    started_at: incident.startedAt.toISOString(),
    updated_at: incident.updatedAt.toISOString(),
    resolved_at: time(incident.resolvedAt),
    ignored_until: time(incident.ignoredUntil),
  };
}

function fromRow(row: Row | undefined): Incident | null {
  return row === undefined ? null : incidentOf(row);
}

function incidentOf(row: Row): Incident {
  return {
    id: row.id,
    cardId: row.card_id,
    key: row.key,
    alertname: row.alertname,
    severity: row.severity,
    namespace: row.namespace,
    target: row.target,
    root: row.root === null ? null : Root.parse(JSON.parse(row.root)),
    state: row.state,
    route: row.route,
    rule: row.rule,
    allow: Names.parse(JSON.parse(row.allow)),
    mode: row.mode,
    labels: Labels.parse(JSON.parse(row.labels)),
    annotations: Labels.parse(JSON.parse(row.annotations)),
    groupKeys: Names.parse(JSON.parse(row.group_keys)),
    late: row.late === 1,
    flapping: row.flapping === 1,
    claimedBy: row.claimed_by,
    joined: row.joined,
    previousId: row.previous_id,
    investigation: row.investigation,
    facts: Names.parse(JSON.parse(row.facts)),
    diagnosis: row.diagnosis === null ? null : Diagnosis.parse(JSON.parse(row.diagnosis)),
    startedAt: new Date(row.started_at),
    updatedAt: new Date(row.updated_at),
    resolvedAt: row.resolved_at === null ? null : new Date(row.resolved_at),
    ignoredUntil: row.ignored_until === null ? null : new Date(row.ignored_until),
  };
}
