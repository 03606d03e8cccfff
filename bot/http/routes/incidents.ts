import { apiRoot } from "../../../shared/api/common.ts";
import { IgnoreRequest, IncidentQuery } from "../../../shared/api/incident.ts";
import { StewardError } from "../../../shared/errors.ts";
import type { Incident } from "../../../shared/incident.ts";
import type { Store } from "../../store.ts";
import { json } from "../answer.ts";
import { forRole, pageOf, type Route } from "../route.ts";
import { incidentDetail, incidentView } from "../views.ts";

export const incidentRoutes: readonly Route[] = [
  forRole("viewer", { method: "GET", path: `${apiRoot}/incidents`, query: IncidentQuery }, ({ store, query, now }) => {
    const { state, namespace, receipt } = query;
    const { items, next } = store.incidents.page({
      ...pageOf(query, now),
      ...(state === undefined ? {} : { state }),
      ...(namespace === undefined ? {} : { namespace }),
      ...(receipt === undefined ? {} : { receipt }),
    });
    return json(200, { items: items.map((incident) => incidentView(store, incident)), next });
  }),
  forRole("viewer", { method: "GET", path: `${apiRoot}/incidents/:id` }, ({ store, param }) =>
    json(200, incidentDetail(store, found(store, param("id")))),
  ),
  forRole(
    "approver",
    { method: "POST", path: `${apiRoot}/incidents/:id/ignore`, body: IgnoreRequest },
    async ({ store, services, session, param, body }) => {
      const { id } = found(store, param("id"));
      await services.incidents.ignore(id, session.actor, body.for ?? null);
      return json(200, incidentView(store, found(store, id)));
    },
  ),
  forRole(
    "approver",
    { method: "POST", path: `${apiRoot}/incidents/:id/claim` },
    async ({ store, services, session, param }) => {
      const { id } = found(store, param("id"));
      await services.incidents.claim(id, session.actor);
      return json(200, incidentView(store, found(store, id)));
    },
  ),
];

function found(store: Store, id: string): Incident {
  const incident = store.incidents.get(id);
  if (incident === null) throw new StewardError("not_found", "there is no such incident");
  return incident;
}
