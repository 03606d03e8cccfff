import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { ClusterSelf, Log } from "../edges.ts";
import type { Store } from "../store.ts";

const key = "setup_token_hash";

export interface SetupToken {
  /** Makes a token and puts it where only an operator finds it: the Secret, or where there is none, the log. The one before is void. */
  issue(): Promise<void>;
  matches(token: string): boolean;
  /** Within the setup's transaction: there is no second time. */
  use(): void;
  /** Takes it out of the Secret. What fails here is only said: the token is void already. */
  withdraw(): Promise<void>;
}

export function createSetupToken(
  store: Store,
  log: Log,
  place: { self: ClusterSelf; namespace: string } | null,
): SetupToken {
  return {
    async issue() {
      const token = randomBytes(32).toString("base64url");
      store.transact(() => store.meta.set(key, hashOf(token)));
      if (await written(token))
        log.info("no admin yet: run `kubectl steward setup`; its token is in the Secret steward-setup");
      else log.warn("no admin yet: run `kubectl steward setup` with this token", { setupToken: token });
    },
    matches(token) {
      const expected = store.meta.get(key);
      return expected !== null && timingSafeEqual(Buffer.from(hashOf(token)), Buffer.from(expected));
    },
    use() {
      store.meta.delete(key);
    },
    async withdraw() {
      await written(null);
    },
  };

  async function written(token: string | null): Promise<boolean> {
    if (place === null) return false;
    try {
      return await place.self.writeSetupToken(place.namespace, token);
    } catch (error) {
      log.warn("the Secret steward-setup could not be written", {
        error: error instanceof Error ? error.message : String(error),
      });
      return false;
    }
  }
}

function hashOf(token: string): string {
  return createHash("sha256").update(`steward-setup-v1\n${token}`).digest("hex");
}
