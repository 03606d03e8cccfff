import type { Platform, Role } from "../../../shared/approval.ts";
import type { Identity, User, UserStore } from "../../store.ts";
import type { Connection } from "./connection.ts";

interface UserRow {
  id: string;
  username: string;
  password_hash: string | null;
  role: Role;
  created_at: string;
}

interface IdentityRow {
  channel: string;
  external_id: string;
  user_id: string | null;
  display: string | null;
  seen_at: string;
}

interface SessionRow {
  user_id: string;
  expires_at: string;
  platform: Platform;
}

const userColumns = "id, username, password_hash, role, created_at";
const identityColumns = "channel, external_id, user_id, display, seen_at";

export function createUserStore({ db, now }: Connection): UserStore {
  const insertUser = db.prepare<[string, string, string | null, Role, string]>(
    `INSERT INTO users (${userColumns}) VALUES (?, ?, ?, ?, ?)`,
  );
  const liveById = db.prepare<[string], UserRow>(
    `SELECT ${userColumns} FROM users WHERE id = ? AND removed_at IS NULL`,
  );
  const liveByName = db.prepare<[string], UserRow>(
    `SELECT ${userColumns} FROM users WHERE username = ? AND removed_at IS NULL`,
  );
  const live = db.prepare<[], UserRow>(`SELECT ${userColumns} FROM users WHERE removed_at IS NULL ORDER BY username`);
  const nameOf = db.prepare<[string], { username: string }>("SELECT username FROM users WHERE id = ?");
  const idNamed = db.prepare<[string], { id: string }>(
    "SELECT id FROM users WHERE username = ? ORDER BY removed_at IS NULL DESC, removed_at DESC LIMIT 1",
  );
  const countAdmins = db.prepare<[], { admins: number }>(
    "SELECT count(*) AS admins FROM users WHERE role = 'admin' AND removed_at IS NULL",
  );
  const setRole = db.prepare<[Role, string]>("UPDATE users SET role = ? WHERE id = ? AND removed_at IS NULL");
  const setPassword = db.prepare<[string, string]>(
    "UPDATE users SET password_hash = ? WHERE id = ? AND removed_at IS NULL",
  );
  const markRemoved = db.prepare<[string, string]>(
    "UPDATE users SET removed_at = ?, password_hash = NULL WHERE id = ? AND removed_at IS NULL",
  );

  const identitiesOf = db.prepare<[string], IdentityRow>(
    `SELECT ${identityColumns} FROM identities WHERE user_id = ? ORDER BY channel, external_id`,
  );
  const identity = db.prepare<[string, string], IdentityRow>(
    `SELECT ${identityColumns} FROM identities WHERE channel = ? AND external_id = ?`,
  );
  const unlinked = db.prepare<[], IdentityRow>(
    `SELECT ${identityColumns} FROM identities WHERE user_id IS NULL ORDER BY seen_at DESC, channel, external_id LIMIT 1000`,
  );
  const link = db.prepare<[string, string, string, string, string]>(
    `INSERT INTO identities (channel, external_id, user_id, display, seen_at, linked_at) VALUES (?, ?, ?, NULL, ?, ?)
     ON CONFLICT (channel, external_id) DO UPDATE SET user_id = excluded.user_id, linked_at = excluded.linked_at`,
  );
  const unlink = db.prepare<[string, string]>(
    "UPDATE identities SET user_id = NULL, linked_at = NULL WHERE channel = ? AND external_id = ?",
  );
  const unlinkAll = db.prepare<[string]>("UPDATE identities SET user_id = NULL, linked_at = NULL WHERE user_id = ?");
  const seen = db.prepare<[string, string, string | null, string]>(
    `INSERT INTO identities (channel, external_id, display, seen_at) VALUES (?, ?, ?, ?)
     ON CONFLICT (channel, external_id) DO UPDATE SET display = coalesce(excluded.display, display), seen_at = excluded.seen_at`,
  );
  const insertCode = db.prepare<[string, string, string]>(
    "INSERT INTO link_codes (code_hash, user_id, expires_at) VALUES (?, ?, ?)",
  );
  const takeCode = db.prepare<[string, string, string], { user_id: string }>(
    "UPDATE link_codes SET used_at = ? WHERE code_hash = ? AND used_at IS NULL AND expires_at > ? RETURNING user_id",
  );
  const dropCodes = db.prepare<[string]>("DELETE FROM link_codes WHERE user_id = ?");

  const insertSession = db.prepare<[string, string, string, string, string | null, Platform]>(
    "INSERT INTO sessions (id, user_id, created_at, expires_at, client_ip, platform) VALUES (?, ?, ?, ?, ?, ?)",
  );
  const session = db.prepare<[string], SessionRow>(
    "SELECT user_id, expires_at, platform FROM sessions WHERE id = ? AND revoked_at IS NULL",
  );
  const revoke = db.prepare<[string, string]>("UPDATE sessions SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL");
  const revokeAll = db.prepare<[string, string]>(
    "UPDATE sessions SET revoked_at = ? WHERE user_id = ? AND revoked_at IS NULL",
  );
  const pruneSessions = db.prepare<[string, string]>("DELETE FROM sessions WHERE expires_at < ? OR revoked_at < ?");
  const pruneCodes = db.prepare<[string]>("DELETE FROM link_codes WHERE expires_at < ?");

  const noteFailure = db.prepare<[string, string, string]>(
    "INSERT INTO login_failures (username, address, at) VALUES (?, ?, ?)",
  );
  const clearFailures = db.prepare<[string, string]>("DELETE FROM login_failures WHERE username = ? AND address = ?");
  const pruneFailures = db.prepare<[string]>("DELETE FROM login_failures WHERE at < ?");
  const timesOfPair = db.prepare<[string, string, string], { at: string }>(
    "SELECT at FROM login_failures WHERE username = ? AND address = ? AND at > ? ORDER BY at",
  );
  const countName = db.prepare<[string, string], { failures: number }>(
    "SELECT count(*) AS failures FROM login_failures WHERE username = ? AND at > ?",
  );
  const countAddress = db.prepare<[string, string], { failures: number }>(
    "SELECT count(*) AS failures FROM login_failures WHERE address = ? AND at > ?",
  );

  const at = () => now().toISOString();

  return {
    insert(user) {
      now();
      insertUser.run(user.id, user.username, user.passwordHash, user.role, user.createdAt.toISOString());
    },
    get: (id) => userOf(liveById.get(id)),
    byName: (username) => userOf(liveByName.get(username)),
    nameOf: (id) => nameOf.get(id)?.username ?? null,
    idNamed: (username) => idNamed.get(username)?.id ?? null,
    list: () => live.all().map(toUser),
    countAdmins: () => countAdmins.get()?.admins ?? 0,
    setRole(id, role) {
      now();
      setRole.run(role, id);
    },
    setPassword(id, hash) {
      now();
      setPassword.run(hash, id);
    },
    remove(id) {
      const time = at();
      revokeAll.run(time, id);
      unlinkAll.run(id);
      dropCodes.run(id);
      markRemoved.run(time, id);
    },

    identities: (userId) => identitiesOf.all(userId).map(toIdentity),
    identity(channel, externalId) {
      const row = identity.get(channel, externalId);
      return row === undefined ? null : toIdentity(row);
    },
    link(channel, externalId, userId) {
      const time = at();
      link.run(channel, externalId, userId, time, time);
    },
    unlink(channel, externalId) {
      now();
      unlink.run(channel, externalId);
    },
    seen(channel, externalId, display) {
      seen.run(channel, externalId, display, at());
    },
    unlinked: () => unlinked.all().map(toIdentity),
    insertLinkCode({ hash, userId, expiresAt }) {
      now();
      insertCode.run(hash, userId, expiresAt.toISOString());
    },
    takeLinkCode(hash) {
      const time = at();
      return takeCode.get(time, hash, time)?.user_id ?? null;
    },

    insertSession({ id, userId, expiresAt, clientIp, platform }) {
      insertSession.run(id, userId, at(), expiresAt.toISOString(), clientIp, platform);
    },
    session(id) {
      const row = session.get(id);
      return row === undefined
        ? null
        : { userId: row.user_id, expiresAt: new Date(row.expires_at), platform: row.platform };
    },
    revokeSession(id) {
      revoke.run(at(), id);
    },
    revokeSessions(userId) {
      revokeAll.run(at(), userId);
    },
    prune(before) {
      now();
      const time = before.toISOString();
      pruneSessions.run(time, time);
      pruneCodes.run(time);
      pruneFailures.run(time);
    },

    noteFailure(username, address) {
      noteFailure.run(username, address, at());
    },
    clearFailures(username, address) {
      now();
      clearFailures.run(username, address);
    },
    countFailuresOfName: (username, since) => countName.get(username, since.toISOString())?.failures ?? 0,
    countFailuresOfAddress: (address, since) => countAddress.get(address, since.toISOString())?.failures ?? 0,
    failureTimes: (username, address, since) =>
      timesOfPair.all(username, address, since.toISOString()).map((row) => new Date(row.at)),
  };
}

function userOf(row: UserRow | undefined): User | null {
  return row === undefined ? null : toUser(row);
}

function toUser(row: UserRow): User {
  return {
    id: row.id,
    username: row.username,
    passwordHash: row.password_hash,
    role: row.role,
    createdAt: new Date(row.created_at),
  };
}

function toIdentity(row: IdentityRow): Identity {
  return {
    channel: row.channel,
    id: row.external_id,
    userId: row.user_id,
    display: row.display,
    seenAt: new Date(row.seen_at),
  };
}
