import type { Route } from "../route.ts";
import { approvalRoutes } from "./approvals.ts";
import { auditRoutes } from "./audit.ts";
import { cardRoutes } from "./cards.ts";
import { gateRoutes } from "./gate.ts";
import { healthRoutes } from "./health.ts";
import { incidentRoutes } from "./incidents.ts";
import { policyRoutes } from "./policy.ts";
import { sessionRoutes } from "./session.ts";
import { userRoutes } from "./users.ts";
import { webhookRoutes } from "./webhook.ts";

/** Every route the bot answers, with who may call it. */
export const routes: readonly Route[] = [
  ...webhookRoutes,
  ...healthRoutes,
  ...sessionRoutes,
  ...incidentRoutes,
  ...approvalRoutes,
  ...auditRoutes,
  ...gateRoutes,
  ...policyRoutes,
  ...userRoutes,
  ...cardRoutes,
];
