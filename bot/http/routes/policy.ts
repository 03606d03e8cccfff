import { apiRoot } from "../../../shared/api/common.ts";
import { PolicyLintRequest, PolicyTestRequest } from "../../../shared/api/policy.ts";
import { StewardError } from "../../../shared/errors.ts";
import { json } from "../answer.ts";
import { forRole, type Route, timeOf } from "../route.ts";

/** A payload may be as large as the webhook takes; nothing here puts a rule in force. */
const largest = 4 * 1024 * 1024;

export const policyRoutes: readonly Route[] = [
  forRole("viewer", { method: "GET", path: `${apiRoot}/policy` }, ({ services }) => json(200, services.policy.show())),
  forRole(
    "viewer",
    { method: "POST", path: `${apiRoot}/policy/test`, body: PolicyTestRequest, limit: largest },
    async ({ services, body, now }) => {
      if ("payload" in body) {
        return json(200, { items: await services.policy.test(body.payload, body.rules ?? null), next: null });
      }
      const since = timeOf("since", body.since, now);
      if (since === null) throw new StewardError("invalid", "since: is missing", { path: "since" });
      return json(200, { items: await services.policy.replay(since, body.rules), next: null });
    },
  ),
  forRole(
    "viewer",
    { method: "POST", path: `${apiRoot}/policy/lint`, body: PolicyLintRequest, limit: largest },
    ({ services, body }) => json(200, { warnings: services.policy.lint(body.rules) }),
  ),
];
