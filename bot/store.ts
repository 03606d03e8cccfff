/**
 * The store, by noun: types only. One SQLite file, one writer, synchronous (its engine is).
 * A method that changes anything must be called inside `transact` or `group`, so that a change of state, its audit record and its
 * outbox rows are one commit. Reads may be called anywhere.
 */

import type { ButtonAction, Card, Text } from "../cards/card.ts";
import type { Alert } from "../shared/alert.ts";
import type { Change } from "../shared/api/audit.ts";
import type {
  Decision,
  Execution,
  ExecutionState,
  GateAnswer,
  Platform,
  Proposal,
  ProposalState,
  Role,
  Verification,
} from "../shared/approval.ts";
import type { AuditEntry, AuditRecord, AuditStatus } from "../shared/audit.ts";
import type { Checkpoint } from "../shared/checkpoint.ts";
import type { Diagnosis, Evidence } from "../shared/finding.ts";
import type { Incident, IncidentState } from "../shared/incident.ts";
import type { Locale } from "../shared/locale.ts";

export interface Store {
  /** Runs `fn` in one IMMEDIATE transaction at once. `now` is frozen for it and never earlier than any time written before. Nested calls join the outer one. */
  transact<T>(fn: (now: Date) => T): T;
  /** As `transact`, but shares its commit with others that come within the same turn of the event loop. Resolves when it is on disk. */
  group<T>(fn: (now: Date) => T): Promise<T>;
  /** Calls `fn` after the transaction that is open now has committed; never when it rolls back. */
  afterCommit(fn: () => void): void;
  /** The generation of this writer; in every row of work. */
  readonly epoch: number;
  readonly instanceId: string;
  readonly path: string;
  /** Throws `unavailable` when the file cannot be written (disk full, removed or replaced under us). */
  probe(): void;
  backup(path: string): Promise<void>;
  close(): void;

  readonly audit: AuditStore;
  readonly changes: ChangeStore;
  readonly meta: MetaStore;
  readonly receipts: ReceiptStore;
  readonly incidents: IncidentStore;
  readonly evidence: EvidenceStore;
  readonly proposals: ProposalStore;
  readonly pauses: PauseStore;
  readonly cards: CardStore;
  readonly outbox: OutboxStore;
  readonly users: UserStore;
  readonly events: EventStore;
  readonly retention: RetentionStore;
}

/** A page of a list, newest first. `cursor` is opaque; null when there is no more. */
export interface Page<T> {
  items: T[];
  next: string | null;
}
export interface PageQuery {
  limit: number;
  cursor: string | null;
  since: Date | null;
}

export interface MetaStore {
  get(key: string): string | null;
  set(key: string, value: string): void;
  delete(key: string): void;
}

// Audit --------------------------------------------------------------------------------------------------------------

/** What a list of audit records may be narrowed to; all that are given must hold. */
export interface AuditFilter {
  /** A user's id or name, also of one who was removed. */
  user?: string | undefined;
  action?: string | undefined;
  /** `payment/deployment/checkout`, or `deployment/checkout` in any namespace. */
  target?: string | undefined;
  platform?: Platform | undefined;
  status?: AuditStatus | undefined;
  incident?: string | undefined;
  proposal?: string | undefined;
  until?: Date | undefined;
}

/** A place in the chain: a record's number and hash. */
export interface ChainLink {
  seq: number;
  hash: string;
}

export interface AuditStore {
  /** Appends one record to the chain. Fails the transaction it is in if it cannot. */
  append(entry: AuditEntry): AuditRecord;
  page(query: PageQuery & AuditFilter): Page<AuditRecord>;
  get(seq: number): AuditRecord | null;
  /** Records after `after` and up to `upTo`, oldest first, in steps that let other work through. */
  walk(after: number, upTo: number): AsyncIterable<AuditRecord>;
  /** The newest record older than `before`; null when there is none. */
  lastBefore(before: Date): ChainLink | null;
  head(): ChainLink;
  /** What the first kept record must follow: genesis, or the checkpoint retention left. */
  root(): ChainLink;
  /** Keeps a checkpoint. Only the newest thousand stay: their worth is outside of this file. */
  putCheckpoint(checkpoint: Checkpoint): void;
  /** The kept checkpoints, and the one that seals what retention removed, oldest first. */
  checkpoints(): Checkpoint[];
  latestCheckpoint(): Checkpoint | null;
  /** Removes the records up to a checkpoint, which takes their place as what the chain follows. Answers how many there were. */
  prune(upTo: Checkpoint): number;
}

/** Executions, as the question "what was changed?" wants them: newest first. */
export interface ChangeStore {
  page(query: PageQuery & { namespace: string | null }): Page<Change>;
}

// Ingest -------------------------------------------------------------------------------------------------------------

export interface Receipt {
  id: string;
  groupKey: string;
  receiver: string;
  /** The validated, redacted webhook body as JSON text. */
  body: string;
  alerts: number;
  truncated: number;
  /** Not delivered but read from Alertmanager, since no webhook had named its alerts. */
  late: boolean;
  state: "queued" | "done" | "dead";
  tries: number;
  receivedAt: Date;
}

/** A place in the queue: which delivery, and the group it must stay in order with. */
export interface QueuedReceipt {
  id: string;
  groupKey: string;
}

export interface ReceiptStore {
  /**
   * Keeps a delivery under an id made from its content. One that is known only counts as a repeat; one that is known and dead gets a new
   * chance. `queued` says whether there is work to do on it.
   */
  take(delivery: {
    id: string;
    groupKey: string;
    receiver: string;
    body: string;
    alerts: number;
    truncated: number;
    late?: boolean;
  }): { repeat: boolean; queued: boolean };
  get(id: string): Receipt | null;
  /** Those not yet worked on, in order of arrival. */
  queued(limit: number): QueuedReceipt[];
  countQueued(): number;
  /** `done` drops the body; `dead` keeps it, with what went wrong. */
  finish(id: string, state: "done" | "dead", error?: string): void;
  /** Notes a failed try and answers how many there were. */
  failed(id: string, error: string): number;
  linkIncident(id: string, incidentId: string): void;
  /** How many alerts Alertmanager left out of the newest delivery that named this incident, by its `max_alerts`. */
  leftOut(incidentId: string): number;
}

// Incidents ----------------------------------------------------------------------------------------------------------

export interface IncidentQuery extends PageQuery {
  state?: IncidentState;
  namespace?: string;
  /** Only those that came of this delivery. */
  receipt?: string;
}

/** What may change of an incident; never its id, its card or when it began. */
export type IncidentPatch = Partial<
  Omit<Incident, "id" | "cardId" | "state" | "startedAt" | "updatedAt" | "diagnosis">
>;

export interface IncidentStore {
  insert(incident: Incident): void;
  get(id: string): Incident | null;
  /** The open or ignored incident of a key. */
  live(key: string): Incident | null;
  /** The newest incident of a key in any state. */
  latest(key: string): Incident | null;
  /** Open incidents about this object, not joined to another, oldest first. */
  liveOn(kind: string, namespace: string | null, name: string): Incident[];
  /** Newest first by when they began; `since` asks for those that began then or later. */
  page(query: IncidentQuery): Page<Incident>;
  /** Compare-and-set along `incidentMoves`; false when the incident is not in `from`. */
  move(id: string, from: IncidentState, to: IncidentState, patch?: IncidentPatch): boolean;
  /** Changes anything but the state. */
  patch(id: string, patch: IncidentPatch): void;
  setDiagnosis(id: string, diagnosis: Diagnosis): void;
  countOpen(): number;
  /**
   * Open ones whose investigation is queued or was running when the process ended; also those that were diagnosed lately and have no
   * proposal, since the process may have ended between the two. To look again is safe.
   */
  toInvestigate(lately: Date): string[];
  /** People are asked for again at this time, or at one given before if that is earlier, unless somebody has claimed, decided or ignored it. */
  escalateBy(id: string, at: Date): void;
  /** What the clock had to say was said, now, and is not said again. */
  noteSaid(id: string, what: "escalated" | "reminded"): void;
  /** Ids of open, unclaimed, not joined incidents whose time to escalate has come and that were not escalated yet. */
  toEscalate(now: Date): string[];
  /** Ids of open, not joined incidents that began before `before` and were not reminded of. */
  toRemind(before: Date): string[];
  /** Ids of ignored incidents whose time is over. */
  toWake(now: Date): string[];
  /** Open ones whose root object was guessed and that began at `since` or later, oldest first. */
  unconfirmed(since: Date, limit: number): Incident[];
  /** Ids of incidents that were joined to this one. */
  joinedTo(id: string): string[];

  /**
   * Keeps an alert; one row for each (fingerprint, startsAt), which stays with its incident. A known one takes the new annotations and, from
   * firing to resolved only, the new status.
   */
  upsertAlert(alert: Alert): { inserted: boolean; changed: boolean; previous: "firing" | "resolved" | null };
  alert(fingerprint: string, startsAt: Date): Alert | null;
  /** The newest alert of a fingerprint in any incident. */
  latestAlert(fingerprint: string): Alert | null;
  /** Firing alerts of a fingerprint that began before `startsAt`. */
  olderFiring(fingerprint: string, startsAt: Date): Alert[];
  /** Of one incident, by when they began. */
  alerts(incidentId: string): Alert[];
  /** The last of one incident by when they began, newest first. */
  newestAlerts(incidentId: string, limit: number): Alert[];
  countAlerts(incidentId: string): { total: number; firing: number };
  /** All alerts of one incident become those of another. */
  moveAlerts(from: string, to: string): void;
  /** Alerts first seen at `since` or later, oldest first, without holding them in memory. */
  iterateAlerts(since: Date): IterableIterator<Alert>;
  noteChange(key: string, state: string, at: Date): void;
  countChanges(key: string, since: Date): number;
}

/** One bounded run that looks for the cause; its evidence hangs on it. */
export interface InvestigationStart {
  incidentId: string | null;
  by: Diagnosis["by"];
  /** Name of the model that ran it; null for rules. */
  model: string | null;
}

/** What a run was and cost. */
export interface Investigation extends Omit<InvestigationStart, "incidentId"> {
  id: string;
  state: "running" | "done" | "failed";
  calls: number;
  tokens: number;
  error: string | null;
  startedAt: Date;
  finishedAt: Date | null;
}

export interface EvidenceStore {
  /** Answers the id of the investigation. */
  begin(start: InvestigationStart): string;
  /** Ends one that is running; one that has ended stays as it is. */
  finish(
    investigationId: string,
    end: { state: "done" | "failed"; calls: number; tokens: number; error?: string },
  ): void;
  insert(evidence: Evidence, investigationId: string): void;
  /** Oldest first. */
  ofIncident(incidentId: string): Evidence[];
  /** The runs on an incident, oldest first. */
  investigations(incidentId: string): Investigation[];
  get(id: string): Evidence | null;
}

// Proposals ----------------------------------------------------------------------------------------------------------

export interface ProposalPatch {
  reason?: string | null;
  gate?: GateAnswer;
  cardId?: string | null;
  warnings?: readonly string[];
}

export interface ProposalStore {
  insert(proposal: Proposal): void;
  get(id: string): Proposal | null;
  /** By id or short code (case-insensitive). */
  find(idOrCode: string): Proposal | null;
  codeInUse(code: string): boolean;
  page(query: PageQuery & { state?: ProposalState; namespace?: string }): Page<Proposal>;
  ofIncident(incidentId: string): Proposal[];
  inState(...states: readonly ProposalState[]): Proposal[];
  /** The proposal that holds this owner now (approved or running); null when it is free. */
  holder(ownerKey: string): Proposal | null;
  /** The only way a proposal's state changes: compare-and-set along `proposalMoves`. False when it is no longer in `from`, or when another holds the owner. */
  move(id: string, from: ProposalState, to: ProposalState, patch?: ProposalPatch): boolean;
  /** Keeps the gate's newest answer beside a proposal, whatever its state. */
  setGate(id: string, gate: GateAnswer): void;
  /** One voice a person: a later one takes the place of the earlier. */
  addDecision(proposalId: string, decision: Decision): void;
  /** Oldest first, without the voided. */
  decisions(proposalId: string): Decision[];
  /** Takes back the votes of a removed user on what is not decided yet; answers the proposals concerned. */
  voidVotes(userId: string): string[];

  insertExecution(execution: Execution, request: string, digest: string): void;
  execution(proposalId: string): Execution | null;
  executionsIn(...states: readonly ExecutionState[]): Execution[];
  moveExecution(
    op: string,
    from: ExecutionState,
    to: ExecutionState,
    patch?: { outcome?: string; message?: string },
  ): boolean;
  /** Start times of automatic attempts of any kind and outcome on this owner since `since`, oldest first. */
  automaticAttempts(ownerKey: string, since: Date): Date[];
  /** Automatic runs that failed or need a human, cluster-wide, since `since`: finish times, oldest first. */
  automaticFailures(since: Date): Date[];
  /** The newest proposals of this owner and action kind that ran, for "last time". */
  history(ownerKey: string, kind: string, limit: number): Proposal[];
  /** The proposals that would undo this one, newest first. */
  undosOf(proposalId: string): Proposal[];

  putVerification(verification: Verification): void;
  verification(proposalId: string): Verification | null;

  downgrade(rule: string, ownerKey: string, proposalId: string): void;
  isDowngraded(rule: string, ownerKey: string): boolean;
  endDowngrades(): number;
}

export interface Pause {
  id: string;
  namespace: string | null;
  autofixOnly: boolean;
  reason: string;
  by: string;
  startedAt: Date;
  until: Date | null;
}

export interface PauseStore {
  insert(pause: Pause): void;
  open(): Pause[];
  end(id: string, by: string): boolean;
}

// Cards --------------------------------------------------------------------------------------------------------------

export interface StoredCard {
  id: string;
  kind: Card["kind"];
  incidentId: string | null;
  proposalId: string | null;
  version: number;
  /** Grows with every change of any card; what a reader resumes from. */
  seq: number;
  state: string;
  /** Never put into a digest, and first in line: `notify`, critical, or somebody waits for it. */
  urgent: boolean;
  /** In the house's language. */
  card: Card;
  /** The same card in other languages that a channel speaks. */
  translations: Readonly<Partial<Record<Locale, Card>>>;
  createdAt: Date;
  updatedAt: Date;
}

export type CardContent = Omit<StoredCard, "kind" | "version" | "seq" | "createdAt" | "updatedAt">;

/** A card that found no room among the cards of the hour, and the line that stands for it in the digest. */
export interface DigestEntry {
  cardId: string;
  severity: string;
  /** Whether it waits for a decision. */
  waiting: boolean;
  line: Text;
}

export interface CardStore {
  /** Keeps the card if its content differs from the last version; answers the stored one, and whether it changed. */
  put(content: CardContent): { stored: StoredCard; changed: boolean };
  get(id: string): StoredCard | null;
  /** Cards changed after `seq`, in order of `seq`, at most `limit`. */
  changedAfter(seq: number, limit: number): StoredCard[];
  latestSeq(): number;
  /** The stable opaque id of a button of a card; made on first use. */
  button(cardId: string, action: ButtonAction, incidentId: string | null, proposalId: string | null): string;
  buttonById(
    id: string,
  ): { cardId: string; action: ButtonAction; incidentId: string | null; proposalId: string | null } | null;
  message(cardId: string, channel: string, chat: string): { message: string; version: number } | null;
  /** Where the card has a message. */
  places(cardId: string): { channel: string; chat: string }[];
  /** Which card a message of a channel shows: what a click is held against. */
  cardOfMessage(channel: string, chat: string, message: string): string | null;
  putMessage(cardId: string, channel: string, chat: string, message: string, version: number): void;
  /** The message is gone (recalled, too old to edit): the next delivery sends a new one. */
  dropMessage(cardId: string, channel: string, chat: string): void;
  /** How many cards, digests apart, were new in this chat since `since`. */
  countNew(channel: string, chat: string, since: Date): number;
  /** The digest card that stands for this card in this chat; null when it has a message of its own or none yet. */
  digestOf(cardId: string, channel: string, chat: string): string | null;
  /** The newest digest card begun in this chat since `since`. */
  openDigest(channel: string, chat: string, since: Date): string | null;
  /** Puts a card into a digest, or renews its line there. */
  putDigestEntry(digestId: string, channel: string, chat: string, entry: DigestEntry): void;
  dropDigestEntry(cardId: string, channel: string, chat: string): void;
  /** The least pressing first: what waits for a decision comes last, and of two the one that changed later. */
  digestEntries(digestId: string): DigestEntry[];
}

export interface OutboxItem {
  id: number;
  channel: string;
  chat: string;
  kind: "card" | "reply" | "tell" | "line";
  cardId: string | null;
  /** JSON text; empty for a card, whose content is read from `cards` at delivery, so that the newest is sent. */
  body: string;
  urgent: boolean;
  tries: number;
  createdAt: Date;
  dueAt: Date;
}

export interface OutboxStore {
  /**
   * Queues a delivery. A card that is already queued for this place is not queued twice; anything else goes out once for its `dedupe`,
   * for ever.
   */
  put(item: {
    channel: string;
    chat: string;
    kind: OutboxItem["kind"];
    cardId: string | null;
    body: string;
    dedupe: string;
    urgent: boolean;
  }): void;
  /** What may be delivered now, urgent first, then oldest; never an item whose card has an earlier one waiting for the same place. */
  due(channel: string, now: Date, limit: number): OutboxItem[];
  /** When the next item of this channel falls due after `now`; null when none does. */
  nextDue(channel: string, now: Date): Date | null;
  sent(id: number): void;
  retry(id: number, dueAt: Date, error: string): void;
  dead(id: number, error: string): void;
  /** When the oldest undelivered item of a channel was queued. */
  oldest(channel: string): Date | null;
  countQueued(channel: string): number;
}

/** What came in from the channels, so that nothing is done twice for being delivered twice. */
export interface EventStore {
  /** Whether this event is seen for the first time; it is not from then on. */
  take(channel: string, event: string): boolean;
  /** Forgets events seen before `before`. */
  prune(before: Date): void;
}

// Identity -----------------------------------------------------------------------------------------------------------

export interface User {
  id: string;
  username: string;
  passwordHash: string | null;
  role: Role;
  createdAt: Date;
}

/** An account on a channel. `userId` is null while it was seen but not linked. */
export interface Identity {
  channel: string;
  id: string;
  userId: string | null;
  display: string | null;
  seenAt: Date;
}

export interface UserStore {
  insert(user: User): void;
  /** Null for a removed user, as for one that never was. */
  get(id: string): User | null;
  byName(username: string): User | null;
  /** The name that belongs to an id, also of a removed user: the audit keeps ids. */
  nameOf(id: string): string | null;
  /** The id that has, or last had, a name. */
  idNamed(username: string): string | null;
  list(): User[];
  countAdmins(): number;
  setRole(id: string, role: Role): void;
  setPassword(id: string, hash: string): void;
  /** Takes away the password, sessions, links and codes; keeps the name. Undecided votes are `proposals.voidVotes`. */
  remove(id: string): void;

  identities(userId: string): Identity[];
  identity(channel: string, externalId: string): Identity | null;
  link(channel: string, externalId: string, userId: string): void;
  unlink(channel: string, externalId: string): void;
  seen(channel: string, externalId: string, display: string | null): void;
  unlinked(): Identity[];
  insertLinkCode(code: { hash: string; userId: string; expiresAt: Date }): void;
  /** Uses a code up; null when it is unknown, used or expired. */
  takeLinkCode(hash: string): string | null;

  insertSession(session: {
    id: string;
    userId: string;
    expiresAt: Date;
    clientIp: string | null;
    platform: Platform;
  }): void;
  /** Null when there is none, or it was revoked. Expiry is for the caller to judge. */
  session(id: string): { userId: string; expiresAt: Date; platform: Platform } | null;
  revokeSession(id: string): void;
  revokeSessions(userId: string): void;
  /** Forgets sessions and codes that ended, and failures that count no more, before `before`. */
  prune(before: Date): void;

  noteFailure(username: string, address: string): void;
  clearFailures(username: string, address: string): void;
  countFailuresOfName(username: string, since: Date): number;
  countFailuresOfAddress(address: string, since: Date): number;
  /** When this name failed from this address, oldest first. */
  failureTimes(username: string, address: string, since: Date): Date[];
}

// Retention ----------------------------------------------------------------------------------------------------------

export interface RetentionStore {
  /**
   * Removes at most `limit` resolved incidents (and as many finished proposals without one) with all that hangs on them: those nobody
   * decided on that ended before `undecidedBefore`, all that ended before `decidedBefore`. Answers how many.
   */
  prune(ages: { undecidedBefore: Date; decidedBefore: Date; limit: number }): number;
  /** Removes what hangs on nothing: worked-off deliveries, notices, delivered lines. */
  pruneLeftovers(before: Date): number;
}
