import { z } from "zod";
import type { Alert } from "../../../shared/alert.ts";
import type { IncidentStore } from "../../store.ts";
import type { Connection } from "./connection.ts";

interface Row {
  id: string;
  fingerprint: string;
  incident_id: string;
  group_key: string;
  status: Alert["status"];
  labels: string;
  annotations: string;
  generator_url: string;
  starts_at: string;
  ends_at: string | null;
  first_seen_at: string;
  last_seen_at: string;
}

const columns =
  "id, fingerprint, incident_id, group_key, status, labels, annotations, generator_url, starts_at, ends_at, first_seen_at, last_seen_at";

const Labels = z.record(z.string(), z.string());

type AlertQueries = Pick<
  IncidentStore,
  | "upsertAlert"
  | "alert"
  | "latestAlert"
  | "olderFiring"
  | "alerts"
  | "newestAlerts"
  | "countAlerts"
  | "moveAlerts"
  | "iterateAlerts"
>;

/** The rows of `alerts`: the part of the incident store that knows of single alerts. */
export function createAlertQueries({ db, now }: Pick<Connection, "db" | "now">): AlertQueries {
  const select = `SELECT ${columns} FROM alerts`;
  const find = db.prepare<[string, string], Row>(`${select} WHERE fingerprint = ? AND starts_at = ?`);
  const insert = db.prepare(
    `INSERT INTO alerts (${columns}) VALUES (${columns
      .split(", ")
      .map((name) => `@${name}`)
      .join(", ")})`,
  );
  const renew = db.prepare(
    "UPDATE alerts SET status = ?, ends_at = ?, annotations = ?, last_seen_at = ? WHERE fingerprint = ? AND starts_at = ?",
  );
  const latest = db.prepare<[string], Row>(`${select} WHERE fingerprint = ? ORDER BY starts_at DESC LIMIT 1`);
  const older = db.prepare<[string, string], Row>(
    `${select} WHERE fingerprint = ? AND starts_at < ? AND status = 'firing' ORDER BY starts_at`,
  );
  const ofIncident = db.prepare<[string], Row>(`${select} WHERE incident_id = ? ORDER BY starts_at, rowid`);
  const newest = db.prepare<[string, number], Row>(
    `${select} WHERE incident_id = ? ORDER BY starts_at DESC, rowid DESC LIMIT ?`,
  );
  const count = db.prepare<[string], { total: number; firing: number }>(
    "SELECT count(*) AS total, count(*) FILTER (WHERE status = 'firing') AS firing FROM alerts WHERE incident_id = ?",
  );
  const hand = db.prepare("UPDATE alerts SET incident_id = ? WHERE incident_id = ?");
  const seenSince = db.prepare<[string], Row>(`${select} WHERE first_seen_at >= ? ORDER BY first_seen_at, rowid`);

  return {
    upsertAlert(alert) {
      const at = now().toISOString();
      const startsAt = alert.startsAt.toISOString();
      const known = find.get(alert.fingerprint, startsAt);
      const annotations = JSON.stringify(alert.annotations);
      if (known === undefined) {
        insert.run({
          id: alert.id,
          fingerprint: alert.fingerprint,
          incident_id: alert.incidentId,
          group_key: alert.groupKey,
          status: alert.status,
          labels: JSON.stringify(alert.labels),
          annotations,
          generator_url: alert.generatorUrl,
          starts_at: startsAt,
          ends_at: alert.endsAt?.toISOString() ?? null,
          first_seen_at: at,
          last_seen_at: at,
        });
        return { inserted: true, changed: true, previous: null };
      }
      const late = known.status === "resolved" && alert.status === "firing";
      const status = late ? "resolved" : alert.status;
      const endsAt = late ? known.ends_at : (alert.endsAt?.toISOString() ?? null);
      const words = late ? known.annotations : annotations;
      renew.run(status, endsAt, words, at, alert.fingerprint, startsAt);
      return {
        inserted: false,
        changed: status !== known.status || words !== known.annotations,
        previous: known.status,
      };
    },
    alert(fingerprint, startsAt) {
      const row = find.get(fingerprint, startsAt.toISOString());
      return row === undefined ? null : alertOf(row);
    },
    latestAlert(fingerprint) {
      const row = latest.get(fingerprint);
      return row === undefined ? null : alertOf(row);
    },
    olderFiring: (fingerprint, startsAt) => older.all(fingerprint, startsAt.toISOString()).map(alertOf),
    alerts: (incidentId) => ofIncident.all(incidentId).map(alertOf),
    newestAlerts: (incidentId, limit) => newest.all(incidentId, limit).map(alertOf),
    countAlerts: (incidentId) => count.get(incidentId) ?? { total: 0, firing: 0 },
    moveAlerts(from, to) {
      now();
      hand.run(to, from);
    },
    *iterateAlerts(since) {
      for (const row of seenSince.iterate(since.toISOString())) yield alertOf(row);
    },
  };
}

function alertOf(row: Row): Alert {
  return {
    id: row.id,
    fingerprint: row.fingerprint,
    status: row.status,
    labels: Labels.parse(JSON.parse(row.labels)),
    annotations: Labels.parse(JSON.parse(row.annotations)),
    generatorUrl: row.generator_url,
    groupKey: row.group_key,
    startsAt: new Date(row.starts_at),
    endsAt: row.ends_at === null ? null : new Date(row.ends_at),
    firstSeenAt: new Date(row.first_seen_at),
    lastSeenAt: new Date(row.last_seen_at),
    incidentId: row.incident_id,
  };
}
