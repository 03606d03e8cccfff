import { z } from "zod";
import type { Action } from "../../../shared/action.ts";
import { ApprovalQuery, DenyRequest, ProposalRequest } from "../../../shared/api/approval.ts";
import { apiRoot } from "../../../shared/api/common.ts";
import type { Actor, Proposal } from "../../../shared/approval.ts";
import { StewardError } from "../../../shared/errors.ts";
import { parse } from "../../../shared/parse.ts";
import { cleanLine, truncate } from "../../../shared/text.ts";
import type { Store } from "../../store.ts";
import { type Answer, json } from "../answer.ts";
import { forRole, pageOf, type Route } from "../route.ts";
import type { Services } from "../services.ts";
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
    { method: "POST", path: `${apiRoot}/proposals`, body: z.unknown(), limit: 512 * 1024 },
    async ({ store, services, session: { actor }, body }) => {
      const { action, incidentId } = audited(store, actor, () => wishOf(body, store, services));
      const proposal = await services.propose.propose({ action, incidentId, origin: "person", actor, rule: null });
      return answer(201, store, proposal);
    },
  ),
];

/** Throws `invalid`, `not_understood` for a kubectl line, `not_found` for the incident. */
function wishOf(body: unknown, store: Store, { propose }: Services): { action: Action; incidentId: string | null } {
  const wish = parse(ProposalRequest, body);
  const { incidentId = null } = wish;
  if (incidentId !== null && store.incidents.get(incidentId) === null) {
    throw new StewardError("not_found", "there is no such incident", { path: "incidentId" });
  }
  const action = "kubectl" in wish ? propose.parse(wish.kubectl, wish.namespace ?? "default") : wish.action;
  return { action, incidentId };
}

/** A wish outside the schema of actions is refused, and the attempt is on the audit (SPEC 17). */
function audited<T>(store: Store, actor: Actor, understand: () => T): T {
  try {
    return understand();
  } catch (error) {
    if (!(error instanceof StewardError)) throw error;
    const { code, message } = error;
    store.transact(() =>
      store.audit.append({
        userId: actor.userId,
        intent: truncate(cleanLine(message), 500),
        actionType: "refuse_proposal",
        targetResource: null,
        commandSnapshot: null,
        status: "FAILED",
        clientIp: actor.clientIp,
        platform: actor.platform,
        incidentId: null,
        proposalId: null,
        detail: { by: actor.username, error: code },
      }),
    );
    throw error;
  }
}

function answer(status: number, store: Store, proposal: Proposal): Answer {
  return json(status, approvalView(store, proposal));
}

function found(store: Store, idOrCode: string): Proposal {
  const proposal = store.proposals.find(idOrCode);
  if (proposal === null) throw new StewardError("not_found", "there is no such approval");
  return proposal;
}
