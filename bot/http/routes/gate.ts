import { apiRoot } from "../../../shared/api/common.ts";
import { type GateExplanation, GateQuery, PauseRequest, ResumeRequest } from "../../../shared/api/gate.ts";
import { parseTargetWord } from "../../../shared/kubectl-line.ts";
import { json } from "../answer.ts";
import { forRole, type Route } from "../route.ts";
import { gateView, switchView } from "../views.ts";

/** What the gate would say now, and the stop switch. */
export const gateRoutes: readonly Route[] = [
  forRole("viewer", { method: "GET", path: `${apiRoot}/gate`, query: GateQuery }, async ({ services, query }) => {
    const { namespace } = query;
    const target = parseTargetWord(query.target);
    const { automatic, ...answer } = await services.gate.explain(target, namespace);
    const explanation: GateExplanation = {
      ...gateView(answer),
      automatic: automatic.map(({ code, text }) => ({ code, text })),
      target,
      namespace,
    };
    return json(200, explanation);
  }),
  forRole("viewer", { method: "GET", path: `${apiRoot}/pause` }, ({ services }) =>
    json(200, switchView(services.gate.state())),
  ),
  forRole("admin", { method: "POST", path: `${apiRoot}/pause`, body: PauseRequest }, ({ services, session, body }) => {
    const wish = {
      for: body.for ?? null,
      namespace: body.namespace ?? null,
      autofixOnly: body.autofixOnly,
      reason: body.reason,
    };
    return json(200, switchView(services.gate.pause(wish, session.actor)));
  }),
  forRole("admin", { method: "POST", path: `${apiRoot}/resume`, body: ResumeRequest }, ({ services, session, body }) =>
    json(200, switchView(services.gate.resume(body.namespace ?? null, session.actor))),
  ),
];
