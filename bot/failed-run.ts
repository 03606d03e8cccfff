import type { Proposal } from "../shared/approval.ts";
import type { Notify } from "./notify.ts";
import type { Store } from "./store.ts";

/**
 * What follows a run that failed, inside the transaction that records it: people are told, and a rule that ran it by itself only
 * diagnoses this target until somebody resumes (SPEC 9).
 */
export function afterFailedRun(store: Pick<Store, "proposals">, notify: Notify, proposal: Proposal): void {
  const automatic = store.proposals.execution(proposal.id)?.origin === "autofix";
  if (automatic && proposal.rule !== null) store.proposals.downgrade(proposal.rule, proposal.ownerKey, proposal.id);
  notify.need({ proposalId: proposal.id }, "failed");
}
