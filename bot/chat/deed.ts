import type { Text } from "../../cards/card.ts";
import { foreign, own } from "../../cards/text.ts";
import type { Proposal, Role } from "../../shared/approval.ts";
import { StewardError, unreachable } from "../../shared/errors.ts";
import type { Times } from "../../shared/time.ts";
import type { Services } from "../http/services.ts";
import type { Store } from "../store.ts";
import { atLeast, type Standing } from "./standing.ts";
import type { ChatWords } from "./words.ts";

/** What a person does from a chat, by button or by word. */
export type Deed =
  | { kind: "approve" | "deny"; proposal: string; reason: string | null }
  | { kind: "undo" | "renew"; proposal: string }
  | { kind: "claim"; incidentId: string }
  | { kind: "ignore"; incidentId: string; for: number | null }
  | { kind: "silence"; incidentId: string; for: number }
  | { kind: "pause"; for: number | null; namespace: string | null; autofixOnly: boolean; reason: string }
  | { kind: "resume"; namespace: string | null };

/**
 * The least role that may try. Who may decide one proposal is the gate's to say, by its rule, and the stop switch asks for an admin itself; their
 * refusals are on the audit.
 */
const leastRole: Readonly<Record<Deed["kind"], Role | null>> = {
  approve: null,
  deny: null,
  pause: null,
  resume: null,
  undo: "approver",
  renew: "approver",
  claim: "approver",
  ignore: "approver",
  silence: "approver",
};

export interface DeedDeps {
  store: Pick<Store, "transact" | "audit" | "proposals">;
  services: Pick<Services, "incidents" | "propose" | "gate" | "carryOut">;
  times: Times;
}

/** What a person is told when a deed is refused; `forbidden` marks what their role did not allow. */
class NotAllowed extends StewardError {
  readonly role: Role;
  constructor(role: Role) {
    super("forbidden", `needs the role ${role}`);
    this.role = role;
  }
}

/** Carries a deed out, as who it is now. Answers what to say; throws StewardError with the reason for the person, in the house's language. */
export async function doDeed(deed: Deed, { actor, role }: Standing, deps: DeedDeps, words: ChatWords): Promise<Text> {
  const { services, store, times } = deps;
  requireRole(deed.kind, leastRole[deed.kind], { actor, role }, store);
  switch (deed.kind) {
    case "approve":
    case "deny": {
      const { proposal, ready } = await services.gate.decide(deed.proposal, {
        verdict: deed.kind,
        reason: deed.reason,
        actor,
      });
      if (ready) services.carryOut(proposal.id);
      if (deed.kind === "deny") return words.denied(proposal.code);
      return ready ? words.approved(proposal.code) : voteSaid(proposal);
    }
    case "undo":
    case "renew":
      return proposalSaid(await services.propose[deed.kind](deed.proposal, actor), words);
    case "claim":
      await services.incidents.claim(deed.incidentId, actor);
      return own(words.claimed);
    case "ignore":
      await services.incidents.ignore(deed.incidentId, actor, deed.for);
      return own(words.ignored);
    case "silence":
      await services.incidents.silence(deed.incidentId, actor, deed.for);
      return own(words.silenced);
    case "pause": {
      const { for: ms, namespace, autofixOnly, reason } = deed;
      const { pauses } = services.gate.pause({ for: ms, namespace, autofixOnly, reason }, actor);
      const until = pauses.at(-1)?.until ?? null;
      return words.paused(until === null ? null : times.full(until));
    }
    case "resume":
      services.gate.resume(deed.namespace, actor);
      return own(words.resumed);
    default:
      return unreachable(deed);
  }

  function voteSaid({ id, code, requirement }: Proposal): Text {
    const have = store.proposals.decisions(id).filter(({ verdict }) => verdict === "approve").length;
    return words.vote(code, have, requirement.approvals);
  }
}

/** Throws `NotAllowed`, leaving a record of the attempt. */
export function requireRole(
  what: string,
  needed: Role | null,
  { actor, role }: Pick<Standing, "actor" | "role">,
  store: Pick<Store, "transact" | "audit">,
): void {
  if (needed === null || atLeast(role, needed)) return;
  store.transact(() =>
    store.audit.append({
      userId: actor.userId,
      intent: what,
      actionType: `refuse_${what}`,
      targetResource: null,
      commandSnapshot: null,
      status: "FAILED",
      clientIp: null,
      platform: actor.platform,
      incidentId: null,
      proposalId: null,
      detail: { by: actor.username, needed },
    }),
  );
  throw new NotAllowed(needed);
}

/** What to say of a proposal that was just made. */
export function proposalSaid({ code, state, summary, reason }: Proposal, words: ChatWords): Text {
  const what = foreign("cluster", summary, 200);
  return state === "refused"
    ? words.proposedRefused(what, foreign("cluster", reason ?? "", 400))
    : words.proposed(code, what);
}

/** Why it did not happen, for the person who wanted it. Anything that is no answer to them is not told. */
export function refusalSaid(error: unknown, words: ChatWords): Text | null {
  if (!(error instanceof StewardError) || error.code === "internal") return null;
  if (error instanceof NotAllowed) return words.needsRole(error.role);
  const why = foreign("cluster", error.message, 400);
  switch (error.code) {
    case "not_understood":
      return words.notUnderstood(why);
    case "refused":
      return words.refused(why);
    case "conflict":
    case "forbidden":
    case "not_found":
      return [why];
    default:
      return words.failed(why);
  }
}
