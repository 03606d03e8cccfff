/** Who is asking: bearer tokens, and impersonation on top of them. */
import { randomBytes } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { type Authorizer, refusal } from "./rbac.ts";
import type { User } from "./registry/registry.ts";
import { badRequest, forbidden, unauthorized } from "./status.ts";

export interface Tokens {
  /** The user's token, made on first use. */
  tokenOf(user: string): string;
  userOf(token: string): User | undefined;
}

function groupsOf(name: string): string[] {
  const account = /^system:serviceaccount:([^:]+):[^:]+$/.exec(name);
  if (account) return ["system:serviceaccounts", `system:serviceaccounts:${account[1]}`, "system:authenticated"];
  return name === "admin" ? ["system:masters", "system:authenticated"] : ["system:authenticated"];
}

export function createTokens(): Tokens {
  const tokens = new Map<string, User>();
  return {
    tokenOf(name) {
      for (const [token, user] of tokens) if (user.name === name) return token;
      const token = randomBytes(24).toString("base64url");
      tokens.set(token, { name, groups: groupsOf(name) });
      return token;
    },
    userOf: (token) => tokens.get(token),
  };
}

const anonymous: User = { name: "system:anonymous", groups: ["system:unauthenticated"] };

function values(headers: IncomingHttpHeaders, raw: readonly string[], name: string): string[] {
  if (headers[name] === undefined) return [];
  const out: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) if (raw[i]?.toLowerCase() === name) out.push(raw[i + 1] ?? "");
  return out;
}

/**
 * The user a request acts as. 401 for a token nobody has; 403 when the asker may not impersonate that user, a group, the
 * uid or an extra.
 */
export function authenticate(
  tokens: Tokens,
  authorizer: Authorizer,
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[],
): { user: User; impersonator: User | undefined } {
  const token = /^Bearer (.+)$/i.exec(headers.authorization ?? "")?.[1];
  if (headers.authorization !== undefined && token === undefined) throw unauthorized();
  const asker = token === undefined ? anonymous : tokens.userOf(token);
  if (!asker) throw unauthorized();
  const name = values(headers, rawHeaders, "impersonate-user")[0];
  const groups = values(headers, rawHeaders, "impersonate-group");
  const uid = values(headers, rawHeaders, "impersonate-uid")[0];
  const extra: Record<string, string[]> = {};
  for (const header of Object.keys(headers)) {
    if (!header.startsWith("impersonate-extra-")) continue;
    const key = decodeURIComponent(header.slice("impersonate-extra-".length));
    extra[key] = values(headers, rawHeaders, header);
  }
  if (name === undefined) {
    const version = "authentication.k8s.io/v1";
    const requested = [
      ...groups.map((group) => `{Group  ${group}    }`),
      ...Object.entries(extra).flatMap(([key, list]) =>
        list.map((value) => `{UserExtra  ${value}  ${version}  ${key}}`),
      ),
      ...(uid === undefined ? [] : [`{UID  ${uid}  ${version}  }`]),
    ];
    if (requested.length > 0) throw badRequest(`requested [${requested.join(" ")}] without impersonating a user`);
    return { user: asker, impersonator: undefined };
  }
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name);
  const check = (resource: string, subresource: string, group: string, namespace: string, target: string) => {
    const attributes = {
      verb: "impersonate",
      resource,
      subresource,
      group,
      version: "v1",
      namespace,
      name: target,
      path: "",
    };
    if (authorizer.authorize(asker, attributes).allowed) return;
    const shown = subresource ? `${resource}/${subresource}` : resource;
    throw forbidden({ group, resource: shown }, target, refusal(asker, attributes));
  };
  if (account) check("serviceaccounts", "", "", account[1] ?? "", account[2] ?? "");
  else check("users", "", "", "", name);
  for (const group of groups) check("groups", "", "", "", group);
  if (uid !== undefined) check("uids", "", "authentication.k8s.io", "", uid);
  for (const [key, list] of Object.entries(extra)) {
    for (const value of list) check("userextras", key, "authentication.k8s.io", "", value);
  }
  const all = groups.length > 0 ? [...groups] : account ? groupsOf(name).slice(0, 2) : [];
  const login = name === "system:anonymous" ? "system:unauthenticated" : "system:authenticated";
  if (!all.includes(login)) all.push(login);
  return {
    user: {
      name,
      groups: all,
      ...(uid === undefined ? {} : { uid }),
      ...(Object.keys(extra).length > 0 ? { extra } : {}),
    },
    impersonator: asker,
  };
}
