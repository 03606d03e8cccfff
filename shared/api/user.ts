import { z } from "zod";
import { listOf } from "./common.ts";
import { Password, Role, Username } from "./session.ts";

export const UserAnswer = z.object({
  id: z.string(),
  username: z.string(),
  role: Role,
  createdAt: z.string(),
  /** Whether a password is set; a user without one acts only by a linked account. */
  password: z.boolean(),
  identities: z.array(z.object({ channel: z.string(), id: z.string(), display: z.string().nullable() })),
});
export type UserAnswer = z.infer<typeof UserAnswer>;

export const UserList = listOf(UserAnswer);

export const AddUserRequest = z.strictObject({ username: Username, role: Role, password: Password.optional() });
export type AddUserRequest = z.infer<typeof AddUserRequest>;

export const RoleRequest = z.strictObject({ role: Role });

/** An account that was seen on a channel and belongs to nobody. */
export const UnlinkedAccount = z.object({
  channel: z.string(),
  id: z.string(),
  display: z.string().nullable(),
  seenAt: z.string(),
});
export type UnlinkedAccount = z.infer<typeof UnlinkedAccount>;

export const UnlinkedList = listOf(UnlinkedAccount);

/** A one-time code that its user sends to the bot from the account to be linked. */
export const LinkCodeAnswer = z.object({ code: z.string(), username: z.string(), expiresAt: z.string() });
export type LinkCodeAnswer = z.infer<typeof LinkCodeAnswer>;
