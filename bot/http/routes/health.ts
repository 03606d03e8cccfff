import { json, plain } from "../answer.ts";
import type { ProcessRoute } from "../route.ts";

/** Alive · ready to serve · measured. None needs a store, so a standby answers them too. */
export const healthRoutes: readonly ProcessRoute[] = [
  { method: "GET", path: "/healthz", access: "open", answer: async () => plain(200, "ok\n") },
  {
    method: "GET",
    path: "/readyz",
    access: "open",
    async answer({ readiness }) {
      const answer = readiness();
      return json(answer.ready ? 200 : 503, answer);
    },
  },
  {
    method: "GET",
    path: "/metrics",
    access: "open",
    async answer({ metrics }) {
      const { contentType, text } = await metrics.expose();
      return plain(200, text, { "content-type": contentType });
    },
  },
];
