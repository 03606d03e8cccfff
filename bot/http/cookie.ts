import { cookieName } from "../../shared/api/session.ts";

/** The session token a request carries; null when it has none. */
export function sessionToken(cookies: string | undefined): string | null {
  for (const pair of (cookies ?? "").split(";")) {
    const at = pair.indexOf("=");
    if (at > 0 && pair.slice(0, at).trim() === cookieName) return pair.slice(at + 1).trim() || null;
  }
  return null;
}

/** The header that gives a browser its session, or with a null token takes it away. */
export function sessionCookie(
  token: string | null,
  maxAgeSeconds: number,
  secure: boolean,
): Readonly<Record<string, string>> {
  const parts = [
    `${cookieName}=${token ?? ""}`,
    "Path=/",
    "HttpOnly",
    "SameSite=Strict",
    `Max-Age=${token === null ? 0 : maxAgeSeconds}`,
  ];
  if (secure) parts.push("Secure");
  return { "set-cookie": parts.join("; ") };
}
