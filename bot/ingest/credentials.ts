import { createHmac, hash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

export interface CredentialsConfig {
  /** Any of them is good, so that a new one can be rolled out before the old one goes. */
  readonly bearerToken: readonly string[];
  readonly basic: { readonly username: string; readonly password: string } | null;
  /** For relays that sign instead: the key of `X-Steward-Signature`. */
  readonly hmacSecret: string | null;
  /** Nobody is asked for anything. Only where no credential is configured. */
  readonly insecure: boolean;
}

export interface Credentials {
  /** Whether the headers alone prove who sends; what can be known before the body is read. */
  inHeaders(headers: IncomingHttpHeaders): boolean;
  /** Whether the headers, or a fresh signature over the body, prove who sends. */
  in(headers: IncomingHttpHeaders, body: Buffer, now: Date): boolean;
}

/** A signature's timestamp may be this far off, in either direction (SPEC 4). */
const freshMs = 300_000;

/** Who may deliver alerts (SPEC 4, webhook). Every comparison takes the same time whatever was sent, and runs over SHA-256 of both sides. */
export function createCredentials({ bearerToken, basic, hmacSecret, insecure }: CredentialsConfig): Credentials {
  const tokens = bearerToken.map(digest);
  const pair = basic === null ? null : digest(`${basic.username}:${basic.password}`);
  const open = insecure && tokens.length === 0 && pair === null && hmacSecret === null;

  return {
    inHeaders,
    in: (headers, body, now) => inHeaders(headers) || isSigned(headers, body, now),
  };

  function inHeaders({ authorization = "" }: IncomingHttpHeaders): boolean {
    if (open) return true;
    const space = authorization.indexOf(" ");
    const scheme = authorization.slice(0, Math.max(0, space)).toLowerCase();
    const given = authorization.slice(space + 1).trim();
    if (scheme === "bearer") return isAmong(digest(given), tokens);
    if (scheme === "basic" && pair !== null) return isAmong(digest(Buffer.from(given, "base64").toString()), [pair]);
    return false;
  }

  function isSigned(headers: IncomingHttpHeaders, body: Buffer, now: Date): boolean {
    const timestamp = headers["x-steward-timestamp"];
    const signature = headers["x-steward-signature"];
    if (hmacSecret === null || typeof timestamp !== "string" || typeof signature !== "string") return false;
    if (!/^\d{1,12}$/.test(timestamp) || Math.abs(now.getTime() - Number(timestamp) * 1_000) > freshMs) return false;
    const expected = createHmac("sha256", hmacSecret).update(`${timestamp}.`).update(body).digest("hex");
    return isAmong(digest(signature.toLowerCase()), [digest(`sha256=${expected}`)]);
  }
}

function digest(text: string): Buffer {
  return hash("sha256", text, "buffer");
}

/** Looks at all of them, found or not. */
function isAmong(given: Buffer, known: readonly Buffer[]): boolean {
  return known.reduce((found, one) => timingSafeEqual(given, one) || found, false);
}
