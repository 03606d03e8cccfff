import { formatDuration } from "../../shared/duration.ts";
import type { Mark } from "../card.ts";
import { foreign, own } from "../text.ts";
import type { IncidentFacts, View } from "./view.ts";

/** The label that marks the alerts of `kubectl steward drill`. */
const drillLabel = "steward_drill";

/** What colours the whole card of an incident, the most important first. */
export function incidentMarks(
  { incident, maintenance, failedFix, returnedAt }: IncidentFacts,
  { words, times }: View,
): Mark[] {
  const short = (at: Date) => times.short(at, incident.startedAt);
  const list: Mark[] = [];
  if (incident.labels[drillLabel] !== undefined)
    list.push({ mark: "drill", text: own(words.mark.drill), tone: "info" });
  if (maintenance !== null) {
    const until = maintenance.until === null ? null : short(maintenance.until);
    const text = words.mark.maintenance(until, foreign("person", maintenance.reason, 160));
    list.push({ mark: "maintenance", text, tone: "warning" });
  }
  if (incident.late) list.push({ mark: "late", text: own(words.mark.late), tone: "warning" });
  if (incident.flapping) list.push({ mark: "flapping", text: own(words.mark.flapping), tone: "warning" });
  if (incident.mode === "shadow" && incident.route === "autofix" && incident.rule !== null) {
    list.push({ mark: "shadow", text: words.mark.shadow(foreign("person", incident.rule, 80)), tone: "info" });
  }
  if (returnedAt !== null)
    list.push({ mark: "did_not_hold", text: words.mark.didNotHold(short(returnedAt)), tone: "bad" });
  if (failedFix !== null) {
    list.push({
      mark: "did_not_hold",
      text: words.mark.lastDidNotHold(failedFix.code, short(failedFix.at)),
      tone: "warning",
    });
  }
  if (incident.state === "ignored") {
    const until = incident.ignoredUntil === null ? null : short(incident.ignoredUntil);
    list.push({ mark: "ignored", text: words.mark.ignored(until), tone: "quiet" });
  }
  if (incident.resolvedAt !== null) {
    const took = words.duration(formatDuration(incident.resolvedAt.getTime() - incident.startedAt.getTime()));
    list.push({ mark: "resolved", text: words.mark.resolved(short(incident.resolvedAt), took), tone: "good" });
  }
  return list;
}
