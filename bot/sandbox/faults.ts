/** Faults that a test switches on: the next matching requests fail in the way asked for. */
import { ApiError } from "./status.ts";

export interface FaultOptions {
  readonly match?: { readonly method?: string; readonly path?: string | RegExp };
  /** Answer this status without doing anything. */
  readonly status?: number;
  /** Never answer. */
  readonly hang?: boolean;
  /** Cut the connection before the request is looked at, or after it took effect. */
  readonly drop?: "before" | "after";
  /** How many requests it hits; 1 when left out. */
  readonly times?: number;
}

type Fault =
  | { readonly kind: "status"; readonly error: ApiError }
  | { readonly kind: "hang" }
  | { readonly kind: "drop"; readonly when: "before" | "after" };

export interface Faults {
  add(options: FaultOptions): void;
  take(method: string, path: string): Fault | undefined;
}

const reasons: Readonly<Record<number, readonly [reason: string, message: string]>> = {
  401: ["Unauthorized", "Unauthorized"],
  403: ["Forbidden", "forbidden"],
  404: ["NotFound", "the server could not find the requested resource"],
  409: ["Conflict", "the object has been modified; please apply your changes to the latest version and try again"],
  410: ["Expired", "The resourceVersion for the provided watch is too old."],
  429: ["TooManyRequests", "The server is currently unable to handle the request, please try again later"],
  500: ["InternalError", "Internal error occurred: fault"],
  503: ["ServiceUnavailable", "the server is currently unable to handle the request"],
  504: ["Timeout", "the server was unable to return a response in the time allotted"],
};

function matches({ match }: FaultOptions, method: string, path: string): boolean {
  if (match?.method && match.method.toUpperCase() !== method) return false;
  if (match?.path === undefined) return true;
  return typeof match.path === "string" ? path.includes(match.path) : match.path.test(path);
}

export function createFaults(): Faults {
  const pending: { options: FaultOptions; left: number }[] = [];
  return {
    add: (options) => void pending.push({ options, left: options.times ?? 1 }),
    take(method, path) {
      const entry = pending.find(({ options, left }) => left > 0 && matches(options, method, path));
      if (!entry) return undefined;
      entry.left -= 1;
      const { status, hang, drop } = entry.options;
      if (drop) return { kind: "drop", when: drop };
      if (hang) return { kind: "hang" };
      const [reason, message] = reasons[status ?? 500] ?? ["", "fault"];
      return { kind: "status", error: new ApiError(status ?? 500, reason, message) };
    },
  };
}
