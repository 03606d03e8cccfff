import { type ProposalState, proposalMoves } from "../../shared/approval.ts";
import type { Text, Tone } from "../card.ts";
import { foreign, own } from "../text.ts";
import type { ProposalFacts, View } from "./view.ts";

const tones: Readonly<Record<ProposalState, Tone>> = {
  pending: "warning",
  approved: "busy",
  denied: "quiet",
  expired: "quiet",
  stale: "warning",
  refused: "bad",
  withdrawn: "quiet",
  executing: "busy",
  verifying: "busy",
  failed: "bad",
  unknown: "warning",
  cancelled: "quiet",
  succeeded: "good",
  unverified: "warning",
  needs_human: "bad",
  undone: "quiet",
};

export function toneOf(state: ProposalState): Tone {
  return tones[state];
}

/** States a proposal only has once somebody or something set it going: from there on its run is what people look at. */
const runStates: ReadonlySet<ProposalState> = new Set([
  "approved",
  "executing",
  "verifying",
  "unknown",
  "needs_human",
  "succeeded",
  "failed",
  "unverified",
  "undone",
]);

/** Nothing more happens to it by itself. */
export function settled(state: ProposalState): boolean {
  return proposalMoves[state].every((next) => next === "undone");
}

export function isRun(state: ProposalState): boolean {
  return runStates.has(state);
}

/** Who decided what, oldest first; while votes are missing, how many there are. */
export function decisionLines(
  { proposal, decisions }: Pick<ProposalFacts, "proposal" | "decisions">,
  view: View,
): Text[] {
  const { words, times } = view;
  const lines = decisions.slice(0, 10).map(({ user, verdict, reason, at, platform }) => {
    const name = foreign("person", user, 60);
    const time = times.short(at, proposal.createdAt);
    const via = words.platform[platform];
    return verdict === "approve"
      ? words.approvedBy(name, time, via)
      : words.deniedBy(name, time, via, reason === null ? null : denyReason(reason, view));
  });
  const have = decisions.filter(({ verdict }) => verdict === "approve").length;
  const { approvals } = proposal.requirement;
  if (proposal.state === "pending" && have > 0) lines.push(own(words.progressOfVotes(have, approvals)));
  return lines;
}

function denyReason(reason: string, { words }: View): Text {
  const known: Readonly<Record<string, string>> = words.denyReason;
  const word = Object.hasOwn(known, reason) ? known[reason] : undefined;
  return word === undefined ? [foreign("person", reason, 200)] : own(word);
}
