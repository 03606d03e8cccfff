/** Label and field selectors as they stand in a query string, and the structured ones of specs. */
import { at } from "./json.ts";
import type { KubeObject, LabelSelector } from "./object.ts";
import { badRequest } from "./status.ts";

export type Labels = Readonly<Record<string, string>>;
export type Matcher<T> = (subject: T) => boolean;

const token = /\s*([(),]|!=|==|=|!|<|>|[^\s(),=!<>]+)/y;

function tokens(text: string): string[] {
  const out: string[] = [];
  token.lastIndex = 0;
  while (token.lastIndex < text.length) {
    const start = token.lastIndex;
    const match = token.exec(text);
    if (!match) {
      if (text.slice(start).trim() === "") break;
      throw badRequest(`unable to parse requirement: found '${text.slice(start)}'`);
    }
    out.push(match[1] ?? "");
  }
  return out;
}

/** Parses `a=b,c!=d,e in (x,y),f notin (z),g,!h`. Throws 400 like the real parser. */
export function labelSelector(text: string): Matcher<Labels> {
  const list = tokens(text);
  const matchers: Matcher<Labels>[] = [];
  let i = 0;
  const fail = (found: string, expected: string): never => {
    throw badRequest(`unable to parse requirement: found '${found}', expected: ${expected}`);
  };
  const word = (): string => {
    const next = list[i] ?? "";
    if (/^[(),!=<>]/.test(next)) return fail(next, "identifier");
    i += 1;
    return next;
  };
  const values = (): Set<string> => {
    const set = new Set<string>();
    if (list[i] !== "(") fail(list[i] ?? "", "'('");
    i += 1;
    while (list[i] !== ")") {
      if (i >= list.length) fail("", "',', or ')'");
      if (list[i] === ",") i += 1;
      else set.add(word());
    }
    i += 1;
    return set;
  };
  while (i < list.length) {
    if (list[i] === "!") {
      i += 1;
      const key = word();
      matchers.push((labels) => !Object.hasOwn(labels, key));
    } else {
      const key = word();
      const operator = list[i] ?? ",";
      if (operator === "=" || operator === "==" || operator === "!=") {
        i += 1;
        const value = list[i] === undefined || list[i] === "," ? "" : word();
        const has = (labels: Labels) => Object.hasOwn(labels, key) && labels[key] === value;
        matchers.push(operator === "!=" ? (labels) => !has(labels) : has);
      } else if (operator === "in" || operator === "notin") {
        i += 1;
        const set = values();
        const has = (labels: Labels) => Object.hasOwn(labels, key) && set.has(labels[key] ?? "");
        matchers.push(operator === "in" ? has : (labels) => !has(labels));
      } else if (operator === "<" || operator === ">") {
        i += 1;
        const bound = Number(word());
        matchers.push((labels) => {
          const value = Number(labels[key] ?? "x");
          return operator === "<" ? value < bound : value > bound;
        });
      } else if (operator === ",") {
        matchers.push((labels) => Object.hasOwn(labels, key));
      } else {
        fail(operator, "in, notin, =, ==, !=, gt, lt");
      }
    }
    if (i < list.length) {
      if (list[i] !== ",") fail(list[i] ?? "", "',' or 'end of string'");
      i += 1;
    }
  }
  return (labels) => matchers.every((matches) => matches(labels));
}

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
export function fieldSelector(storage: string, text: string): Matcher<KubeObject> {
  const known = [...always, ...(fieldsOf[storage] ?? [])];
  const matchers = text
    .split(",")
    .filter((term) => term !== "")
    .map((term): Matcher<KubeObject> => {
      const match = /^(.*?)(!=|==|=)(.*)$/.exec(term);
      if (!match) throw badRequest(`invalid selector: '${text}'; can't understand '${term}'`);
      const [, field = "", operator, value = ""] = match;
      if (!known.includes(field)) throw badRequest(unknownField(storage, field));
      return (object) => (fieldValue(storage, field, object) === value) === (operator !== "!=");
    });
  return (object) => matchers.every((matches) => matches(object));
}

function unknownField(storage: string, field: string): string {
  if (storage === "/pods") return `field label not supported: ${field}`;
  return fieldsOf[storage]
    ? `field label not supported: ${field}`
    : `"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"`;
}
