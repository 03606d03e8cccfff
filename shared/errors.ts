/**
 * Every error a caller can see carries one of these codes; the HTTP status is a property of the code, decided here and nowhere else.
 * `internal` is the only one whose cause is hidden from the caller.
 */
export const httpStatus = {
  invalid: 400,
  not_understood: 400,
  unauthenticated: 401,
  forbidden: 403,
  refused: 403,
  not_found: 404,
  conflict: 409,
  setup_required: 409,
  too_large: 413,
  unsupported: 415,
  locked: 429,
  unavailable: 503,
  internal: 500,
} as const;

export type ErrorCode = keyof typeof httpStatus;

export interface ErrorDetail {
  /** Where in the input the fault is, as `alerts[2].startsAt`. */
  path?: string;
  /** For `conflict`: the state that was found instead. */
  state?: string;
  /** For `conflict`: who brought it there. */
  by?: string;
  /** Whether the same call may succeed later without anybody changing anything. */
  retryable?: boolean;
  /** How long the other side asked to be left alone. */
  retryAfterMs?: number;
  cause?: unknown;
}

/** An operational failure. `message` is safe to show to whoever asked: no secret, no URL, no stack. */
export class StewardError extends Error {
  override readonly name = "StewardError";
  readonly code: ErrorCode;
  readonly path: string | undefined;
  readonly state: string | undefined;
  readonly by: string | undefined;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.path = detail.path;
    this.state = detail.state;
    this.by = detail.by;
    this.retryable = detail.retryable ?? code === "unavailable";
    this.retryAfterMs = detail.retryAfterMs;
  }
}

/** Closes a switch over a union: adding a member without handling it is a compile error. */
export function unreachable(value: never): never {
  throw new Error(`unhandled case: ${JSON.stringify(value)}`);
}
