import type { webApi } from "@slack/bolt";
import { type ErrorCode, StewardError } from "../../../shared/errors.ts";

/** What Slack answers when the call itself is at fault; everything it says of this kind stays so until somebody changes something. */
const answers: Readonly<Record<string, ErrorCode>> = {
  message_not_found: "not_found",
  cant_update_message: "not_found",
  edit_window_closed: "not_found",
  invalid_blocks: "invalid",
  invalid_blocks_format: "invalid",
  msg_too_long: "invalid",
  msg_blocks_too_long: "invalid",
  invalid_auth: "unauthenticated",
  not_authed: "unauthenticated",
  account_inactive: "unauthenticated",
  user_removed_from_team: "unauthenticated",
  team_disabled: "unauthenticated",
  token_revoked: "unauthenticated",
  token_expired: "unauthenticated",
  missing_scope: "forbidden",
  not_allowed_token_type: "forbidden",
  no_permission: "forbidden",
  ratelimited: "unavailable",
  rate_limited: "unavailable",
  internal_error: "unavailable",
  fatal_error: "unavailable",
  service_unavailable: "unavailable",
  request_timeout: "unavailable",
  team_added_to_org: "unavailable",
};

/** Somebody has to mend these, and then what waits can go out: nothing is thrown away for them. */
const mendable: ReadonlySet<ErrorCode> = new Set(["unauthenticated", "forbidden", "unavailable"]);

/** The words of an answer that refuses; null for every other error. */
function answerOf(error: unknown): string | null {
  const data = field(error, "data");
  const said = field(data, "error");
  return typeof said === "string" ? said : null;
}

/**
 * An error of the SDK as one of ours: safe to show, without token, URL or payload, which the SDK's own errors carry. By their code and not their class:
 * the SDK is loaded late, and may be there twice.
 */
export function asStewardError(error: unknown): StewardError {
  if (error instanceof StewardError) return error;
  const code = field(error, "code") as webApi.ErrorCode | undefined;
  switch (code as string | undefined) {
    case "slack_webapi_rate_limited_error": {
      const seconds = field(error, "retryAfter");
      return new StewardError("unavailable", "Slack asks for a pause", {
        retryAfterMs: typeof seconds === "number" ? seconds * 1_000 : 30_000,
      });
    }
    case "slack_webapi_platform_error": {
      const said = answerOf(error) ?? "unknown_error";
      const meaning = (Object.hasOwn(answers, said) ? answers[said] : undefined) ?? "refused";
      const needed = field(field(error, "data"), "needed");
      return new StewardError(meaning, `Slack: ${said}${typeof needed === "string" ? ` (needs ${needed})` : ""}`, {
        state: said,
        retryable: mendable.has(meaning),
      });
    }
    case "slack_webapi_http_error":
      return new StewardError("unavailable", `Slack answered ${String(field(error, "statusCode"))}`);
    default:
      return new StewardError("unavailable", "Slack did not answer", { state: "in_doubt" });
  }
}

/** Runs a call, and says what became of it in our own words. */
export async function call<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asStewardError(error);
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
