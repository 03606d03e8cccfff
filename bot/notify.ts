import { createHash } from "node:crypto";
import type { Card, Text } from "../cards/card.ts";
import { foreign, joinText } from "../cards/text.ts";
import { headlineOf } from "../cards/views/headline.ts";
import { incidentCard } from "../cards/views/incident.ts";
import { noticeCard } from "../cards/views/notice.ts";
import { placeOf, proposalCard } from "../cards/views/proposal.ts";
import type { View } from "../cards/views/view.ts";
import { words } from "../cards/words/index.ts";
import type { Proposal } from "../shared/approval.ts";
import type { Incident } from "../shared/incident.ts";
import type { Locale } from "../shared/locale.ts";
import { createTimes } from "../shared/time.ts";
import type { Channel, Line } from "./edges.ts";
import { gatherIncident, gatherProposal } from "./notify/facts.ts";
import type { Address, Router } from "./router.ts";
import type { Store, StoredCard, User } from "./store.ts";

/** `notify`: the rule calls people at once (SPEC 6). */
export type NeedReason = "notify" | "approval" | "failed" | "needs_human" | "escalated" | "still_firing";

export interface Notice {
  title: string;
  lines: readonly string[];
  /** Goes out before other cards and never waits in a digest. */
  urgent?: boolean;
  /** The same words under the same key are said once; other words under it change the card that is there. */
  dedupe: string;
  /** A channel that cannot be told, because the notice is about it. */
  except?: string;
}

/**
 * What people are told. Everything here runs inside the caller's transaction: the card, and the rows that will carry it out, are in the same
 * commit as what they show.
 */
export interface Notify {
  /** Makes the incident's card anew and queues it where it changed. An incident routed to nobody has none. */
  incident(id: string): void;
  /** As `incident`, for a proposal: its own card if it was asked for in chat, its incident's otherwise. */
  proposal(id: string): void;
  /**
   * One line that rings: who is needed and for what. Once for each subject and reason, however often it is called. `mention` holds ids or names
   * of users; without it whoever has the incident in hand, may decide the proposal, or is admin is called.
   */
  need(about: { incidentId?: string; proposalId?: string }, why: NeedReason, mention?: readonly string[]): void;
  notice(notice: Notice): void;
}

interface Deps {
  store: Store;
  router: Router;
  channels: readonly Pick<Channel, "name" | "locale">[];
  locale: Locale;
  timezone: string;
  /** Hosts that links on cards may lead to: `cards.linkHosts` and those of `sources`. */
  linkHosts: readonly string[];
  /** Whether an Alertmanager is configured that silences can be made in. */
  silences: boolean;
  /** Told after the commit that there is something to deliver. */
  wake: () => void;
}

/** People named in one line; more would be nobody. */
const namesShown = 5;
const mentionsAtMost = 20;

export function createNotify({ store, router, channels, locale, timezone, linkHosts, silences, wake }: Deps): Notify {
  const times = createTimes(timezone);
  const hosts = new Set(linkHosts.map((host) => host.toLowerCase()));
  const others = [...new Set(channels.flatMap((channel) => channel.locale ?? []))].filter((one) => one !== locale);
  const localeOf = new Map(channels.map((channel) => [channel.name, channel.locale ?? locale]));

  return { incident: (id) => showIncident(id, true), proposal: showProposal, need, notice };

  function showIncident(id: string, follow: boolean): void {
    const incident = store.incidents.get(id);
    if (incident === null) return;
    if (incident.route === "ignore" && store.cards.get(incident.cardId) === null) return;
    const facts = gatherIncident(store, incident);
    let state = "";
    const stored = show(
      { id: incident.cardId, incidentId: id, proposalId: null },
      (view) => {
        const made = incidentCard(facts, view);
        state = made.state;
        return made.card;
      },
      () => state,
      isUrgent(incident),
      router.route(incident.labels, store.cards.places(incident.cardId)),
    );
    if (!follow || stored === null) return;
    // Other cards that say something about this one: whose fix did not hold, and which incident it was joined to.
    if (stored.version === 1 && incident.previousId !== null) showIncident(incident.previousId, false);
    if (incident.joined !== null) showIncident(incident.joined, false);
  }

  function showProposal(id: string): void {
    const proposal = store.proposals.get(id);
    if (proposal === null) return;
    if (proposal.incidentId !== null) {
      showIncident(proposal.incidentId, true);
      return;
    }
    const facts = gatherProposal(store, proposal);
    const cardId = ownCardId(proposal);
    show(
      { id: cardId, incidentId: null, proposalId: id },
      (view) => proposalCard(facts, view),
      () => proposal.state,
      true,
      router.route(labelsOf(proposal), store.cards.places(cardId)),
    );
  }

  function notice({ title, lines, urgent = false, dedupe, except }: Notice): void {
    show(
      { id: uuidOf(`notice:${dedupe}`), incidentId: null, proposalId: null },
      (view) => noticeCard({ title, lines, urgent }, view),
      () => "notice",
      urgent,
      router.everywhere().filter(({ channel }) => channel !== except),
    );
  }

  /** Makes a card in every language that is spoken, keeps it, and queues it if it says anything new. Answers null when it does not. */
  function show(
    about: Pick<StoredCard, "id" | "incidentId" | "proposalId">,
    make: (view: View) => Card,
    state: () => string,
    urgent: boolean,
    addresses: readonly Address[],
  ): StoredCard | null {
    const view = (spoken: Locale): View => ({
      locale: spoken,
      words: words[spoken],
      times,
      linkHosts: hosts,
      silences,
      buttonId: (action, proposalId) =>
        store.cards.button(about.id, action, about.incidentId, proposalId ?? about.proposalId),
    });
    const card = make(view(locale));
    const translations = Object.fromEntries(others.map((other) => [other, make(view(other))]));
    const { stored, changed } = store.cards.put({ ...about, state: state(), urgent, card, translations });
    if (!changed) return null;
    for (const { channel, chat } of addresses) {
      store.outbox.put({ channel, chat, kind: "card", cardId: about.id, body: "", dedupe: "", urgent });
    }
    store.afterCommit(wake);
    return stored;
  }

  function need(
    about: { incidentId?: string; proposalId?: string },
    why: NeedReason,
    mention?: readonly string[],
  ): void {
    const subject = subjectOf(about);
    if (subject === null) return;
    const { proposal, incident, cardId, key } = subject;
    // The line hangs on the card: it must not arrive before it.
    if (proposal !== null) showProposal(proposal.id);
    else if (incident !== null) showIncident(incident.id, true);
    if (store.cards.get(cardId) === null) return;

    const people =
      mention === undefined
        ? whoMay(subject)
        : mention.flatMap((user) => store.users.get(user) ?? store.users.byName(user) ?? []);
    const labels = incident?.labels ?? (proposal === null ? {} : labelsOf(proposal));
    const urgent = why !== "approval" && why !== "still_firing";
    for (const { channel, chat } of router.route(labels, store.cards.places(cardId))) {
      const line: Line = {
        text: lineText(subject, why, people, localeOf.get(channel) ?? locale),
        mention: people.slice(0, mentionsAtMost).flatMap(({ id }) =>
          store.users
            .identities(id)
            .filter((identity) => identity.channel === channel)
            .map((identity) => identity.id),
        ),
      };
      store.outbox.put({
        channel,
        chat,
        kind: "line",
        cardId,
        body: JSON.stringify(line),
        dedupe: `need:${why}:${key}`,
        urgent: urgent || (incident !== null ? isUrgent(incident) : true),
      });
    }
    store.afterCommit(wake);
  }

  function subjectOf(about: { incidentId?: string; proposalId?: string }): Subject | null {
    const proposal = about.proposalId === undefined ? null : store.proposals.get(about.proposalId);
    const incidentId = about.incidentId ?? proposal?.incidentId ?? null;
    const incident = incidentId === null ? null : store.incidents.get(incidentId);
    if (incident !== null) {
      return { proposal, incident, cardId: incident.cardId, key: proposal?.id ?? incident.id };
    }
    return proposal === null ? null : { proposal, incident, cardId: ownCardId(proposal), key: proposal.id };
  }

  /** Whoever has it in hand, else those whose decision is asked for, else the admins. */
  function whoMay({ proposal, incident }: Subject): User[] {
    const claimed = incident?.claimedBy ?? null;
    const holder = claimed === null ? null : store.users.byName(claimed);
    const users = store.users.list();
    if (proposal !== null) {
      const { roles, selfApproval } = proposal.requirement;
      const may = users.filter(
        ({ username, role }) =>
          (roles.includes(role) || role === "admin") && (selfApproval || username !== proposal.requestedBy),
      );
      return holder !== null && may.some(({ id }) => id === holder.id) ? [holder] : may;
    }
    return holder !== null ? [holder] : users.filter(({ role }) => role === "admin");
  }

  function lineText({ proposal, incident }: Subject, why: NeedReason, people: readonly User[], spoken: Locale): Text {
    const { need: lines, comma, semicolon } = words[spoken];
    const subject =
      incident !== null ? headlineOf(incident, { words: words[spoken] }) : proposal !== null ? placeOf(proposal) : [];
    const what = proposal === null ? subject : joinText([subject, [foreign("cluster", proposal.summary, 120)]], " · ");
    const said = why === "approval" ? lines.approval(what, proposal?.code ?? "") : lines[why](what);
    if (people.length === 0) return said;
    const names = people.slice(0, namesShown).map(({ username }): Text => [foreign("person", username, 60)]);
    return joinText([said, lines.who(joinText(names, comma))], semicolon);
  }
}

interface Subject {
  proposal: Proposal | null;
  incident: Incident | null;
  cardId: string;
  /** What the line is about, for saying it once. */
  key: string;
}

/** Never in a digest, and first in line (SPEC 6 and 16). */
function isUrgent({ route, severity }: Incident): boolean {
  return route === "notify" || severity === "critical";
}

function labelsOf({ namespace }: Proposal): Readonly<Record<string, string>> {
  return namespace === null ? {} : { namespace };
}

function ownCardId({ id, cardId }: Proposal): string {
  return cardId ?? uuidOf(`proposal:${id}`);
}

/** The same id for the same thing, in the form card ids have. Source: RFC 9562, version 8. */
function uuidOf(name: string): string {
  const hex = createHash("sha256").update(name).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
