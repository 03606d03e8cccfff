/** Which options of a list or a watch go together. Source: k8s.io/apimachinery pkg/apis/meta/internalversion/validation. */
import { type FieldError, invalid } from "./status.ts";

/** @throws ApiError 422 naming every option that has no place beside the others */
export function checkListOptions(query: URLSearchParams, watching: boolean): void {
  const faults: FieldError[] = [];
  const match = query.get("resourceVersionMatch") ?? "";
  const initial = query.get("sendInitialEvents") !== null;
  const forbid = (field: string, detail: string) => faults.push({ type: "Forbidden", field, detail });
  const forbidMatch = (detail: string) => forbid("resourceVersionMatch", detail);
  if (watching && initial && match !== "NotOlderThan") {
    forbidMatch("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
  }
  if (match !== "") {
    if (watching && !initial)
      forbidMatch("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
    if (!watching && !query.get("resourceVersion")) {
      forbidMatch("resourceVersionMatch is forbidden unless resourceVersion is provided");
    }
    if (query.get("continue")) forbidMatch("resourceVersionMatch is forbidden when continue is provided");
    if (match !== "NotOlderThan" && (watching || match !== "Exact")) {
      const supported = watching ? '"NotOlderThan"' : '"", "Exact", "NotOlderThan"';
      const detail = `supported values: ${supported}`;
      faults.push({ type: "NotSupported", field: "resourceVersionMatch", value: match, detail });
    }
    if (!watching && match === "Exact" && query.get("resourceVersion") === "0") {
      forbidMatch('resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
    }
  }
  if (!watching && initial) forbid("sendInitialEvents", "sendInitialEvents is forbidden for list");
  if (faults.length > 0) throw invalid("meta.k8s.io", "ListOptions", "", faults);
}
