import { type ClusterRequest, digestOf, type Execution, type Proposal, systemActor } from "../shared/approval.ts";
import { StewardError } from "../shared/errors.ts";
import type { KubeObject } from "../shared/kube.ts";
import type { Locale } from "../shared/locale.ts";
import { redactText } from "../shared/redact.ts";
import { cleanLine } from "../shared/text.ts";
import { opAnnotation } from "./actions/definition.ts";
import { refOf } from "./actions/target.ts";
import { fingerprintOf, holdsWritten, wroteLast } from "./actions/written.ts";
import type { Baseline } from "./baseline.ts";
import type { Clock, ClusterReader, ClusterWriter, Log, WriteAnswer } from "./edges.ts";
import { afterFailedRun } from "./failed-run.ts";
import type { Approved, Gate } from "./gate.ts";
import type { Notify } from "./notify.ts";
import type { Store } from "./store.ts";
import { refusalEntry, trailEntry } from "./trail.ts";

/** Places where a test may end the process. */
export type Failpoint = "cleared" | "intent" | "confirmed" | "sent" | "answered" | "outcome";

export interface Execute {
  /**
   * Carries an approved proposal out, at most once: gate, intent on disk, Lease, sent on disk, one request, outcome. While the
   * cluster cannot be read it waits, until the approval expires. Does nothing for a proposal in any other state.
   */
  run(proposalId: string, signal?: AbortSignal): Promise<void>;
  /**
   * After a start: what was surely not sent is cancelled, what may have been sent becomes `unknown`. Both are on disk when this
   * resolves; looking at the cluster, and what was approved but not begun, go on behind it.
   */
  recover(): Promise<void>;
  /** Resolves when nothing goes on behind `run` and `recover`. */
  idle(): Promise<void>;
}

interface Deps {
  store: Pick<Store, "transact" | "proposals" | "audit" | "epoch">;
  gate: Pick<Gate, "clear" | "confirm">;
  read: ClusterReader;
  act: ClusterWriter;
  leader: { confirm(): Promise<boolean> };
  /** What is true before the change, for the verification to measure against. */
  baseline(proposal: Proposal, signal?: AbortSignal): Promise<Baseline>;
  /** Begins the verification of a run that was settled behind the scenes. */
  verify(proposalId: string): void;
  verifyTimeout: number;
  notify: Notify;
  clock: Clock;
  log: Log;
  locale: Locale;
  stopping: AbortSignal;
  /** Milliseconds after which a request that was sent can no longer arrive; longer than the API server works on one (60 s). */
  arrival?: number;
  failpoint?(at: Failpoint): void | Promise<void>;
}

const waits = { first: 1_000, longest: 60_000 };

/** What a look at the cluster says of a request in doubt. */
type Sight =
  | { seen: "applied"; object: KubeObject | null }
  | { seen: "not_applied" }
  | { seen: "unclear"; why: string };

const words = {
  notHolder: {
    en: "This process no longer holds the Lease; nothing was sent",
    "zh-CN": "本进程已不再持有 Lease，请求未发送",
  },
  notSent: { en: "Steward stopped before it was sent; nothing changed", "zh-CN": "Steward 在发送前停止，未做任何更改" },
  raced: { en: "The object changed in the moment of the write", "zh-CN": "对象在写入的瞬间已被修改" },
  inDoubt: { en: "No answer came; looking at the cluster", "zh-CN": "未收到应答，正在检查集群状态" },
  neverArrived: { en: "The request did not reach the cluster", "zh-CN": "请求未到达集群" },
  observed: { en: "The change is in the cluster", "zh-CN": "更改已在集群中生效" },
  gone: { en: "the object is gone", "zh-CN": "对象已不存在" },
  replaced: { en: "another object has taken its name", "zh-CN": "同名对象已被重新创建" },
  foreign: {
    en: "the fields are as wanted, but somebody else wrote them",
    "zh-CN": "字段已是期望值，但由他人写入",
  },
} as const satisfies Record<string, Record<Locale, string>>;

/** Approved proposals become changes of the cluster here, and nowhere else (SPEC 9, at most once). */
export function createExecute(deps: Deps): Execute {
  const { store, gate, read, act, leader, notify, clock, log, locale, stopping } = deps;
  const { proposals } = store;
  const arrival = deps.arrival ?? 75_000;
  const failpoint = async (at: Failpoint) => deps.failpoint?.(at);
  const background = new Set<Promise<void>>();

  return {
    run,
    recover,
    async idle() {
      while (background.size > 0) await Promise.all(background);
    },
  };

  async function run(proposalId: string, signal: AbortSignal = stopping): Promise<void> {
    const proposal = proposals.get(proposalId);
    if (proposal === null || proposal.state !== "approved") return;
    const baseline = await deps.baseline(proposal, signal);
    const approved = await cleared(proposal, signal).catch((error: unknown) => {
      if (signal.aborted) return null; // still approved: the next start takes it up
      throw error;
    });
    if (approved === null) return;
    await failpoint("cleared");
    if (begin(approved, baseline)) await perform(approved);
  }

  /** Asks the gate; waits while the cluster or the Lease cannot be read, as long as the approval lasts. */
  async function cleared(proposal: Proposal, signal: AbortSignal): Promise<Approved | null> {
    for (let wait = waits.first; ; wait = Math.min(2 * wait, waits.longest / 4)) {
      const reason = (await leader.confirm()) ? null : words.notHolder[locale];
      try {
        if (reason === null || clock.now() >= proposal.expiresAt) return await gate.clear(proposal.id, signal);
      } catch (error) {
        if (!(error instanceof StewardError) || !error.retryable || signal.aborted) throw error;
        if (clock.now() >= proposal.expiresAt) return null;
      }
      log.warn("an approved change waits", { proposalId: proposal.id, reason: reason ?? "the cluster cannot be read" });
      await clock.sleep(wait, signal);
    }
  }

  /** The intent: from here on the approval is used up. Counted for the hourly limit, whatever comes of it. */
  function begin(approved: Approved, baseline: Baseline): boolean {
    const { proposal, request, automatic } = approved;
    return store.transact((now) => {
      const answer = gate.confirm(approved, now);
      if (!answer.allowed) {
        const why = answer.reasons.map(({ text }) => text).join("; ");
        proposals.setGate(proposal.id, answer);
        if (proposals.move(proposal.id, "approved", "refused", { reason: why })) {
          store.audit.append(refusalEntry(proposal, systemActor, answer.reasons));
          notify.proposal(proposal.id);
          notify.need({ proposalId: proposal.id }, "failed");
        }
        return false;
      }
      if (proposal.expiresAt <= now || digestOf(proposal.action, request) !== proposal.digest) return false;
      if (!proposals.move(proposal.id, "approved", "executing", { gate: answer })) return false;
      const execution: Execution = {
        op: proposal.op,
        proposalId: proposal.id,
        state: "intent",
        ownerKey: proposal.ownerKey,
        origin: automatic ? "autofix" : "person",
        epoch: store.epoch,
        startedAt: now,
        sentAt: null,
        finishedAt: null,
        outcome: null,
        message: null,
      };
      proposals.insertExecution(execution, JSON.stringify(request), proposal.digest);
      beginVerification(proposal, baseline, now);
      audit(proposal, "PENDING", "intent", {
        method: request.method,
        path: request.path,
        automatic,
        gate: { used: answer.used, limit: answer.limit },
      });
      notify.proposal(proposal.id);
      return true;
    });
  }

  async function perform({ proposal, request }: Approved): Promise<void> {
    await failpoint("intent");
    const holds = await leader.confirm();
    await failpoint("confirmed");
    if (!holds) return store.transact(() => cancel(proposal, "intent", words.notHolder[locale]));
    const sent = store.transact(() => {
      if (!proposals.moveExecution(proposal.op, "intent", "sent")) return false;
      audit(proposal, "PENDING", "sent");
      return true;
    });
    if (!sent) return;
    await failpoint("sent");
    const answer = await send(request);
    await failpoint("answered");
    store.transact((now) => settle(proposal, answer, now));
    if (answer.outcome === "in_doubt") behind(() => observe(proposal.id));
    await failpoint("outcome");
  }

  /** One request, never repeated. Whatever breaks on the way leaves it in doubt. */
  async function send(request: ClusterRequest): Promise<WriteAnswer> {
    try {
      return await act.send(request, { dryRun: false });
    } catch (error) {
      return { outcome: "in_doubt", message: error instanceof Error ? error.message : String(error) };
    }
  }

  function settle(proposal: Proposal, answer: WriteAnswer, now: Date): void {
    switch (answer.outcome) {
      case "done":
        applied(proposal, "sent", answer.object, "done", now);
        break;
      case "rejected":
        failed(proposal, "sent", `${answer.status}`, rejection(answer));
        break;
      case "not_sent":
        cancel(proposal, "sent", redactText(cleanLine(answer.message)));
        break;
      case "in_doubt":
        doubt(proposal, redactText(cleanLine(answer.message)));
        break;
    }
  }

  /** A rehearsed request that is refused for its content met an object that had just changed; the API server does not say so. */
  function rejection({ status, message }: Extract<WriteAnswer, { outcome: "rejected" }>): string {
    const text = redactText(cleanLine(message));
    return status === 409 || status === 422 ? `${words.raced[locale]}: ${text}` : text;
  }

  function applied(
    proposal: Proposal,
    from: "sent" | "unknown",
    object: KubeObject | null,
    outcome: "done" | "observed",
    now: Date,
  ): void {
    const message = outcome === "observed" ? words.observed[locale] : undefined;
    proposals.moveExecution(proposal.op, from, "done", message === undefined ? { outcome } : { outcome, message });
    proposals.move(proposal.id, from === "sent" ? "executing" : "unknown", "verifying");
    const kept = proposals.verification(proposal.id);
    const written =
      object === null || proposal.request === null ? {} : { written: fingerprintOf(proposal.request, object) };
    beginVerification(proposal, { ...kept?.baseline, ...written }, now);
    audit(proposal, "SUCCESS", outcome);
    notify.proposal(proposal.id);
  }

  function failed(proposal: Proposal, from: "sent" | "unknown", outcome: string, message: string): void {
    proposals.moveExecution(proposal.op, from, "failed", { outcome, message });
    proposals.move(proposal.id, from === "sent" ? "executing" : "unknown", "failed", { reason: message });
    audit(proposal, "FAILED", outcome, { message });
    notify.proposal(proposal.id);
    afterFailedRun(store, notify, proposal);
  }

  /** Surely not sent. Never taken up again by itself: somebody has to check again and approve. */
  function cancel(proposal: Proposal, from: "intent" | "sent", message: string): void {
    if (!proposals.moveExecution(proposal.op, from, "cancelled", { outcome: "cancelled", message })) return;
    proposals.move(proposal.id, "executing", "cancelled", { reason: message });
    audit(proposal, "FAILED", "cancelled", { message });
    notify.proposal(proposal.id);
    notify.need({ proposalId: proposal.id }, "failed");
  }

  function doubt(proposal: Proposal, message: string): void {
    if (!proposals.moveExecution(proposal.op, "sent", "unknown", { message })) return;
    proposals.move(proposal.id, "executing", "unknown", { reason: words.inDoubt[locale] });
    audit(proposal, "PENDING", "unknown", { message });
    notify.proposal(proposal.id);
    notify.need({ proposalId: proposal.id }, "needs_human");
  }

  async function recover(): Promise<void> {
    const { unknown, approved } = store.transact(() => {
      for (const { proposalId } of proposals.executionsIn("intent")) {
        cancel(expectProposal(proposalId), "intent", words.notSent[locale]);
      }
      for (const { proposalId } of proposals.executionsIn("sent"))
        doubt(expectProposal(proposalId), words.inDoubt[locale]);
      return { unknown: proposals.inState("unknown"), approved: proposals.inState("approved") };
    });
    for (const { id } of unknown) behind(() => observe(id));
    for (const { id } of approved) {
      behind(async () => {
        await run(id);
        deps.verify(id);
      });
    }
  }

  /** Looks until the cluster says whether it happened. Never sends again. */
  async function observe(proposalId: string): Promise<void> {
    for (let wait = waits.first; ; wait = Math.min(2 * wait, waits.longest)) {
      const proposal = expectProposal(proposalId);
      const execution = proposals.execution(proposalId);
      if (proposal.state !== "unknown" || execution === null) return;
      const sight = await look(proposal);
      const tooLate = clock.now().getTime() - (execution.sentAt ?? execution.startedAt).getTime() >= arrival;
      if (sight !== null && (sight.seen === "applied" || tooLate)) {
        store.transact((now) => conclude(expectProposal(proposalId), sight, now));
        if (sight.seen === "applied") deps.verify(proposalId);
        return;
      }
      await clock.sleep(Math.min(wait, arrival), stopping);
    }
  }

  /** null while the cluster cannot be read. */
  async function look(proposal: Proposal): Promise<Sight | null> {
    const { request, action, targetUid, op } = proposal;
    if (request === null) return null;
    try {
      const object = await read.get(refOf(action.namespace, action.target), stopping);
      const same = object !== null && object.metadata.uid === targetUid;
      if (request.method === "DELETE") {
        const gone = !same || object.metadata.deletionTimestamp !== undefined;
        return gone ? { seen: "applied", object: null } : { seen: "not_applied" };
      }
      if (!same) return { seen: "unclear", why: object === null ? words.gone[locale] : words.replaced[locale] };
      if (object.metadata.annotations?.[opAnnotation] === op) return { seen: "applied", object };
      if (!holdsWritten(request, object)) return { seen: "not_applied" };
      // The mark was taken away, or somebody else made the same change.
      return wroteLast(request, object) ? { seen: "applied", object } : { seen: "unclear", why: words.foreign[locale] };
    } catch (error) {
      if (stopping.aborted) throw error;
      log.warn("an execution in doubt could not be looked at", {
        proposalId: proposal.id,
        error: error instanceof Error ? error.message : String(error),
      });
      return null;
    }
  }

  function conclude(proposal: Proposal, sight: Sight, now: Date): void {
    if (proposal.state !== "unknown") return;
    switch (sight.seen) {
      case "applied":
        applied(proposal, "unknown", sight.object, "observed", now);
        break;
      case "not_applied":
        failed(proposal, "unknown", "not_applied", words.neverArrived[locale]);
        break;
      case "unclear":
        proposals.move(proposal.id, "unknown", "needs_human", { reason: sight.why });
        audit(proposal, "FAILED", "needs_human", { message: sight.why });
        notify.proposal(proposal.id);
        notify.need({ proposalId: proposal.id }, "needs_human");
    }
  }

  function beginVerification(proposal: Proposal, baseline: Readonly<Record<string, unknown>>, now: Date): void {
    proposals.putVerification({
      proposalId: proposal.id,
      verdict: null,
      checks: [],
      progress: 0,
      logTail: "",
      baseline,
      startedAt: now,
      deadlineAt: new Date(now.getTime() + deps.verifyTimeout),
      finishedAt: null,
    });
  }

  function audit(
    proposal: Proposal,
    status: "PENDING" | "SUCCESS" | "FAILED",
    phase: string,
    detail: Readonly<Record<string, unknown>> = {},
  ): void {
    store.audit.append(
      trailEntry(proposal, {
        verb: "execute",
        status,
        actor: systemActor,
        intent: proposal.summary,
        detail: { op: proposal.op, phase, ...detail },
      }),
    );
  }

  function behind(work: () => Promise<void>): void {
    const running = work()
      .catch((error: unknown) => {
        if (stopping.aborted) return;
        log.error("work on an execution ended early", {
          error: error instanceof Error ? (error.stack ?? "") : String(error),
        });
      })
      .finally(() => background.delete(running));
    background.add(running);
  }

  function expectProposal(id: string): Proposal {
    const proposal = proposals.get(id);
    if (proposal === null) throw new StewardError("not_found", "there is no such approval");
    return proposal;
  }
}
