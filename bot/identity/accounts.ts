import { createHash } from "node:crypto";
import type { Actor, Platform, Role } from "../../shared/approval.ts";
import { StewardError } from "../../shared/errors.ts";
import { newCode, newId } from "../../shared/ids.ts";
import type { Account } from "../http/services.ts";
import type { Identity, Store, User } from "../store.ts";
import type { Passwords } from "./password.ts";
import { identityRecord } from "./record.ts";

/** How long a link code holds, in ms, and how many characters it has. */
const linkCodeTtl = 10 * 60_000;
const linkCodeLength = 8;

export interface ExternalAccount {
  channel: string;
  id: string;
}

export interface Accounts {
  all(): readonly Account[];
  /** Throws `not_found`. */
  named(username: string): Account;
  /** Throws `conflict` when the name is taken. Without a password the user acts only by a linked account. */
  add(request: { username: string; role: Role; password?: string | undefined }, actor: Actor): Promise<Account>;
  /** Ends the user's sessions when the role changes. Throws `conflict` for the last admin. */
  setRole(username: string, role: Role, actor: Actor): Account;
  /** Ends sessions, takes links away, voids undecided votes; the name stays in the audit. Throws `conflict` for the last admin. */
  remove(username: string, actor: Actor): void;
  /** Throws `conflict` when the account belongs to somebody else. */
  link(username: string, account: ExternalAccount, actor: Actor): Account;
  unlink(username: string, account: ExternalAccount, actor: Actor): Account;
  /** A one-time code that its user sends to the bot. Only its hash is kept. */
  linkCode(username: string, actor: Actor): { code: string; expiresAt: Date };
  /** Links the account that sent a valid code; answers the user, or null for a code that is wrong, used or too old. */
  redeem(code: string, account: ExternalAccount, platform: Platform): User | null;
  /** Who stands behind an account of a channel; null for nobody. Looked up at every click. */
  behind(channel: string, id: string): User | null;
  /** Remembers that an account was seen, so that an admin can link it. */
  seen(channel: string, id: string, display: string | null): void;
  unlinked(): readonly Identity[];
}

/** `refresh` re-renders a proposal whose votes changed; it is called within the transaction. */
export function createAccounts(store: Store, passwords: Passwords, refresh: (proposalId: string) => void): Accounts {
  const { users, audit } = store;

  return {
    all: () => users.list().map(withIdentities),
    named: (username) => withIdentities(found(username)),

    async add({ username, role, password }, actor) {
      if (users.byName(username) !== null) throw taken(username);
      const passwordHash = password === undefined ? null : await passwords.hash(password);
      return store.transact((now) => {
        if (users.byName(username) !== null) throw taken(username);
        const user: User = { id: newId(), username, passwordHash, role, createdAt: now };
        users.insert(user);
        audit.append(identityRecord(actor, "user_add", username, "SUCCESS", { role, password: passwordHash !== null }));
        return withIdentities(user);
      });
    },

    setRole: (username, role, actor) =>
      store.transact(() => {
        const user = found(username);
        if (user.role === role) return withIdentities(user);
        keepOneAdmin(user);
        users.setRole(user.id, role);
        users.revokeSessions(user.id);
        audit.append(identityRecord(actor, "user_role", username, "SUCCESS", { from: user.role, to: role }));
        return withIdentities({ ...user, role });
      }),

    remove: (username, actor) =>
      store.transact(() => {
        const user = found(username);
        keepOneAdmin(user);
        const proposals = store.proposals.voidVotes(user.id);
        users.remove(user.id);
        audit.append(identityRecord(actor, "user_remove", username, "SUCCESS", { role: user.role, voided: proposals }));
        for (const proposal of proposals) refresh(proposal);
      }),

    link: (username, account, actor) =>
      store.transact(() => {
        const user = found(username);
        const owner = users.identity(account.channel, account.id)?.userId ?? null;
        if (owner === user.id) return withIdentities(user);
        if (owner !== null) {
          const by = users.nameOf(owner) ?? "";
          throw new StewardError("conflict", `this account belongs to ${by}: unlink it there first`, {
            state: "linked",
            by,
          });
        }
        join(user, account, actor);
        return withIdentities(user);
      }),

    unlink: (username, { channel, id }, actor) =>
      store.transact(() => {
        const user = found(username);
        if (users.identity(channel, id)?.userId !== user.id) {
          throw new StewardError("not_found", `${username} has no such account on ${channel}`);
        }
        users.unlink(channel, id);
        audit.append(identityRecord(actor, "user_unlink", username, "SUCCESS", { channel, id }));
        return withIdentities(user);
      }),

    linkCode: (username, actor) =>
      store.transact((now) => {
        const user = found(username);
        const code = newCode(linkCodeLength);
        const expiresAt = new Date(now.getTime() + linkCodeTtl);
        users.insertLinkCode({ hash: hashOf(code), userId: user.id, expiresAt });
        audit.append(identityRecord(actor, "user_link_code", username));
        return { code, expiresAt };
      }),

    redeem: (code, account, platform) =>
      store.transact(() => {
        const owner = users.identity(account.channel, account.id)?.userId ?? null;
        const userId = owner === null ? users.takeLinkCode(hashOf(code)) : null;
        const user = userId === null ? null : users.get(userId);
        if (user === null) {
          const nobody: Actor = { userId: owner, username: "", role: null, platform, clientIp: null };
          audit.append(identityRecord(nobody, "user_link", null, "FAILED", { ...account }));
          return null;
        }
        join(user, account, { userId: user.id, username: user.username, role: user.role, platform, clientIp: null });
        return user;
      }),

    behind(channel, id) {
      const userId = users.identity(channel, id)?.userId ?? null;
      return userId === null ? null : users.get(userId);
    },
    seen: (channel, id, display) => store.transact(() => users.seen(channel, id, display)),
    unlinked: () => users.unlinked(),
  };

  function withIdentities(user: User): Account {
    return { user, identities: users.identities(user.id) };
  }

  function join(user: User, { channel, id }: ExternalAccount, actor: Actor): void {
    users.link(channel, id, user.id);
    audit.append(identityRecord(actor, "user_link", user.username, "SUCCESS", { channel, id }));
  }

  function found(username: string): User {
    const user = users.byName(username);
    if (user === null) throw new StewardError("not_found", "there is no such user");
    return user;
  }

  /** Without an admin nobody could approve, or make one. */
  function keepOneAdmin(user: User): void {
    if (user.role === "admin" && users.countAdmins() === 1) {
      throw new StewardError("conflict", `${user.username} is the last admin: make another one first`, {
        state: "last_admin",
      });
    }
  }
}

function taken(username: string): StewardError {
  return new StewardError("conflict", `there is a user ${username} already`, { state: "exists" });
}

function hashOf(code: string): string {
  return createHash("sha256").update(`steward-link-v1\n${code.trim().toUpperCase()}`).digest("hex");
}
