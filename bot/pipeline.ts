import type { Action } from "../shared/action.ts";
import type { Actor, Proposal } from "../shared/approval.ts";
import { systemActor } from "../shared/approval.ts";
import { StewardError } from "../shared/errors.ts";
import type { Diagnosis } from "../shared/finding.ts";
import type { Incident } from "../shared/incident.ts";
import type { Log } from "./edges.ts";

/**
 * The stages, by what the pipeline asks of them. Each decides for itself and leaves its own audit records;
 * the pipeline owns nothing but the order.
 */
export interface Stages {
  incidents: { receive(receiptId: string): Promise<readonly string[]>; get(id: string): Incident | null };
  investigate: {
    run(
      incidentId: string,
      signal: AbortSignal,
    ): Promise<{ diagnosis: Diagnosis; remedies: readonly Action[]; blind: boolean }>;
  };
  propose: {
    propose(wish: {
      action: Action;
      incidentId: string | null;
      origin: "person" | "autofix";
      actor: Actor;
      rule: string | null;
      derived: readonly Action[];
    }): Promise<Proposal>;
  };
  gate: {
    /** For an autofix proposal: approved by its rule, or left to people with the reasons on its card. */
    admit(proposalId: string): Promise<boolean>;
    /** Says on the channels that somebody must decide. */
    ask(proposalId: string): void;
  };
  execute: { run(proposalId: string): Promise<void> };
  verify: { run(proposalId: string, signal: AbortSignal): Promise<void> };
  /** Carries a proposal out beside everything else: a verification takes minutes, and an investigation must not wait for it. */
  begin(proposalId: string): void;
}

export interface Pipeline {
  /** webhook → incidents and their first cards; answers the incidents that want an investigation. */
  receive(receiptId: string): Promise<readonly string[]>;
  /**
   * incident → diagnosis → remedies → decision by a rule, or a question to people. False when the cluster did not answer, and the
   * incident wants another look.
   */
  investigate(incidentId: string): Promise<boolean>;
  /** approved proposal → execution → verification. */
  carryOut(proposalId: string): Promise<void>;
  /** After a start: what the last process proposed and could not put before the gate or before people any more. */
  takeUp(pending: readonly Proposal[]): Promise<void>;
}

export function createPipeline(stages: Stages, log: Log, stopping: AbortSignal): Pipeline {
  const { incidents, investigate, propose, gate, execute, verify, begin } = stages;

  return { receive: (receiptId) => incidents.receive(receiptId), investigate: diagnoseAndRemedy, carryOut, takeUp };

  async function diagnoseAndRemedy(incidentId: string): Promise<boolean> {
    const { diagnosis, remedies, blind } = await investigate.run(incidentId, stopping);
    // Only what the playbooks came to without a model may run without a person (SPEC 8).
    const derived = diagnosis.by === "rules" ? remedies : [];
    let answered = !blind;
    for (const action of remedies) answered = (await offer(incidentId, action, derived)) && answered;
    return answered;
  }

  /** False when the cluster did not answer, so that the remedy could not be prepared. */
  async function offer(incidentId: string, action: Action, derived: readonly Action[]): Promise<boolean> {
    const incident = incidents.get(incidentId);
    if (incident === null || incident.state !== "open" || incident.joined !== null) return true;

    const automatic = incident.route === "autofix" && incident.allow.includes(action.kind);
    const proposal = await prepared(incident, action, automatic ? "autofix" : "person", derived);
    if (proposal === "unanswered") return false;
    if (proposal !== null && proposal.state === "pending") await settle(proposal);
    return true;
  }

  async function settle({ id, origin }: Proposal): Promise<void> {
    if (origin === "autofix" && (await gate.admit(id))) begin(id);
    else gate.ask(id);
  }

  async function takeUp(pending: readonly Proposal[]): Promise<void> {
    for (const proposal of pending) if (proposal.incidentId !== null) await settle(proposal);
  }

  /** A remedy that may not even be shown (protected, of a kind never offered) leaves the diagnosis standing alone. */
  async function prepared(
    incident: Incident,
    action: Action,
    origin: "person" | "autofix",
    derived: readonly Action[],
  ): Promise<Proposal | "unanswered" | null> {
    try {
      return await propose.propose({
        action,
        incidentId: incident.id,
        origin,
        actor: systemActor,
        rule: incident.rule,
        derived,
      });
    } catch (error) {
      if (!(error instanceof StewardError) || error.code === "internal") throw error;
      log.info("remedy not offered", {
        incidentId: incident.id,
        action: action.kind,
        target: action.target,
        reason: error.message,
      });
      return error.retryable ? "unanswered" : null;
    }
  }

  async function carryOut(proposalId: string): Promise<void> {
    await execute.run(proposalId);
    await verify.run(proposalId, stopping);
  }
}
