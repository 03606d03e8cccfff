import { command } from "../command.ts";
import { exit, Failure } from "../exit.ts";
import { newPassword } from "./session.ts";
import { unlinkedView, userView } from "./views.ts";

const channels = ["dingtalk", "feishu", "slack", "kubernetes"] as const;

const account = {
  dingtalk: { type: "string", value: "ID", describe: "User id on DingTalk" },
  feishu: { type: "string", value: "ID", describe: "Open id on Feishu" },
  slack: { type: "string", value: "ID", describe: "Member id on Slack" },
  kubernetes: { type: "string", value: "NAME", describe: "User name in Kubernetes, for approve.kubernetesRights" },
} as const;

const roles = ["viewer", "approver", "admin"] as const;

export const usersList = command({
  name: "users list",
  args: [],
  summary: "List users and their accounts",
  options: {
    unlinked: { type: "boolean", describe: "List accounts that were seen on a channel and belong to nobody" },
  },
  async run(_words, { unlinked }, { api: connect, out, now }) {
    const api = await connect();
    if (unlinked) {
      const accounts = await api.unlinked();
      out.list(unlinkedView(now()), accounts);
      if (accounts.length === 0) out.say("No unlinked accounts were seen.");
    } else out.list(userView(now()), await api.users());
    return exit.done;
  },
});

export const usersAdd = command({
  name: "users add",
  args: ["NAME"],
  summary: "Add a user",
  examples: [
    "kubectl steward users add bob --role approver",
    "kubectl steward users add carol --role viewer --without-password",
  ],
  options: {
    role: { type: "string", choices: roles, describe: "What the user may do (required)" },
    "password-stdin": { type: "boolean", describe: "Read the password from standard input" },
    "without-password": { type: "boolean", describe: "The user acts only by linked accounts" },
  },
  async run([username = ""], options, context) {
    const role = roles.find((one) => one === options.role);
    if (role === undefined) throw new Failure(exit.usage, `--role is missing: one of ${roles.join(", ")}`);
    const api = await context.api();
    const password = options["without-password"] ? undefined : await newPassword(context);
    const user = await api.addUser({ username, role, ...(password === undefined ? {} : { password }) });
    context.out.one(userView(context.now()), user);
    return exit.done;
  },
});

export const usersRemove = command({
  name: "users remove",
  args: ["NAME"],
  summary: "Remove a user: sessions end, accounts are unlinked, open votes are void",
  options: {},
  async run([username = ""], _options, { api, out }) {
    await (await api()).removeUser(username);
    out.say(`${username} is removed.`);
    return exit.done;
  },
});

export const usersRole = command({
  name: "users role",
  args: ["NAME", "ROLE"],
  summary: "Give a user another role; their sessions end",
  options: {},
  async run([username = "", role = ""], _options, { api, out, now }) {
    out.one(userView(now()), await (await api()).setRole(username, role));
    return exit.done;
  },
});

export const usersLink = command({
  name: "users link",
  args: ["NAME"],
  summary: "Link accounts on channels to a user",
  about: "Without an account it makes a one-time code, which the user sends to the bot from the account to be linked.",
  examples: ["kubectl steward users link alice --slack U123", "kubectl steward users link alice"],
  options: account,
  async run([username = ""], options, { api: connect, out, now }) {
    const api = await connect();
    const given = accountsOf(options);
    if (given.length === 0) {
      const answer = await api.linkCode(username);
      out.answer("LinkCode", answer, ({ code, expiresAt }) => [
        code,
        `Send this to the bot before ${expiresAt}, from the account to be linked to ${username}.`,
      ]);
      return exit.done;
    }
    for (const [channel, id] of given) out.one(userView(now()), await api.link(username, channel, id));
    return exit.done;
  },
});

export const usersUnlink = command({
  name: "users unlink",
  args: ["NAME"],
  summary: "Take accounts away from a user",
  options: account,
  async run([username = ""], options, { api: connect, out, now }) {
    const given = accountsOf(options);
    if (given.length === 0)
      throw new Failure(exit.usage, `which account? one of ${channels.map((channel) => `--${channel} ID`).join(", ")}`);
    const api = await connect();
    for (const [channel, id] of given) out.one(userView(now()), await api.unlink(username, channel, id));
    return exit.done;
  },
});

function accountsOf(options: { readonly [K in (typeof channels)[number]]: string | undefined }): [string, string][] {
  return channels.flatMap((channel): [string, string][] => {
    const id = options[channel];
    return id === undefined ? [] : [[channel, id]];
  });
}
