import { foreign, foreignBlock, own } from "../../cards/text.ts";
import { StewardError, unreachable } from "../../shared/errors.ts";
import type { MentionEvent } from "../edges.ts";
import {
  accountUnknown,
  answered,
  attempt,
  type ChatContext,
  isNew,
  noteSeen,
  refusalFor,
  standing,
} from "./context.ts";
import { type Deed, proposalSaid, requireRole } from "./deed.ts";
import { findWished, lineFor } from "./find.ts";
import { createLimit } from "./limit.ts";
import { overviews } from "./overview.ts";
import { type Intent, parsePhrase } from "./phrases.ts";
import type { Standing } from "./standing.ts";
import { type ChatWords, chatWords } from "./words.ts";

const hour = 60 * 60_000;
/** Questions of one person (SPEC 11), and link codes one account may try. */
const questionsAnHour = 20;
const codesAnHour = 5;

/** What somebody wrote to Steward, and the answer to it: in the thread for everybody, refusals for the person alone. */
export function createMention(context: ChatContext): (event: MentionEvent) => Promise<void> {
  const { store, identity, services, read, router, localeOf, times, mouth, links, clock, log } = context;
  const mayAsk = createLimit(clock, { most: questionsAnHour, withinMs: hour });
  const mayTryCode = createLimit(clock, { most: codesAnHour, withinMs: hour });

  return mention;

  async function mention(event: MentionEvent): Promise<void> {
    const words = chatWords[localeOf(event.channel)];
    try {
      if (!store.transact((now) => isNew(context, event.channel, `mention:${event.event}`, now))) return;
      await context.track(() => answer(event, words));
    } catch (error) {
      log.error("what somebody wrote could not be worked on", { channel: event.channel, error: String(error) });
      mouth.reply(answered(event), own(words.broken));
    }
  }

  async function answer(event: MentionEvent, words: ChatWords): Promise<void> {
    const to = answered(event);
    if (event.external || event.person === "") return mouth.tell(to, own(words.outsider));
    store.transact(() => noteSeen(context, event));
    const configured = router.knows(event);
    const intent = parsePhrase(event.text);
    if (intent.kind === "link" && (configured || event.direct)) return linkAccount(event, intent.code, words);
    if (!event.direct && !configured) return mouth.reply(to, own(words.elsewhere));
    const who = standing(context, event, configured && !event.direct);
    if (who.role === null) return mouth.tell(to, accountUnknown(event, words));
    await follow(intent, event, who, words);
  }

  async function follow(intent: Intent, event: MentionEvent, who: Standing, words: ChatWords): Promise<void> {
    const to = answered(event);
    switch (intent.kind) {
      case "help":
        return mouth.reply(to, own(words.help));
      case "status":
      case "incidents":
      case "approvals":
        return mouth.reply(
          to,
          overviews[intent.kind]({ store, gate: services.gate, links, times, locale: localeOf(event.channel) }),
        );
      case "incomplete":
        return mouth.reply(to, own(words.incomplete[intent.command]));
      case "decide":
        return act({ kind: intent.verdict, proposal: intent.code, reason: intent.reason }, event, who, words);
      case "undo":
      case "renew":
        return act({ kind: intent.kind, proposal: intent.code }, event, who, words);
      case "pause":
      case "resume":
        return act(intent, event, who, words);
      case "claim":
      case "ignore": {
        const incidentId = incidentNamed(intent.about, event);
        if (incidentId === null) return mouth.reply(to, own(words.incomplete[intent.kind]));
        return act({ ...intent, incidentId }, event, who, words);
      }
      case "kubectl":
      case "wish":
        return propose(intent, event, who, words);
      case "link":
        return mouth.reply(to, own(words.badCode));
      case "question":
        return question(intent.text, event, who, words);
      default:
        return unreachable(intent);
    }
  }

  /** Says in the thread that it was done, and to the person alone why it was not. */
  async function act(deed: Deed, event: MentionEvent, who: Standing, words: ChatWords): Promise<void> {
    const said = await attempt(context, deed, who, event, words);
    if (said.done) mouth.reply(answered(event), said.text);
    else mouth.tell(answered(event), said.text);
  }

  async function propose(
    intent: Extract<Intent, { kind: "kubectl" | "wish" }>,
    event: MentionEvent,
    who: Standing,
    words: ChatWords,
  ): Promise<void> {
    const to = answered(event);
    try {
      requireRole("propose", "approver", who, store);
      const incidentId = incidentOf(event);
      const incident = incidentId === null ? null : store.incidents.get(incidentId);
      const near = incident?.namespace ?? null;
      const actions =
        intent.kind === "kubectl"
          ? [services.propose.parse(intent.line, near ?? "default")]
          : await findWished(read, intent.wish, near);
      const [action, ...others] = actions;
      if (action === undefined) return mouth.reply(to, own(words.noSuch));
      if (others.length > 0) {
        const choices = actions.map(lineFor).join("\n");
        return mouth.reply(to, [words.several, "\n", foreignBlock("cluster", choices)]);
      }
      const proposal = await services.propose.propose({
        action,
        incidentId: incident?.state === "open" ? incident.id : null,
        origin: "person",
        actor: who.actor,
        rule: null,
      });
      mouth.reply(to, proposalSaid(proposal, words));
    } catch (error) {
      const said = refusalFor(error, who, event, words);
      // What a person may not do is between them and Steward; what was not understood or not found helps who reads along.
      if (who.user === null || (error instanceof StewardError && error.code === "forbidden")) mouth.tell(to, said);
      else mouth.reply(to, said);
    }
  }

  /** Without a model nothing but the fixed phrases is understood, and that is what is said. */
  function question(text: string, event: MentionEvent, { actor }: Standing, words: ChatWords): void {
    const to = answered(event);
    if (!mayAsk(`${event.channel}:${event.person}`)) {
      mouth.tell(to, own(words.tooMany));
      return;
    }
    store.transact(() => {
      store.audit.append({
        userId: actor.userId,
        intent: text,
        actionType: "ask",
        targetResource: null,
        commandSnapshot: null,
        status: "FAILED",
        clientIp: null,
        platform: actor.platform,
        incidentId: incidentOf(event),
        proposalId: null,
        detail: { by: actor.username, why: "no model" },
      });
      mouth.reply(to, own(`${words.noModel}\n${words.help}`));
    });
  }

  function linkAccount(event: MentionEvent, code: string, words: ChatWords): void {
    const to = answered(event);
    const { channel, person } = event;
    if (!mayTryCode(`${channel}:${person}`)) {
      mouth.tell(to, own(words.tooMany));
      return;
    }
    const { platform } = standing(context, event, false).actor;
    const user = identity.redeemLinkCode(code, { channel, id: person }, platform);
    mouth.tell(to, user === null ? own(words.badCode) : words.linked(foreign("person", user.username, 60)));
  }

  /** The incident somebody names: by its id, by the code of one of its proposals, or by writing under its card. */
  function incidentNamed(about: string | null, event: MentionEvent): string | null {
    if (about === null) return incidentOf(event);
    return store.incidents.get(about.toLowerCase())?.id ?? store.proposals.find(about)?.incidentId ?? null;
  }

  function incidentOf({ channel, chat, under }: MentionEvent): string | null {
    const cardId = under === null ? null : store.cards.cardOfMessage(channel, chat, under);
    return cardId === null ? null : (store.cards.get(cardId)?.incidentId ?? null);
  }
}
