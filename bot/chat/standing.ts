import type { Actor, Platform, Role } from "../../shared/approval.ts";
import { roles } from "../../shared/approval.ts";
import type { ClickEvent, MentionEvent } from "../edges.ts";
import type { User } from "../store.ts";

/** What somebody may do here and now. Looked up at every event, from what the platform's frame says (SPEC 9, 12). */
export interface Standing {
  user: User | null;
  actor: Actor;
  /** null: not even to read. */
  role: Role | null;
}

type From = Pick<ClickEvent | MentionEvent, "channel" | "person" | "external">;

/**
 * `here`: it happened in a configured chat, where members of the own tenant may have the least role without being linked. An account without a
 * user is called by its channel and id, never by the name it chose for itself: that could be anybody's.
 */
export function standingOf(
  { channel, person, external }: From,
  {
    behind,
    unlinked,
    here,
  }: { behind: (channel: string, id: string) => User | null; unlinked: "viewer" | "none"; here: boolean },
): Standing {
  const user = external || person === "" ? null : behind(channel, person);
  const role = user?.role ?? (here && !external && unlinked === "viewer" ? "viewer" : null);
  return {
    user,
    role,
    actor: {
      userId: user?.id ?? null,
      username: user?.username ?? `${channel}:${person}`,
      role: user?.role ?? null,
      platform: platformOf(channel),
      clientIp: null,
    },
  };
}

export function atLeast(role: Role | null, needed: Role): boolean {
  return role !== null && roles.indexOf(role) >= roles.indexOf(needed);
}

const platforms: readonly Platform[] = ["dingtalk", "feishu", "slack", "terminal"];

function platformOf(channel: string): Platform {
  return platforms.find((platform) => platform === channel) ?? "api";
}
