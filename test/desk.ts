/** The part of Steward that talks to people, over a real store: notify, outbox, and channels that are stand-ins with a memory. */
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore } from "../bot/adapters/sqlite.ts";
import { createTerminal, type Terminal } from "../bot/channels/terminal.ts";
import { createDigest } from "../bot/digest.ts";
import type { Channel, Line, Log, MessageRef, Operation } from "../bot/edges.ts";
import { createNotify, type Notify } from "../bot/notify.ts";
import { createOutbox, type Outbox } from "../bot/outbox.ts";
import { createRouter } from "../bot/router.ts";
import type { Store } from "../bot/store.ts";
import type { Card } from "../cards/card.ts";
import { newCardId } from "../shared/ids.ts";
import type { Incident } from "../shared/incident.ts";
import type { Locale } from "../shared/locale.ts";
import { parseMatcher } from "../shared/matcher.ts";
import { alertOf, incidentOf } from "./card-facts.ts";
import { createFakeClock, type FakeClock } from "./clock.ts";

export interface FakeChat extends Channel {
  /** What stands in the chats now, by message, in order of sending. */
  readonly messages: Map<MessageRef, { chat: string; card: Card; versions: number }>;
  readonly lines: { chat: string; message: MessageRef | null; line: Line }[];
  /** Every operation that was tried. */
  readonly tried: Operation["kind"][];
  /** The keys of the sends that were tried. */
  readonly keys: string[];
  /** Throws to fail an operation; may also wait. */
  fault: (operation: { kind: Operation["kind"]; chat: string }) => void | Promise<void>;
  paced: (operation: Operation, now: Date) => number;
}

export function createFakeChat(
  name: string,
  {
    chats = ["ops"],
    locale = null,
    cardsPerHour = 30,
  }: { chats?: string[]; locale?: Locale | null; cardsPerHour?: number | null } = {},
): FakeChat {
  let sent = 0;
  const chat: FakeChat = {
    name,
    chats,
    locale,
    cardsPerHour,
    messages: new Map(),
    lines: [],
    tried: [],
    keys: [],
    fault: () => undefined,
    paced: () => 0,
    async start() {},
    async stop() {},
    pace: (operation, now) => chat.paced(operation, now),
    async send(where, card, key) {
      chat.tried.push("send");
      chat.keys.push(key);
      await chat.fault({ kind: "send", chat: where });
      const message = `${name}-${++sent}`;
      chat.messages.set(message, { chat: where, card, versions: 1 });
      return message;
    },
    async update(where, message, card) {
      chat.tried.push("update");
      await chat.fault({ kind: "update", chat: where });
      const known = chat.messages.get(message);
      if (known === undefined) throw new Error(`no message ${message}`);
      chat.messages.set(message, { chat: where, card, versions: known.versions + 1 });
    },
    async line(where, message, line) {
      chat.tried.push("line");
      await chat.fault({ kind: "line", chat: where });
      chat.lines.push({ chat: where, message, line });
    },
    async reply() {},
    async tell() {},
    link: () => ({ state: "connected", since: new Date(0), detail: null }),
  };
  return chat;
}

export interface LogLine {
  level: string;
  message: string;
  fields: Readonly<Record<string, unknown>> | undefined;
}

export function createMemoryLog(): Log & { lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: string) => (message: string, fields?: Readonly<Record<string, unknown>>) =>
    void lines.push({ level, message, fields });
  return { lines, debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

export interface Desk {
  store: Store;
  notify: Notify;
  outbox: Outbox;
  terminal: Terminal;
  clock: FakeClock;
  log: ReturnType<typeof createMemoryLog>;
  counts: { delivered: number; failed: number; dead: number; digested: number };
  /** Lets everything that is due now be delivered. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

export interface DeskOptions {
  channels?: readonly FakeChat[];
  routes?: readonly { match: readonly string[]; to: readonly string[] }[];
  locale?: Locale;
  folder?: string;
  clock?: FakeClock;
}

/** Opens a desk on a new folder, or again on one that another desk has closed: a restart. */
export function openDesk({
  channels = [],
  routes = [],
  locale = "en",
  folder = mkdtempSync(join(tmpdir(), "steward-desk-")),
  clock = createFakeClock("2026-11-21T19:12:00.000Z"),
}: DeskOptions = {}): Desk & { folder: string } {
  const store = openStore({ path: join(folder, "steward.db"), clock, holder: "test" });
  const log = createMemoryLog();
  const terminal = createTerminal({ cards: store.cards, clock, log });
  const all: readonly Channel[] = [terminal, ...channels];
  const counts = { delivered: 0, failed: 0, dead: 0, digested: 0 };
  const router = createRouter({
    channels: all,
    routes: routes.map(({ match, to }) => ({ match: match.map(parseMatcher), to })),
  });
  const notify = createNotify({
    store,
    router,
    channels: all,
    locale,
    timezone: "Asia/Shanghai",
    linkHosts: ["runbooks.prometheus-operator.dev"],
    silences: false,
    wake: () => outbox.wake(),
  });
  const outbox: Outbox = createOutbox({
    store,
    channels: all,
    digest: createDigest({
      store,
      locale,
      localeOf: (name) => all.find((channel) => channel.name === name)?.locale ?? locale,
    }),
    notice: notify.notice,
    locale,
    clock,
    log,
    metrics: {
      delivered: () => void counts.delivered++,
      failed: () => void counts.failed++,
      dead: () => void counts.dead++,
      digested(_channel, cards) {
        counts.digested += cards;
      },
    },
    random: () => 0.5,
  });
  outbox.start();
  let closed = false;
  return {
    store,
    notify,
    outbox,
    terminal,
    clock,
    log,
    counts,
    folder,
    async settle() {
      for (let turn = 0; turn < 30; turn++) await clock.advance(0);
    },
    async close() {
      if (closed) return;
      closed = true;
      await outbox.stop();
      store.close();
    },
  };
}

export function removeFolder(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true });
}

/** Puts an incident with one alert into the store and shows it, as ingest does. */
export function fire(opened: Pick<Desk, "store" | "notify">, patch: Partial<Incident> = {}): Incident {
  const incident = incidentOf(patch);
  opened.store.transact(() => {
    opened.store.incidents.insert(incident);
    opened.store.incidents.upsertAlert(
      alertOf({ id: `al-${incident.id}`, fingerprint: incident.id, incidentId: incident.id }),
    );
    opened.notify.incident(incident.id);
  });
  return incident;
}

/** What makes a second, third … incident beside the first. */
export function another(n: number, patch: Partial<Incident> = {}): Partial<Incident> {
  return {
    id: `i${n}`.padEnd(26, "x"),
    cardId: newCardId(),
    key: `k${n}`,
    target: `deployment/app-${n}`,
    severity: "warning",
    ...patch,
  };
}
