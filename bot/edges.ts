/**
 * The seams: what lies outside, by role. Types only. Adapters implement them, stages use them, `app.ts` alone sees both sides.
 * The store has its own file, `store.ts`.
 */
import type { Card, Text } from "../cards/card.ts";
import type { ClusterRequest } from "../shared/approval.ts";
import type { KubeObject, ObjectRef, ResourceType } from "../shared/kube.ts";
import type { Locale } from "../shared/locale.ts";

export interface Clock {
  now(): Date;
  /** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `fn` every `ms` (never overlapping, errors go to the log of the caller) until the returned function is called. */
  every(ms: number, fn: () => void | Promise<void>): () => void;
}

/** Structured, redacted log. `fields` carry `incidentId`, `proposalId` where there is one. */
export interface Log {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

// Cluster ------------------------------------------------------------------------------------------------------------

export interface ListQuery {
  type: ResourceType;
  /** null: all namespaces (or a cluster-wide kind). */
  namespace: string | null;
  labelSelector?: string;
  fieldSelector?: string;
  /** At most so many objects; the answer says whether there were more. */
  limit?: number;
}

export interface ListAnswer {
  items: KubeObject[];
  resourceVersion: string;
  /** How many more the server says there are beyond `limit`; 0 when complete. */
  remaining: number;
}

/** What `kubectl get` prints: the server's own table. */
export interface Table {
  columns: readonly { name: string; priority: number }[];
  /** One cell for each column. */
  rows: readonly (readonly string[])[];
  /** How many more the server says there are beyond `limit`; 0 when complete. */
  remaining: number;
}

export interface LogQuery {
  namespace: string;
  pod: string;
  container?: string;
  previous?: boolean;
  tailLines?: number;
  sinceSeconds?: number;
  timestamps?: boolean;
  /** Bytes at the most; the server cuts at the start. */
  limitBytes?: number;
}

export interface WatchEvent {
  type: "ADDED" | "MODIFIED" | "DELETED";
  object: KubeObject;
}

/** Reads, as the reading identity. Throws StewardError: `forbidden` (with the server's words), `unavailable`, `not_found` where said. */
export interface ClusterReader {
  /** null when there is no such object. */
  get(ref: ObjectRef, signal?: AbortSignal): Promise<KubeObject | null>;
  list(query: ListQuery, signal?: AbortSignal): Promise<ListAnswer>;
  /** The server's printed table, of one object (`name`; no row when there is none) or a list; with a `NAMESPACE` column first over all namespaces. */
  table(query: ListQuery & { name?: string }, signal?: AbortSignal): Promise<Table>;
  /** Log text. Throws `not_found` when the pod or the previous container is not there, with the server's words. */
  logs(query: LogQuery, signal?: AbortSignal): Promise<string>;
  /** Follows a log from now on (or from `sinceSeconds`, `tailLines`), line by line, over lost connections, until the signal aborts or the container ends. */
  followLogs(query: LogQuery, onLine: (line: string) => void, signal: AbortSignal): Promise<void>;
  /**
   * Calls `onEvent` for the present objects (as ADDED) and every later change, over reconnects and 410, until the signal aborts.
   * What changed or went while the connection was away is told as MODIFIED or DELETED. Throws only what will not mend by itself: `forbidden`, `not_found`, `invalid`.
   */
  watch(query: Omit<ListQuery, "limit">, onEvent: (event: WatchEvent) => void, signal: AbortSignal): Promise<void>;
  /** The served resource for `deploy`, `deployments`, `Deployment`, `certificates.cert-manager.io`; null when none is. */
  resolve(name: string, signal?: AbortSignal): Promise<ResourceType | null>;
  /** The server's version, as `v1.33.1`. */
  version(signal?: AbortSignal): Promise<string>;
  /** Whether the authorizer would let a user do this (SubjectAccessReview). */
  allows(user: string, deed: Deed, signal?: AbortSignal): Promise<boolean>;
}

/** One right, as RBAC names it. */
export interface Deed {
  verb: string;
  ref: ObjectRef;
}

/** How a write ended. `rejected`: the server answered no, nothing changed. `in_doubt`: sent, and no answer came; it may have happened. */
export type WriteAnswer =
  | { outcome: "done"; object: KubeObject | null; warnings: readonly string[] }
  | { outcome: "rejected"; status: number; reason: string; message: string }
  | { outcome: "not_sent"; message: string }
  | { outcome: "in_doubt"; message: string };

/**
 * Writes, as the acting identity: one HTTP request with exactly these bytes, never retried here. Field manager `steward`.
 * (Only the dry run of a DELETE adds `dryRun` to its body: with a body, the server reads the options there and not from the query.)
 */
export interface ClusterWriter {
  send(request: ClusterRequest, options: { dryRun: boolean }, signal?: AbortSignal): Promise<WriteAnswer>;
}

/** What the pod's own account may do: its Lease and its setup Secret. */
export interface ClusterSelf {
  readLease(namespace: string, name: string, signal?: AbortSignal): Promise<KubeObject | null>;
  /** Creates or updates with the resourceVersion the object carries; throws `conflict` when somebody was first. */
  writeLease(lease: KubeObject, signal?: AbortSignal): Promise<KubeObject>;
  /** Writes the one-time setup token; false where it may not or there is no such place. */
  writeSetupToken(namespace: string, token: string | null, signal?: AbortSignal): Promise<boolean>;
}

export interface Cluster {
  readonly read: ClusterReader;
  readonly act: ClusterWriter;
  readonly self: ClusterSelf;
}

// Sources ------------------------------------------------------------------------------------------------------------

/** One line of a chart, as Prometheus measured it. */
export interface MeasuredSeries {
  /** With `__name__` where the query kept it. */
  labels: Readonly<Record<string, string>>;
  /** In order of time; NaN and the infinities are measured values too. */
  points: readonly { at: Date; value: number }[];
}

/** An alerting rule as Prometheus has loaded it. */
export interface AlertingRule {
  /** The alert's expression: what it holds for is what fires. */
  query: string;
  /** What the rule adds to the labels of its series; values may be templates. */
  labels: Readonly<Record<string, string>>;
}

/**
 * Prometheus' HTTP API, or that of something that speaks it. Throws StewardError, without an address in it: `invalid` with Prometheus' own words
 * for a query it refuses, `unavailable`, `forbidden`.
 */
export interface Prometheus {
  instant(query: string, at: Date, signal?: AbortSignal): Promise<MeasuredSeries[]>;
  range(
    query: string,
    window: { from: Date; to: Date; stepMs: number },
    signal?: AbortSignal,
  ): Promise<MeasuredSeries[]>;
  /** The alerting rules of this name; empty when there is none. */
  alertingRules(alertname: string, signal?: AbortSignal): Promise<AlertingRule[]>;
  /** Resolves when it answers queries. */
  probe(signal?: AbortSignal): Promise<void>;
}

/** One alert as Alertmanager holds it now. */
export interface HeldAlert {
  fingerprint: string;
  labels: Readonly<Record<string, string>>;
  annotations: Readonly<Record<string, string>>;
  generatorUrl: string;
  startsAt: Date;
  /** Neither silenced nor inhibited. */
  notifies: boolean;
}

/** Alertmanager's HTTP API, version 2. Throws as `Prometheus` does. */
export interface Alertmanager {
  /** The alerts that fire now; `muted` asks also for the silenced and inhibited ones. */
  alerts(query: { muted: boolean; alertname?: string }, signal?: AbortSignal): Promise<HeldAlert[]>;
  /** Makes a silence for exactly these labels, and answers its id. */
  silence(
    silence: { labels: Readonly<Record<string, string>>; from: Date; to: Date; by: string; comment: string },
    signal?: AbortSignal,
  ): Promise<string>;
}

// Model --------------------------------------------------------------------------------------------------------------

export interface ToolSchema {
  name: string;
  description: string;
  /** JSON Schema of the arguments. */
  parameters: Readonly<Record<string, unknown>>;
}

export type Turn =
  | { role: "system" | "user"; content: string }
  | { role: "assistant"; content: string; calls: readonly ToolCall[] }
  | { role: "tool"; callId: string; content: string };

export interface ToolCall {
  id: string;
  tool: string;
  /** JSON text as the model wrote it; parsed by the tool's own schema. */
  args: string;
}

export interface ModelAnswer {
  turn: Extract<Turn, { role: "assistant" }>;
  tokens: number;
}

export interface Model {
  reply(turns: readonly Turn[], tools: readonly ToolSchema[], signal: AbortSignal): Promise<ModelAnswer>;
}

// Channel ------------------------------------------------------------------------------------------------------------

/** A short message that is not a card: a reply in a thread, a private word, a line that mentions people. */
export interface Line {
  /** Spans, so that a channel can keep words of the cluster and of people from being read as markup or mentions. */
  text: Text;
  /** External ids, on this channel, of people to mention. Only Steward's own code fills this. */
  mention: readonly string[];
}

/** Where a card went: enough to edit it. Opaque outside its channel. */
export type MessageRef = string;

/** Who did something on a channel, as the platform's own frame says it; nothing a message or a button carries is believed. */
interface Sender {
  /** External id; empty for an account that has none. */
  person: string;
  display: string;
  /** Not a member of the own tenant, or without an id: may do and read nothing (SPEC 11). */
  external: boolean;
}

export interface ClickEvent extends Sender {
  channel: string;
  /** Platform's own id of this event, the same when it is delivered again. */
  event: string;
  chat: string;
  /** The message the button was pressed on. */
  message: MessageRef;
  button: string;
  /** Given with a denial: one of the button's choices, or the person's own words. */
  reason: string | null;
  at: Date;
}

export interface MentionEvent extends Sender {
  channel: string;
  event: string;
  chat: string;
  /** Where the answer goes; opaque outside the channel. */
  thread: string;
  /** The message this was written under, when it may be one of Steward's. */
  under: MessageRef | null;
  direct: boolean;
  /** Without the mention of Steward itself, and with the platform's own escapes undone. */
  text: string;
  at: Date;
}

/** What the person who clicked is shown at once. */
export interface ClickAnswer {
  /** For their eyes only; null: the card says it. */
  tell: Text | null;
  /** The card as it is now, in the channel's language, where the platform can take it with the answer. */
  card: Card | null;
}

/**
 * What comes in. Neither throws, and neither waits for the cluster or another platform; but a click may wait up to 1.5 s for its card to be on
 * record, so a platform whose deadline is near acknowledges by itself.
 */
export interface ChannelHandlers {
  click(event: ClickEvent): Promise<ClickAnswer>;
  mention(event: MentionEvent): Promise<void>;
}

export interface LinkState {
  state: "connected" | "connecting" | "down" | "stopped";
  since: Date;
  detail: string | null;
}

/** What a channel is about to do; asked about before it is done. */
export interface Operation {
  kind: "send" | "update" | "line";
  chat: string;
  /** May use the share kept for critical incidents and for what a person is waiting for. */
  urgent: boolean;
}

/**
 * One connection to people. Every operation throws StewardError: `retryable` says whether the same call may work later, `retryAfterMs` when the
 * platform said so; `not_found` from `update` means that the message is gone.
 */
export interface Channel {
  readonly name: string;
  /** The language of this channel where it is not the house's. */
  readonly locale: Locale | null;
  /** Chats this channel posts to by default. */
  readonly chats: readonly string[];
  /** New cards an hour and chat before the rest are gathered in one digest card; null: no limit (a live view). */
  readonly cardsPerHour: number | null;
  start(handlers: ChannelHandlers): Promise<void>;
  stop(): Promise<void>;
  /** Milliseconds until this operation may go out at the platform's rates; 0: now, and it is counted. */
  pace(operation: Operation, now: Date): number;
  /** `key` is the same for every attempt at this first send and no other, at most 50 characters, for platforms that can refuse a second one. */
  send(chat: string, card: Card, key: string): Promise<MessageRef>;
  update(chat: string, message: MessageRef, card: Card): Promise<void>;
  /** A line that belongs to a card (in its thread where there are threads), or to the chat. */
  line(chat: string, message: MessageRef | null, line: Line): Promise<void>;
  reply(chat: string, thread: string, line: Line): Promise<void>;
  /** A word for one person: in `chat`, where only they see it, if the platform has that and they are there; else in a chat of the two. */
  tell(person: string, line: Line, chat: string | null): Promise<void>;
  link(): LinkState;
}
