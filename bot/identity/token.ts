import { errors, jwtVerify, SignJWT } from "jose";

/** What a session's token says. That it still lives is the store's to say. */
export interface Claims {
  session: string;
  userId: string;
  expiresAt: Date;
}

export interface Tokens {
  sign(claims: Claims, now: Date): Promise<string>;
  /** null for anything that this instance did not sign, or that has run out. */
  read(token: string, now: Date): Promise<Claims | null>;
}

const issuer = "steward";
/** Pinned on both sides: a token that names another algorithm, or none, is no token. */
const algorithm = "HS256";

/** Signed session tokens. `secret` answers null until setup has made one: then nobody has a session. */
export function createTokens(secret: () => Uint8Array | null, instanceId: string): Tokens {
  return {
    async sign({ session, userId, expiresAt }, now) {
      const key = secret();
      if (key === null) throw new Error("a session before setup");
      return new SignJWT()
        .setProtectedHeader({ alg: algorithm, typ: "JWT" })
        .setIssuer(issuer)
        .setAudience(instanceId)
        .setSubject(userId)
        .setJti(session)
        .setIssuedAt(now)
        .setExpirationTime(expiresAt)
        .sign(key);
    },
    async read(token, now) {
      const key = secret();
      if (key === null) return null;
      try {
        const { payload } = await jwtVerify(token, key, {
          algorithms: [algorithm],
          typ: "JWT",
          issuer,
          audience: instanceId,
          requiredClaims: ["sub", "jti", "iat", "exp"],
          currentDate: now,
        });
        const { jti, sub, exp } = payload;
        if (jti === undefined || sub === undefined || exp === undefined) return null;
        return { session: jti, userId: sub, expiresAt: new Date(exp * 1000) };
      } catch (error) {
        if (error instanceof errors.JOSEError) return null;
        throw error;
      }
    },
  };
}
