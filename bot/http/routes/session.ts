import { apiRoot } from "../../../shared/api/common.ts";
import { LoginRequest, type SessionAnswer, SetupRequest, type WhoamiAnswer } from "../../../shared/api/session.ts";
import type { Answer } from "../answer.ts";
import { json } from "../answer.ts";
import { sessionCookie } from "../cookie.ts";
import { forRole, open, type Route } from "../route.ts";
import type { SignedIn } from "../services.ts";

export const sessionRoutes: readonly Route[] = [
  open({ method: "POST", path: `${apiRoot}/setup`, body: SetupRequest, beforeSetup: true }, async (request) =>
    signedIn(await request.services.identity.setup(request.body, request.caller), request),
  ),
  open({ method: "POST", path: `${apiRoot}/login`, body: LoginRequest }, async (request) =>
    signedIn(await request.services.identity.login(request.body, request.caller), request),
  ),
  forRole("viewer", { method: "POST", path: `${apiRoot}/logout` }, ({ services, session, secure }) => {
    services.identity.logout(session);
    return json(200, {}, sessionCookie(null, 0, secure));
  }),
  forRole("viewer", { method: "GET", path: `${apiRoot}/whoami` }, ({ services, session }) => {
    const { user, identities } = services.identity.user(session.actor.username);
    const answer: WhoamiAnswer = {
      user: { id: user.id, username: user.username, role: user.role },
      expiresAt: session.expiresAt.toISOString(),
      identities: identities.map(({ channel, id, display }) => ({ channel, id, display })),
    };
    return json(200, answer);
  }),
];

function signedIn({ user, token, expiresAt }: SignedIn, { now, secure }: { now: Date; secure: boolean }): Answer {
  const answer: SessionAnswer = {
    user: { id: user.id, username: user.username, role: user.role },
    expiresAt: expiresAt.toISOString(),
  };
  const seconds = Math.max(0, Math.floor((expiresAt.getTime() - now.getTime()) / 1000));
  return json(200, answer, sessionCookie(token, seconds, secure));
}
