import { largestDelivery } from "../../../shared/alert.ts";
import { apiRoot } from "../../../shared/api/common.ts";
import { json } from "../answer.ts";
import { type Route, raw } from "../route.ts";

/** Alertmanager's way in. Its credentials, form and durability are the ingest's; only the size is judged here. */
export const webhookRoutes: readonly Route[] = [
  raw(
    { method: "POST", path: `${apiRoot}/webhook/alertmanager`, limit: largestDelivery },
    async ({ services, headers, body, caller }) => {
      const answer = await services.ingest.accept({ headers, body, remote: caller.clientIp });
      return json(answer.status, answer.body, answer.headers);
    },
  ),
];
