/** Field selectors as they stand in a query string, and the structured label selectors of specs. */
import { at } from "./json.ts";
import type { Labels, Matcher } from "./label-selector.ts";
import type { KubeObject, LabelSelector } from "./object.ts";
import { badRequest } from "./status.ts";

/** A spec's selector. An absent one selects nothing, an empty one everything. */
export function selects(selector: LabelSelector | null | undefined, labels: Labels | undefined): boolean {
  if (!selector) return false;
  const own = labels ?? {};
  const equal = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => own[key] === value);
  return (
    equal &&
    (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
      const has = Object.hasOwn(own, key);
      if (operator === "Exists") return has;
      if (operator === "DoesNotExist") return !has;
      const listed = has && values.includes(own[key] ?? "");
      return operator === "In" ? listed : !listed;
    })
  );
}

const always = ["metadata.name", "metadata.namespace"];
const fieldsOf: Readonly<Record<string, readonly string[]>> = {
  "/pods": [
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
  ],
  "/events": [
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
  ],
  "/namespaces": ["status.phase"],
  "/nodes": ["spec.unschedulable"],
  "/secrets": ["type"],
  "/services": ["spec.clusterIP", "spec.type"],
  "apps/replicasets": ["status.replicas"],
  "batch/jobs": ["status.successful"],
};

function fieldValue(storage: string, field: string, object: KubeObject): string {
  if (storage === "/events" && field === "source") {
    return String(at(object, "source", "component") || at(object, "reportingComponent") || "");
  }
  if (storage === "batch/jobs" && field === "status.successful") return String(at(object, "status", "succeeded") ?? 0);
  const value = at(object, ...field.split("."));
  if (value === undefined || value === null)
    return field === "spec.unschedulable" || field === "spec.hostNetwork" ? "false" : "";
  return String(value);
}

/** Parses `a=b,c!=d` over the fields that this resource supports. Throws 400 for any other. */
export function fieldSelector(storage: string, text: string, custom = false): Matcher<KubeObject> {
  const known = [...always, ...(fieldsOf[storage] ?? [])];
  const matchers = text
    .split(",")
    .filter((term) => term !== "")
    .map((term): Matcher<KubeObject> => {
      const match = /^(.*?)(!=|==|=)(.*)$/.exec(term);
      if (!match) throw badRequest(`invalid selector: '${text}'; can't understand '${term}'`);
      const [, field = "", operator, value = ""] = match;
      const stray = /[=,]/.exec(value.replaceAll(/\\[\\,=]/g, ""))?.[0];
      if (stray) throw badRequest(`invalid field selector: unescaped character in value: ${stray.charCodeAt(0)}`);
      if (!known.includes(field)) throw badRequest(unknownField(storage, field, custom));
      return (object) => (fieldValue(storage, field, object) === value) === (operator !== "!=");
    });
  return (object) => matchers.every((matches) => matches(object));
}

function unknownField(storage: string, field: string, custom: boolean): string {
  return custom || fieldsOf[storage]
    ? `field label not supported: ${field}`
    : `"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"`;
}
