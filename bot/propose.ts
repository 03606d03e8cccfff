import canonicalize from "canonicalize";
import { z } from "zod";
import { Action } from "../shared/action.ts";
import {
  type Actor,
  type ClusterRequest,
  digestOf,
  type Proposal,
  type ProposalState,
  type Requirement,
} from "../shared/approval.ts";
import { StewardError } from "../shared/errors.ts";
import { newCardId, newCode, newId } from "../shared/ids.ts";
import type { KubeObject } from "../shared/kube.ts";
import { parseKubectlLine } from "../shared/kubectl-line.ts";
import type { Locale } from "../shared/locale.ts";
import { redactText } from "../shared/redact.ts";
import { cleanLine } from "../shared/text.ts";
import type { Plan, Target } from "./actions/definition.ts";
import { diffObjects } from "./actions/diff.ts";
import { describeGitOps, gitOpsOf } from "./actions/gitops.ts";
import { definitionOf } from "./actions/index.ts";
import { readablePath, valueAt, writtenFields } from "./actions/patch.ts";
import { resolveTarget } from "./actions/target.ts";
import { warningsOf } from "./actions/warnings.ts";
import type { Clock, ClusterReader, ClusterWriter } from "./edges.ts";
import type { Notify } from "./notify.ts";
import type { Question, Safety } from "./safety.ts";
import type { Store } from "./store.ts";
import { trailEntry } from "./trail.ts";

/** The wish for a change, a person's or a rule's. */
interface Wish {
  action: Action;
  incidentId: string | null;
  origin: "person" | "autofix";
  actor: Actor;
  rule: string | null;
  /** Who has to approve, where a rule says so; else the configuration's. */
  requirement?: Requirement;
  /** How long it may wait, in milliseconds, where a rule says so. */
  ttl?: number;
  undoOf?: string;
  /** What the built-in playbooks derived for the incident without the model. Nothing else may run without a person. */
  derived?: readonly Action[];
}

export interface Propose {
  /**
   * Prepares a change and puts it before people: `pending`, or `refused` with the API server's own words or who owns the field by
   * GitOps. The same wish of the same incident that is pending already is answered with that one.
   * Throws `refused` for what is never offered (protected, or not put back by an owner), `invalid` for what does not fit the
   * live object, `not_found`, `conflict` for an incident that is over, and `unavailable` while the cluster cannot be asked.
   */
  propose(wish: Wish, signal?: AbortSignal): Promise<Proposal>;
  /** A kubectl command as an action. Throws `not_understood`, naming the part. */
  parse(line: string, defaultNamespace: string): Action;
  /**
   * The way back of a change that ran, as a new proposal. Throws `conflict` when there is nothing to undo, `forbidden` for who may not
   * approve it.
   */
  undo(idOrCode: string, actor: Actor, signal?: AbortSignal): Promise<Proposal>;
  /**
   * Prepares what expired or went stale afresh, to wait as long again; who comes second is answered with the first one's. Throws `conflict`
   * for any other state.
   */
  renew(idOrCode: string, actor: Actor, signal?: AbortSignal): Promise<Proposal>;
}

interface ApprovalSettings extends Requirement {
  /** Milliseconds that a person's wish may wait. */
  ttl: number;
  /** Milliseconds that an incident's proposal may wait. */
  incidentTtl: number;
}

interface Deps {
  store: Pick<Store, "transact" | "proposals" | "audit" | "incidents">;
  read: ClusterReader;
  act: ClusterWriter;
  safety: Safety;
  notify: Notify;
  clock: Clock;
  approval: ApprovalSettings;
  locale: Locale;
}

/** States after which the same action may be prepared again: nothing of it reached the cluster. */
const renewable: readonly ProposalState[] = ["expired", "stale", "refused", "cancelled"];
const undoable: readonly ProposalState[] = ["succeeded", "failed", "unverified"];

/** What the API server thinks of the request, before anybody is asked. */
type DryRun = { after: KubeObject | null; warnings: readonly string[] } | { refusal: string };

export function createPropose({ store, read, act, safety, notify, clock, approval, locale }: Deps): Propose {
  const { proposals } = store;

  return {
    propose: async (wish, signal) => propose({ ...wish, action: checked(wish.action) }, signal),
    parse: parseKubectlLine,
    undo,
    renew,
  };

  async function propose(wish: Wish, signal?: AbortSignal, cardId?: string | null): Promise<Proposal> {
    const closed = safety.closed(wish.action.namespace);
    if (closed !== null) throw refusal(wish, closed);
    const target = await resolveTarget(read, wish.action, signal);
    const guarded = store.transact((now) => safety.judge(question(wish, target, null), now)).reasons.find(isGuard);
    if (guarded !== undefined) throw refusal(wish, guarded);

    const op = newId();
    const definition = definitionOf(wish.action);
    const plan = await definition
      .plan(wish.action, target, { read, op, at: clock.now(), locale, ...(signal === undefined ? {} : { signal }) })
      .catch((error: unknown) => {
        if (error instanceof StewardError && error.code === "refused") {
          throw refusal(wish, { code: "refused", text: error.message });
        }
        throw error;
      });
    const repeated = pendingTwin(wish, plan.action, cardId);
    if (repeated !== null) return repeated;

    const [dryRun, gitops, warnings] = await Promise.all([
      rehearse(plan.request, target, wish.action),
      gitOpsOf(read, target, plan.writes, signal),
      warningsOf(
        read,
        {
          action: plan.action,
          target,
          reversible: plan.inverse !== null,
          last: proposals.history(target.ownerKey, wish.action.kind, 1)[0] ?? null,
          locale,
        },
        signal,
      ),
    ]);
    const owned = gitops === null ? null : describeGitOps(gitops, locale);
    return keep({ wish, target, plan, op, dryRun, owned, warnings: [...leftOvers(wish, target), ...warnings], cardId });
  }

  /** The server-side dry run, as the acting identity. Throws `unavailable` when it could not be asked. */
  async function rehearse(request: ClusterRequest, target: Target, action: Action): Promise<DryRun> {
    const answer = await act.send(request, { dryRun: true });
    switch (answer.outcome) {
      case "done": {
        const after = request.method === "DELETE" ? null : answer.object;
        if (after !== null && !sameMarks(target.object, after)) {
          throw new StewardError("refused", `${action.kind} would change the protection mark of ${action.target}`);
        }
        return { after, warnings: answer.warnings };
      }
      case "rejected":
        return { refusal: redactText(cleanLine(answer.message)) };
      case "not_sent":
      case "in_doubt":
        throw new StewardError("unavailable", `the API server did not answer the dry run: ${answer.message}`);
    }
  }

  /** No action changes what keeps Steward away (SPEC 8), on the object or on the pods it makes. */
  function sameMarks(before: KubeObject, after: KubeObject): boolean {
    const marks = (object: KubeObject) => [safety.markOf(object), safety.markOf(templateOf(object))];
    return canonicalize(marks(before)) === canonicalize(marks(after));
  }

  interface Prepared {
    wish: Wish;
    target: Target;
    plan: Plan<Action>;
    op: string;
    dryRun: DryRun;
    owned: string | null;
    warnings: readonly string[];
    cardId: string | null | undefined;
  }

  function keep({ wish, target, plan, op, dryRun, owned, warnings, cardId }: Prepared): Proposal {
    const { action, request, inverse } = plan;
    const definition = definitionOf(action);
    const refused = "refusal" in dryRun;
    return store.transact((now) => {
      // Looked for again: somebody may have wished the same while the cluster was asked.
      const repeated = pendingTwin(wish, action, cardId);
      if (repeated !== null) return repeated;
      refuseForEnded(wish);
      const gate = safety.answerFor(question(wish, target, owned), now);
      const forPeople = safety.judge({ ...question(wish, target, owned), automatic: false }, now);
      const closedByGitOps = forPeople.reasons.some(({ code }) => code === "gitops");
      const reason = refused ? dryRun.refusal : closedByGitOps ? owned : null;
      const proposal: Proposal = {
        id: newId(),
        code: freeCode(),
        op,
        incidentId: wish.incidentId,
        cardId: cardId ?? (wish.incidentId === null ? newCardId() : null),
        state: reason === null ? "pending" : "refused",
        action,
        namespace: action.namespace,
        target: action.target,
        ownerKey: target.ownerKey,
        targetUid: target.uid,
        summary: definition.summary(action, target, locale),
        kubectl: definition.kubectl(action),
        diff: refused ? "" : diffObjects(target.object, dryRun.after),
        risk: definition.risk(action, target),
        warnings: [
          ...(owned !== null && reason === null ? [owned] : []),
          ...(refused ? [] : dryRun.warnings.map((text) => redactText(cleanLine(text)))),
          ...warnings,
        ],
        gate,
        reason,
        request,
        digest: digestOf(action, request),
        inverse,
        origin: wish.origin,
        requestedBy: wish.actor.username,
        requestedVia: wish.actor.platform,
        rule: wish.rule,
        derived: (wish.derived ?? []).some((candidate) => canonicalize(candidate) === canonicalize(wish.action)),
        requirement: wish.requirement ?? {
          roles: approval.roles,
          approvals: approval.approvals,
          selfApproval: approval.selfApproval,
        },
        undoOf: wish.undoOf ?? null,
        createdAt: now,
        updatedAt: now,
        expiresAt: new Date(
          now.getTime() + (wish.ttl ?? (wish.incidentId === null ? approval.ttl : approval.incidentTtl)),
        ),
      };
      proposals.insert(proposal);
      record(proposal, wish.actor);
      notify.proposal(proposal.id);
      // The pipeline asks for what an investigation proposes, after the rules had their turn.
      if (proposal.state === "pending" && wish.actor.platform !== "system")
        notify.need({ proposalId: proposal.id }, "approval");
      return proposal;
    });
  }

  function record(proposal: Proposal, actor: Actor): void {
    store.audit.append(
      trailEntry(proposal, {
        verb: "propose",
        status: proposal.state === "refused" ? "FAILED" : "SUCCESS",
        actor,
        intent: proposal.reason ?? proposal.summary,
        detail: {
          origin: proposal.origin,
          rule: proposal.rule,
          undoOf: proposal.undoOf,
          risk: proposal.risk,
          diff: proposal.diff,
          op: proposal.op,
        },
      }),
    );
  }

  function question(wish: Wish, target: Target, gitops: string | null): Question {
    return {
      action: wish.action,
      target,
      automatic: wish.origin === "autofix",
      incident: wish.incidentId === null ? null : store.incidents.get(wish.incidentId),
      rule: wish.rule,
      derived: (wish.derived ?? []).some((candidate) => canonicalize(candidate) === canonicalize(wish.action)),
      gitops,
      proposalId: null,
    };
  }

  /**
   * The same question is not put twice: by an investigation that runs again, by two who undo one run, or by two who check one card again.
   */
  function pendingTwin(
    { incidentId, undoOf }: Wish,
    action: Action,
    cardId: string | null | undefined,
  ): Proposal | null {
    const wanted = canonicalize(action);
    return (
      siblings().find(
        (known) =>
          known.state === "pending" && known.undoOf === (undoOf ?? null) && canonicalize(known.action) === wanted,
      ) ?? null
    );

    function siblings(): readonly Proposal[] {
      if (undoOf !== undefined) return proposals.undosOf(undoOf);
      if (incidentId !== null) return proposals.ofIncident(incidentId);
      return cardId == null ? [] : proposals.inState("pending").filter((known) => known.cardId === cardId);
    }
  }

  /** An incident that is over, also since the cluster was asked, gets no proposals any more (SPEC 9); what was done for it can still be undone. */
  function refuseForEnded({ incidentId, undoOf }: Wish): void {
    const incident = incidentId === null || undoOf !== undefined ? null : store.incidents.get(incidentId);
    if (incident === null || (incident.state === "open" && incident.joined === null)) return;
    const state = incident.joined === null ? incident.state : "joined";
    throw new StewardError("conflict", `the incident is ${state}: nothing is proposed for it any more`, { state });
  }

  /** What is never offered leaves its audit record all the same. */
  function refusal(wish: Wish, reason: { code: string; text: string }): StewardError {
    const { action, actor } = wish;
    store.transact(() => {
      store.audit.append({
        userId: actor.userId,
        intent: reason.text,
        actionType: "gate_refuse",
        targetResource: `${action.namespace}/${action.target}`,
        commandSnapshot: definitionOf(action).kubectl(action),
        status: "FAILED",
        clientIp: actor.clientIp,
        platform: actor.platform,
        incidentId: wish.incidentId,
        proposalId: null,
        detail: { by: actor.username, reasons: [reason.code], origin: wish.origin },
      });
    });
    return new StewardError("refused", reason.text);
  }

  function freeCode(): string {
    for (let tries = 0; ; tries++) {
      const code = newCode(tries < 20 ? 4 : 6);
      if (!proposals.codeInUse(code)) return code;
    }
  }

  async function undo(idOrCode: string, actor: Actor, signal?: AbortSignal): Promise<Proposal> {
    const original = expectProposal(idOrCode);
    refuseUndoBy(actor, original);
    const waiting = proposals.undosOf(original.id).find(({ state }) => state === "pending" || isRunning(state));
    if (waiting !== undefined) {
      throw new StewardError("conflict", `${waiting.code} undoes it already`, {
        state: waiting.state,
        by: waiting.requestedBy,
      });
    }
    const ran = proposals.execution(original.id)?.state === "done";
    if (!undoable.includes(original.state) || !ran) {
      throw new StewardError("conflict", `${original.code} is ${original.state}: there is nothing to undo`, {
        state: original.state,
        by: original.requestedBy,
      });
    }
    if (original.inverse === null) {
      throw new StewardError("conflict", `${original.summary}: this cannot be undone`, { state: original.state });
    }
    return propose(
      {
        action: original.inverse,
        incidentId: original.incidentId,
        origin: "person",
        actor,
        rule: original.rule,
        requirement: { ...original.requirement, approvals: 1, selfApproval: true },
        undoOf: original.id,
      },
      signal,
    );
  }

  /** SPEC 4: undoing takes who may approve it. A refused attempt is on the audit. */
  function refuseUndoBy(actor: Actor, original: Proposal): void {
    const { roles } = original.requirement;
    if (actor.role === "admin" || (actor.role !== null && roles.includes(actor.role))) return;
    const message = `${actor.username} may not undo this: it takes ${[...new Set([...roles, "admin"])].join(" or ")}`;
    store.transact(() =>
      store.audit.append(
        trailEntry(original, { verb: "undo", status: "FAILED", actor, detail: { error: "forbidden", message } }),
      ),
    );
    throw new StewardError("forbidden", message);
  }

  /** For an undo: which of the fields that Steward wrote somebody has changed since, so that this goes over more than Steward's own. */
  function leftOvers({ undoOf }: Wish, { object }: Target): string[] {
    const original = undoOf === undefined ? null : proposals.get(undoOf);
    if (original === null || original.request === null || original.action.kind === "rollback") return [];
    return writtenFields(original.request)
      .filter(({ path, value }) => canonicalize(valueAt(object, path) ?? null) !== canonicalize(value))
      .map(({ path }) => {
        const name = readablePath(path);
        return {
          en: `${name} was changed again after ${original.code}; this goes over that change`,
          "zh-CN": `${name} 在 ${original.code} 之后又被修改，此操作会覆盖该修改`,
        }[locale];
      });
  }

  async function renew(idOrCode: string, actor: Actor, signal?: AbortSignal): Promise<Proposal> {
    const old = expectProposal(idOrCode);
    if (!renewable.includes(old.state)) {
      throw new StewardError("conflict", `${old.code} is ${old.state}: only what did not run can be checked again`, {
        state: old.state,
        by: old.requestedBy,
      });
    }
    const incident = old.incidentId === null ? null : store.incidents.get(old.incidentId);
    if (incident !== null && incident.state !== "open") {
      throw new StewardError("conflict", `the incident of ${old.code} is ${incident.state}`, { state: incident.state });
    }
    return propose(
      {
        action: old.action,
        incidentId: old.incidentId,
        origin: "person",
        actor,
        rule: old.rule,
        requirement: old.requirement,
        ttl: old.expiresAt.getTime() - old.createdAt.getTime(),
        ...(old.undoOf === null ? {} : { undoOf: old.undoOf }),
      },
      signal,
      old.cardId,
    );
  }

  function expectProposal(idOrCode: string): Proposal {
    const proposal = proposals.find(idOrCode);
    if (proposal === null) throw new StewardError("not_found", "there is no such approval");
    return proposal;
  }
}

/** Actions come from outside (chat, the API, a model): whatever their type says, their schema decides. */
function checked(action: Action): Action {
  const parsed = Action.safeParse(action);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new StewardError("invalid", issue?.message ?? "is not an action", {
    path: ["action", ...(issue?.path ?? [])].join("."),
  });
}

/** Reasons for which no card may be made at all; the others are shown on one. */
function isGuard({ code }: { code: string }): boolean {
  return ["protected_namespace", "protected_object", "protection_unreadable", "steward_namespace"].includes(code);
}

function isRunning(state: ProposalState): boolean {
  return ["approved", "executing", "verifying", "unknown"].includes(state);
}

const Labels = z.record(z.string(), z.string()).default({});
const Template = z.object({ template: z.object({ metadata: z.object({ labels: Labels, annotations: Labels }) }) });

/** The pod template as an object of its own, to look for marks in. */
function templateOf(object: KubeObject): KubeObject {
  const metadata = Template.safeParse(object["spec"]).data?.template.metadata ?? {};
  return { apiVersion: "v1", kind: "PodTemplate", metadata: { name: "", ...metadata } };
}
