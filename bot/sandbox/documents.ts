/** Everything the server serves that is not a resource: version, health, discovery, OpenAPI. */
import {
  aggregated,
  aggregatedTypes,
  apiGroup,
  apiGroups,
  apiResources,
  apiVersions,
  versionInfo,
} from "./discovery.ts";
import { openApiV2, openApiV3, openApiV3Index } from "./openapi.ts";
import type { Registry } from "./registry/registry.ts";
import type { Accepted } from "./request.ts";
import { noSuchPath, notAcceptable } from "./status.ts";

export interface Document {
  readonly body: unknown;
  readonly contentType?: string;
}

/** @throws ApiError 404 where nothing is, 406 for OpenAPI v2 to those who want it in protobuf only */
export function documentAt(registry: Registry, path: string, accepts: readonly Accepted[], address: string): Document {
  const { kinds } = registry;
  const parts = path.split("/").filter((part) => part !== "");
  const [root = "", second = "", third = ""] = parts;
  switch (`/${parts.join("/")}`) {
    case "/version":
      return { body: versionInfo() };
    case "/healthz":
    case "/livez":
    case "/readyz":
      return { body: "ok", contentType: "text/plain; charset=utf-8" };
    case "/api":
      return discovery(registry, true, accepts) ?? { body: apiVersions(address) };
    case "/apis":
      return discovery(registry, false, accepts) ?? { body: apiGroups(kinds) };
    case "/openapi/v2":
      if (!accepts.some(({ type }) => ["application/json", "application/*", "*/*"].includes(type)))
        throw notAcceptable();
      return { body: openApiV2(registry) };
    case "/openapi/v3":
      return { body: openApiV3Index(registry) };
  }
  let body: unknown;
  if (root === "openapi" && second === "v3") body = openApiV3(registry, parts.slice(2).join("/"));
  else if (root === "api" && parts.length === 2) body = apiResources(kinds, "", second);
  else if (root === "apis" && parts.length === 2) body = apiGroup(kinds, second);
  else if (root === "apis" && parts.length === 3) body = apiResources(kinds, second, third);
  if (body === undefined) throw noSuchPath();
  return { body };
}

function discovery(registry: Registry, core: boolean, accepts: readonly Accepted[]): Document | undefined {
  const wish = accepts.find(
    ({ type, parameters }) =>
      type === "application/json" &&
      parameters["as"] === "APIGroupDiscoveryList" &&
      parameters["g"] === aggregatedTypes &&
      (parameters["v"] === "v2" || parameters["v"] === "v2beta1"),
  );
  const version = wish?.parameters["v"];
  if (version === undefined) return undefined;
  return {
    body: aggregated(registry.kinds, core, version),
    contentType: `application/json;g=${aggregatedTypes};v=${version};as=APIGroupDiscoveryList`,
  };
}
