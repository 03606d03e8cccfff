/** The review kinds: questions that are answered and not stored. */

import type { Tokens } from "./authentication.ts";
import { asList, asObject, asString, isObject, type JsonObject } from "./json.ts";
import type { Attributes, Authorizer } from "./rbac.ts";
import type { Resource } from "./registry/kinds.ts";
import type { User } from "./registry/registry.ts";
import { badRequest, invalid } from "./status.ts";

function userInfo(user: User): JsonObject {
  return {
    username: user.name,
    ...(user.uid ? { uid: user.uid } : {}),
    groups: [...user.groups],
    ...(user.extra ? { extra: user.extra } : {}),
  };
}

function attributesOf(spec: JsonObject): Attributes {
  const resource = asObject(spec["resourceAttributes"]);
  const text = (key: string) => asString(resource[key]);
  if (spec["resourceAttributes"] !== undefined) {
    return {
      verb: text("verb"),
      resource: text("resource"),
      subresource: text("subresource"),
      group: text("group"),
      version: text("version"),
      namespace: text("namespace"),
      name: text("name"),
      path: "",
    };
  }
  const path = asObject(spec["nonResourceAttributes"]);
  return {
    verb: asString(path["verb"]),
    path: asString(path["path"]),
    resource: "",
    subresource: "",
    group: "",
    version: "",
    namespace: "",
    name: "",
  };
}

/** The body of the answer; it is the review that was sent, with its status filled in. */
export function answerReview(
  resource: Resource,
  namespace: string,
  body: JsonObject,
  user: User,
  authorizer: Authorizer,
  tokens: Tokens,
): JsonObject {
  const spec = asObject(body["spec"]);
  const answer = (status: JsonObject): JsonObject => ({
    kind: resource.kind,
    apiVersion: resource.apiVersion,
    metadata: { ...asObject(body["metadata"]) },
    ...(resource.struct.fields.has("spec") ? { spec } : {}),
    status,
  });
  switch (resource.kind) {
    case "SelfSubjectReview":
      return answer({ userInfo: userInfo(user) });
    case "TokenReview": {
      const token = asString(spec["token"]);
      if (token === "") throw badRequest("token is required for TokenReview in authentication");
      const found = tokens.userOf(token);
      return answer(
        found
          ? { authenticated: true, user: userInfo(found), audiences: ["https://kubernetes.default.svc.cluster.local"] }
          : { user: {}, error: "[invalid bearer token]" },
      );
    }
    case "SelfSubjectRulesReview": {
      const rules = authorizer.rulesFor(user, asString(spec["namespace"]));
      return answer({
        resourceRules: rules
          .filter((rule) => rule.resources.length > 0)
          .map(({ verbs, apiGroups, resources, resourceNames }) => ({
            verbs,
            apiGroups,
            resources,
            ...(resourceNames.length ? { resourceNames } : {}),
          })),
        nonResourceRules: rules
          .filter((rule) => rule.nonResourceURLs.length > 0)
          .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
        incomplete: false,
      });
    }
    default: {
      const hasResource = isObject(spec["resourceAttributes"]);
      const hasPath = isObject(spec["nonResourceAttributes"]);
      if (hasResource === hasPath) {
        throw invalid(resource.group, resource.kind, "", [
          {
            type: "Invalid",
            field: "spec.resourceAttributes",
            value: spec["resourceAttributes"] ?? null,
            detail: hasResource
              ? "cannot be specified in combination with nonResourceAttributes"
              : "exactly one of nonResourceAttributes or resourceAttributes must be specified",
          },
        ]);
      }
      const attributes = attributesOf(spec);
      if (resource.kind === "LocalSubjectAccessReview" && attributes.namespace !== namespace) {
        throw invalid(resource.group, resource.kind, "", [
          {
            type: "Invalid",
            field: "spec.resourceAttributes.namespace",
            value: attributes.namespace,
            detail: "must match metadata.namespace",
          },
        ]);
      }
      const self = resource.kind === "SelfSubjectAccessReview";
      if (!self && asString(spec["user"]) === "" && asList(spec["groups"]).length === 0) {
        throw invalid(resource.group, "", "", [
          { type: "Invalid", field: "spec.user", value: "", detail: "at least one of user or group must be specified" },
        ]);
      }
      const subject: User = self
        ? user
        : { name: asString(spec["user"]), groups: asList(spec["groups"]).map(asString) };
      const decision = authorizer.authorize(subject, attributes);
      return answer({ allowed: decision.allowed, ...(decision.reason ? { reason: decision.reason } : {}) });
    }
  }
}
