import { apiRoot } from "../../../shared/api/common.ts";
import { type GateExplanation, GateQuery, PauseRequest, ResumeRequest } from "../../../shared/api/gate.ts";
import { json } from "../answer.ts";
import { forRole, type Route } from "../route.ts";
import { gateView, switchView } from "../views.ts";

/** What the gate would say now, and the stop switch. */
export const gateRoutes: readonly Route[] = [
  forRole("viewer", { method: "GET", path: `${apiRoot}/gate`, query: GateQuery }, async ({ services, query }) => {
    const namespace = query.namespace ?? null;
    const explanation: GateExplanation = {
      ...gateView(await services.gate.explain(query.target, namespace)),
      target: query.target,
      namespace,
    };
    return json(200, explanation);
  }),
  forRole("viewer", { method: "GET", path: `${apiRoot}/pause` }, ({ services }) =>
    json(200, switchView(services.gate.pauses())),
  ),
  forRole(
    "admin",
    { method: "POST", path: `${apiRoot}/pause`, body: PauseRequest },
    async ({ services, session, body }) => {
      await services.gate.pause({
        forMs: body.for ?? null,
        namespace: body.namespace ?? null,
        autofixOnly: body.autofixOnly,
        reason: body.reason,
        actor: session.actor,
      });
      return json(200, switchView(services.gate.pauses()));
    },
  ),
  forRole(
    "admin",
    { method: "POST", path: `${apiRoot}/resume`, body: ResumeRequest },
    async ({ services, session, body }) => {
      await services.gate.resume({ namespace: body.namespace ?? null, actor: session.actor });
      return json(200, switchView(services.gate.pauses()));
    },
  ),
];
