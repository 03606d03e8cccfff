import type { Action } from "../shared/action.ts";
import { StewardError } from "../shared/errors.ts";
import type { Diagnosis, Evidence } from "../shared/finding.ts";
import type { Incident } from "../shared/incident.ts";
import { kindWritten, parseTarget, targetOf } from "../shared/kube.ts";
import type { Locale } from "../shared/locale.ts";
import { redactObject } from "../shared/redact.ts";
import type { Clock, Log } from "./edges.ts";
import type { Expression } from "./expression.ts";
import type { Explanation, Playbook, Scene } from "./playbooks/playbook.ts";
import { openScene, quickFacts, type Subject } from "./playbooks/scene.ts";
import { lookAround, unreadable } from "./playbooks/without-object.ts";
import type { Store } from "./store.ts";
import type { Toolbox, ToolRun } from "./tools/index.ts";

interface Investigated {
  diagnosis: Diagnosis;
  /** Best first; only on the subject itself. */
  remedies: readonly Action[];
  /** Nothing could be read because nobody answered: another look may see it. */
  blind: boolean;
}

export interface Investigate {
  /**
   * Looks for the cause of an incident and puts it on its card as it is found: quick facts first, then the diagnosis.
   * A cluster that cannot be read gives an honest diagnosis, not an error. Throws `not_found`, the signal's reason when the process stops
   * (the incident is queued again), and what the store throws.
   */
  run(incidentId: string, signal: AbortSignal): Promise<Investigated>;
  /** The same without an incident, for a person who asks: `deployment/checkout`, with what was read. Throws `invalid` for what is no target. */
  diagnose(
    target: string,
    namespace: string,
    signal: AbortSignal,
  ): Promise<Investigated & { facts: readonly string[]; evidence: readonly Evidence[] }>;
}

interface Deps {
  store: Store;
  toolbox: Toolbox;
  /** The playbook for what a scene shows. */
  playbookFor: (scene: Scene) => Playbook;
  /** What an alert measures; without it that is not looked at. */
  expression?: Pick<Expression, "query">;
  notify: { incident(id: string): void };
  clock: Clock;
  log: Log;
  locale: Locale;
  /** Time for all looks of the rules; SPEC 7 promises the card within 15 s. */
  budgetMs?: number;
}

/** What the rules came to, before it is stored. */
interface Outcome extends Investigated {
  calls: number;
  evidence: readonly Evidence[];
}

export function createInvestigate({
  store,
  toolbox,
  playbookFor,
  expression,
  notify,
  clock,
  log,
  locale,
  budgetMs = 12_000,
}: Deps): Investigate {
  return { run, diagnose };

  async function run(incidentId: string, signal: AbortSignal): Promise<Investigated> {
    const incident = store.incidents.get(incidentId);
    if (incident === null) throw new StewardError("not_found", "there is no such incident");
    const investigationId = store.transact(() => {
      store.incidents.patch(incidentId, { investigation: "running" });
      notify.incident(incidentId);
      return store.evidence.begin({ incidentId, by: "rules", model: null });
    });
    const tellFacts = (facts: readonly string[]) =>
      store.transact(() => {
        store.incidents.patch(incidentId, { facts });
        notify.incident(incidentId);
      });
    try {
      const outcome = await look(subjectOf(incident), { incidentId, investigationId, signal, tellFacts });
      conclude(incident, investigationId, outcome);
      return { diagnosis: outcome.diagnosis, remedies: outcome.remedies, blind: outcome.blind };
    } catch (error) {
      if (signal.aborted) queueAgain(incidentId, investigationId);
      else giveUp(incident, investigationId, error);
      throw error;
    }
  }

  async function diagnose(target: string, namespace: string, signal: AbortSignal) {
    const parsed = parseTarget(target.toLowerCase());
    if (parsed === null) {
      throw new StewardError(
        "invalid",
        `${JSON.stringify(target.slice(0, 80))} is not a kind and a name, such as deployment/checkout`,
        { path: "target" },
      );
    }
    const investigationId = store.transact(() => store.evidence.begin({ incidentId: null, by: "rules", model: null }));
    const kind = kindWritten(parsed.kind)?.kind ?? parsed.kind;
    const subject: Subject = { target: targetOf(kind, parsed.name), namespace, pod: null, startedAt: null };
    const facts: string[] = [];
    const tellFacts = (found: readonly string[]) => void facts.push(...found);
    try {
      const outcome = await look(subject, { incidentId: null, investigationId, signal, tellFacts });
      store.transact(() => store.evidence.finish(investigationId, { state: "done", calls: outcome.calls, tokens: 0 }));
      const { diagnosis, remedies, blind, evidence } = outcome;
      return { diagnosis, remedies, blind, facts, evidence };
    } catch (error) {
      store.transact(() =>
        store.evidence.finish(investigationId, { state: "failed", calls: 0, tokens: 0, error: wordsOf(error) }),
      );
      throw error;
    }
  }

  interface Run {
    incidentId: string | null;
    investigationId: string;
    signal: AbortSignal;
    tellFacts: (facts: readonly string[]) => void;
  }

  async function look(
    subject: Subject | Place,
    { incidentId, investigationId, signal, tellFacts }: Run,
  ): Promise<Outcome> {
    const budget = new AbortController();
    const stopClock = new AbortController();
    const tooLong = new StewardError(
      "unavailable",
      { en: `not read within ${budgetMs / 1_000} s`, "zh-CN": `${budgetMs / 1_000} 秒内未能读到` }[locale],
    );
    void clock.sleep(budgetMs, stopClock.signal).then(
      () => budget.abort(tooLong),
      () => undefined,
    );
    const within = AbortSignal.any([signal, budget.signal]);
    const tools = toolbox.open({ incidentId, investigationId, signal: within });
    try {
      const explanation =
        "target" in subject
          ? await explain(subject, tools, tellFacts)
          : await lookAround(
              { namespace: subject.namespace, expression: await expressionOf(subject, within) },
              tools.look,
              locale,
            );
      signal.throwIfAborted();
      return settled(explanation, tools);
    } finally {
      stopClock.abort();
    }
  }

  /** null where it cannot be known in time; the looks go on without it. */
  async function expressionOf({ labels }: Place, signal: AbortSignal): Promise<string | null> {
    return expression?.query(labels, signal).catch(() => null) ?? null;
  }

  async function explain(subject: Subject, tools: ToolRun, tellFacts: Run["tellFacts"]): Promise<Explanation> {
    const { scene, unseen } = await openScene(subject, tools.look, { locale, now: clock.now() });
    if (scene === null) return unreadable(subject.target, unseen, locale);
    tellFacts(redactObject(quickFacts(scene)));
    const explanation = await playbookFor(scene).explain(scene, tools.look);
    return { ...explanation, unseen: [...unseen, ...explanation.unseen] };
  }

  /** Redacted, and without claims that rest on nothing. */
  function settled(explanation: Explanation, tools: ToolRun): Outcome {
    const known = new Set(tools.evidence().map(({ id }) => id));
    const { remedies, findings, unseen, ruledOut, ...rest } = explanation;
    const { made: calls, unanswered } = tools.calls();
    const diagnosis: Diagnosis = redactObject({
      by: "rules" as const,
      ...rest,
      findings: findings
        .map(({ text, evidence }) => ({ text, evidence: evidence.filter((id) => known.has(id)) }))
        .filter(({ evidence }) => evidence.length > 0),
      ruledOut,
      unseen: [...new Set(unseen)],
      calls,
      tokens: 0,
    });
    return { diagnosis, remedies, blind: known.size === 0 && unanswered > 0, calls, evidence: tools.evidence() };
  }

  function conclude(incident: Incident, investigationId: string, { diagnosis, remedies, calls }: Outcome): void {
    store.transact(() => {
      store.incidents.setDiagnosis(incident.id, diagnosis);
      store.incidents.patch(incident.id, { investigation: "done" });
      store.evidence.finish(investigationId, { state: "done", calls, tokens: 0 });
      record(incident, "SUCCESS", {
        by: diagnosis.by,
        cause: diagnosis.cause,
        confidence: diagnosis.confidence,
        conclusion: diagnosis.conclusion,
        evidence: [...new Set(diagnosis.findings.flatMap(({ evidence }) => evidence))],
        calls,
        remedies: remedies.map(({ kind, target }) => `${kind} ${target}`),
      });
      notify.incident(incident.id);
    });
    log.info("investigated", {
      incidentId: incident.id,
      cause: diagnosis.cause,
      confidence: diagnosis.confidence,
      calls,
    });
  }

  /** Steward stops: whoever starts next begins anew. */
  function queueAgain(incidentId: string, investigationId: string): void {
    store.transact(() => {
      store.incidents.patch(incidentId, { investigation: "queued" });
      store.evidence.finish(investigationId, { state: "failed", calls: 0, tokens: 0, error: "stopped" });
    });
  }

  function giveUp(incident: Incident, investigationId: string, error: unknown): void {
    log.error("investigation failed", { incidentId: incident.id, error });
    store.transact(() => {
      store.incidents.patch(incident.id, { investigation: "failed" });
      store.evidence.finish(investigationId, { state: "failed", calls: 0, tokens: 0, error: wordsOf(error) });
      record(incident, "FAILED", { error: wordsOf(error) });
      notify.incident(incident.id);
    });
  }

  function record(
    { id, alertname, namespace, target }: Incident,
    status: "SUCCESS" | "FAILED",
    detail: Readonly<Record<string, unknown>>,
  ): void {
    store.audit.append({
      userId: null,
      intent: alertname,
      actionType: "investigate",
      targetResource: [namespace, target].filter((part) => part !== null).join("/") || null,
      commandSnapshot: null,
      status,
      clientIp: null,
      platform: "system",
      incidentId: id,
      proposalId: null,
      detail,
    });
  }
}

/** An alert about no object, in a namespace or nowhere. */
interface Place {
  namespace: string | null;
  labels: Readonly<Record<string, string>>;
}

function subjectOf({ target, namespace, labels, startedAt }: Incident): Subject | Place {
  if (target === null) return { namespace, labels };
  return { target, namespace: namespace ?? "", pod: labels["pod"] ?? null, startedAt };
}

function wordsOf(error: unknown): string {
  return error instanceof StewardError ? error.message : "an error of Steward's own";
}
