import { z } from "zod";
import { visible } from "../text.ts";

export const cookieName = "steward_session";

/** Sent by the plugin, so that what is done through it is `terminal` in the audit and not `api`. */
export const clientHeader = "x-steward-client";
export const clientHeaderValue = "kubectl-steward";

export const Role = z.enum(["viewer", "approver", "admin"]);

/** Lower case, because two people called `alice` and `Alice` are one mistake waiting. */
export const Username = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9._@-]{0,62}[a-z0-9])?$/,
    "must be 1 to 64 of a-z, 0-9, '.', '_', '@' and '-', with a letter or digit at both ends",
  );

/** bcrypt reads no more than 72 bytes, so a longer password would be cut in silence: it is refused instead. */
export const Password = z
  .string()
  .min(8, "must have at least 8 characters")
  .refine((text) => new TextEncoder().encode(text).length <= 72, "must not be longer than 72 bytes")
  .refine((text) => !text.includes("\0"), "must not contain a NUL character");

/** Where people have accounts: the chats, and the cluster itself. An account on a misspelt channel would never be found. */
const linkable = ["dingtalk", "feishu", "slack", "kubernetes"] as const;

/** A person's account on a channel. */
export const IdentityLink = z.strictObject({
  channel: z.enum(linkable, `must be one of ${linkable.join(", ")}`),
  id: z.string().min(1).max(256).regex(visible, "must not contain characters that cannot be seen"),
});
export type IdentityLink = z.infer<typeof IdentityLink>;

export const SetupRequest = z.strictObject({
  token: z.string().min(1).max(256),
  username: Username,
  password: Password,
  identities: z.array(IdentityLink).max(16).default([]),
});
export type SetupRequest = z.infer<typeof SetupRequest>;

/** Checked loosely: what could not be a name or a password is answered like a wrong one. */
export const LoginRequest = z.strictObject({
  username: z.string().min(1).max(256),
  password: z.string().min(1).max(1024),
});
export type LoginRequest = z.infer<typeof LoginRequest>;

export const SessionAnswer = z.object({
  user: z.object({ id: z.string(), username: z.string(), role: Role }),
  expiresAt: z.string(),
});
export type SessionAnswer = z.infer<typeof SessionAnswer>;

export const WhoamiAnswer = SessionAnswer.extend({
  identities: z.array(z.object({ channel: z.string(), id: z.string(), display: z.string().nullable() })),
});
export type WhoamiAnswer = z.infer<typeof WhoamiAnswer>;
