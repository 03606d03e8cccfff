import type { App, Logger, SocketModeReceiver, webApi } from "@slack/bolt";
import type { Card, Text } from "../../cards/card.ts";
import { escapeSlack, type SlackMessage } from "../../cards/render/slack/blocks.ts";
import { renderSlack, renderSlackLine } from "../../cards/render/slack.ts";
import { chatHint, renderTerminal } from "../../cards/render/terminal.ts";
import { words } from "../../cards/words/index.ts";
import { StewardError } from "../../shared/errors.ts";
import type { Locale } from "../../shared/locale.ts";
import { truncateBytes } from "../../shared/text.ts";
import type { Channel, ChannelHandlers, ClickEvent, Clock, Log } from "../edges.ts";
import { createLink, type LinkLimits } from "./link.ts";
import { createPace } from "./pace.ts";
import { asStewardError, call } from "./slack/calls.ts";
import { type About, readPressed, readSubmitted, readWritten, type Self } from "./slack/frames.ts";
import { openSocket } from "./slack/socket.ts";

export interface SlackSettings {
  appToken: string;
  botToken: string;
  /** Id of the channel that gets the cards. */
  channel: string;
  /** Root of the Web API; null: Slack's own. */
  apiUrl: string | null;
  locale: Locale | null;
}

export interface SlackTiming extends LinkLimits {
  /** The SDK gives a socket up after so long without a pong, in ms. */
  pingMs: number;
  /** Longest time for one call of the Web API, in ms. */
  callMs: number;
}

export interface SlackDeps {
  settings: SlackSettings;
  /** The house's language, for a channel that has none of its own. */
  locale: Locale;
  clock: Clock;
  log: Log;
  timing?: SlackTiming;
}

const name = "slack";
const standardTiming: SlackTiming = {
  connectMs: 15_000,
  silentMs: 25_000,
  renewMs: 3_600_000,
  slowestMs: 30_000,
  refusedMs: 300_000,
  pingMs: 6_000,
  callMs: 10_000,
};
const metadataType = "steward_card";

/** What was loaded and who Steward is; there from the first connection on. */
interface Ready {
  Receiver: typeof SocketModeReceiver;
  web: webApi.WebClient;
  app: App;
  self: Self;
}

/** Slack, by Socket Mode: nothing has to reach Steward from outside. The SDK is loaded when the channel starts, and only then. */
export function createSlack({ settings, locale, clock, log, timing = standardTiming }: SlackDeps): Channel {
  const apiUrl = `${(settings.apiUrl ?? "https://slack.com/api/").replace(/\/$/, "")}/`;
  const logger = silentLogger();
  const pace = createPace([
    { kinds: ["send", "line"], per: "chat", everyMs: 1_000, burst: 5, reserve: 1 },
    // 50 a minute for each workspace and app; the rest is left for whoever else uses the app.
    { kinds: ["update"], per: "channel", everyMs: 1_500, burst: 10, reserve: 4 },
  ]);
  const link = createLink({ name, open, limits: timing, clock, log });
  const underWay = new Set<Promise<void>>();
  /** First sends of which it is not known whether they arrived. */
  const inDoubt = new Set<string>();
  let handlers: ChannelHandlers | null = null;
  let ready: Ready | null = null;
  /** Until this workspace refuses a `container`. */
  let folding = true;

  return {
    name,
    locale: settings.locale,
    chats: [settings.channel],
    cardsPerHour: 30,
    async start(given) {
      handlers = given;
      link.start();
    },
    async stop() {
      await link.stop();
      await Promise.allSettled(underWay);
    },
    pace,
    link: link.state,
    send,
    update: (chat, message, card) => asTaken(card, (content) => edit(chat, message, content)),
    async line(chat, message, line) {
      await post(chat, message, renderSlackLine(line));
    },
    async reply(chat, thread, line) {
      await post(chat, thread === "" ? null : thread, renderSlackLine(line));
    },
    tell,
  };

  // Out --------------------------------------------------------------------------------------------------------------

  function web(): webApi.WebClient {
    if (ready === null) throw new StewardError("unavailable", "Slack is not connected yet");
    return ready.web;
  }

  async function send(chat: string, card: Card, key: string): Promise<string> {
    const known = inDoubt.has(key) ? await findSent(chat, key) : null;
    try {
      const ts = known ?? (await asTaken(card, (content) => post(chat, null, content, key)));
      inDoubt.delete(key);
      return ts;
    } catch (error) {
      if (error instanceof StewardError && error.state === "in_doubt") inDoubt.add(key);
      throw error;
    }
  }

  /**
   * The message of a send that may have arrived although no answer did: Slack knows no key that makes a second one void, but keeps ours with the
   * message. Null when there is none, or it may not be looked for.
   */
  async function findSent(chat: string, key: string): Promise<string | null> {
    try {
      const { messages = [] } = await web().conversations.history({
        channel: chat,
        limit: 30,
        include_all_metadata: true,
      });
      const found = messages.find(({ metadata }) => {
        const payload: unknown = metadata?.event_payload;
        return typeof payload === "object" && payload !== null && "key" in payload && payload.key === key;
      });
      return found?.ts ?? null;
    } catch (error) {
      log.info("a send in doubt could not be looked for", { channel: name, error: asStewardError(error).message });
      return null;
    }
  }

  /**
   * Tries a card as it should be, then without folding, then as text with what to type: it arrives in one of these. A workspace that takes it only
   * without folding is not asked again until the next start.
   */
  async function asTaken<T>(card: Card, deliver: (content: SlackMessage) => Promise<T>): Promise<T> {
    const forms = [
      ...(folding ? [true, false] : [false]).map((fold) => () => renderSlack(card, { folding: fold })),
      asText,
    ];
    for (const [i, form] of forms.entries()) {
      try {
        const done = await deliver(form(card));
        if (folding && i === 1) folding = false;
        return done;
      } catch (error) {
        if (!(error instanceof StewardError) || error.code !== "invalid" || i === forms.length - 1) throw error;
        log.warn("Slack does not take this card as it is", { channel: name, form: i, error: error.message });
      }
    }
    throw new StewardError("internal", "a card has no form at all");
  }

  async function post(chat: string, thread: string | null, content: SlackMessage, key?: string): Promise<string> {
    const { ts } = await call(() =>
      web().chat.postMessage({
        channel: chat,
        ...content,
        unfurl_links: false,
        unfurl_media: false,
        ...(thread === null ? {} : { thread_ts: thread }),
        ...(key === undefined ? {} : { metadata: { event_type: metadataType, event_payload: { key } } }),
      }),
    );
    if (ts === undefined)
      throw new StewardError("unavailable", "Slack answered without a message", { state: "in_doubt" });
    return ts;
  }

  async function edit(chat: string, message: string, content: SlackMessage): Promise<void> {
    await call(() => web().chat.update({ channel: chat, ts: message, ...content }));
  }

  async function tell(
    person: string,
    line: { text: Text; mention: readonly string[] },
    chat: string | null,
  ): Promise<void> {
    const content = renderSlackLine(line);
    if (chat !== null) {
      try {
        await call(() => web().chat.postEphemeral({ channel: chat, user: person, ...content }));
        return;
      } catch (error) {
        if (!(error instanceof StewardError) || error.retryable) throw error;
      }
    }
    await post(person, null, content);
  }

  // In ---------------------------------------------------------------------------------------------------------------

  async function open(events: Parameters<typeof openSocket>[4], signal: AbortSignal) {
    const { Receiver, app } = await prepare();
    return openSocket(Receiver, app, { ...settings, ...timing, apiUrl }, { logger, clock }, events, signal);
  }

  /** Loads the SDK and finds out who Steward is. Done once; a failure is tried again with the next connection. */
  async function prepare(): Promise<Ready> {
    if (ready !== null) return ready;
    const bolt = await import("./slack/sdk.ts");
    const options = () => ({
      slackApiUrl: apiUrl,
      logger,
      timeout: timing.callMs,
      retryConfig: { retries: 0 },
      rejectRateLimitedCalls: true,
    });
    const client = new bolt.webApi.WebClient(settings.botToken, options());
    const { team_id: team = "", user_id: user = "", bot_id: bot = "" } = await call(() => client.auth.test());
    const self: Self = { team, user, bot };
    const app = new bolt.App({
      // Sockets come and go below it; none of them is its own.
      receiver: { init() {}, async start() {}, async stop() {} },
      authorize: async () => ({ botToken: settings.botToken, botId: bot, botUserId: user }),
      convoStore: false,
      clientOptions: options(),
      logger,
    });
    app.event("app_mention", async ({ body }) => written(body, self));
    app.event("message", async ({ body }) => written(body, self));
    app.action(/.*/, async ({ ack, body, respond }) => {
      await acknowledged(ack);
      pressed(body, self, respond);
    });
    app.view(/.*/, async ({ ack, body }) => {
      await acknowledged(ack);
      const click = readSubmitted(body, self, clock.now());
      if (click !== null) track(() => clicked(click, null));
    });
    app.error(async (error) => log.warn("Slack's SDK passed on a fault", { channel: name, error: error.name }));
    const made: Ready = { Receiver: bolt.SocketModeReceiver, web: client, app, self };
    ready = made;
    return made;
  }

  /** A press counts even if the way back was cut before it could be acknowledged: the card says what became of it. */
  async function acknowledged(ack: () => Promise<void>): Promise<void> {
    await ack().catch(() => log.info("a press could not be acknowledged", { channel: name }));
  }

  function written(body: unknown, self: Self): void {
    const event = readWritten(body, self, clock.now());
    if (event !== null) track(async () => handlers?.mention({ channel: name, ...event }));
  }

  function pressed(body: unknown, self: Self, respond: Respond): void {
    const pressing = readPressed(body, self, clock.now());
    if (pressing?.kind === "click") track(() => clicked(pressing.click, respond));
    if (pressing?.kind === "form") track(() => askReason(pressing.trigger, pressing.about));
  }

  async function clicked(click: Omit<ClickEvent, "channel">, respond: Respond | null): Promise<void> {
    const answer = await handlers?.click({ channel: name, ...click });
    if (answer?.tell === undefined || answer.tell === null) return;
    const content = renderSlackLine({ text: answer.tell, mention: [] });
    const said = respond?.({ response_type: "ephemeral", replace_original: false, ...content });
    await (said ?? Promise.reject(new Error("no way back"))).catch(() =>
      tell(click.person, { text: answer.tell ?? [], mention: [] }, click.chat),
    );
  }

  async function askReason(trigger: string, about: About): Promise<void> {
    const said = words[settings.locale ?? locale];
    const plain = (text: string) => ({ type: "plain_text" as const, text, emoji: false });
    await call(() =>
      web().views.open({
        trigger_id: trigger,
        view: {
          type: "modal",
          callback_id: "steward.reason",
          private_metadata: JSON.stringify(about),
          title: plain(said.button.deny),
          submit: plain(said.button.deny),
          blocks: [
            {
              type: "input",
              label: plain(said.reason),
              element: { type: "plain_text_input", action_id: "reason", max_length: 200 },
            },
          ],
        },
      }),
    );
  }

  /** Work that nobody waits for: it must neither end the process nor be cut off by a stop. */
  function track(work: () => unknown): void {
    const running = (async () => {
      await work();
    })()
      .catch((error: unknown) => {
        log.error("an event of Slack could not be worked on", { channel: name, error: asStewardError(error).message });
      })
      .finally(() => underWay.delete(running));
    underWay.add(running);
  }
}

type Respond = (message: SlackMessage & { response_type: "ephemeral"; replace_original: boolean }) => Promise<unknown>;

/** The last resort where no blocks are taken: all that is to be read, and what to type for each button. */
function asText(card: Card): SlackMessage {
  const text = renderTerminal(card, { hint: chatHint(card.locale), width: 80 });
  return { text: escapeSlack(truncateBytes(text, 3_500, { escaped: escapeSlack })), blocks: [] };
}

/** The SDK's own words hold payloads, tickets and tokens. What counts reaches the log by way of the link and of what calls throw. */
function silentLogger(): Logger {
  return {
    debug() {},
    info() {},
    warn() {},
    error() {},
    setLevel() {},
    setName() {},
    getLevel: () => "error" as ReturnType<Logger["getLevel"]>,
  };
}
