import type { Proposal } from "../../shared/approval.ts";
import { StewardError } from "../../shared/errors.ts";
import type { Incident } from "../../shared/incident.ts";
import { redactObject } from "../../shared/redact.ts";
import type { Store } from "../store.ts";

type Told = Pick<Store, "incidents" | "evidence" | "proposals" | "audit">;

/**
 * Everything that is known of one incident, as NDJSON lines that stand alone: `kind` says what each is. Alerts, evidence, what was
 * diagnosed by whom and at what cost, each proposal with its diff and digest, its decisions, execution and verification, the
 * audit records, and the checkpoints that let the records be found in the chain. Throws `not_found`.
 */
export function* bundleIncident(store: Told, incidentId: string): Generator<string> {
  yield line("incident", requireIncident(store, incidentId));
  for (const alert of store.incidents.alerts(incidentId)) yield line("alert", alert);
  for (const run of store.evidence.investigations(incidentId)) yield line("investigation", run);
  for (const evidence of store.evidence.ofIncident(incidentId)) yield line("evidence", evidence);
  for (const proposal of store.proposals.ofIncident(incidentId)) {
    yield line("proposal", toldProposal(proposal));
    for (const decision of store.proposals.decisions(proposal.id)) {
      yield line("decision", { proposalId: proposal.id, ...decision });
    }
    const execution = store.proposals.execution(proposal.id);
    if (execution !== null) yield line("execution", execution);
    const verification = store.proposals.verification(proposal.id);
    if (verification !== null) yield line("verification", verification);
  }
  for (const record of recordsOf(store, incidentId)) yield line("audit", record);
  for (const checkpoint of store.audit.checkpoints()) yield line("checkpoint", checkpoint);
}

/** Throws `not_found`. */
export function requireIncident({ incidents }: Pick<Store, "incidents">, id: string): Incident {
  const incident = incidents.get(id);
  if (incident === null) throw new StewardError("not_found", `there is no incident ${id}`);
  return incident;
}

/** Oldest first, as a story is told. */
function recordsOf({ audit }: Told, incident: string) {
  const newestFirst = [];
  let cursor: string | null = null;
  do {
    const page = audit.page({ limit: 1_000, cursor, since: null, incident });
    newestFirst.push(...page.items);
    cursor = page.next;
  } while (cursor !== null);
  return newestFirst.reverse();
}

/** Without the request's bytes, which the digest stands for: a template in them may carry values that must not leave. */
function toldProposal({ request, ...proposal }: Proposal): object {
  const { body: _, ...sent } = request ?? { body: null };
  return { ...redactObject(proposal), request: request === null ? null : sent };
}

function line(kind: string, content: object): string {
  return JSON.stringify({ kind, ...content });
}
