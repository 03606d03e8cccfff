import type { GateReason, GateReasonCode, Proposal, ProposalState } from "../../shared/approval.ts";
import { systemActor } from "../../shared/approval.ts";
import { clean, truncate } from "../../shared/text.ts";
import type { Button, CardOf, DiffLine, Fact, ProposalBlock, Section, Text } from "../card.ts";
import { foreign, foreignBlock, foreignCode, joinText, own, say } from "../text.ts";
import { decisionLines, isRun, settled, toneOf } from "./decision.ts";
import { runOf } from "./run.ts";
import { makeButton, type ProposalFacts, type View } from "./view.ts";

/** Lines of a change that stay unfolded (SPEC 10, "on a phone"). */
const diffLinesShown = 6;

/** Reasons no person can approve away. The others hold automatic runs only, or pass by themselves and are asked again before anything runs. */
const final: Readonly<Record<GateReasonCode, boolean>> = {
  protected_namespace: true,
  protected_object: true,
  protection_unreadable: true,
  steward_namespace: true,
  gitops: true,
  busy: false,
  paused: false,
  autofix_namespace: false,
  autofix_limit: false,
  autofix_scope: false,
  autofix_kind: false,
  autofix_mismatch: false,
  autofix_direction: false,
  autofix_downgraded: false,
  autofix_flapping: false,
  autofix_late: false,
  autofix_shadow: false,
  max_affected_pods: false,
  breaker_open: false,
  setup_required: false,
};

/** The card of a proposal that was asked for in chat or terminal: a decision first, the run it became after. */
export function proposalCard(facts: ProposalFacts, view: View): CardOf<"approval"> | CardOf<"status"> {
  const { proposal } = facts;
  const { words } = view;
  const headline = say`${own(words.risk[proposal.risk])} · ${placeOf(proposal)} · ${foreign("cluster", proposal.summary, 120)}`;
  const common = {
    schema: 1 as const,
    locale: view.locale,
    tone: toneOf(proposal.state),
    headline,
    status: words.proposalState[proposal.state],
    marks: [],
    lead: [],
    facts: [],
    sections: changeSection(proposal, view),
    links: [],
    buttons: proposal.state === "pending" ? [makeButton(view, "ask", { names: proposal.code })] : [],
    footer: "",
  };
  if (isRun(proposal.state)) {
    const run = runOf(facts, view, null);
    const title = settled(proposal.state) ? run.label : words.title.running;
    return { kind: "status", ...common, title, run, findings: [], proposals: [] };
  }
  const block = proposalBlock(facts, view, { canRenew: true });
  return { kind: "approval", ...common, title: words.title.approval, proposals: [block] };
}

/** A proposal as people decide about it, on its own card or on an incident's. */
export function proposalBlock(
  { proposal, decisions }: ProposalFacts,
  view: View,
  { canRenew }: { canRenew: boolean },
): ProposalBlock {
  const { words, times } = view;
  const open = proposal.state === "pending";
  // What can no longer be decided keeps its change folded.
  const lines = open ? diffLines(proposal.diff) : [];
  return {
    title: words.title.approval,
    code: proposal.code,
    state: proposal.state,
    label: words.proposalState[proposal.state],
    tone: toneOf(proposal.state),
    summary: [foreign("cluster", proposal.summary, 240)],
    digest: proposal.digest,
    kubectl: proposal.kubectl === "" ? null : foreign("cluster", proposal.kubectl, 400),
    diff: unfolded(lines),
    facts: open ? pendingFacts(proposal, view) : [],
    warnings: open ? proposal.warnings.slice(0, 8).map((text) => [foreign("cluster", text, 240)]) : [],
    gate: { allowed: proposal.gate.allowed, lines: gateLines(proposal, view) },
    expires: open
      ? {
          at: proposal.expiresAt.toISOString(),
          text: words.expires(times.short(proposal.expiresAt, proposal.createdAt)),
        }
      : null,
    decisions: decisionLines({ proposal, decisions }, view),
    outcome: endedText(proposal, view),
    buttons: proposalButtons(proposal, view, canRenew),
  };
}

function proposalButtons(proposal: Proposal, view: View, canRenew: boolean): Button[] {
  const named = { names: proposal.code, proposalId: proposal.id };
  if (proposal.state === "pending") {
    const blocked = proposal.gate.reasons.some(({ code }) => final[code]);
    return [...(blocked ? [] : [makeButton(view, "approve", named)]), makeButton(view, "deny", named)];
  }
  if (canRenew && (proposal.state === "expired" || proposal.state === "stale"))
    return [makeButton(view, "renew", named)];
  return [];
}

function pendingFacts(proposal: Proposal, { words }: View): Fact[] {
  const { approvals, roles, selfApproval } = proposal.requirement;
  const asked: Text =
    proposal.origin === "autofix" && proposal.rule !== null
      ? words.proposedByRule(foreign("person", proposal.rule, 80))
      : proposal.requestedBy === systemActor.username
        ? own(words.proposedBy)
        : say`${foreign("person", proposal.requestedBy, 60)} (${own(words.platform[proposal.requestedVia])})`;
  return [
    { label: words.fact.asked, value: asked },
    {
      label: words.fact.needs,
      value: words.needs(approvals, foreign("person", roles.join("/"), 80), selfApproval),
    },
    { label: words.fact.undo, value: own(proposal.inverse === null ? words.undoable.no : words.undoable.yes) },
  ];
}

/** What the safety gate said, in one line where it is open and with each reason where it is not. */
function gateLines({ gate, origin, createdAt, state }: Proposal, { words, times }: View): Text[] {
  const automatic = origin === "autofix";
  const use =
    automatic || gate.used > 0
      ? [own(words.gateUse(gate.used, gate.limit, gate.nextAt === null ? null : times.short(gate.nextAt, createdAt)))]
      : [];
  if (gate.reasons.length === 0) {
    return state === "pending" || use.length > 0 ? [joinText([own(words.gateOpen), ...use], " · ")] : [];
  }
  const closed = gate.reasons.some(({ code }) => final[code]) || (!gate.allowed && !automatic);
  const reasons = gate.reasons.slice(0, 6).map((reason) => gateReason(reason, words.gateReason[reason.code]));
  const heading = own((closed ? words.gateClosed : words.notAutomatic) + words.colon);
  return [joinText([heading, joinText(reasons, words.semicolon)], ""), ...use];
}

/** The gate's own text says more than the word (which object, until when); the word stands in where there is none. */
function gateReason(reason: GateReason, word: string): Text {
  return reason.text === "" ? own(word) : [foreign("cluster", reason.text, 200)];
}

function endedText(proposal: Proposal, { words, words: { gap } }: View): Text | null {
  const { state, reason } = proposal;
  const ended: Readonly<Partial<Record<ProposalState, string>>> = words.ended;
  const text = ended[state];
  if (text === undefined) return null;
  // Why it was denied stands with who denied it.
  const said = state === "denied" ? null : reason;
  return said === null || said === "" ? own(text) : joinText([own(text), [foreign("cluster", said, 400)]], gap);
}

/** One line for a proposal that is over and done. */
export function earlierLine(facts: ProposalFacts, view: View): Text {
  const { proposal } = facts;
  const decided = decisionLines(facts, view).at(-1);
  const line = say`${own(proposal.code)} · ${own(view.words.proposalState[proposal.state])} · ${foreign("cluster", proposal.summary, 120)}`;
  return decided === undefined ? line : joinText([line, decided], " · ");
}

/** The whole change, folded, when it does not stand on the card unfolded. */
export function changeSection(proposal: Proposal, view: View): Section[] {
  const lines = clean(proposal.diff).split("\n");
  const count = diffLines(proposal.diff).length;
  if (count === 0 || (proposal.state === "pending" && count <= diffLinesShown)) return [];
  const shown = lines.slice(0, 120).map((line) => truncate(line, 160));
  return [
    {
      title: own(view.words.section.diff(proposal.code)),
      ref: null,
      body: { form: "preformatted", text: foreignBlock("cluster", shown.join("\n")) },
      note: lines.length > shown.length ? seeProposal(lines.length - shown.length, proposal, view) : null,
    },
  ];
}

function seeProposal(left: number, { code }: Proposal, { words }: View): Text {
  return own(`${words.linesLeft(left)}; ${words.seeRest(`kubectl steward approvals ${code}`)}`);
}

/**
 * What of a change stands on the card unfolded: a short one whole; of a longer one the lines that change, each group under the line it
 * belongs to (`limits:` before `memory: 1Gi`), since on a phone the context around them would push them out.
 */
function unfolded(lines: readonly DiffLine[]): { lines: DiffLine[]; more: number } {
  const shown = lines.length <= diffLinesShown ? [...lines] : essence(lines).slice(0, diffLinesShown);
  return { lines: shown, more: lines.length - shown.length };
}

function essence(lines: readonly DiffLine[]): DiffLine[] {
  return lines.flatMap((line, at) => {
    if (line.op === "same") return [];
    const previous = lines[at - 1];
    const parent = previous !== undefined && previous.op !== "same" ? undefined : parentOf(lines, at);
    return parent === undefined ? [line] : [parent, line];
  });
}

/** The nearest line before this one that is indented less, if nothing that changed stands between. */
function parentOf(lines: readonly DiffLine[], at: number): DiffLine | undefined {
  const indent = indentOf(lines[at]);
  for (const line of lines.slice(0, at).reverse()) {
    if (line.op !== "same") return undefined;
    if (indentOf(line) < indent) return line;
  }
  return undefined;
}

function indentOf(line: DiffLine | undefined): number {
  return line === undefined ? 0 : line.text.text.search(/\S|$/);
}

/** The lines of a change without its file headers. */
function diffLines(diff: string): DiffLine[] {
  return clean(diff)
    .split("\n")
    .slice(0, 2_000)
    .filter((line) => line.trim() !== "" && !/^(---|\+\+\+|@@)/.test(line))
    .map((line) => {
      const op = line.startsWith("+") ? "add" : line.startsWith("-") ? "remove" : "same";
      return { op, text: foreignCode("cluster", /^[-+ ]/.test(line) ? line.slice(1) : line, 160) };
    });
}

/** `payment/checkout`, as the first line names what a proposal is about. */
export function placeOf(about: { namespace: string | null; target: string }): Text {
  const name = about.target.slice(about.target.indexOf("/") + 1);
  return [foreign("cluster", about.namespace === null ? about.target : `${about.namespace}/${name}`, 120)];
}
