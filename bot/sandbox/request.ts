/** Reads what a request asks for from its method, path and query, as the real server's RequestInfo does. */
import type { Attributes } from "./rbac.ts";

export interface RequestInfo extends Attributes {
  readonly isResource: boolean;
  readonly watch: boolean;
}

const verbs: Readonly<Record<string, string>> = {
  POST: "create",
  GET: "get",
  HEAD: "get",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

function isTrue(value: string | null): boolean {
  return value === "true" || value === "1" || value === "";
}

export function readRequest(method: string, path: string, query: URLSearchParams): RequestInfo {
  const verb = verbs[method] ?? method.toLowerCase();
  const parts = path
    .split("/")
    .filter((part) => part !== "")
    .map(decode);
  const none = { resource: "", subresource: "", group: "", version: "", namespace: "", name: "", path, watch: false };
  const core = parts[0] === "api";
  const start = core ? 2 : 3;
  if ((!core && parts[0] !== "apis") || parts.length <= start) {
    return { ...none, verb: method === "HEAD" || method === "GET" ? "get" : verb, isResource: false };
  }
  const group = core ? "" : (parts[1] ?? "");
  const version = parts[start - 1] ?? "";
  let rest = parts.slice(start);
  let namespace = "";
  // "namespaces/x" is the namespace itself; "namespaces/x/pods" is what is in it.
  if (rest[0] === "namespaces" && rest.length > 2 && !["status", "finalize"].includes(rest[2] ?? "")) {
    namespace = rest[1] ?? "";
    rest = rest.slice(2);
  } else if (rest[0] === "namespaces" && rest.length > 1) namespace = rest[1] ?? "";
  const [resource = "", name = "", subresource = ""] = rest;
  const watch = name === "" && isTrue(query.get("watch") ?? "false");
  let actual = verb;
  if (name === "" && verb === "get") actual = watch ? "watch" : "list";
  if (name === "" && verb === "delete") actual = "deletecollection";
  return { isResource: true, verb: actual, group, version, namespace, resource, name, subresource, path, watch };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The media types a client accepts, best first, with their parameters. */
export interface Accepted {
  readonly type: string;
  readonly parameters: Readonly<Record<string, string>>;
}

export function readAccept(header: string | undefined): Accepted[] {
  if (!header) return [{ type: "application/json", parameters: {} }];
  const entries = header.split(",").map((entry) => {
    const [type = "", ...rest] = entry.split(";").map((part) => part.trim());
    const parameters = Object.fromEntries(
      rest.map((part) => {
        const [key = "", value = ""] = part.split("=");
        return [key, value];
      }),
    );
    return { type, parameters };
  });
  return entries.sort((a, b) => Number(b.parameters["q"] ?? 1) - Number(a.parameters["q"] ?? 1));
}
