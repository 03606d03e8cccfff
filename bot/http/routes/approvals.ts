import { ApprovalQuery, DenyRequest, ProposalRequest } from "../../../shared/api/approval.ts";
import { apiRoot } from "../../../shared/api/common.ts";
import type { Proposal } from "../../../shared/approval.ts";
import { StewardError } from "../../../shared/errors.ts";
import type { Store } from "../../store.ts";
import { type Answer, json } from "../answer.ts";
import { forRole, pageOf, type Route } from "../route.ts";
import { approvalView } from "../views.ts";

/** Who may decide one proposal is the gate's to say, by its rule; the role here is only the least that may try. */
export const approvalRoutes: readonly Route[] = [
  forRole("viewer", { method: "GET", path: `${apiRoot}/approvals`, query: ApprovalQuery }, ({ store, query, now }) => {
    const { state, namespace } = query;
    const { items, next } = store.proposals.page({
      ...pageOf(query, now),
      ...(state === undefined ? {} : { state }),
      ...(namespace === undefined ? {} : { namespace }),
    });
    return json(200, { items: items.map((proposal) => approvalView(store, proposal)), next });
  }),
  forRole("viewer", { method: "GET", path: `${apiRoot}/approvals/:id` }, ({ store, param }) =>
    answer(200, store, found(store, param("id"))),
  ),
  forRole(
    "approver",
    { method: "POST", path: `${apiRoot}/approvals/:id/approve` },
    async ({ store, services, session, param }) => {
      const { id } = found(store, param("id"));
      const { proposal, ready } = await services.gate.decide(id, {
        verdict: "approve",
        reason: null,
        actor: session.actor,
      });
      if (ready) services.carryOut(proposal.id);
      return answer(200, store, found(store, id));
    },
  ),
  forRole(
    "approver",
    { method: "POST", path: `${apiRoot}/approvals/:id/deny`, body: DenyRequest },
    async ({ store, services, session, param, body }) => {
      const { id } = found(store, param("id"));
      await services.gate.decide(id, { verdict: "deny", reason: body.reason ?? null, actor: session.actor });
      return answer(200, store, found(store, id));
    },
  ),
  forRole(
    "approver",
    { method: "POST", path: `${apiRoot}/approvals/:id/undo` },
    async ({ store, services, session, param }) => {
      const { id } = found(store, param("id"));
      return answer(201, store, await services.propose.undo(id, session.actor));
    },
  ),
  forRole(
    "approver",
    { method: "POST", path: `${apiRoot}/approvals/:id/renew` },
    async ({ store, services, session, param }) => {
      const { id } = found(store, param("id"));
      return answer(201, store, await services.propose.renew(id, session.actor));
    },
  ),
  forRole(
    "approver",
    { method: "POST", path: `${apiRoot}/proposals`, body: ProposalRequest, limit: 512 * 1024 },
    async ({ store, services, session, body }) => {
      const incidentId = body.incidentId ?? null;
      if (incidentId !== null && store.incidents.get(incidentId) === null) {
        throw new StewardError("not_found", "there is no such incident", { path: "incidentId" });
      }
      const action =
        "kubectl" in body ? services.propose.parse(body.kubectl, body.namespace ?? "default") : body.action;
      const proposal = await services.propose.propose({
        action,
        incidentId,
        origin: "person",
        actor: session.actor,
        rule: null,
      });
      return answer(201, store, proposal);
    },
  ),
];

function answer(status: number, store: Store, proposal: Proposal): Answer {
  return json(status, approvalView(store, proposal));
}

function found(store: Store, idOrCode: string): Proposal {
  const proposal = store.proposals.find(idOrCode);
  if (proposal === null) throw new StewardError("not_found", "there is no such approval");
  return proposal;
}
