import type { ApprovalAnswer } from "../../shared/api/approval.ts";
import type { AuditRow, Change } from "../../shared/api/audit.ts";
import type { IncidentAnswer, IncidentDetail } from "../../shared/api/incident.ts";
import type { UnlinkedAccount, UserAnswer } from "../../shared/api/user.ts";
import { formatDuration } from "../../shared/duration.ts";
import type { Paint, Tone, View } from "../output.ts";

/** How each kind of thing looks in a table, and one of them alone. `now` is what ages are counted from. */

export function incidentView(now: Date): View<IncidentAnswer> {
  return {
    kind: "Incident",
    name: ({ id }) => `incident/${id}`,
    columns: [
      { header: "ID", value: ({ id }) => id },
      { header: "SEVERITY", value: ({ severity }) => severity, tone: ({ severity }) => severityTone(severity) },
      { header: "NAMESPACE", value: ({ namespace }) => namespace ?? "" },
      { header: "TARGET", value: ({ target }) => target ?? "" },
      { header: "ALERT", value: ({ alertname }) => alertname },
      { header: "STATE", value: stateOfIncident },
      { header: "APPROVALS", value: ({ approvals }) => approvals.join(",") },
      { header: "AGE", value: ({ startedAt }) => age(startedAt, now) },
      { header: "ROUTE", wide: true, value: ({ route }) => route },
      { header: "RULE", wide: true, value: ({ rule }) => rule ?? "" },
      { header: "CLAIMED BY", wide: true, value: ({ claimedBy }) => claimedBy ?? "" },
      { header: "CONCLUSION", wide: true, value: ({ diagnosis }) => diagnosis?.conclusion ?? "" },
    ],
  };
}

export function incidentDetailView(now: Date): View<IncidentDetail> {
  return { ...incidentView(now), detail: (incident, paint) => describeIncident(incident, now, paint) };
}

function describeIncident(incident: IncidentDetail, now: Date, paint: Paint): string[] {
  const { diagnosis } = incident;
  const cite = (ids: readonly string[]) => {
    const numbers = ids.map((id) => incident.evidence.findIndex((one) => one.id === id) + 1).filter((n) => n > 0);
    return numbers.length === 0 ? "" : ` [${numbers.map((n) => `E${n}`).join(", ")}]`;
  };
  const lines = fields(paint, [
    ["Incident", incident.id],
    ["Alert", `${incident.alertname} (${incident.severity}), ${incident.alerts} in all`],
    ["Target", [incident.namespace, incident.target].filter(Boolean).join("/")],
    ["State", stateOfIncident(incident)],
    ["Since", `${incident.startedAt} (${age(incident.startedAt, now)})`],
    ["Route", `${incident.route}${incident.rule === null ? "" : ` by rule ${incident.rule}`}`],
    ["Claimed by", incident.claimedBy ?? ""],
    ["Joined to", incident.joined ?? ""],
    ["Approvals", incident.approvals.join(", ")],
  ]);
  if (diagnosis === null) lines.push("", paint("quiet", "No diagnosis yet."));
  else {
    lines.push("", paint("strong", "Conclusion"), ...indent(diagnosis.conclusion));
    lines.push(
      ...section(
        paint,
        "Findings",
        diagnosis.findings.map(({ text, evidence }) => `${text}${cite(evidence)}`),
      ),
    );
    lines.push(...section(paint, "Ruled out", diagnosis.ruledOut));
    lines.push(...section(paint, "Could not be seen", diagnosis.unseen));
    lines.push(
      "",
      paint(
        "quiet",
        `by ${diagnosis.by}, confidence ${diagnosis.confidence}, ${diagnosis.calls} calls, ${diagnosis.tokens} tokens`,
      ),
    );
  }
  for (const [i, { tool, args, text }] of incident.evidence.entries()) {
    lines.push("", paint("strong", `E${i + 1} ${tool} ${JSON.stringify(args)}`), ...indent(text));
  }
  return lines;
}

function stateOfIncident({ state, late, flapping, joined }: IncidentAnswer): string {
  return [
    state,
    ...(late ? ["late"] : []),
    ...(flapping ? ["flapping"] : []),
    ...(joined === null ? [] : ["joined"]),
  ].join(",");
}

export function approvalView(now: Date): View<ApprovalAnswer> {
  return {
    kind: "Approval",
    name: ({ code }) => `approval/${code}`,
    columns: [
      { header: "CODE", value: ({ code }) => code, tone: () => "strong" },
      { header: "STATE", value: ({ state }) => state, tone: ({ state }) => approvalTone(state) },
      { header: "NAMESPACE", value: ({ namespace }) => namespace ?? "" },
      { header: "TARGET", value: ({ target }) => target },
      { header: "ACTION", value: ({ action }) => action.kind },
      {
        header: "REQUESTED BY",
        value: ({ origin, rule, requestedBy }) => (origin === "autofix" ? `rule ${rule ?? "built-in"}` : requestedBy),
      },
      { header: "EXPIRES", value: ({ state, expiresAt }) => (state === "pending" ? until(expiresAt, now) : "") },
      { header: "AGE", value: ({ createdAt }) => age(createdAt, now) },
      { header: "SUMMARY", wide: true, value: ({ summary }) => summary },
      { header: "RISK", wide: true, value: ({ risk }) => risk },
      { header: "INCIDENT", wide: true, value: ({ incidentId }) => incidentId ?? "" },
      { header: "DECIDED BY", wide: true, value: ({ decisions }) => decisions.map(({ user }) => user).join(",") },
    ],
    detail: (approval, paint) => describeApproval(approval, now, paint),
  };
}

/** All a person has to know before they decide, and what became of it after. */
export function describeApproval(approval: ApprovalAnswer, now: Date, paint: Paint): string[] {
  const { gate, execution, verification, requirement } = approval;
  const needed = `${requirement.approvals} of ${requirement.roles.join(" or ")}${requirement.selfApproval ? "" : ", not who asked for it"}`;
  const lines = fields(paint, [
    ["Approval", `${approval.code} (${approval.id})`],
    [
      "State",
      paint(approvalTone(approval.state), approval.state) + (approval.reason === null ? "" : `: ${approval.reason}`),
    ],
    ["Target", [approval.namespace, approval.target].filter(Boolean).join("/")],
    ["Change", approval.summary],
    ["As kubectl", approval.kubectl],
    ["Risk", `${approval.risk}, ${approval.reversible ? "can be undone" : "cannot be undone"}`],
    [
      "Asked by",
      `${approval.requestedBy} (${approval.origin}${approval.rule === null ? "" : `, rule ${approval.rule}`})`,
    ],
    ["Needs", approval.state === "pending" ? needed : ""],
    ["Expires", approval.state === "pending" ? `${approval.expiresAt} (${until(approval.expiresAt, now)})` : ""],
    ["Incident", approval.incidentId ?? ""],
    ["Undoes", approval.undoOf ?? ""],
  ]);
  lines.push(...section(paint, "Warnings", approval.warnings, "warning"));
  if (!gate.allowed)
    lines.push(
      ...section(
        paint,
        "The gate says no",
        gate.reasons.map(({ text }) => text),
        "bad",
      ),
    );
  if (approval.diff !== "") lines.push("", paint("strong", "Diff"), ...diffLines(approval.diff, paint));
  const decided = approval.decisions.map(
    ({ user, verdict, reason, at, platform }) =>
      `${verdict} by ${user}, ${at}, on ${platform}${reason === null ? "" : `: ${reason}`}`,
  );
  lines.push(...section(paint, "Decisions", decided));
  if (execution !== null) {
    const ended =
      execution.finishedAt === null
        ? execution.state
        : `${execution.outcome ?? execution.state} at ${execution.finishedAt}`;
    lines.push(
      ...section(paint, "Execution", [`${ended}${execution.message === null ? "" : `: ${execution.message}`}`]),
    );
  }
  if (verification !== null) {
    const checks = verification.checks.map(({ ok, text }) => `${ok ? paint("good", "✔") : paint("bad", "✘")} ${text}`);
    lines.push(...section(paint, `Verification: ${verification.verdict ?? `${verification.progress} %`}`, checks));
  }
  return lines;
}

function diffLines(diff: string, paint: Paint): string[] {
  return diff
    .split("\n")
    .map((line) => `  ${paint(line.startsWith("+") ? "good" : line.startsWith("-") ? "bad" : null, line)}`);
}

export const auditView: View<AuditRow> = {
  kind: "AuditRecord",
  name: ({ seq }) => `record/${seq}`,
  columns: [
    { header: "SEQ", value: ({ seq }) => String(seq) },
    { header: "TIME", value: ({ timestamp }) => timestamp },
    {
      header: "USER",
      value: ({ username, user_id, platform }) => username ?? user_id ?? (platform === "system" ? "steward" : ""),
    },
    { header: "ACTION", value: ({ action_type }) => action_type },
    { header: "TARGET", value: ({ target_resource }) => target_resource ?? "" },
    { header: "STATUS", value: ({ status }) => status, tone: ({ status }) => (status === "FAILED" ? "bad" : null) },
    { header: "PLATFORM", value: ({ platform }) => platform },
    { header: "COMMAND", wide: true, value: ({ command_snapshot }) => command_snapshot ?? "" },
    { header: "INTENT", wide: true, value: ({ intent }) => intent ?? "" },
    { header: "CLIENT", wide: true, value: ({ client_ip }) => client_ip ?? "" },
    { header: "INCIDENT", wide: true, value: ({ incident_id }) => incident_id ?? "" },
    { header: "PROPOSAL", wide: true, value: ({ proposal_id }) => proposal_id ?? "" },
    { header: "DETAIL", wide: true, value: ({ detail }) => detail ?? "" },
    { header: "HASH", wide: true, value: ({ hash }) => hash.slice(0, 12) },
  ],
};

export const changeView: View<Change> = {
  kind: "Change",
  name: ({ code }) => `approval/${code}`,
  columns: [
    { header: "TIME", value: ({ at }) => at },
    { header: "CODE", value: ({ code }) => code },
    { header: "NAMESPACE", value: ({ namespace }) => namespace ?? "" },
    { header: "TARGET", value: ({ target }) => target },
    { header: "CHANGE", value: ({ summary }) => summary },
    { header: "BY", value: ({ by }) => by },
    { header: "APPROVED BY", value: ({ approvedBy }) => approvedBy.join(",") },
    { header: "OUTCOME", value: ({ state }) => state, tone: ({ state }) => approvalTone(state) },
    { header: "COMMAND", wide: true, value: ({ kubectl }) => kubectl },
    { header: "INCIDENT", wide: true, value: ({ incidentId }) => incidentId ?? "" },
  ],
};

export function userView(now: Date): View<UserAnswer> {
  return {
    kind: "User",
    name: ({ username }) => `user/${username}`,
    columns: [
      { header: "NAME", value: ({ username }) => username },
      { header: "ROLE", value: ({ role }) => role },
      { header: "PASSWORD", value: ({ password }) => (password ? "yes" : "no") },
      {
        header: "ACCOUNTS",
        value: ({ identities }) => identities.map(({ channel, id }) => `${channel}:${id}`).join(","),
      },
      { header: "AGE", value: ({ createdAt }) => age(createdAt, now) },
      { header: "ID", wide: true, value: ({ id }) => id },
    ],
  };
}

export function unlinkedView(now: Date): View<UnlinkedAccount> {
  return {
    kind: "UnlinkedAccount",
    name: ({ channel, id }) => `${channel}/${id}`,
    columns: [
      { header: "CHANNEL", value: ({ channel }) => channel },
      { header: "ID", value: ({ id }) => id },
      { header: "NAME", value: ({ display }) => display ?? "" },
      { header: "LAST SEEN", value: ({ seenAt }) => age(seenAt, now) },
    ],
  };
}

export function severityTone(severity: string): Tone | null {
  if (severity === "critical") return "bad";
  return severity === "warning" ? "warning" : null;
}

export function approvalTone(state: string): Tone | null {
  switch (state) {
    case "pending":
    case "unknown":
    case "needs_human":
      return "warning";
    case "succeeded":
      return "good";
    case "failed":
    case "refused":
    case "denied":
      return "bad";
    case "expired":
    case "stale":
    case "withdrawn":
    case "undone":
    case "cancelled":
      return "quiet";
    default:
      return null;
  }
}

export function age(at: string, now: Date): string {
  return formatDuration(now.getTime() - new Date(at).getTime());
}

export function until(at: string, now: Date): string {
  const left = new Date(at).getTime() - now.getTime();
  return left <= 0 ? "now" : `in ${formatDuration(left)}`;
}

/** `Name:   value`, without those that have none. */
export function fields(paint: Paint, rows: readonly (readonly [string, string])[]): string[] {
  return rows
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${paint("quiet", `${name}:`.padEnd(13))}${oneLine(value)}`);
}

function section(paint: Paint, title: string, items: readonly string[], tone: Tone = "strong"): string[] {
  return items.length === 0 ? [] : ["", paint(tone, title), ...items.map((item) => `  ${oneLine(item)}`)];
}

function indent(text: string): string[] {
  return text.split("\n").map((line) => `  ${line}`);
}

/** A line break in a text from outside must not look like a line of ours. */
function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, " ");
}
