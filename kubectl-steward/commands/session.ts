import type { IdentityLink } from "../../shared/api/session.ts";
import { type Context, command } from "../command.ts";
import { exit } from "../exit.ts";
import { fields } from "./views.ts";

const passwordStdin = { type: "boolean", describe: "Read the password from standard input" } as const;

export const setup = command({
  name: "setup",
  args: [],
  summary: "Make the first admin",
  about:
    "Needs the one-time setup token: read from the Secret steward-setup where your kubeconfig may, else asked for. Where there is no such Secret, the bot has logged it as setupToken.",
  examples: [
    "kubectl steward setup",
    "kubectl steward setup --username alice --slack U123 --password-stdin < password.txt",
  ],
  options: {
    username: { type: "string", alias: "u", value: "NAME", describe: "Name of the first admin" },
    token: { type: "string", value: "TOKEN", describe: "The one-time setup token" },
    "password-stdin": passwordStdin,
    dingtalk: { type: "string", value: "ID", describe: "Your user id on DingTalk" },
    feishu: { type: "string", value: "ID", describe: "Your open id on Feishu" },
    slack: { type: "string", value: "ID", describe: "Your member id on Slack" },
  },
  async run(_words, options, context) {
    const api = await context.api();
    const token = options.token ?? (await context.setupToken()) ?? (await context.terminal.ask("Setup token: "));
    const username = options.username ?? (await context.terminal.ask("User name of the first admin: "));
    const password = await newPassword(context);
    const identities: IdentityLink[] = (["dingtalk", "feishu", "slack"] as const).flatMap((channel) => {
      const id = options[channel];
      return id === undefined ? [] : [{ channel, id }];
    });
    const { user } = await api.setup({ token, username, password, identities });
    context.out.say(`${user.username} is the first admin and signed in to ${api.where}.`);
    return exit.done;
  },
});

export const login = command({
  name: "login",
  args: ["[USERNAME]"],
  summary: "Sign in",
  about: "The session lasts as long as the bot says (auth.sessionTtl) and is kept in a file that only you may read.",
  options: {
    username: { type: "string", alias: "u", value: "NAME", describe: "Your user name" },
    "password-stdin": passwordStdin,
  },
  async run([word], { username }, { api: connect, terminal, out }) {
    const api = await connect();
    const name = word ?? username ?? (await terminal.ask("User name: "));
    const password = await terminal.secret("Password: ");
    const { user, expiresAt } = await api.login(name, password);
    out.say(`Signed in to ${api.where} as ${user.username} (${user.role}) until ${expiresAt}.`);
    return exit.done;
  },
});

export const logout = command({
  name: "logout",
  args: [],
  summary: "End the session",
  options: {},
  async run(_words, _options, { api, out }) {
    await (await api()).logout();
    out.say("Signed out.");
    return exit.done;
  },
});

export const whoami = command({
  name: "whoami",
  args: [],
  summary: "Say who is signed in",
  options: {},
  async run(_words, _options, { api, out }) {
    const answer = await (await api()).whoami();
    out.answer("Session", answer, ({ user, expiresAt, identities }, paint) =>
      fields(paint, [
        ["User", user.username],
        ["Role", user.role],
        ["Until", expiresAt],
        ["Accounts", identities.map(({ channel, id }) => `${channel}:${id}`).join(", ")],
      ]),
    );
    return exit.done;
  },
});

/** A new password, typed twice where somebody types it. */
export async function newPassword({ terminal, out }: Pick<Context, "terminal" | "out">): Promise<string> {
  for (;;) {
    const password = await terminal.secret("Password: ");
    if (!terminal.interactive || (await terminal.secret("The same once more: ")) === password) return password;
    out.say("These are not the same.");
  }
}
