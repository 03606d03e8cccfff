import { type Check, type Proposal, systemActor, type Verification } from "../shared/approval.ts";
import { formatDuration } from "../shared/duration.ts";
import { StewardError } from "../shared/errors.ts";
import { type KubeObject, kindNamed, type ObjectRef, stringField } from "../shared/kube.ts";
import type { Locale } from "../shared/locale.ts";
import { redactText } from "../shared/redact.ts";
import { clean, cleanLine, truncateLines } from "../shared/text.ts";
import { refOf } from "./actions/target.ts";
import { Baseline, baselineOf, sight } from "./baseline.ts";
import { type Health, healthOf } from "./checks.ts";
import type { Clock, ClusterReader, Log } from "./edges.ts";
import type { Expression, Truth } from "./expression.ts";
import { afterFailedRun } from "./failed-run.ts";
import type { Notify } from "./notify.ts";
import type { Store } from "./store.ts";
import { trailEntry } from "./trail.ts";

export interface Verify {
  /** What is true before a change. Never throws: what could not be read is named in it. */
  baseline(proposal: Proposal, signal?: AbortSignal): Promise<Baseline>;
  /**
   * Watches what a change did until its checks held for `settle`, or it failed, or the time is up; leaves the verdict in the store.
   * Does nothing for a proposal that is not verifying. A second call for the same proposal joins the first.
   */
  run(proposalId: string, signal?: AbortSignal): Promise<void>;
  /** Takes up every verification that was under way when the process ended. */
  resumeAll(): void;
  idle(): Promise<void>;
}

interface Deps {
  store: Pick<Store, "transact" | "proposals" | "incidents" | "audit">;
  read: ClusterReader;
  notify: Notify;
  /** Whether the incident's alerts still hold by their own expressions. */
  expression: Pick<Expression, "ask">;
  clock: Clock;
  log: Log;
  /** `verify.settle`, in milliseconds. */
  settle: number;
  locale: Locale;
  stopping: AbortSignal;
}

type Verdict = NonNullable<Verification["verdict"]>;

/** One look: what was seen, or why nothing could be. */
type Look = { health: Health } | { gone: string } | { unseen: string };

/** The newest answer about the alert's own expression, and when it was given. */
interface Asked {
  at: number;
  truth: Truth | null;
}

const logLines = 10;
/** Nothing is written or shown more often than this. */
const beat = 1_000;

const words = {
  gone: { en: "the object is gone", "zh-CN": "对象已不存在" },
  replaced: { en: "another object has taken its name", "zh-CN": "同名对象已被重新创建" },
  podGone: { en: "the pod is gone", "zh-CN": "Pod 已删除" },
  podStays: { en: "the pod is still there", "zh-CN": "Pod 仍然存在" },
  cleared: { en: "alert cleared", "zh-CN": "告警已恢复" },
  fires: { en: "the alert still fires", "zh-CN": "告警仍在触发" },
  firing: { en: "fix holds, alert still clearing", "zh-CN": "修复已生效，告警尚未恢复" },
  over: {
    en: "fix holds; the alert's own expression is no longer true, it is still clearing",
    "zh-CN": "修复已生效；告警表达式已不再成立，等待告警恢复",
  },
  holds: {
    en: "the alert is still true by its own expression",
    "zh-CN": "按其自身的表达式，告警仍然成立",
  },
} as const satisfies Record<string, Record<Locale, string>>;

/** Whether a change did what it was for, as measured on the cluster (SPEC 9, verification). */
export function createVerify({ store, read, notify, expression, clock, log, settle, locale, stopping }: Deps): Verify {
  const { proposals } = store;
  const running = new Map<string, Promise<void>>();
  const pause = Math.min(5_000, Math.max(200, settle / 12));
  /** Prometheus is asked no oftener than it evaluates its rules. */
  const askEvery = Math.min(15_000, Math.max(500, settle));

  return {
    baseline,
    run,
    resumeAll() {
      for (const { id } of proposals.inState("verifying")) {
        run(id).catch((error: unknown) => {
          if (!stopping.aborted) log.error("a verification ended early", { proposalId: id, error: messageOf(error) });
        });
      }
    },
    async idle() {
      while (running.size > 0) await Promise.allSettled(running.values());
    },
  };

  async function baseline(proposal: Proposal, signal?: AbortSignal): Promise<Baseline> {
    try {
      const object = await read.get(measuredOf(proposal), signal);
      if (object !== null) return baselineOf(await sight(read, object, signal));
      return Baseline.parse({ unseen: [words.gone[locale]] });
    } catch (error) {
      return Baseline.parse({ unseen: [messageOf(error)] });
    }
  }

  function run(proposalId: string, signal: AbortSignal = stopping): Promise<void> {
    const known = running.get(proposalId);
    if (known !== undefined) return known;
    const work = follow(proposalId, signal)
      .catch((error: unknown) => {
        if (!signal.aborted) throw error; // else it is taken up at the next start
      })
      .finally(() => running.delete(proposalId));
    running.set(proposalId, work);
    return work;
  }

  async function follow(proposalId: string, signal: AbortSignal): Promise<void> {
    const proposal = proposals.get(proposalId);
    const verification = proposals.verification(proposalId);
    if (proposal === null || verification === null || proposal.state !== "verifying") return;
    const before = Baseline.parse(verification.baseline);
    const over = new AbortController();
    const wake = watchFor(proposal, AbortSignal.any([signal, over.signal]));
    try {
      await untilDecided(proposal, verification, before, wake, signal);
    } finally {
      over.abort();
    }
  }

  async function untilDecided(
    proposal: Proposal,
    verification: Verification,
    before: Baseline,
    wake: { next(ms: number): Promise<void> },
    signal: AbortSignal,
  ): Promise<void> {
    let held: { since: number; trouble: string } | null = null;
    let last = { at: 0, text: "" };
    const asked: Asked = { at: 0, truth: null };
    for (;;) {
      const look = await lookAt(proposal, before, signal);
      const now = clock.now().getTime();
      const health = "health" in look ? look.health : null;
      if (health?.well !== true) held = null;
      else if (held === null || held.trouble !== health.trouble) held = { since: now, trouble: health.trouble };
      const heldFor = held === null ? 0 : now - held.since;
      const timeIsUp = now >= verification.deadlineAt.getTime();

      const truth =
        heldFor >= settle && health?.well === true ? await truthOf(proposal, asked, timeIsUp, signal) : null;
      const checks = checksOf(look, heldFor, proposal, truth);
      const decided = verdictOf(look, checks, heldFor, truth, timeIsUp);
      if (decided !== null)
        return finish(proposal, { ...verification, checks }, decided, await tailOf(health, proposal, signal));

      const progress = Math.round(70 * (health?.share ?? 0) + (30 * Math.min(heldFor, settle)) / Math.max(settle, 1));
      if (now - last.at >= beat) {
        const logTail = await tailOf(health, proposal, signal);
        const text = JSON.stringify([checks, progress, logTail]);
        if (text !== last.text) show({ ...verification, checks, progress: Math.min(99, progress), logTail });
        last = { at: now, text };
      }
      await wake.next(pause);
      signal.throwIfAborted();
    }
  }

  /**
   * What the object's own checks cannot know: whether the alert is still true. null where nothing fires any more, or nothing ever did.
   * Prometheus is asked about it at its own pace, and once more when the time is up.
   */
  async function truthOf(
    { incidentId }: Proposal,
    asked: Asked,
    timeIsUp: boolean,
    signal: AbortSignal,
  ): Promise<Truth | null> {
    if (incidentId === null || store.incidents.countAlerts(incidentId).firing === 0) return null;
    const now = clock.now().getTime();
    if (asked.truth === null || timeIsUp || now - asked.at >= askEvery) {
      asked.truth = await expression.ask(incidentId, signal);
      asked.at = now;
    }
    return asked.truth;
  }

  function verdictOf(
    look: Look,
    checks: readonly Check[],
    heldFor: number,
    truth: Truth | null,
    timeIsUp: boolean,
  ): { verdict: Verdict; reason: string } | null {
    if ("gone" in look) return { verdict: "failed", reason: look.gone };
    if ("unseen" in look) return timeIsUp ? { verdict: "unverified", reason: look.unseen } : null;
    const { failure, unmeasured, well } = look.health;
    if (failure !== null) return { verdict: "failed", reason: redactText(cleanLine(failure)) };
    if (well && heldFor >= settle) {
      // Well as it looks, what the alert measures has not come right: it is watched on, and that is how it ends.
      if (truth?.state === "holds") return timeIsUp ? { verdict: "failed", reason: words.holds[locale] } : null;
      return unmeasured === null
        ? { verdict: "succeeded", reason: checks.map(({ text }) => text).join("; ") }
        : { verdict: "unverified", reason: unmeasured };
    }
    // What came right at the last moment may still show that it holds.
    if (!timeIsUp || well) return null;
    const open = checks.filter(({ ok }) => !ok).map(({ text }) => text);
    return { verdict: "failed", reason: open.join("; ") };
  }

  /** What a change is measured on: the workload, also for a pod of it that was deleted. */
  function measuredOf({ action, ownerKey }: Proposal): ObjectRef {
    const [namespace, kind, name] = ownerKey.split("/");
    const type = kindNamed(kind ?? "");
    if (action.kind !== "delete" || type === null || name === undefined || namespace === undefined) {
      return refOf(action.namespace, action.target);
    }
    return { type, namespace, name };
  }

  async function lookAt(proposal: Proposal, before: Baseline, signal: AbortSignal): Promise<Look> {
    try {
      if (proposal.action.kind === "delete") return await lookForPod(proposal, before, signal);
      const object = await read.get(refOf(proposal.action.namespace, proposal.action.target), signal);
      if (object === null) return { gone: words.gone[locale] };
      if (object.metadata.uid !== proposal.targetUid) return { gone: words.replaced[locale] };
      return { health: healthOf(await sight(read, object, signal), before, locale) };
    } catch (error) {
      signal.throwIfAborted();
      return { unseen: messageOf(error) };
    }
  }

  async function lookForPod(proposal: Proposal, before: Baseline, signal: AbortSignal): Promise<Look> {
    const pod = await read.get(refOf(proposal.action.namespace, proposal.action.target), signal);
    const stays = pod !== null && pod.metadata.uid === proposal.targetUid;
    const check: Check = { name: "deleted", ok: !stays, text: (stays ? words.podStays : words.podGone)[locale] };
    const measured = measuredOf(proposal);
    const owner = measured.type.kind === "Pod" ? null : await read.get(measured, signal);
    const health = owner === null ? bare : healthOf(await sight(read, owner, signal), before, locale);
    // Jobs and what else has no rollout: that the pod went is all there is to measure.
    const checks = owner === null || health.unmeasured !== null ? [check] : [check, ...health.checks];
    return {
      health: { ...health, checks, unmeasured: null, well: !stays && (checks.length === 1 || health.well) },
    };
  }

  /** The checks as they are shown, with what the alert does and how long all has held. */
  function checksOf(look: Look, heldFor: number, { incidentId }: Proposal, truth: Truth | null): Check[] {
    if (!("health" in look)) return [{ name: "cluster", ok: false, text: "gone" in look ? look.gone : look.unseen }];
    const quiet = formatDuration(Math.min(heldFor, settle));
    const checks = look.health.checks.map((check) => {
      if (heldFor === 0 || (check.name !== "warnings" && check.name !== "restarts")) return check;
      return { ...check, ok: true, text: quietText[check.name](quiet)[locale] };
    });
    if (incidentId === null) return checks;
    const firing = store.incidents.countAlerts(incidentId).firing > 0;
    const well = checks.every(({ ok }) => ok);
    return [...checks, { name: "alert", ok: !firing, text: firing ? firingText(truth, well) : words.cleared[locale] }];
  }

  function firingText(truth: Truth | null, well: boolean): string {
    if (!well) return words.fires[locale];
    if (truth === null) return words.firing[locale];
    if (truth.state === "unmeasured")
      return `${words.firing[locale]}${unmeasuredText(redactText(cleanLine(truth.why)))[locale]}`;
    return words[truth.state][locale];
  }

  function show(verification: Verification): void {
    store.transact(() => {
      proposals.putVerification(verification);
      notify.proposal(verification.proposalId);
    });
  }

  function finish(
    proposal: Proposal,
    verification: Verification,
    { verdict, reason }: { verdict: Verdict; reason: string },
    logTail: string,
  ): void {
    store.transact((now) => {
      if (!proposals.move(proposal.id, "verifying", verdict, { reason })) return;
      proposals.putVerification({ ...verification, verdict, progress: 100, logTail, finishedAt: now });
      store.audit.append(
        trailEntry(proposal, {
          verb: "verify",
          status: verdict === "succeeded" ? "SUCCESS" : "FAILED",
          actor: systemActor,
          intent: reason,
          detail: { op: proposal.op, verdict, checks: verification.checks },
        }),
      );
      if (verdict === "failed") afterFailedRun(store, notify, proposal);
      if (verdict === "unverified") notify.need({ proposalId: proposal.id }, "needs_human");
      if (verdict === "succeeded" && proposal.undoOf !== null) markUndone(proposal.undoOf, proposal);
      notify.proposal(proposal.id);
    });
  }

  function markUndone(originalId: string, by: Proposal): void {
    const original = proposals.get(originalId);
    if (original === null || !proposals.move(original.id, original.state, "undone")) return;
    store.audit.append(
      trailEntry(original, {
        verb: "undo",
        status: "SUCCESS",
        actor: systemActor,
        intent: by.summary,
        detail: { undoneBy: by.code },
      }),
    );
    notify.proposal(original.id);
  }

  /** The newest lines of the newest pod, as they may be shown; empty where there is none or it cannot be read. */
  async function tailOf(health: Health | null, { action }: Proposal, signal: AbortSignal): Promise<string> {
    const pod = health?.newPods[0];
    if (pod === undefined) return "";
    const container = mainContainer(pod);
    try {
      const text = await read.logs(
        {
          namespace: action.namespace,
          pod: pod.metadata.name,
          ...(container === undefined ? {} : { container }),
          tailLines: logLines,
          limitBytes: 16_384,
        },
        signal,
      );
      return truncateLines(clean(redactText(text)), { lines: logLines, columns: 160, keep: "end" }).lines.join("\n");
    } catch {
      return ""; // a container that has not started yet has no log
    }
  }

  /** Wakes the next look as soon as the object changes, so that a change that is gone again a second later is seen. */
  function watchFor(proposal: Proposal, signal: AbortSignal): { next(ms: number): Promise<void> } {
    let nap: AbortController | null = null;
    let missed = false;
    const onChange = () => {
      missed = true;
      nap?.abort();
    };
    const { type, namespace, name } = measuredOf(proposal);
    read
      .watch({ type, namespace, fieldSelector: `metadata.name=${name}` }, onChange, signal)
      .catch((error: unknown) => {
        if (!signal.aborted)
          log.warn("a verification goes on without its watch", { proposalId: proposal.id, error: messageOf(error) });
      });
    return {
      async next(ms) {
        const least = Math.min(ms, 200);
        await clock.sleep(least, signal);
        if (!missed) {
          nap = new AbortController();
          await clock.sleep(Math.max(0, ms - least), AbortSignal.any([signal, nap.signal])).catch(() => undefined);
        }
        missed = false;
      },
    };
  }
}

function unmeasuredText(why: string): Record<Locale, string> {
  return { en: ` (its expression could not be measured: ${why})`, "zh-CN": `（无法计算其表达式：${why}）` };
}

/** What is said of the two checks that have to be quiet for a while, and are not forgiven a new one. */
const quietText: Readonly<Record<"warnings" | "restarts", (quiet: string) => Record<Locale, string>>> = {
  warnings: (quiet) => ({ en: `no new warnings for ${quiet}`, "zh-CN": `${quiet} 内无新的警告事件` }),
  restarts: (quiet) => ({ en: `no restarts for ${quiet}`, "zh-CN": `${quiet} 内无重启` }),
};

/** The health of what has none to measure. */
const bare: Health = {
  checks: [],
  well: true,
  failure: null,
  unmeasured: null,
  share: 1,
  trouble: "",
  newPods: [],
};

/** As kubectl picks one: by its annotation, else the first. */
function mainContainer(pod: KubeObject): string | undefined {
  const chosen = pod.metadata.annotations?.["kubectl.kubernetes.io/default-container"];
  return chosen ?? stringField(pod, "spec", "containers", 0, "name");
}

function messageOf(error: unknown): string {
  return error instanceof StewardError ? error.message : "the cluster could not be read";
}
