import type { ProposalState } from "../../shared/approval.ts";
import { formatDuration } from "../../shared/duration.ts";
import { unreachable } from "../../shared/errors.ts";
import { clean, truncateLines } from "../../shared/text.ts";
import type { Run, Step, Text } from "../card.ts";
import { foreign, foreignBlock, joinText, own } from "../text.ts";
import { decisionLines, settled, toneOf } from "./decision.ts";
import { makeButton, type ProposalFacts, type View } from "./view.ts";

/** The check that says whether the alert has cleared; once the run is over its outcome says that, as it is now. */
const alertCheck = "alert";

/** How the alert behind a run stands; null where no alert is behind it. */
export interface AlertOutcome {
  firing: boolean;
  clearedAt: Date | null;
}

const logLines = 8;
const logColumns = 160;

/** An execution as people follow it: who let it go, how far it is, what was measured, how it ended. */
export function runOf(facts: ProposalFacts, view: View, alert: AlertOutcome | null): Run {
  const { proposal, verification } = facts;
  const { words } = view;
  const done = settled(proposal.state);
  return {
    code: proposal.code,
    state: proposal.state,
    label: words.proposalState[proposal.state],
    tone: toneOf(proposal.state),
    summary: [foreign("cluster", proposal.summary, 240)],
    kubectl: proposal.kubectl === "" ? null : foreign("cluster", proposal.kubectl, 400),
    steps: steps(facts, view),
    percent: proposal.state === "verifying" && verification !== null ? clampPercent(verification.progress) : null,
    checks: (verification?.checks ?? [])
      .filter(({ name }) => !(done && name === alertCheck))
      .slice(0, 12)
      .map(({ ok, text }) => ({
        state: ok ? "done" : done ? "failed" : "doing",
        text: [foreign("cluster", text, 200)],
      })),
    log: proposal.state === "succeeded" ? null : logOf(facts, view),
    outcome: outcome(facts, view, alert),
    buttons:
      done && canUndo(facts) ? [makeButton(view, "undo", { names: proposal.code, proposalId: proposal.id })] : [],
  };
}

/** An undo is offered for what was changed and can be restored; what was never sent has nothing to take back (SPEC 9). */
function canUndo({ proposal, verification }: ProposalFacts): boolean {
  if (proposal.inverse === null) return false;
  if (proposal.state === "failed") return verification !== null;
  return proposal.state === "succeeded" || proposal.state === "unverified";
}

function logOf({ verification }: ProposalFacts, { words }: View): Run["log"] {
  if (verification === null || verification.logTail.trim() === "") return null;
  const { lines } = truncateLines(clean(verification.logTail), { lines: logLines, columns: logColumns, keep: "end" });
  return { title: words.logOf, text: foreignBlock("cluster", lines.join("\n")) };
}

function clampPercent(value: number): number {
  return Math.min(100, Math.max(0, Math.round(value)));
}

/** Approval, execution, verification, outcome: always four, so that the list keeps its place while it fills. */
function steps(facts: ProposalFacts, view: View): Step[] {
  const { proposal, execution, verification } = facts;
  const { words, times } = view;
  const { state } = proposal;
  const at = (label: string, when: Date | null) =>
    own(when === null ? label : `${label} ${times.short(when, proposal.createdAt)}`);

  const approved = decisionLines(facts, view);
  const approval: Text =
    approved.length > 0
      ? joinText(approved, words.comma)
      : proposal.origin === "autofix" && proposal.rule !== null
        ? words.automaticBy(foreign("person", proposal.rule, 80))
        : own(words.proposalState.approved);
  const sentAt = execution?.sentAt ?? execution?.startedAt ?? null;
  const progress = phases(state, verification !== null);
  return [
    { state: "done", text: approval },
    { state: progress.execute, text: at(words.step.executing, sentAt) },
    { state: progress.verify, text: at(words.step.verifying, verification?.startedAt ?? null) },
    {
      state: progress.end,
      text: at(
        endWord(state, words.step),
        verification?.finishedAt ?? (settled(state) ? (execution?.finishedAt ?? null) : null),
      ),
    },
  ];
}

interface Phases {
  execute: Step["state"];
  verify: Step["state"];
  end: Step["state"];
}

function phases(state: ProposalState, verified: boolean): Phases {
  switch (state) {
    case "pending":
    case "denied":
    case "expired":
    case "stale":
    case "refused":
    case "withdrawn":
    case "cancelled":
    case "approved":
      return { execute: "todo", verify: "todo", end: "todo" };
    case "executing":
      return { execute: "doing", verify: "todo", end: "todo" };
    case "unknown":
      return { execute: "doing", verify: "todo", end: "todo" };
    case "needs_human":
      return { execute: "failed", verify: "todo", end: "failed" };
    case "verifying":
      return { execute: "done", verify: "doing", end: "todo" };
    case "failed":
      return verified
        ? { execute: "done", verify: "failed", end: "failed" }
        : { execute: "failed", verify: "todo", end: "failed" };
    case "unverified":
      return { execute: "done", verify: "failed", end: "todo" };
    case "succeeded":
    case "undone":
      return { execute: "done", verify: "done", end: "done" };
    default:
      return unreachable(state);
  }
}

function endWord(state: ProposalState, words: View["words"]["step"]): string {
  if (state === "failed") return words.failed;
  if (state === "unverified") return words.unverified;
  if (state === "unknown" || state === "needs_human") return words.unknown;
  if (state === "undone") return words.undone;
  return state === "succeeded" ? words.succeeded : words.result;
}

function outcome(facts: ProposalFacts, view: View, alert: AlertOutcome | null): Text | null {
  const { proposal, execution, verification } = facts;
  const { words } = view;
  const why = (said: string | null) => (said === null || said === "" ? [] : [[foreign("cluster", said, 400)]]);
  const because = why(execution?.message ?? proposal.reason);
  const ended = (text: string, ...more: readonly Text[]) => joinText([own(text), ...more], words.gap);
  switch (proposal.state) {
    case "succeeded":
      return ended(words.succeeded, ...alertOutcome(facts, view, alert));
    case "failed":
      return verification === null
        ? ended(words.failed, ...because)
        : ended(words.failed, ...why(proposal.reason), ...(canUndo(facts) ? [own(words.undoHint)] : []));
    case "unverified":
      return ended(words.unverified);
    case "unknown":
      return ended(words.unknown);
    case "needs_human":
      return ended(words.needsHuman, ...because);
    case "undone":
      return ended(words.undone);
    default:
      return null;
  }
}

function alertOutcome({ execution }: ProposalFacts, { words }: View, alert: AlertOutcome | null): Text[] {
  if (alert === null) return [];
  const began = execution?.sentAt ?? execution?.startedAt ?? null;
  if (alert.clearedAt !== null && began !== null && alert.clearedAt > began) {
    const took = words.duration(formatDuration(alert.clearedAt.getTime() - began.getTime()));
    return [own(words.clearedAfter(took))];
  }
  return alert.firing ? [own(words.stillClearing)] : [];
}
