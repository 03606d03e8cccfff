import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Emulator, Person, Press, Seen } from "../../contracts/platform.ts";
import { people } from "../../contracts/platform.ts";
import { until } from "../../until.ts";
import type { EmulatedBlock } from "./block-kit.ts";
import { createSockets } from "./sockets.ts";
import { type Answer, createWorld, type Member, type Message, newSecret } from "./world.ts";

export interface SlackEmulator extends Emulator {
  readonly apiUrl: string;
  readonly appToken: string;
  readonly botToken: string;
  /** Whether this workspace takes `container` blocks. */
  containers(on: boolean): void;
  /** The next `times` messages arrive, but the app never hears so. */
  swallowAnswers(times: number): void;
}

const team = "T1";
const bot: Member = { id: "UBOT", name: "steward", team };
const chat = "C1OPS";
const otherChat = "C2ELSE";
const deadlineMs = 3_000;
/** How long a trigger may be used, and how often a response URL, and for how long. */
const triggerMs = 3_000;
const responseUses = 5;
const responseMs = 30 * 60_000;

const members: Readonly<Record<Person, Member>> = {
  alice: { id: "U0ALICE", name: "alice", team },
  bob: { id: "U0BOB", name: "bob", team },
  vera: { id: "U0VERA", name: "vera", team },
  sam: { id: "U0SAM", name: "sam", team },
  olga: { id: "U0OLGA", name: "olga", team: "T2" },
};

interface View {
  id: string;
  user: string;
  private_metadata: string;
  blocks: { block_id: string; action_id: string }[];
}

/** Slack as an app in Socket Mode meets it: the Web API and the sockets, on loopback, for the real SDK. */
export async function startSlack(): Promise<SlackEmulator> {
  const appToken = newSecret("xapp-1-");
  const botToken = newSecret("xoxb-1-");
  const secrets: string[] = [appToken, botToken];
  const sockets = createSockets(deadlineMs);
  const world = createWorld(Object.values(members), [chat, otherChat]);
  const tickets = new Set<string>();
  const triggers = new Map<string, { user: string; until: number }>();
  const responses = new Map<string, { user: string; channel: string; uses: number; until: number }>();
  const views: View[] = [];
  const faults = { refuse: false, badCredentials: false, limited: 0, retryAfter: 1, failing: 0, swallow: 0 };
  const counts = { attempts: 0, calls: 0, events: 0 };

  const server = createServer((request, response) => {
    void answer(request, response);
  });
  server.on("upgrade", (request, socket, head) => {
    const ticket = new URL(request.url ?? "/", "http://localhost").searchParams.get("ticket") ?? "";
    if (faults.refuse || !tickets.delete(ticket)) {
      socket.end("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n");
      return;
    }
    sockets.accept(request, socket, head);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const origin = `127.0.0.1:${port}`;

  // The Web API --------------------------------------------------------------------------------------------------------

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    if (path.startsWith("/actions/")) return respondTo(path, body, response);
    const method = path.replace(/^\/api\//, "");
    if (method === "apps.connections.open") counts.attempts += 1;
    if (faults.refuse) {
      request.socket.destroy();
      return;
    }
    const sends = method.startsWith("chat.");
    if (sends) counts.calls += 1;
    if (sends && faults.limited > 0) {
      faults.limited -= 1;
      response.writeHead(429, { "Retry-After": String(faults.retryAfter), "content-type": "application/json" });
      response.end(JSON.stringify({ ok: false, error: "ratelimited" }));
      return;
    }
    if (sends && faults.failing > 0) {
      faults.failing -= 1;
      response.writeHead(503).end("upstream");
      return;
    }
    const result = api(method, new URLSearchParams(body), request.headers.authorization ?? "");
    if (method === "chat.postMessage" && faults.swallow > 0) {
      faults.swallow -= 1;
      request.socket.destroy();
      return;
    }
    if (!result.ok && result.error === "ratelimited") response.writeHead(429, { "Retry-After": "2" });
    else response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify(result));
  }

  function api(method: string, args: URLSearchParams, authorization: string): Answer {
    const expected = method === "apps.connections.open" ? appToken : botToken;
    if (faults.badCredentials || authorization !== `Bearer ${expected}`) return { ok: false, error: "invalid_auth" };
    switch (method) {
      case "auth.test":
        return {
          ok: true,
          url: "https://acme.slack.com/",
          team: "acme",
          user: bot.name,
          team_id: team,
          user_id: bot.id,
          bot_id: "B1",
        };
      case "apps.connections.open": {
        const ticket = newSecret("");
        secrets.push(ticket);
        tickets.add(ticket);
        return { ok: true, url: `ws://${origin}/link/?ticket=${ticket}&app_id=A1` };
      }
      case "chat.postMessage":
        return world.post(args);
      case "chat.update":
        return world.edit(args);
      case "chat.postEphemeral":
        return world.ephemeral(args);
      case "conversations.history":
        return world.history(args);
      case "views.open":
        return openView(args);
      default:
        world.faults.push(`unknown_method ${method}`);
        return { ok: false, error: "unknown_method" };
    }
  }

  function openView(args: URLSearchParams): Answer {
    const trigger = triggers.get(args.get("trigger_id") ?? "");
    triggers.delete(args.get("trigger_id") ?? "");
    if (trigger === undefined || trigger.until < Date.now()) return { ok: false, error: "expired_trigger_id" };
    const given = JSON.parse(args.get("view") ?? "{}") as {
      private_metadata?: string;
      blocks?: { block_id?: string; element?: { action_id?: string } }[];
    };
    const id = `V${views.length + 1}`;
    views.push({
      id,
      user: trigger.user,
      private_metadata: given.private_metadata ?? "",
      blocks: (given.blocks ?? []).map(({ block_id, element }, i) => ({
        block_id: block_id ?? `b${i}`,
        action_id: element?.action_id ?? `a${i}`,
      })),
    });
    return { ok: true, view: { id } };
  }

  /** What an app posts to the address that came with a press. */
  function respondTo(path: string, body: string, response: ServerResponse): void {
    const known = responses.get(path);
    if (known === undefined || known.uses >= responseUses || known.until < Date.now()) {
      response.writeHead(404).end("expired_url");
      return;
    }
    known.uses += 1;
    const given = JSON.parse(body) as {
      text?: string;
      blocks?: unknown;
      response_type?: string;
      replace_original?: boolean;
    };
    if (given.response_type !== "ephemeral" || given.replace_original !== false)
      world.faults.push("a press was answered to everybody");
    const args = new URLSearchParams({ channel: known.channel, user: known.user, text: given.text ?? "" });
    if (given.blocks !== undefined) args.set("blocks", JSON.stringify(given.blocks));
    const result = world.ephemeral(args);
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(result));
  }

  // What people do ------------------------------------------------------------------------------------------------------

  async function say(
    person: Person,
    text: string,
    where: { chat?: string; under?: string; direct?: boolean } = {},
  ): Promise<void> {
    const { id: user, team: of } = members[person];
    const channel = where.direct === true ? `D${user.slice(1)}` : (where.chat ?? chat);
    const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
    counts.events += 1;
    const ts = `${Math.floor(Date.now() / 1_000)}.9${String(counts.events).padStart(5, "0")}`;
    const event = {
      user,
      team: of,
      user_team: of,
      ts,
      event_ts: ts,
      channel,
      ...(where.under === undefined ? {} : { thread_ts: where.under }),
      blocks: [],
      ...(where.direct === true
        ? { type: "message", channel_type: "im", text: escaped }
        : { type: "app_mention", text: `<@${bot.id}> ${escaped}` }),
    };
    await sockets.push("events_api", {
      token: "z",
      team_id: team,
      api_app_id: "A1",
      type: "event_callback",
      event_id: `Ev${counts.events}`,
      event_time: Math.floor(Date.now() / 1_000),
      is_ext_shared_channel: of !== team,
      authorizations: [
        { enterprise_id: null, team_id: team, user_id: bot.id, is_bot: true, is_enterprise_install: false },
      ],
      event,
    });
  }

  async function press(
    person: Person,
    ts: string,
    label: string,
    { reason }: { reason?: string } = {},
  ): Promise<Press> {
    const message = found(ts);
    const elements = elementsOf(message);
    const button = elements.find((element) => element.type === "button" && element.text.text === label);
    if (button?.type !== "button") throw new Error(`there is no button ${label} on ${ts}`);
    if (reason === undefined) return pushPress(person, message, { ...button, action_ts: "1.1" });
    const menu = elements.find((one) => one.type === "static_select" && one.action_id?.endsWith(button.value ?? "-"));
    if (menu?.type !== "static_select") throw new Error(`${label} offers no reasons`);
    const option = menu.options.find(({ text }) => text.text === reason);
    const own = menu.options.at(-1);
    if (option !== undefined || own === undefined)
      return pushPress(person, message, { type: menu.type, action_id: menu.action_id, selected_option: option });
    const before = views.length;
    const result = await pushPress(person, message, {
      type: menu.type,
      action_id: menu.action_id,
      selected_option: own,
    });
    const view = await until("a form opens", () => views.slice(before).find(({ user }) => user === members[person].id));
    return submit(person, view, reason, result);
  }

  async function submit(person: Person, view: View, text: string, pressed: Press): Promise<Press> {
    const values = Object.fromEntries(
      view.blocks.map(({ block_id, action_id }) => [
        block_id,
        { [action_id]: { type: "plain_text_input", value: text } },
      ]),
    );
    const acknowledgedAfter = await sockets.push("interactive", {
      type: "view_submission",
      team: { id: team, domain: "acme" },
      user: userOf(person),
      api_app_id: "A1",
      token: "z",
      trigger_id: newSecret(""),
      view: { id: view.id, type: "modal", callback_id: "", private_metadata: view.private_metadata, state: { values } },
      response_urls: [],
    });
    return pressed.acknowledgedAfter === null ? pressed : { acknowledgedAfter };
  }

  async function pushPress(person: Person, message: Message, action: unknown): Promise<Press> {
    const { id: user } = members[person];
    const trigger = `${Date.now()}.2.${newSecret("")}`;
    triggers.set(trigger, { user, until: Date.now() + triggerMs });
    const path = `/actions/${newSecret("")}`;
    secrets.push(path);
    responses.set(path, { user, channel: message.channel, uses: 0, until: Date.now() + responseMs });
    const acknowledgedAfter = await sockets.push("interactive", {
      type: "block_actions",
      team: { id: team, domain: "acme" },
      user: userOf(person),
      api_app_id: "A1",
      token: "z",
      enterprise: null,
      is_enterprise_install: false,
      container: { type: "message", message_ts: message.ts, channel_id: message.channel, is_ephemeral: false },
      channel: { id: message.channel, name: "ops" },
      trigger_id: trigger,
      message: {
        type: "message",
        ts: message.ts,
        user: bot.id,
        bot_id: "B1",
        text: message.text,
        blocks: message.blocks,
      },
      state: { values: {} },
      response_url: `http://${origin}${path}`,
      actions: [action],
    });
    return { acknowledgedAfter };
  }

  function userOf(person: Person) {
    const { id, name, team: of } = members[person];
    return { id, username: name, name, team_id: of };
  }

  function found(ts: string): Message {
    const message = world.all().find((one) => one.ts === ts);
    if (message === undefined) throw new Error(`there is no message ${ts}`);
    return message;
  }

  // What people see -----------------------------------------------------------------------------------------------------

  function seen(message: Message): Seen {
    const elements = elementsOf(message);
    return {
      id: message.ts,
      ...world.seen(message),
      buttons: elements.flatMap((element) => (element.type === "button" ? [element.text.text] : [])),
      under: message.thread,
      edits: message.edits,
    };
  }

  return {
    ids: Object.fromEntries(people.map((person) => [person, members[person].id])) as Record<Person, string>,
    chat,
    otherChat,
    deadlineMs,
    secrets,
    apiUrl: `http://${origin}/api/`,
    appToken,
    botToken,
    say,
    press,
    pressStale: (person, ts, value) =>
      pushPress(person, found(ts), {
        type: "button",
        action_id: `steward.press.${value}`,
        value,
        text: { type: "plain_text", text: "Approve" },
        action_ts: "1.1",
      }),
    buttonIds: (ts) =>
      Object.fromEntries(
        elementsOf(found(ts)).flatMap((element) =>
          element.type === "button" ? [[element.text.text, element.value ?? ""]] : [],
        ),
      ),
    forward: (ts, to) => world.copy(found(ts), to).ts,
    remove: (ts) => world.remove(chat, ts),
    messages: (channel) =>
      world
        .all()
        .filter((one) => one.channel === channel && one.onlyFor === null)
        .map(seen),
    told(person) {
      const { id } = members[person];
      return world
        .all()
        .filter((one) => one.onlyFor === id || one.channel === `D${id.slice(1)}`)
        .map((one) => world.seen(one).text);
    },
    links: {
      open: sockets.open,
      attempts: () => counts.attempts,
      drop: sockets.drop,
      freeze: sockets.freeze,
      rotate: sockets.rotate,
      refuse(on) {
        faults.refuse = on;
      },
      badCredentials(on) {
        faults.badCredentials = on;
      },
      mute(on) {
        sockets.state.mute = on;
      },
      junk: sockets.junk,
      repeat(times) {
        sockets.state.repeat = times;
      },
    },
    calls: {
      limitRate(times, retryAfterS) {
        faults.limited = times;
        faults.retryAfter = retryAfterS;
      },
      fail(times) {
        faults.failing = times;
      },
      count: () => counts.calls,
      faults: () => world.faults,
    },
    containers(on) {
      world.settings.containers = on;
    },
    swallowAnswers(times) {
      faults.swallow = times;
    },
    async stop() {
      sockets.stop();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function elementsOf({ blocks }: Message) {
  const actions = (some: readonly EmulatedBlock[]) =>
    some.flatMap((one) => (one.type === "actions" ? one.elements : []));
  return actions(blocks);
}
