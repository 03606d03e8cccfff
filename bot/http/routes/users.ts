import { z } from "zod";
import { apiRoot } from "../../../shared/api/common.ts";
import { IdentityLink } from "../../../shared/api/session.ts";
import { AddUserRequest, type LinkCodeAnswer, RoleRequest, type UnlinkedAccount } from "../../../shared/api/user.ts";
import { json } from "../answer.ts";
import { forRole, type Route } from "../route.ts";
import { userView } from "../views.ts";

const UserQuery = z.strictObject({ unlinked: z.stringbool().default(false) });

export const userRoutes: readonly Route[] = [
  forRole("admin", { method: "GET", path: `${apiRoot}/users`, query: UserQuery }, ({ services, query }) => {
    if (!query.unlinked) return json(200, { items: services.identity.users().map(userView), next: null });
    const accounts: UnlinkedAccount[] = services.identity
      .unlinked()
      .map(({ channel, id, display, seenAt }) => ({ channel, id, display, seenAt: seenAt.toISOString() }));
    return json(200, { items: accounts, next: null });
  }),
  forRole(
    "admin",
    { method: "POST", path: `${apiRoot}/users`, body: AddUserRequest },
    async ({ services, session, body }) => json(201, userView(await services.identity.addUser(body, session.actor))),
  ),
  forRole(
    "admin",
    { method: "PUT", path: `${apiRoot}/users/:name/role`, body: RoleRequest },
    ({ services, session, param, body }) =>
      json(200, userView(services.identity.setRole(param("name"), body.role, session.actor))),
  ),
  forRole("admin", { method: "DELETE", path: `${apiRoot}/users/:name` }, ({ services, session, param }) => {
    services.identity.removeUser(param("name"), session.actor);
    return json(200, {});
  }),
  forRole(
    "admin",
    { method: "POST", path: `${apiRoot}/users/:name/identities`, body: IdentityLink },
    ({ services, session, param, body }) =>
      json(200, userView(services.identity.link(param("name"), body, session.actor))),
  ),
  forRole(
    "admin",
    { method: "DELETE", path: `${apiRoot}/users/:name/identities/:channel/:id` },
    ({ services, session, param }) => {
      const identity = { channel: param("channel"), id: param("id") };
      return json(200, userView(services.identity.unlink(param("name"), identity, session.actor)));
    },
  ),
  forRole("admin", { method: "POST", path: `${apiRoot}/users/:name/link-code` }, ({ services, session, param }) => {
    const username = param("name");
    const { code, expiresAt } = services.identity.linkCode(username, session.actor);
    const answer: LinkCodeAnswer = { code, username, expiresAt: expiresAt.toISOString() };
    return json(201, answer);
  }),
];
