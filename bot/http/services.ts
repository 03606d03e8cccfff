import type { IncomingHttpHeaders } from "node:http";
import type { Card } from "../../cards/card.ts";
import type { Action } from "../../shared/action.ts";
import type { ReadyAnswer } from "../../shared/api/health.ts";
import type { PolicyAnswer, PolicyTestRow } from "../../shared/api/policy.ts";
import type { SetupRequest } from "../../shared/api/session.ts";
import type { Actor, GateAnswer, GateReason, Platform, Proposal, Role } from "../../shared/approval.ts";
import type { ChainAnswer } from "../../shared/audit.ts";
import type { Identity, Pause, StoredCard, User } from "../store.ts";

/** A stage may answer at once or later; the HTTP layer waits either way. */
type Awaitable<T> = T | Promise<T>;

/** Who calls, before anybody has signed in. */
export interface Caller {
  platform: Platform;
  /** The socket's own address; headers that claim another are not believed. */
  clientIp: string;
}

/** A live session: who it is now (role looked up at this moment) and until when. */
export interface Session {
  id: string;
  actor: Actor & { userId: string; role: Role };
  expiresAt: Date;
}

export interface SignedIn {
  user: User;
  /** The signed token for the cookie. */
  token: string;
  expiresAt: Date;
}

/** What the HTTP layer asks of the stages. Each throws StewardError for what the caller should be told. */
export interface Services {
  ingest: {
    accept(delivery: { headers: IncomingHttpHeaders; body: Buffer; remote: string }): Promise<WebhookAnswer>;
    /** A delivery that was cut off because it is too large; tells people, since Alertmanager will not send it again. */
    tooLarge(delivery: { headers: IncomingHttpHeaders; remote: string }): Awaitable<void>;
  };
  incidents: {
    ignore(id: string, actor: Actor, forMs: number | null): Awaitable<unknown>;
    silence(id: string, actor: Actor, forMs: number): Promise<unknown>;
    claim(id: string, actor: Actor): Awaitable<unknown>;
  };
  propose: {
    parse(kubectlLine: string, defaultNamespace: string): Action;
    propose(wish: {
      action: Action;
      incidentId: string | null;
      origin: "person";
      actor: Actor;
      rule: string | null;
    }): Promise<Proposal>;
    undo(idOrCode: string, actor: Actor): Promise<Proposal>;
    renew(idOrCode: string, actor: Actor): Promise<Proposal>;
  };
  gate: {
    decide(
      idOrCode: string,
      decision: { verdict: "approve" | "deny"; reason: string | null; actor: Actor },
    ): Awaitable<{ proposal: Proposal; ready: boolean }>;
    explain(target: string, namespace: string): Promise<GateAnswer & { automatic: readonly GateReason[] }>;
    pause(
      wish: { for: number | null; namespace: string | null; autofixOnly: boolean; reason: string },
      actor: Actor,
    ): SwitchState;
    /** Ends the pauses of a namespace, or with null every pause, and closes what failures had opened. */
    resume(namespace: string | null, actor: Actor): SwitchState;
    state(): SwitchState;
  };
  /** Starts execution and verification of an approved proposal and returns at once; failures are the pipeline's to report. */
  carryOut(proposalId: string): void;
  audit: {
    verify(): Awaitable<ChainAnswer>;
    /** NDJSON lines, without their line ends; audited as an export by the callee. */
    export(
      filter: { since: Date | null; until: Date | null; incident: string | null },
      actor: Actor,
    ): Iterable<string> | AsyncIterable<string>;
  };
  policy: {
    /** Throws `invalid` with the path when the payload or the rules do not parse. */
    test(payload: unknown, rules: readonly unknown[] | null): Awaitable<PolicyTestRow[]>;
    replay(since: Date, rules: readonly unknown[]): Awaitable<PolicyTestRow[]>;
    show(): PolicyAnswer;
    lint(rules: readonly unknown[]): PolicyAnswer["warnings"];
  };
  cards: {
    /** The terminal channel: every card changed after `afterSeq` at once, then each change as it happens. Answers how to stop. */
    subscribe(afterSeq: number, onCard: (card: StoredCard) => void): () => void;
    /** The card as plain text, in the configured locale. */
    text(card: Card): string;
  };
  identity: IdentityService;
}

/** The stop switch as it stands. */
export interface SwitchState {
  pauses: readonly Pause[];
  /** Since when automatic runs are off because too many failed; null while they are not. */
  breakerOpenSince: Date | null;
}

export interface WebhookAnswer {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: unknown;
}

/** What the HTTP layer asks of `bot/identity.ts`. */
export interface IdentityService {
  /** Until there is an admin every call but webhook and health answers `setup_required`. */
  needsSetup(): boolean;
  setup(request: SetupRequest, caller: Caller): Promise<SignedIn>;
  login(request: { username: string; password: string }, caller: Caller): Promise<SignedIn>;
  logout(session: Session): void;
  /** The session of a cookie's token; null for anything that is not a live one. */
  session(token: string, clientIp: string): Promise<Session | null>;
  users(): readonly Account[];
  user(username: string): Account;
  addUser(request: { username: string; role: Role; password?: string | undefined }, actor: Actor): Promise<Account>;
  setRole(username: string, role: Role, actor: Actor): Account;
  removeUser(username: string, actor: Actor): void;
  link(username: string, identity: { channel: string; id: string }, actor: Actor): Account;
  unlink(username: string, identity: { channel: string; id: string }, actor: Actor): Account;
  linkCode(username: string, actor: Actor): { code: string; expiresAt: Date };
  unlinked(): readonly Identity[];
  /** Whether a card's deep link carries a valid signature that has not expired. */
  checkCardLink(cardId: string, expires: string, signature: string): boolean;
}

export interface Account {
  user: User;
  identities: readonly Identity[];
}

/** What is known of the process, from the first moment on: before the store is open and after it is closed. */
export type Readiness = ReadyAnswer;

export interface HttpMetrics {
  /** The exposition of every metric. */
  expose(): Promise<{ contentType: string; text: string }>;
  /** One answered request; `route` is the pattern, never the path. */
  request(route: string, method: string, status: number, seconds: number): void;
}
