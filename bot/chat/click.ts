import type { Text } from "../../cards/card.ts";
import { foreign, foreignBlock, own } from "../../cards/text.ts";
import { unreachable } from "../../shared/errors.ts";
import type { ClickAnswer, ClickEvent } from "../edges.ts";
import { accountUnknown, answered, attempt, type ChatContext, isNew, noteSeen, standing } from "./context.ts";
import type { Deed } from "./deed.ts";
import { type ChatWords, chatWords } from "./words.ts";

/** How long the button ignores, as it says (SPEC 10), in ms. */
const ignoredFor = 4 * 60 * 60_000;
const evidenceShown = 5;
/** Longest time between a card being seen and its message being kept, and how often that is looked at, in ms. */
const sendingTakes = 1_500;
const look = 25;

/** What a click does: whatever its button stands for, if it was pressed on the message that Steward keeps for its card. */
export function createClick(context: ChatContext): (event: ClickEvent) => Promise<ClickAnswer> {
  const { store, router, localeOf, mouth, track, clock, log } = context;

  return click;

  async function click(event: ClickEvent): Promise<ClickAnswer> {
    const words = chatWords[localeOf(event.channel)];
    try {
      await untilKept(event);
      const pressed = store.transact((now) => press(event, now));
      if (pressed === "again") return { tell: null, card: null };
      if (pressed === "copy") return { tell: own(words.copy), card: null };
      if (pressed === "outsider") return { tell: own(words.outsider), card: null };
      const tell = await carryOut(event, pressed, words);
      return { tell, card: cardNow(event.channel, pressed.cardId) };
    } catch (error) {
      log.error("a click could not be worked on", { channel: event.channel, error: String(error) });
      return { tell: own(words.broken), card: null };
    }
  }

  /**
   * A card can be pressed as soon as the platform shows it, which may be before its answer to the sending is here: then it is not known yet that this
   * message is the card's.
   */
  async function untilKept({ channel, chat, button }: ClickEvent): Promise<void> {
    const cardId = store.cards.buttonById(button)?.cardId;
    if (cardId === undefined || !router.knows({ channel, chat })) return;
    for (let waited = 0; waited < sendingTakes && store.cards.message(cardId, channel, chat) === null; waited += look) {
      await clock.sleep(look);
    }
  }

  /** What the button stands for, if this is its card; an event that was seen is not looked at again. */
  function press(event: ClickEvent, now: Date) {
    const { channel, chat, message } = event;
    if (!isNew(context, channel, `click:${event.event}`, now)) return "again";
    noteSeen(context, event);
    const button = store.cards.buttonById(event.button);
    const shown = store.cards.cardOfMessage(channel, chat, message);
    const bound = button !== null && shown === button.cardId;
    if (bound && !event.external) return button;
    const { actor } = standing(context, event, true);
    const why = event.external
      ? "not of this organisation"
      : button === null
        ? "unknown button"
        : "not the message of this card";
    store.audit.append({
      userId: actor.userId,
      intent: null,
      actionType: "refuse_click",
      targetResource: null,
      commandSnapshot: null,
      status: "FAILED",
      clientIp: null,
      platform: actor.platform,
      incidentId: button?.incidentId ?? null,
      proposalId: button?.proposalId ?? null,
      detail: { by: actor.username, chat, why },
    });
    return event.external ? "outsider" : "copy";
  }

  /** Does what the button says. Answers what only the person is told; null where the card shows it. */
  async function carryOut(
    event: ClickEvent,
    button: Exclude<ReturnType<typeof press>, string>,
    words: ChatWords,
  ): Promise<Text | null> {
    const who = standing(context, event, true);
    const { action, proposalId, incidentId } = button;
    switch (action) {
      case "approve":
      case "deny": {
        if (proposalId === null) return own(words.copy);
        const said = await attempt(
          context,
          { kind: action, proposal: proposalId, reason: event.reason },
          who,
          event,
          words,
        );
        return said.done && store.proposals.get(proposalId)?.state !== "pending" ? null : said.text;
      }
      case "claim":
      case "ignore": {
        if (incidentId === null) return own(words.copy);
        const deed: Deed =
          action === "claim" ? { kind: "claim", incidentId } : { kind: "ignore", incidentId, for: ignoredFor };
        const said = await attempt(context, deed, who, event, words);
        return said.done ? null : said.text;
      }
      case "undo":
      case "renew":
        if (proposalId === null) return own(words.copy);
        return later({ kind: action, proposal: proposalId });
      case "silence":
        if (incidentId === null) return own(words.copy);
        return later({ kind: action, incidentId, for: ignoredFor });
      case "ask":
        return own(words.askHow);
      case "more":
        if (who.role === null) return accountUnknown(event, words);
        mouth.reply(answered(event), ...moreOf(incidentId, words));
        return null;
      default:
        return unreachable(action);
    }

    /** The cluster or Alertmanager is asked for these; the platform's answer cannot wait for that. */
    function later(deed: Deed): Text {
      track(async () => {
        const said = await attempt(context, deed, who, event, words);
        if (!said.done) mouth.tell(answered(event), said.text);
      }).catch((error: unknown) => {
        log.error("a click could not be worked on", { channel: event.channel, error: String(error) });
        mouth.tell(answered(event), own(words.broken));
      });
      return own(words.working);
    }
  }

  /** The evidence that a card folds, as far as it was recorded and fits a chat. */
  function moreOf(incidentId: string | null, words: ChatWords): Text[] {
    const evidence = incidentId === null ? [] : store.evidence.ofIncident(incidentId);
    if (evidence.length === 0) return [own(words.noEvidence)];
    return evidence
      .slice(-evidenceShown)
      .map(
        ({ tool, text }): Text => [foreign("cluster", tool, 80), "\n", foreignBlock("cluster", text.slice(0, 2_500))],
      );
  }

  function cardNow(channel: string, cardId: string): ClickAnswer["card"] {
    const stored = store.cards.get(cardId);
    return stored === null ? null : (stored.translations[localeOf(channel)] ?? stored.card);
  }
}
