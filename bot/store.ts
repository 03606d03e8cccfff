/**
 * The store, by noun: types only. One SQLite file, one writer, synchronous (its engine is).
 * A method that changes anything must be called inside `transact` or `group`, so that a change of state, its audit record and its
 * outbox rows are one commit. Reads may be called anywhere.
 */
import type { Decision, Execution, ExecutionState, GateAnswer, Platform, Proposal, ProposalState, Role, Verification } from "../shared/approval.ts";
import type { AuditEntry, AuditRecord, AuditStatus } from "../shared/audit.ts";
import type { Alert } from "../shared/alert.ts";
import type { Diagnosis, Evidence } from "../shared/finding.ts";
import type { Incident, IncidentState } from "../shared/incident.ts";
import type { Card } from "../cards/card.ts";

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
  readonly meta: MetaStore;
  readonly receipts: ReceiptStore;
  readonly incidents: IncidentStore;
  readonly evidence: EvidenceStore;
  readonly proposals: ProposalStore;
  readonly pauses: PauseStore;
  readonly cards: CardStore;
  readonly outbox: OutboxStore;
  readonly users: UserStore;
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

export interface AuditFilter {
  user?: string;
  action?: string;
  target?: string;
  platform?: Platform;
  status?: AuditStatus;
  incident?: string;
  proposal?: string;
  until?: Date;
}

export interface AuditStore {
  /** Appends one record to the chain. Fails the transaction it is in if it cannot. */
  append(entry: AuditEntry): AuditRecord;
  page(query: PageQuery & AuditFilter): Page<AuditRecord>;
  /** All records after `seq`, oldest first, without holding them in memory. */
  iterate(afterSeq: number): IterableIterator<AuditRecord>;
  head(): { seq: number; hash: string };
  /** What the first kept record must follow: genesis, or the checkpoint retention left. */
  root(): { seq: number; hash: string };
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
  state: "queued" | "done" | "dead";
  tries: number;
  receivedAt: Date;
}

export interface ReceiptStore {
  /** Keeps a delivery; one with a known key only counts as a repeat and answers the first receipt's id. */
  take(delivery: { key: string; groupKey: string; receiver: string; body: string; alerts: number; truncated: number }): { id: string; repeat: boolean };
  get(id: string): Receipt | null;
  /** Ids of those not yet worked on, oldest first. */
  queued(limit: number): string[];
  countQueued(): number;
  finish(id: string, state: "done" | "dead", error?: string): void;
  failed(id: string, error: string): number;
  linkIncident(id: string, incidentId: string): void;
}

// Incidents ----------------------------------------------------------------------------------------------------------

export interface IncidentStore {
  insert(incident: Incident): void;
  get(id: string): Incident | null;
  /** The open or ignored incident of a key. */
  live(key: string): Incident | null;
  /** The newest incident of a key in any state. */
  latest(key: string): Incident | null;
  page(query: PageQuery & { state?: IncidentState; namespace?: string; receipt?: string }): Page<Incident>;
  /** Compare-and-set; false when the incident is not in `from`. */
  move(id: string, from: IncidentState, to: IncidentState, patch?: Partial<Incident>): boolean;
  /** Changes anything but the state. */
  patch(id: string, patch: Partial<Omit<Incident, "id" | "state">>): void;
  setDiagnosis(id: string, diagnosis: Diagnosis): void;
  /** Open ones whose investigation is queued or was running when the process ended. */
  toInvestigate(): string[];
  upsertAlert(alert: Alert): { inserted: boolean; changed: boolean; previous: "firing" | "resolved" | null };
  alert(fingerprint: string, startsAt: Date): Alert | null;
  /** The newest alert of a fingerprint in any incident. */
  latestAlert(fingerprint: string): Alert | null;
  alerts(incidentId: string): Alert[];
  countAlerts(incidentId: string): { total: number; firing: number };
  noteChange(key: string, state: string, at: Date): void;
  countChanges(key: string, since: Date): number;
}

export interface EvidenceStore {
  insert(evidence: Evidence): void;
  ofIncident(incidentId: string): Evidence[];
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
  addDecision(proposalId: string, decision: Decision): void;
  decisions(proposalId: string): Decision[];

  insertExecution(execution: Execution, request: string, digest: string): void;
  execution(proposalId: string): Execution | null;
  executionsIn(...states: readonly ExecutionState[]): Execution[];
  moveExecution(op: string, from: ExecutionState, to: ExecutionState, patch?: { outcome?: string; message?: string }): boolean;
  /** Start times of automatic attempts of any kind and outcome on this owner since `since`, oldest first. */
  automaticAttempts(ownerKey: string, since: Date): Date[];
  /** Automatic runs that failed, cluster-wide, since `since`: finish times, oldest first. */
  automaticFailures(since: Date): Date[];
  /** The newest finished proposals of this owner and action kind, for "last time". */
  history(ownerKey: string, kind: string, limit: number): Proposal[];

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
  urgent: boolean;
  card: Card;
  updatedAt: Date;
}

export interface CardStore {
  /** Keeps the card if its content differs from the last version; answers the stored one, and whether it changed. */
  put(card: { id: string; kind: Card["kind"]; incidentId: string | null; proposalId: string | null; state: string; urgent: boolean; card: Card }): { stored: StoredCard; changed: boolean };
  get(id: string): StoredCard | null;
  /** Cards changed after `seq`, in order of `seq`, at most `limit`. */
  changedAfter(seq: number, limit: number): StoredCard[];
  latestSeq(): number;
  /** The stable opaque id of a button of a card; made on first use. */
  button(cardId: string, action: string, incidentId: string | null, proposalId: string | null): string;
  buttonById(id: string): { cardId: string; action: string; incidentId: string | null; proposalId: string | null } | null;
  message(cardId: string, channel: string, chat: string): { message: string; version: number } | null;
  putMessage(cardId: string, channel: string, chat: string, message: string, version: number): void;
}

export interface OutboxItem {
  id: number;
  channel: string;
  chat: string;
  kind: "card" | "reply" | "tell" | "line";
  cardId: string | null;
  /** JSON text; for a card the content is read from `cards` at delivery, so the newest is sent. */
  body: string;
  urgent: boolean;
  tries: number;
  createdAt: Date;
  dueAt: Date;
}

export interface OutboxStore {
  /** Queues a delivery. A card already queued for this place is not queued twice. `dedupe` makes a line or reply go out once. */
  put(item: { channel: string; chat: string; kind: OutboxItem["kind"]; cardId: string | null; body: string; dedupe: string; urgent: boolean }): void;
  due(channel: string, now: Date, limit: number): OutboxItem[];
  sent(id: number): void;
  retry(id: number, dueAt: Date, error: string): void;
  dead(id: number, error: string): void;
  oldest(channel: string): Date | null;
}

// Identity -----------------------------------------------------------------------------------------------------------

export interface User {
  id: string;
  username: string;
  passwordHash: string | null;
  role: Role;
  createdAt: Date;
}

export interface Identity {
  channel: string;
  id: string;
  userId: string | null;
  display: string | null;
}

export interface UserStore {
  insert(user: User): void;
  get(id: string): User | null;
  byName(username: string): User | null;
  list(): User[];
  countAdmins(): number;
  setRole(id: string, role: Role): void;
  setPassword(id: string, hash: string): void;
  remove(id: string): void;
  identities(userId: string): Identity[];
  identity(channel: string, externalId: string): Identity | null;
  link(channel: string, externalId: string, userId: string): void;
  seen(channel: string, externalId: string, display: string | null): void;
  unlinked(): Identity[];
  insertSession(session: { id: string; userId: string; expiresAt: Date; clientIp: string | null; platform: Platform }): void;
  session(id: string): { userId: string; expiresAt: Date } | null;
  revokeSession(id: string): void;
  revokeSessions(userId: string): void;
  noteFailure(username: string, address: string): void;
  clearFailures(username: string, address: string): void;
  countFailures(filter: { username: string; address?: string }, since: Date): number;
}
