import { z } from "zod";
import { StewardError } from "../../shared/errors.ts";
import { redactText } from "../../shared/redact.ts";
import { cleanLine, truncate } from "../../shared/text.ts";

/** An HTTP service that Steward asks and that answers JSON. */
export interface SourceClient {
  /** Answers the parsed body of a 2xx. Throws StewardError `invalid` (with the service's own words), `forbidden`, `unavailable`. */
  ask(path: string, request: SourceRequest, signal?: AbortSignal): Promise<unknown>;
}

export interface SourceRequest {
  query?: Readonly<Record<string, string>>;
  /** Sent as JSON by POST. */
  body?: unknown;
  /** Sends the query as a form by POST when the address would become longer than servers take. */
  formWhenLong?: boolean;
}

interface SourceSettings {
  /** As people call it; stands in every message. */
  name: string;
  /** The configured base address. Nothing else is ever connected to. */
  url: string;
  bearerToken: string | null;
  timeoutMs?: number;
}

/** Many proxies refuse request lines of 8 KiB and more. */
const longestAddress = 4_000;
/** More than a bounded answer needs; a larger one is an answer to another question. */
const largestAnswer = 16 * 1024 * 1024;

/**
 * A client of one configured service: with a deadline, without following redirects (where one leads is not for a server to say), and with
 * errors that name neither the address nor a credential.
 */
export function createSourceClient({ name, url, bearerToken, timeoutMs = 10_000 }: SourceSettings): SourceClient {
  const base = new URL(`${url}/`);
  const headers: Record<string, string> = { accept: "application/json", "user-agent": "steward" };
  if (bearerToken !== null) headers["authorization"] = `Bearer ${bearerToken}`;
  else if (base.username !== "") headers["authorization"] = `Basic ${btoa(credentialsIn(base))}`;
  base.username = "";
  base.password = "";

  return { ask };

  async function ask(path: string, request: SourceRequest, signal?: AbortSignal): Promise<unknown> {
    const late = AbortSignal.timeout(timeoutMs);
    const deadline = signal === undefined ? late : AbortSignal.any([signal, late]);
    try {
      const response = await fetch(...addressed(path, request, deadline));
      const text = await bodyOf(response);
      if (response.ok) return parsed(text);
      throw refusal(response.status, text);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof StewardError) throw error;
      throw new StewardError("unavailable", late.aborted ? `${name} does not answer` : `${name} ${failureOf(error)}`);
    }
  }

  function addressed(path: string, request: SourceRequest, signal: AbortSignal): [URL, RequestInit] {
    const { query = {}, body, formWhenLong = false } = request;
    const address = new URL(path.replace(/^\//, ""), base);
    const form = new URLSearchParams(query);
    const common = { headers, signal, redirect: "manual" } as const;
    if (formWhenLong && form.toString().length > longestAddress)
      return [address, { ...common, method: "POST", body: form }];
    address.search = form.toString();
    if (body === undefined) return [address, common];
    const json = { ...headers, "content-type": "application/json" };
    return [address, { ...common, method: "POST", headers: json, body: JSON.stringify(body) }];
  }

  async function bodyOf(response: Response): Promise<string> {
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const part of response.body ?? []) {
      size += part.length;
      if (size > largestAnswer)
        throw new StewardError("unavailable", `the answer of ${name} is too large`, { retryable: false });
      parts.push(part);
    }
    return Buffer.concat(parts, size).toString("utf8");
  }

  function parsed(text: string): unknown {
    try {
      return text === "" ? null : JSON.parse(text);
    } catch {
      throw new StewardError("unavailable", `${name} does not answer with JSON; is it its address?`, {
        retryable: false,
      });
    }
  }

  function refusal(status: number, text: string): StewardError {
    if (status === 401 || status === 403)
      return new StewardError("forbidden", `${name} does not accept the credentials (${status})`);
    if (status >= 300 && status < 400) {
      return new StewardError(
        "unavailable",
        `${name} redirects, which is not followed: its final address must be configured`,
        {
          retryable: false,
        },
      );
    }
    const said = wordsIn(text);
    if (status === 400 || status === 422) return new StewardError("invalid", `${name} refuses: ${said}`);
    return new StewardError("unavailable", `${name} answers ${status}${said === "" ? "" : `: ${said}`}`);
  }
}

function credentialsIn({ username, password }: URL): string {
  return `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
}

/** Prometheus says `{error}`, Alertmanager `{message}` or one quoted text. */
const Said = z.union([z.string(), z.object({ error: z.string() }), z.object({ message: z.string() })]);

function wordsIn(text: string): string {
  let said: string | undefined;
  try {
    const answer = Said.safeParse(JSON.parse(text)).data;
    said = typeof answer === "object" ? ("error" in answer ? answer.error : answer.message) : answer;
  } catch {
    // A proxy before it answers in HTML, which says nothing to anybody.
  }
  return truncate(cleanLine(redactText(said ?? "")), 300);
}

const failures: Readonly<Record<string, string>> = {
  ECONNREFUSED: "refuses connections",
  ECONNRESET: "closed the connection",
  UND_ERR_SOCKET: "closed the connection",
  ENOTFOUND: "cannot be found by its name",
  EAI_AGAIN: "cannot be found by its name",
  EHOSTUNREACH: "cannot be reached",
  ENETUNREACH: "cannot be reached",
  ETIMEDOUT: "does not answer",
  UND_ERR_CONNECT_TIMEOUT: "does not answer",
};

/** `fetch` says only "fetch failed"; the reason is its cause, whose own message has the address in it. */
function failureOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const code = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "";
  if (/CERT|SSL|TLS/.test(code)) return `has a certificate that is not accepted (${code})`;
  return failures[code] ?? `could not be asked${code === "" ? "" : ` (${code})`}`;
}
