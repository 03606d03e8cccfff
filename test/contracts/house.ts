/** The part of the bot that talks with people, on a real store and the real clock: what a channel is tried with. */
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClock } from "../../bot/adapters/clock.ts";
import { openStore } from "../../bot/adapters/sqlite.ts";
import { createChat } from "../../bot/chat.ts";
import { createDigest } from "../../bot/digest.ts";
import type { Channel, ChannelHandlers, ClusterReader } from "../../bot/edges.ts";
import { createGate } from "../../bot/gate.ts";
import { createIdentity } from "../../bot/identity.ts";
import { createIncidents } from "../../bot/incident.ts";
import { createNotify } from "../../bot/notify.ts";
import { createOutbox } from "../../bot/outbox.ts";
import { createRouter } from "../../bot/router.ts";
import { createSafety } from "../../bot/safety.ts";
import { createStopSwitch } from "../../bot/stop-switch.ts";
import type { Store } from "../../bot/store.ts";
import type { Proposal, ProposalState, Role } from "../../shared/approval.ts";
import { StewardError } from "../../shared/errors.ts";
import { newCardId, newCode, newId } from "../../shared/ids.ts";
import type { Incident } from "../../shared/incident.ts";
import { parseKubectlLine } from "../../shared/kubectl-line.ts";
import { defaultSafety } from "../action-bench.ts";
import { alertOf, incidentOf, proposalOf } from "../card-facts.ts";
import { createMemoryLog } from "../desk.ts";
import type { Person } from "./platform.ts";

const roleOf: Readonly<Record<Person, Role | null>> = {
  alice: "admin",
  bob: "admin",
  vera: "viewer",
  sam: null,
  olga: null,
};

export interface HouseOptions {
  /** Made with the house's log, so that what is logged can be looked at. */
  openChannel: (log: ReturnType<typeof createMemoryLog>) => Channel;
  /** Accounts on the channel, linked to users of the same name. */
  ids: Readonly<Record<Person, string>>;
  folder?: string;
  unlinked?: "viewer" | "none";
  /** Stands between the channel and the house. */
  between?: (handlers: ChannelHandlers) => ChannelHandlers;
}

export type House = Awaited<ReturnType<typeof openHouse>>;

/** Opens a house on a new folder, or again on that of one that was closed: a restart. */
export async function openHouse({ openChannel, ids, unlinked = "viewer", between, ...given }: HouseOptions) {
  const folder = given.folder ?? mkdtempSync(join(tmpdir(), "steward-house-"));
  const clock = createClock();
  const log = createMemoryLog();
  const channel = openChannel(log);
  const store = openStore({ path: join(folder, "steward.db"), clock, holder: "test" });
  const locale = "en" as const;
  const timezone = "Asia/Shanghai";
  const router = createRouter({ channels: [channel], routes: [] });
  const wake = () => outbox.wake();
  const notify = createNotify({
    store,
    router,
    channels: [channel],
    locale,
    timezone,
    linkHosts: ["runbooks.prometheus-operator.dev"],
    silences: false,
    wake,
  });
  const counted = { delivered: 0, failed: 0, dead: 0, digested: 0 };
  const outbox = createOutbox({
    store,
    channels: [channel],
    digest: createDigest({ store, locale, localeOf: () => locale }),
    notice: notify.notice,
    locale,
    clock,
    log,
    metrics: {
      delivered: () => void counted.delivered++,
      failed: () => void counted.failed++,
      dead: () => void counted.dead++,
      digested(_channel, cards) {
        counted.digested += cards;
      },
    },
  });
  const safety = createSafety({ store, settings: defaultSafety, ownNamespace: "steward", locale, timezone });
  const stopSwitch = createStopSwitch({ store, safety, notify, locale });
  const read = noCluster();
  const gate = createGate({ store, read, safety, stopSwitch, notify, clock, log, locale });
  const incidents = createIncidents({
    store,
    findRoot: async () => null,
    rules: [],
    notify,
    withdraw: gate.withdraw,
    clock,
    log,
    locale,
    timezone,
  });
  const identity = createIdentity({
    store,
    clock,
    log,
    sessionTtl: 3_600_000,
    setupSecret: null,
    refreshProposal: notify.proposal,
    passwordCost: 4,
  });
  /** Proposals that were let go, in order: each would be one execution. */
  const carried: string[] = [];
  const chat = createChat({
    store,
    identity,
    services: {
      incidents,
      gate,
      carryOut: (id) => void carried.push(id),
      propose: {
        parse: parseKubectlLine,
        async propose({ action, incidentId, actor }) {
          return putProposal({
            action,
            incidentId,
            requestedBy: actor.username,
            target: action.target,
            namespace: action.namespace,
            summary: `${action.kind} ${action.target}`,
          });
        },
        undo: async (id, actor) =>
          putProposal({ undoOf: store.proposals.find(id)?.id ?? null, requestedBy: actor.username }),
        renew: async (_id, actor) => putProposal({ requestedBy: actor.username }),
      },
    },
    read,
    router,
    unlinked,
    localeOf: () => channel.locale ?? locale,
    timezone,
    links: () => [{ name: channel.name, link: channel.link() }],
    wake,
    clock,
    log,
  });
  if (given.folder === undefined) enrol(store, channel.name, ids);
  await channel.start(between === undefined ? chat : between(chat));
  outbox.start();

  return {
    folder,
    clock,
    log,
    channel,
    store,
    notify,
    gate,
    identity,
    carried,
    counted,
    fire,
    putProposal,
    advance,
    /** Puts a proposal, of an incident that is fired for it if none is given, and answers both. */
    ask(patch: Partial<Proposal> = {}, about: Partial<Incident> = {}) {
      const incident = fire(about);
      return { incident, proposal: putProposal({ incidentId: incident.id, ...patch }) };
    },
    stateOf: (id: string) => store.proposals.get(id)?.state,
    /** Ends it without the channel's knowledge of what comes; the folder stays. */
    async close() {
      await outbox.stop();
      await channel.stop();
      await chat.idle();
      identity.stop();
      store.close();
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };

  /** An incident with one alert, shown as ingest shows it. */
  function fire(patch: Partial<Incident> = {}): Incident {
    const id = newId();
    const now = clock.now();
    const incident = incidentOf({ id, cardId: newCardId(), key: id, startedAt: now, updatedAt: now, ...patch });
    const { labels, annotations } = incident;
    store.transact(() => {
      store.incidents.insert(incident);
      store.incidents.upsertAlert(
        alertOf({ id: `al-${id}`, fingerprint: id, incidentId: id, labels, annotations, generatorUrl: "" }),
      );
      notify.incident(id);
    });
    return incident;
  }

  function putProposal(patch: Partial<Proposal> = {}): Proposal {
    const now = clock.now();
    const id = newId();
    const proposal = proposalOf({
      id,
      op: newId(),
      code: newCode(),
      incidentId: null,
      ownerKey: `payment/deployment/${id}`,
      createdAt: now,
      updatedAt: now,
      expiresAt: new Date(now.getTime() + 3_600_000),
      ...patch,
    });
    store.transact(() => {
      store.proposals.insert(proposal);
      notify.proposal(id);
    });
    return proposal;
  }

  /** Moves a proposal along, showing each step. */
  function advance(id: string, ...states: readonly ProposalState[]): void {
    for (const next of states) {
      store.transact(() => {
        const from = store.proposals.get(id)?.state;
        if (from === undefined || !store.proposals.move(id, from, next)) throw new Error(`${from} is not ${next}`);
        notify.proposal(id);
      });
    }
  }
}

function enrol(store: Store, channel: string, ids: Readonly<Record<Person, string>>): void {
  store.transact((createdAt) => {
    for (const [username, role] of Object.entries(roleOf)) {
      if (role === null) continue;
      const id = newId();
      store.users.insert({ id, username, passwordHash: null, role, createdAt });
      store.users.link(channel, ids[username as Person], id);
    }
  });
}

function noCluster(): ClusterReader {
  const unread = async () => {
    throw new StewardError("unavailable", "there is no cluster here");
  };
  return {
    get: unread,
    list: unread,
    table: unread,
    logs: unread,
    followLogs: unread,
    watch: unread,
    resolve: unread,
    version: unread,
    allows: unread,
  };
}
