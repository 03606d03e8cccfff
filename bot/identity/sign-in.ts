import { Password, type SetupRequest } from "../../shared/api/session.ts";
import { type Actor, systemActor } from "../../shared/approval.ts";
import { StewardError } from "../../shared/errors.ts";
import { newId } from "../../shared/ids.ts";
import type { Clock } from "../edges.ts";
import type { Caller, Session, SignedIn } from "../http/services.ts";
import type { Store, User } from "../store.ts";
import type { Lockout } from "./lockout.ts";
import type { Passwords } from "./password.ts";
import { identityRecord } from "./record.ts";
import type { SigningSecret } from "./secret.ts";
import type { SetupToken } from "./setup-token.ts";
import type { Tokens } from "./token.ts";

export interface SignIn {
  setup(request: SetupRequest, caller: Caller): Promise<SignedIn>;
  /** The first admin from a password given to the process. Throws `invalid` when it is no password. */
  setupUnattended(username: string, password: string): Promise<void>;
  login(request: { username: string; password: string }, caller: Caller): Promise<SignedIn>;
  logout(session: Session): void;
  session(token: string, clientIp: string): Promise<Session | null>;
}

interface Parts {
  store: Store;
  clock: Clock;
  passwords: Passwords;
  tokens: Tokens;
  lockout: Lockout;
  secret: SigningSecret;
  setupToken: SetupToken;
  sessionTtl: number;
}

/** No user can have this name: tries of the setup token are counted under it. */
const setupName = " setup";

export function createSignIn(parts: Parts): SignIn {
  const { store, clock, passwords, tokens, lockout, secret, setupToken, sessionTtl } = parts;
  const { users, audit } = store;

  return {
    async setup({ token, username, password, identities }, caller) {
      refuseSecondSetup();
      const attempt = await lockout.attempt(setupName, caller.clientIp);
      try {
        if (!setupToken.matches(token)) {
          store.transact(() =>
            audit.append(identityRecord(stranger(caller), "setup", null, "FAILED", { reason: "wrong token" })),
          );
          throw new StewardError("unauthenticated", "this is not the setup token, or a newer one has been made since");
        }
        const hash = await passwords.hash(password);
        const { user, session } = store.transact((now) => {
          refuseSecondSetup();
          if (!setupToken.matches(token)) throw new StewardError("unauthenticated", "this setup token has been used");
          const user = makeFirstAdmin(username, hash, now);
          attempt.forgive();
          const actor = actorOf(user, caller);
          audit.append(identityRecord(actor, "setup", username));
          for (const { channel, id } of identities) {
            users.link(channel, id, user.id);
            audit.append(identityRecord(actor, "user_link", username, "SUCCESS", { channel, id }));
          }
          return { user, session: openSession(user, caller, now) };
        });
        await setupToken.withdraw();
        return signed(user, session);
      } finally {
        attempt.end();
      }
    },

    async setupUnattended(username, password) {
      const problem = Password.safeParse(password).error?.issues[0];
      if (problem !== undefined) throw new StewardError("invalid", `the admin's password ${problem.message}`);
      const hash = await passwords.hash(password);
      store.transact((now) => {
        if (users.countAdmins() > 0) return;
        makeFirstAdmin(username, hash, now);
        audit.append(identityRecord(systemActor, "setup", username, "SUCCESS", { unattended: true }));
      });
    },

    async login({ username, password }, caller) {
      const attempt = await lockout.attempt(username, caller.clientIp);
      try {
        const candidate = users.byName(username);
        const matches = await passwords.matches(password, candidate?.passwordHash ?? null);
        const { user, session } = store.transact((now) => {
          // Looked up again: the hash took its time, and the user may be gone or have another password by now.
          const user = users.byName(username);
          if (!matches || user === null || candidate === null || user.passwordHash !== candidate.passwordHash) {
            return { user, session: null };
          }
          attempt.forgive();
          audit.append(identityRecord(actorOf(user, caller), "login", username));
          return { user, session: openSession(user, caller, now) };
        });
        if (session === null || user === null) {
          store.transact(() => audit.append(failedLogin(user, caller, attempt.locks)));
          throw new StewardError("unauthenticated", "the user name or the password is wrong");
        }
        return signed(user, session);
      } finally {
        attempt.end();
      }
    },

    logout({ id, actor }) {
      store.transact(() => {
        users.revokeSession(id);
        audit.append(identityRecord(actor, "logout", actor.username));
      });
    },

    async session(token, clientIp) {
      const now = clock.now();
      const claims = await tokens.read(token, now);
      if (claims === null) return null;
      const session = users.session(claims.session);
      if (session === null || session.userId !== claims.userId || session.expiresAt <= now) return null;
      const user = users.get(session.userId);
      if (user === null) return null;
      return {
        id: claims.session,
        actor: { userId: user.id, username: user.username, role: user.role, platform: session.platform, clientIp },
        expiresAt: session.expiresAt,
      };
    },
  };

  function refuseSecondSetup(): void {
    if (users.countAdmins() > 0) {
      throw new StewardError("conflict", "setup is done: sign in with `kubectl steward login`", { state: "done" });
    }
  }

  function makeFirstAdmin(username: string, passwordHash: string, now: Date): User {
    if (users.byName(username) !== null) throw new StewardError("conflict", `there is a user ${username} already`);
    const user: User = { id: newId(), username, passwordHash, role: "admin", createdAt: now };
    users.insert(user);
    secret.create();
    setupToken.use();
    return user;
  }

  function openSession(user: User, { clientIp, platform }: Caller, now: Date): { id: string; expiresAt: Date } {
    const session = {
      id: newId(),
      userId: user.id,
      expiresAt: new Date(now.getTime() + sessionTtl),
      clientIp,
      platform,
    };
    users.insertSession(session);
    return session;
  }

  async function signed(user: User, { id, expiresAt }: { id: string; expiresAt: Date }): Promise<SignedIn> {
    return { user, token: await tokens.sign({ session: id, userId: user.id, expiresAt }, clock.now()), expiresAt };
  }
}

function actorOf(user: User, { clientIp, platform }: Caller): Actor {
  return { userId: user.id, username: user.username, role: user.role, platform, clientIp };
}

function stranger({ clientIp, platform }: Caller): Actor {
  return { userId: null, username: "", role: null, platform, clientIp };
}

/** A name that is nobody's is not written down: people type their password into the wrong field. */
function failedLogin(user: User | null, caller: Caller, locks: boolean) {
  const actor = { ...stranger(caller), userId: user?.id ?? null };
  const reason = user === null ? "unknown user" : "wrong password";
  return identityRecord(actor, "login", user?.username ?? null, "FAILED", {
    reason,
    ...(locks ? { locked: true } : {}),
  });
}
