import { z } from "zod";
import { type ErrorCode, StewardError } from "../../../shared/errors.ts";
import { redactText } from "../../../shared/redact.ts";
import { cleanLine, truncate } from "../../../shared/text.ts";

/** The server's refusal. Source: k8s.io/apimachinery metav1.Status. */
const Status = z.object({
  kind: z.literal("Status"),
  message: z.string().default(""),
  reason: z.string().default(""),
  code: z.int().optional(),
});

export interface Refusal {
  status: number;
  /** The server's machine word: `NotFound`, `Conflict`, `Invalid`, `Expired`. */
  reason: string;
  /** The server's own words, made safe to show. */
  message: string;
}

export function readRefusal(status: number, body: Buffer): Refusal {
  const answer = Status.safeParse(parseJson(body));
  if (answer.success) return { status, reason: answer.data.reason, message: safeWords(answer.data.message) };
  return { status, reason: "", message: safeWords(body.subarray(0, 2_000).toString()) };
}

/** Answers can quote what was sent, and name places inside the cluster's network. */
export function safeWords(text: string): string {
  return truncate(redactText(cleanLine(text).replace(/\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s"'<>]+/gi, "[url]")), 1_000);
}

const codes: Readonly<Record<number, ErrorCode>> = {
  400: "invalid",
  403: "forbidden",
  404: "not_found",
  405: "unsupported",
  406: "unsupported",
  409: "conflict",
  410: "conflict",
  413: "too_large",
  415: "unsupported",
  422: "invalid",
};

export function refusalError({ status, message }: Refusal): StewardError {
  if (status === 401) {
    return new StewardError("unavailable", "the API server does not accept Steward's credentials", {
      retryable: false,
    });
  }
  const code = codes[status] ?? "unavailable";
  return new StewardError(code, message === "" ? `the API server answered ${status}` : message);
}

export function parseJson(body: Buffer | string): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}
