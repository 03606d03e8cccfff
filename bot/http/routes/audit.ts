import { AuditQuery, type AuditRow, ChangesQuery, ExportQuery } from "../../../shared/api/audit.ts";
import { apiRoot } from "../../../shared/api/common.ts";
import type { AuditFilter } from "../../store.ts";
import { json, stream } from "../answer.ts";
import { forRole, pageOf, type Route, timeOf } from "../route.ts";

export const auditRoutes: readonly Route[] = [
  forRole("viewer", { method: "GET", path: `${apiRoot}/audit`, query: AuditQuery }, ({ store, query, now }) => {
    const { user, until, action, target, platform, status, incident, proposal } = query;
    const filter: AuditFilter = {
      ...(user === undefined ? {} : { user: store.users.idNamed(user) ?? user }),
      ...(action === undefined ? {} : { action }),
      ...(target === undefined ? {} : { target }),
      ...(platform === undefined ? {} : { platform }),
      ...(status === undefined ? {} : { status }),
      ...(incident === undefined ? {} : { incident }),
      ...(proposal === undefined ? {} : { proposal: store.proposals.find(proposal)?.id ?? proposal }),
    };
    const before = timeOf("until", until, now);
    const { items, next } = store.audit.page({
      ...pageOf(query, now),
      ...filter,
      ...(before === null ? {} : { until: before }),
    });
    const rows: AuditRow[] = items.map((record) => ({
      ...record,
      username: record.user_id === null ? null : store.users.nameOf(record.user_id),
    }));
    return json(200, { items: rows, next });
  }),
  forRole("viewer", { method: "GET", path: `${apiRoot}/audit/verify` }, async ({ services }) =>
    json(200, await services.audit.verify()),
  ),
  forRole(
    "admin",
    { method: "GET", path: `${apiRoot}/audit/export`, query: ExportQuery },
    ({ services, session, query, now }) => {
      const filter = {
        since: timeOf("since", query.since, now),
        until: timeOf("until", query.until, now),
        incident: query.incident ?? null,
      };
      const lines = services.audit.export(filter, session.actor);
      return stream("application/x-ndjson", async (out, signal) => {
        for await (const line of lines) {
          if (signal.aborted) return;
          await out.write(`${line}\n`);
        }
      });
    },
  ),
  forRole("viewer", { method: "GET", path: `${apiRoot}/changes`, query: ChangesQuery }, ({ store, query, now }) =>
    json(200, store.changes.page({ ...pageOf(query, now), namespace: query.namespace ?? null })),
  ),
];
