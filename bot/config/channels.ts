import { z } from "zod";
import { Matcher } from "../../shared/matcher.ts";
import { count, locale, optionalText, optionalUrl, text } from "./fields.ts";

/** null: the locale of the whole bot; filled in when the file is read. */
const ownLocale = locale.nullable().default(null);

const dingtalk = z.strictObject({
  clientId: text,
  clientSecret: text,
  robotCode: text,
  openConversationId: text,
  cardTemplateId: optionalText,
  apiUrl: optionalUrl,
  monthlyCalls: count(1).nullable().default(5000),
  locale: ownLocale,
});

const feishu = z.strictObject({
  appId: text,
  appSecret: text,
  chatId: text,
  domain: z
    .string()
    .refine(
      (given) => given === "feishu" || given === "lark" || /^https?:\/\/[^/]+\/?$/.test(given),
      "must be feishu, lark or https://host",
    )
    .transform((given) => given.replace(/\/$/, ""))
    .default("feishu"),
  locale: ownLocale,
});

const slack = z.strictObject({
  appToken: text,
  botToken: text,
  channel: text,
  apiUrl: optionalUrl,
  locale: ownLocale,
});

const route = z.strictObject({
  match: z.array(Matcher),
  to: z
    .array(z.string().regex(/^(dingtalk|feishu|slack):\S+$/, "must be dingtalk:CHAT, feishu:CHAT or slack:CHAT"))
    .min(1, "must name at least one chat"),
});

/** The IM connections. One that is absent is not opened; the terminal channel is always there. */
export const Channels = z
  .strictObject({
    dingtalk: dingtalk.nullable().default(null),
    feishu: feishu.nullable().default(null),
    slack: slack.nullable().default(null),
    routes: z.array(route).default([]),
  })
  .superRefine((channels, context) => {
    for (const [i, { to }] of channels.routes.entries()) {
      for (const [j, address] of to.entries()) {
        const name = address.slice(0, address.indexOf(":")) as "dingtalk" | "feishu" | "slack";
        if (channels[name] !== null) continue;
        context.addIssue({
          code: "custom",
          path: ["routes", i, "to", j],
          message: `channels.${name} is not configured`,
        });
      }
    }
  });
