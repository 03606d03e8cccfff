import type { Clock, ClusterSelf, Log } from "./edges.ts";
import type { IdentityService } from "./http/services.ts";
import { type Accounts, createAccounts } from "./identity/accounts.ts";
import { createLockout } from "./identity/lockout.ts";
import { createPasswords } from "./identity/password.ts";
import { type CardLinks, createCardLinks, createSigningSecret } from "./identity/secret.ts";
import { createSetupToken } from "./identity/setup-token.ts";
import { createSignIn } from "./identity/sign-in.ts";
import { createTokens } from "./identity/token.ts";
import type { Store } from "./store.ts";

export interface IdentityOptions {
  store: Store;
  clock: Clock;
  log: Log;
  /** How long a session lasts, in ms. */
  sessionTtl: number;
  /** Where the setup token may be put; null where there is no cluster to put it in. */
  setupSecret: { self: ClusterSelf; namespace: string } | null;
  /** Re-renders a proposal that lost a vote; called within the transaction. */
  refreshProposal: (proposalId: string) => void;
  /** Binary logarithm of bcrypt's rounds. */
  passwordCost?: number;
}

export interface IdentityModule extends IdentityService {
  /**
   * Called once the store is open: makes the first admin from the environment's password, or a setup token when there is no admin.
   * Throws `invalid` when that password is none.
   */
  begin(options: { adminPassword: string | null }): Promise<void>;
  /** Who stands behind an account of a channel, looked up at every click; null for nobody. */
  behind: Accounts["behind"];
  redeemLinkCode: Accounts["redeem"];
  seen: Accounts["seen"];
  /** Path of a card's deep link, to be put behind `http.publicUrl`; null before setup. */
  cardLink: CardLinks["path"];
  stop(): void;
}

const hour = 3_600_000;
/** The first admin of an unattended install. */
const unattendedName = "admin";

/** Who is this, and what may they (SPEC 12): setup, sessions, users and their accounts on the channels. */
export function createIdentity(options: IdentityOptions): IdentityModule {
  const { store, clock, log, sessionTtl, setupSecret, refreshProposal, passwordCost = 12 } = options;
  const passwords = createPasswords(passwordCost);
  const secret = createSigningSecret(store);
  const setupToken = createSetupToken(store, log, setupSecret);
  const tokens = createTokens(() => secret.keyFor("session"), store.instanceId);
  const lockout = createLockout(store, clock);
  const signIn = createSignIn({ store, clock, passwords, tokens, lockout, secret, setupToken, sessionTtl });
  const accounts = createAccounts(store, passwords, refreshProposal);
  const links = createCardLinks(secret);
  const needsSetup = () => store.users.countAdmins() === 0;
  let stopTidying = () => {};

  return {
    async begin({ adminPassword }) {
      stopTidying = clock.every(hour, () =>
        store.transact((now) => store.users.prune(new Date(now.getTime() - 24 * hour))),
      );
      if (!needsSetup()) return;
      if (adminPassword !== null) await signIn.setupUnattended(unattendedName, adminPassword);
      else await setupToken.issue();
    },
    stop: () => stopTidying(),
    needsSetup,
    setup: signIn.setup,
    login: signIn.login,
    logout: signIn.logout,
    session: signIn.session,
    users: accounts.all,
    user: accounts.named,
    addUser: accounts.add,
    setRole: accounts.setRole,
    removeUser: accounts.remove,
    link: accounts.link,
    unlink: accounts.unlink,
    linkCode: accounts.linkCode,
    unlinked: accounts.unlinked,
    behind: accounts.behind,
    redeemLinkCode: accounts.redeem,
    seen: accounts.seen,
    checkCardLink: (cardId, expires, signature) => links.check(cardId, expires, signature, clock.now()),
    cardLink: links.path,
  };
}
