/** API requests on resources, after authentication and authorization: from a parsed request to an answer. */
import { parse as parseYaml } from "yaml";
import { readDeleteOptions } from "./delete-options.ts";
import { fromApi, toApi } from "./events-api.ts";
import { evict } from "./eviction.ts";
import { goJsonError } from "./go-text.ts";
import { asList, asNumber, asObject, asString, at, isObject, type JsonObject } from "./json.ts";
import { duplicateFields } from "./json-duplicates.ts";
import { labelSelector } from "./label-selector.ts";
import { checkListOptions } from "./list-options.ts";
import { list } from "./listing.ts";
import { pickContainer } from "./logs.ts";
import type { KubeObject, Pod } from "./object.ts";
import { applyJsonPatch } from "./patch-json.ts";
import { applyMergePatch } from "./patch-merge.ts";
import { isReviewKind, type Resource, unservedSubresources } from "./registry/kinds.ts";
import type { Caller, DeleteOptions, PatchKind, Registry } from "./registry/registry.ts";
import type { RequestInfo } from "./request.ts";
import { replicasIn, scaleOf, versionIn } from "./scale.ts";
import { fieldSelector } from "./selectors.ts";
import {
  badRequest,
  conflict,
  invalid,
  methodNotAllowed,
  modifiedMessage,
  noSuchPath,
  notFound,
  notImplemented,
  type Status,
  unknownMediaType,
  unsupportedMediaType,
} from "./status.ts";
import { timestamp } from "./timers.ts";

/** A path under which nothing is served at all: the real server's mux answers it with plain text. */
export class UnknownPath extends Error {}

export interface ApiRequest {
  readonly info: RequestInfo;
  readonly query: URLSearchParams;
  readonly contentType: string;
  readonly body: string;
  readonly caller: Caller;
}

/** What goes back: one object, or a list of them that may still become a table. */
export type ApiAnswer =
  | {
      readonly kind: "object";
      readonly code: number;
      readonly object: KubeObject | Status | JsonObject;
      readonly resource: Resource;
    }
  | {
      readonly kind: "list";
      readonly resource: Resource;
      readonly items: readonly KubeObject[];
      readonly metadata: JsonObject;
    };

const patchTypes: Readonly<Record<string, PatchKind>> = {
  "application/json-patch+json": "json",
  "application/merge-patch+json": "merge",
  "application/strategic-merge-patch+json": "strategic",
  "application/apply-patch+yaml": "apply",
};

export function findResource(registry: Registry, info: RequestInfo): Resource {
  const resource = registry.kinds.find(info.group, info.version, info.resource);
  if (!resource) {
    const served = registry.kinds.all().some(({ group, version }) => group === info.group && version === info.version);
    throw served ? noSuchPath() : new UnknownPath();
  }
  if (resource.namespaced && info.namespace === "" && info.name !== "") throw noSuchPath();
  return resource;
}

/** Which stored objects a list or watch is about. */
export function selection(
  resource: Resource,
  query: URLSearchParams,
  name = "",
): { matches: (o: KubeObject) => boolean; selective: boolean } {
  const labels = query.get("labelSelector") ?? "";
  const fields = query.get("fieldSelector") ?? "";
  const byLabel = labelSelector(labels);
  const shown = resource.group === "events.k8s.io" ? fields.replaceAll("regarding.", "involvedObject.") : fields;
  const byField = fieldSelector(resource.storage, shown, resource.custom !== undefined);
  return {
    selective: labels !== "" || fields !== "",
    matches: (object) =>
      (name === "" || object.metadata.name === name) && byLabel(object.metadata.labels ?? {}) && byField(object),
  };
}

/** @param expected the kind that a message about unreadable JSON names; a patch has none */
export function parseBody(contentType: string, body: string, expected?: string): unknown {
  const type = contentType.split(";")[0]?.trim() ?? "";
  if (body.trim() === "") return undefined;
  const yaml = type === "application/yaml" || type === "application/apply-patch+yaml";
  try {
    return yaml ? parseYaml(body) : JSON.parse(body);
  } catch (error) {
    const why = yaml && error instanceof Error ? error.message : goJsonError(body, error);
    throw badRequest(
      expected === undefined
        ? `error decoding ${yaml ? "YAML" : "patch"}: ${why}`
        : `the object provided is unrecognized (must be of type ${expected}): couldn't get version/kind; json parse error: ${why} (${body.slice(0, 1024)})`,
    );
  }
}

function writtenBody(request: ApiRequest, resource: Resource): unknown {
  const type = request.contentType.split(";")[0]?.trim() || "application/json";
  if (type !== "application/json" && type !== "application/yaml") throw unsupportedMediaType();
  const body = parseBody(type, request.body, resource.kind);
  if (body === undefined) throw badRequest("Required body is empty");
  const repeated = type === "application/json" ? duplicateFields(request.body) : [];
  const found = repeated.map((path) => `duplicate field "${path}"`);
  if (found.length > 0 && request.caller.fieldValidation === "Strict") {
    throw badRequest(
      `${resource.kind} in version "${resource.version}" cannot be handled as a ${resource.kind}: strict decoding error: ${found.join(", ")}`,
    );
  }
  if (request.caller.fieldValidation === "Warn") for (const text of found) request.caller.warn(text);
  return body;
}

export function handle(registry: Registry, request: ApiRequest): ApiAnswer {
  const { info, query, caller } = request;
  const resource = findResource(registry, info);
  if (info.subresource !== "") return handleSubresource(registry, resource, request);
  const { namespace, name } = info;
  const scope = resource.namespaced ? namespace : "";
  const one = (object: KubeObject | Status, code = 200): ApiAnswer => ({
    kind: "object",
    code,
    resource,
    object: isKubeObject(object) ? toApi(resource, object) : object,
  });
  if (!resource.verbs.includes(info.verb)) throw methodNotAllowed();
  switch (info.verb) {
    case "get":
      return one(registry.get(resource, scope, name));
    case "list": {
      checkListOptions(query, false);
      const { matches, selective } = selection(resource, query);
      const { items, metadata } = list(registry.store, {
        storage: resource.storage,
        namespace: scope,
        resourceVersion: query.get("resourceVersion") ?? "",
        resourceVersionMatch: query.get("resourceVersionMatch") ?? "",
        limit: wholeNumber(query.get("limit")),
        continue: query.get("continue") ?? "",
        selective,
        matches,
      });
      return { kind: "list", resource, items: items.map((item) => toApi(resource, item)), metadata: { ...metadata } };
    }
    case "create": {
      if (name !== "") throw methodNotAllowed();
      if (isReviewKind(resource)) throw noSuchPath();
      if (resource.namespaced && namespace === "")
        throw badRequest("an empty namespace may not be set during creation");
      return one(
        throughEvents(registry, resource, (target, convert) =>
          registry.create(caller, target, scope, convert(writtenBody(request, resource))),
        ),
        201,
      );
    }
    case "update": {
      const body = writtenBody(request, resource);
      const { object, created } = throughEvents(registry, resource, (target, convert) =>
        registry.update(caller, target, scope, name, "", convert(body)),
      );
      return one(object, created ? 201 : 200);
    }
    case "patch": {
      const { object, created } = patch(registry, resource, request, "");
      return one(object, created ? 201 : 200);
    }
    case "delete":
      return one(registry.remove(deleter(request), resource, scope, name, deleteOptions(request)));
    case "deletecollection": {
      const { matches } = selection(resource, query);
      const items = registry.store.list(resource.storage, scope).filter(matches);
      const options = deleteOptions(request);
      const by = deleter(request);
      for (const item of items)
        registry.remove(by, resource, item.metadata.namespace ?? "", item.metadata.name, options);
      return {
        kind: "list",
        resource,
        items: items.map((item) => toApi(resource, item)),
        metadata: { resourceVersion: String(registry.store.revision()) },
      };
    }
    default:
      throw methodNotAllowed();
  }
}

function wholeNumber(text: string | null): number {
  if (text === null || text === "") return 0;
  if (!/^[-+]?\d+$/.test(text)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

function isKubeObject(value: KubeObject | Status): value is KubeObject {
  return value.kind !== "Status";
}

/** Events written through events.k8s.io are kept in core's shape. */
function throughEvents<T>(
  registry: Registry,
  resource: Resource,
  run: (target: Resource, convert: (body: unknown) => unknown) => T,
): T {
  if (resource.group !== "events.k8s.io") return run(resource, (body) => body);
  const core = registry.kinds.resource("", "events");
  return run(core, (body) => (isObject(body) ? fromApi(resource, body as KubeObject) : body));
}

function patch(
  registry: Registry,
  resource: Resource,
  request: ApiRequest,
  sub: string,
): { object: KubeObject; created: boolean } {
  const { info, query, caller } = request;
  const type = request.contentType.split(";")[0]?.trim() ?? "";
  const kind = patchTypes[type];
  const accepted = Object.keys(patchTypes).filter((name) => !resource.custom || !name.includes("strategic"));
  if (!kind) throw unknownMediaType();
  if (!accepted.includes(type)) throw unsupportedMediaType(accepted);
  const force = query.get("force");
  if (kind === "apply" && !query.get("fieldManager")) {
    throw invalid("meta.k8s.io", "PatchOptions", "", [
      { type: "Required", field: "fieldManager", detail: "is required for apply patch" },
    ]);
  }
  if (kind !== "apply" && force !== null) {
    throw invalid("meta.k8s.io", "PatchOptions", "", [
      { type: "Forbidden", field: "force", detail: "may not be specified for non-apply patch" },
    ]);
  }
  const body = parseBody(type, request.body);
  if (resource.group === "events.k8s.io")
    throw notImplemented("patching events through events.k8s.io; use the core API");
  const namespace = resource.namespaced ? info.namespace : "";
  return registry.patch(caller, resource, namespace, info.name, sub, kind, body, force === "true");
}

/** A delete with a body is a dry run only if the body says so: the query's options count for nothing then. */
function deleter({ caller, contentType, body }: ApiRequest): Caller {
  if (body.trim() === "") return caller;
  const { dryRun } = asObject(parseBody(contentType, body, "DeleteOptions"));
  return { ...caller, dryRun: asList(dryRun).includes("All") };
}

/** Options of a delete: the body's, or the query's where there is no body. */
function deleteOptions({ contentType, body, query }: ApiRequest): DeleteOptions {
  if (body.trim() !== "") return readDeleteOptions(parseBody(contentType, body, "DeleteOptions"));
  const orphan = query.get("orphanDependents");
  return readDeleteOptions({
    gracePeriodSeconds: query.has("gracePeriodSeconds") ? Number(query.get("gracePeriodSeconds")) : undefined,
    propagationPolicy: query.get("propagationPolicy") ?? undefined,
    orphanDependents: orphan === null ? undefined : orphan === "true",
  });
}

function handleSubresource(registry: Registry, resource: Resource, request: ApiRequest): ApiAnswer {
  const { info, caller } = request;
  const { subresource } = info;
  const namespace = resource.namespaced ? info.namespace : "";
  const known = resource.subresources.find((sub) => sub.name === subresource);
  if (!known) throw noSuchPath();
  if (subresource === "exec" || subresource === "attach") {
    pickContainer(registry.get(resource, namespace, info.name) as Pod, request.query.get("container") ?? "");
  }
  if (unservedSubresources.has(subresource)) throw notImplemented(`${resource.resource}/${subresource}`);
  if (!known.verbs.includes(info.verb)) throw methodNotAllowed();
  const one = (object: KubeObject | Status | JsonObject, code = 200): ApiAnswer => ({
    kind: "object",
    code,
    resource,
    object,
  });
  switch (subresource) {
    case "status":
    case "finalize":
      if (info.verb === "get") return one(registry.get(resource, namespace, info.name));
      if (info.verb === "patch") return one(patch(registry, resource, request, subresource).object);
      return one(
        registry.update(caller, resource, namespace, info.name, subresource, writtenBody(request, resource)).object,
      );
    case "scale":
      return scale(registry, resource, request, namespace, one);
    case "eviction":
      return one(evict(registry, caller, namespace, info.name, writtenBody(request, resource)), 201);
    case "binding": {
      const body = writtenBody(request, resource);
      const node = asString(at(body, "target", "name"));
      registry.edit(caller, resource, namespace, info.name, "", (pod) => {
        asObject(pod["spec"])["nodeName"] = node;
      });
      return one({ kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 }, 201);
    }
    default:
      throw notImplemented(`${resource.resource}/${subresource}`);
  }
}

function scale(
  registry: Registry,
  resource: Resource,
  request: ApiRequest,
  namespace: string,
  one: (object: KubeObject) => ApiAnswer,
): ApiAnswer {
  const { info, caller } = request;
  const existing = registry.get(resource, namespace, info.name);
  if (info.verb === "get") return one(scaleOf(existing));
  let wanted: unknown;
  if (info.verb === "patch") {
    const type = request.contentType.split(";")[0]?.trim() ?? "";
    const body = parseBody(type, request.body);
    const before = scaleOf(existing);
    const kind = patchTypes[type];
    if (!kind) throw unsupportedMediaType(Object.keys(patchTypes));
    if (kind === "json") wanted = applyJsonPatch(before, body);
    else if (kind === "apply") throw notImplemented("server-side apply on scale");
    else wanted = applyMergePatch(before, body);
  } else wanted = writtenBody(request, resource);
  const replicas = replicasIn(wanted);
  if (replicas === undefined)
    throw badRequest(
      'Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal into Go struct field ScaleSpec.spec.replicas of type int32',
    );
  if (replicas < 0) {
    throw invalid("autoscaling", "Scale", info.name, [
      { type: "Invalid", field: "spec.replicas", value: replicas, detail: "must be greater than or equal to 0" },
    ]);
  }
  const uid = asString(at(wanted, "metadata", "uid"));
  if (uid && uid !== existing.metadata.uid) {
    throw conflict(
      resource,
      info.name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${existing.metadata.uid}`,
    );
  }
  const version = versionIn(wanted);
  if (version && version !== existing.metadata.resourceVersion) throw conflict(resource, info.name, modifiedMessage);
  const written = registry.edit(caller, resource, namespace, info.name, "scale", (object) => {
    asObject(object["spec"])["replicas"] = replicas;
  });
  return one(scaleOf(written));
}

/** What `kubectl create token` asks for. */
export function tokenRequest(registry: Registry, info: RequestInfo, body: unknown, token: string): JsonObject {
  const account = registry.store.get("/serviceaccounts", info.namespace, info.name);
  if (!account) throw notFound({ group: "", resource: "serviceaccounts" }, info.name);
  const seconds = asNumber(at(body, "spec", "expirationSeconds"), 3600);
  return {
    kind: "TokenRequest",
    apiVersion: "authentication.k8s.io/v1",
    metadata: { name: info.name, namespace: info.namespace, creationTimestamp: timestamp(registry.clock.now()) },
    spec: {
      audiences: ["https://kubernetes.default.svc.cluster.local"],
      expirationSeconds: seconds,
      boundObjectRef: null,
    },
    status: { token, expirationTimestamp: timestamp(new Date(registry.clock.now().getTime() + seconds * 1000)) },
  };
}
