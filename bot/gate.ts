import type { Action } from "../shared/action.ts";
import {
  type Actor,
  type ClusterRequest,
  type Decision,
  digestOf,
  type GateAnswer,
  type GateReason,
  type Proposal,
  type ProposalState,
  systemActor,
} from "../shared/approval.ts";
import { StewardError } from "../shared/errors.ts";
import { parseTarget } from "../shared/kube.ts";
import type { Locale } from "../shared/locale.ts";
import { redactText } from "../shared/redact.ts";
import { cleanLine } from "../shared/text.ts";
import { relativeTime } from "../shared/time.ts";
import type { Target } from "./actions/definition.ts";
import { driftOf } from "./actions/patch.ts";
import { resolveTarget } from "./actions/target.ts";
import type { Clock, ClusterReader, Log } from "./edges.ts";
import { describeDrift, gateWords } from "./gate/words.ts";
import type { Notify } from "./notify.ts";
import type { Question, Safety } from "./safety.ts";
import type { StopSwitch } from "./stop-switch.ts";
import type { Store } from "./store.ts";
import { refusalEntry, trailEntry } from "./trail.ts";

declare const seal: unique symbol;

/**
 * An action that may run now: decided by who may decide, still as it was shown, with no reason not to. Only the gate makes one,
 * so that executing something unapproved does not compile. Good for one execution at once, not for keeping.
 */
export interface Approved<A extends Action = Action> {
  readonly [seal]: true;
  readonly proposal: Proposal & { action: A };
  readonly request: ClusterRequest;
  readonly target: Target;
  /** Approved by a rule, not by a person. */
  readonly automatic: boolean;
}

export interface Verdict {
  verdict: "approve" | "deny";
  reason: string | null;
  actor: Actor;
}

/** What `kubectl steward gate` shows: the answer for a person, and what keeps a rule from acting here. */
interface GateExplanation extends GateAnswer {
  automatic: GateReason[];
}

export interface Gate extends StopSwitch {
  /**
   * One person's word on a pending proposal. `ready`: all approvals are there, execute it.
   * Throws `not_found`; `forbidden` for who may not decide; `conflict` with state and who, for a proposal that is not pending and for
   * an object that another proposal holds; `refused` while paused. Every refused attempt is on the audit.
   */
  decide(idOrCode: string, verdict: Verdict): { proposal: Proposal; ready: boolean };
  /** For an autofix proposal: approved by its rule, or left to people with the reasons on its card. */
  admit(proposalId: string, signal?: AbortSignal): Promise<boolean>;
  /** Says on the channels that somebody must decide. */
  ask(proposalId: string): void;
  /**
   * Asked before every execution: reads the object again and holds it against what was approved. Null when it may not run; the
   * proposal is then stale, refused or expired, and says why. Throws `unavailable` while the cluster cannot be read.
   */
  clear(proposalId: string, signal?: AbortSignal): Promise<Approved | null>;
  /** The last look, inside the transaction of the intent: what the store knows may have changed since `clear`. */
  confirm(approved: Approved, now: Date): GateAnswer;
  /** Takes back what an incident that is over still proposes. Inside the caller's transaction. */
  withdraw(incidentId: string, why: string): void;
  /** Ends what nobody decided, or what was approved and could not begin, in time. */
  expire(): void;
  explain(target: string, namespace: string, signal?: AbortSignal): Promise<GateExplanation>;
}

interface Deps {
  store: Pick<Store, "transact" | "proposals" | "users" | "audit" | "incidents">;
  read: ClusterReader;
  safety: Safety;
  stopSwitch: StopSwitch;
  notify: Notify;
  clock: Clock;
  log: Log;
  locale: Locale;
}

/** The only way from a proposal to something that may run (SPEC 9). */
export function createGate(deps: Deps): Gate {
  const { store, read, safety, stopSwitch, notify, log, locale } = deps;
  const words = gateWords(locale);
  const { proposals } = store;

  return { ...stopSwitch, decide, admit, ask, clear, confirm, withdraw, expire, explain };

  function decide(idOrCode: string, given: Verdict): { proposal: Proposal; ready: boolean } {
    // What a person types is kept and shown like any text from outside.
    const verdict = { ...given, reason: given.reason === null ? null : redactText(cleanLine(given.reason)) };
    const outcome = store.transact((now): { ready: boolean; id: string } | StewardError => {
      const proposal = proposals.find(idOrCode);
      if (proposal === null) return new StewardError("not_found", words.noSuch);
      const refusal = refusalOf(proposal, verdict, now);
      if (refusal !== null) {
        const { code, message } = refusal;
        store.audit.append(attempt(proposal, verdict, "FAILED", { error: code, message }));
        return refusal;
      }
      return { id: proposal.id, ready: record(proposal, verdict, now) };
    });
    if (outcome instanceof StewardError) throw outcome;
    return { proposal: expectProposal(outcome.id), ready: outcome.ready };
  }

  /** Why this word does not count; null: it does. */
  function refusalOf(proposal: Proposal, { verdict, actor }: Verdict, now: Date): StewardError | null {
    if (!mayDecide(proposal, verdict, actor.userId)) {
      const needed =
        verdict === "deny" ? ["approver", "admin"] : [...new Set([...proposal.requirement.roles, "admin"])];
      return new StewardError("forbidden", words.mayNot(actor.username, verdict, needed));
    }
    if (proposal.state === "pending" && proposal.expiresAt <= now) end(proposal, "expired", null);
    const { state } = expectProposal(proposal.id);
    if (state !== "pending") return notPending(proposal.id, state, now);
    if (verdict === "deny") return null;
    if (!proposal.requirement.selfApproval && proposal.requestedBy === actor.username) {
      return new StewardError("forbidden", words.own(actor.username));
    }
    const pause = safety.pausedBy(proposal.action.namespace, false, now);
    if (pause !== null) return new StewardError("refused", words.paused(pause.by, pause.reason));
    const holder = proposals.holder(proposal.ownerKey);
    return holder === null ? null : heldBy(holder, proposal);
  }

  /** Said with who brought it there and when: the last decision, or Steward where it ended without one. */
  function notPending(id: string, state: ProposalState, now: Date): StewardError {
    const deciding = state === "denied" ? "deny" : "approve";
    const given = proposals.decisions(id).filter(({ verdict }) => verdict === deciding);
    const last = endedByItself.includes(state) ? undefined : given.at(-1);
    const by = last?.user ?? systemActor.username;
    const ago = last === undefined ? null : relativeTime(last.at, now, locale);
    return new StewardError("conflict", words.already(state, by, ago), { state, by });
  }

  function heldBy(holder: Proposal, proposal: Proposal): StewardError {
    return new StewardError("conflict", words.held(holder.code, holder.summary, proposal.ownerKey), {
      state: holder.state,
      by: holder.code,
    });
  }

  /** The role a user has now, in the store: one who was removed or lowered since the click came in may not. */
  function mayDecide(proposal: Proposal, verdict: Verdict["verdict"], userId: string | null): boolean {
    const role = userId === null ? null : (store.users.get(userId)?.role ?? null);
    if (role === null || role === "viewer") return false;
    return role === "admin" || verdict === "deny" || proposal.requirement.roles.includes(role);
  }

  /** Keeps a word that counts, and moves the proposal when it is the last one needed. */
  function record(proposal: Proposal, vote: Verdict, now: Date): boolean {
    const { verdict, reason, actor } = vote;
    proposals.addDecision(proposal.id, {
      user: actor.username,
      userId: actor.userId ?? "",
      verdict,
      reason,
      at: now,
      platform: actor.platform,
    });
    if (verdict === "deny") {
      move(proposal, "pending", "denied", reason);
      store.audit.append(attempt(proposal, vote, "SUCCESS", {}));
      notify.proposal(proposal.id);
      return false;
    }
    const votes = standingVotes(proposal);
    const { approvals } = proposal.requirement;
    const ready = votes >= approvals;
    if (ready) move(proposal, "pending", "approved", null);
    store.audit.append(attempt(proposal, vote, ready ? "SUCCESS" : "PENDING", { votes, approvals }));
    notify.proposal(proposal.id);
    return ready;
  }

  /** Different people who approved and still may. */
  function standingVotes(proposal: Proposal): number {
    const given = proposals.decisions(proposal.id).filter(({ verdict }) => verdict === "approve");
    return new Set(given.filter(({ userId }) => mayDecide(proposal, "approve", userId)).map(({ userId }) => userId))
      .size;
  }

  function attempt(
    proposal: Proposal,
    { verdict, reason, actor }: Verdict,
    status: "SUCCESS" | "FAILED" | "PENDING",
    detail: Readonly<Record<string, unknown>>,
  ) {
    return trailEntry(proposal, { verb: verdict, status, actor, intent: reason, detail });
  }

  async function admit(proposalId: string, signal?: AbortSignal): Promise<boolean> {
    const proposal = expectProposal(proposalId);
    if (proposal.state !== "pending" || proposal.origin !== "autofix") return false;
    const found = await readAgain(proposal, signal).catch((error: unknown) => {
      log.warn("the object of an automatic run could not be read", { proposalId, error: messageOf(error) });
      return null;
    });
    if (found === null) return false;
    return store.transact((now) => {
      const current = expectProposal(proposalId);
      if (current.state !== "pending") return false;
      const target = unchanged(current, found);
      return target !== null && admitByRule(current, target, now);
    });
  }

  function admitByRule(proposal: Proposal, target: Target, now: Date): boolean {
    const question = questionOf(proposal, target, true);
    const gate = safety.judge(question, now);
    proposals.setGate(proposal.id, safety.answerFor(question, now));
    if (!gate.allowed || !proposals.move(proposal.id, "pending", "approved")) {
      store.audit.append(refusalEntry(proposal, systemActor, gate.reasons));
      notify.proposal(proposal.id);
      return false;
    }
    proposals.addDecision(proposal.id, ruleDecision(proposal.rule ?? "", now));
    store.audit.append(
      trailEntry(proposal, {
        verb: "approve",
        status: "SUCCESS",
        actor: systemActor,
        intent: `rule ${proposal.rule}`,
        detail: { rule: proposal.rule, used: gate.used, limit: gate.limit },
      }),
    );
    notify.proposal(proposal.id);
    return true;
  }

  function ask(proposalId: string): void {
    store.transact(() => {
      const proposal = expectProposal(proposalId);
      if (proposal.state === "pending") notify.need({ proposalId }, "approval");
    });
  }

  async function clear(proposalId: string, signal?: AbortSignal): Promise<Approved | null> {
    const proposal = expectProposal(proposalId);
    if (proposal.state !== "approved") return null;
    const found = await readAgain(proposal, signal);
    return store.transact((now) => {
      const current = expectProposal(proposalId);
      if (current.state !== "approved") return null;
      const { request } = current;
      const decisions = proposals.decisions(proposalId).filter(({ verdict }) => verdict === "approve");
      if (request === null || digestOf(current.action, request) !== current.digest) {
        return refuse(current, words.tampered);
      }
      if (decisions.length === 0) return refuse(current, words.undecided);
      if (current.expiresAt <= now) return end(current, "expired", null);
      const target = unchanged(current, found);
      if (target === null) return null;
      const automatic = decisions.every(isRule);
      const gate = safety.judge(questionOf(current, target, automatic), now);
      if (!gate.allowed) return refuse(current, textOf(gate), gate);
      return { proposal: current, request, target, automatic } as Approved;
    });
  }

  function confirm({ proposal, target, automatic }: Approved, now: Date): GateAnswer {
    return safety.judge(questionOf(proposal, target, automatic), now);
  }

  function questionOf(proposal: Proposal, target: Target, automatic: boolean): Question {
    return {
      action: proposal.action,
      target,
      automatic,
      incident: proposal.incidentId === null ? null : store.incidents.get(proposal.incidentId),
      rule: proposal.rule,
      derived: proposal.derived,
      // Found when the proposal was prepared; the API server's own managers do not change between a card and a click.
      gitops: proposal.gate.reasons.find(({ code }) => code === "gitops")?.text ?? null,
      proposalId: proposal.id,
    };
  }

  /** The object as it is now, or why the proposal has come to its end. Throws while the cluster cannot be read. */
  async function readAgain(proposal: Proposal, signal: AbortSignal | undefined): Promise<Found> {
    try {
      const target = await resolveTarget(read, proposal.action, signal);
      if (target.uid !== proposal.targetUid) return { ends: "stale", why: words.replaced };
      return target.ownerKey === proposal.ownerKey ? { target } : { ends: "stale", why: words.reowned };
    } catch (error) {
      if (!(error instanceof StewardError) || error.retryable) throw error;
      return error.code === "not_found" ? { ends: "stale", why: words.gone } : { ends: "refused", why: error.message };
    }
  }

  /** The object, if the proposal still fits it; else the proposal is brought to its end. */
  function unchanged(proposal: Proposal, found: Found): Target | null {
    if ("ends" in found) return end(proposal, found.ends, found.why);
    const drift = proposal.request === null ? [] : driftOf(proposal.request, found.target.object);
    return drift.length === 0 ? found.target : end(proposal, "stale", describeDrift(drift, locale));
  }

  function refuse(proposal: Proposal, reason: string, gate?: GateAnswer): null {
    if (gate !== undefined) proposals.setGate(proposal.id, gate);
    store.audit.append(refusalEntry(proposal, systemActor, gate?.reasons ?? [{ code: "refused", text: reason }]));
    return end(proposal, "refused", reason);
  }

  /** Brings a proposal that did not run to its end, and says so. */
  function end(proposal: Proposal, to: "expired" | "stale" | "refused" | "withdrawn", reason: string | null): null {
    const from = proposal.state;
    if (!move(proposal, from, to, reason)) return null;
    const detail = { from, ...(reason === null ? {} : { reason }) };
    store.audit.append(
      trailEntry(proposal, { verb: verbs[to], status: "FAILED", actor: systemActor, intent: reason, detail }),
    );
    notify.proposal(proposal.id);
    if (from === "approved") notify.need({ proposalId: proposal.id }, "failed");
    return null;
  }

  function move(proposal: Proposal, from: ProposalState, to: ProposalState, reason: string | null): boolean {
    return proposals.move(proposal.id, from, to, { reason });
  }

  function withdraw(incidentId: string, why: string): void {
    for (const proposal of proposals.ofIncident(incidentId)) {
      if (proposal.state === "pending") end(proposal, "withdrawn", why);
    }
  }

  function expire(): void {
    store.transact((now) => {
      for (const proposal of proposals.inState("pending", "approved")) {
        if (proposal.expiresAt <= now) end(proposal, "expired", null);
      }
    });
  }

  async function explain(target: string, namespace: string, signal?: AbortSignal): Promise<GateExplanation> {
    const action: Action =
      parseTarget(target)?.kind === "pod"
        ? { kind: "delete", namespace, target }
        : { kind: "restart", namespace, target };
    const resolved = await resolveTarget(read, action, signal);
    return store.transact((now) => {
      const question = {
        action,
        target: resolved,
        automatic: false,
        incident: null,
        rule: null,
        derived: false,
        gitops: null,
        proposalId: null,
      };
      return { ...safety.judge(question, now), automatic: safety.limitsOf(question, now) };
    });
  }

  function expectProposal(id: string): Proposal {
    const proposal = proposals.get(id);
    if (proposal === null) throw new StewardError("not_found", words.noSuch);
    return proposal;
  }
}

/** What was read again for a proposal. */
type Found = { target: Target } | { ends: "stale" | "refused"; why: string };

/** States that no person brought about. */
const endedByItself: readonly ProposalState[] = ["expired", "stale", "refused", "withdrawn", "cancelled"];

const verbs = { expired: "expire", stale: "stale", refused: "refuse", withdrawn: "withdraw" } as const;

const rulePrefix = "rule:";

/** How a rule's approval stands among the decisions: as itself, never as a person. */
function ruleDecision(rule: string, at: Date): Decision {
  return {
    user: `rule ${rule}`,
    userId: `${rulePrefix}${rule}`,
    verdict: "approve",
    reason: null,
    at,
    platform: "system",
  };
}

function isRule({ userId, platform }: Decision): boolean {
  return platform === "system" && userId.startsWith(rulePrefix);
}

function textOf({ reasons }: GateAnswer): string {
  return reasons.map(({ text }) => text).join("; ");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
