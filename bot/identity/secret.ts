import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Store } from "../store.ts";

const key = "signing_secret";

/** The one secret that setup makes; each use of it gets a key of its own. */
export interface SigningSecret {
  /** Within the setup's transaction. */
  create(): void;
  /** null until setup. */
  keyFor(use: "session" | "card-link"): Buffer | null;
}

export function createSigningSecret(store: Store): SigningSecret {
  return {
    create() {
      if (store.meta.get(key) === null) store.meta.set(key, randomBytes(32).toString("base64url"));
    },
    keyFor(use) {
      const secret = store.meta.get(key);
      return secret === null
        ? null
        : createHmac("sha256", Buffer.from(secret, "base64url")).update(`steward ${use} v1`).digest();
    },
  };
}

export interface CardLinks {
  /** Path and query that open a card until `expiresAt`, for whoever has them; null before setup. */
  path(cardId: string, expiresAt: Date): string | null;
  check(cardId: string, expires: string, signature: string, now: Date): boolean;
}

/** Deep links to one card, read-only, that carry their own signature and end. */
export function createCardLinks(secret: SigningSecret): CardLinks {
  return {
    path(cardId, expiresAt) {
      const expires = String(Math.floor(expiresAt.getTime() / 1000));
      const signature = sign(cardId, expires);
      return signature && `/chat?${new URLSearchParams({ card_id: cardId, expires, signature })}`;
    },
    check(cardId, expires, signature, now) {
      const expected = sign(cardId, expires);
      if (expected === null || signature.length !== expected.length) return false;
      return timingSafeEqual(Buffer.from(signature), Buffer.from(expected)) && Number(expires) * 1000 > now.getTime();
    },
  };

  function sign(cardId: string, expires: string): string | null {
    const key = secret.keyFor("card-link");
    return key && createHmac("sha256", key).update(`${cardId.toLowerCase()}\n${expires}`).digest("base64url");
  }
}
