import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import { z } from "zod";
import { WebhookBody } from "../shared/alert.ts";
import type { PolicyAnswer, PolicyTestRow } from "../shared/api/policy.ts";
import { systemActor } from "../shared/approval.ts";
import type { Locale } from "../shared/locale.ts";
import { parse } from "../shared/parse.ts";
import { evaluate, Rule, rulesInForce } from "../shared/policy.ts";
import { lint } from "../shared/policy-lint.ts";
import type { Clock } from "./edges.ts";
import type { Store } from "./store.ts";

/** What `kubectl steward policy` asks: the rules in force, and what others would do. Nothing here puts a rule in force. */
export interface Policy {
  readonly rules: readonly Rule[];
  /** Which rule takes each alert of an Alertmanager body, and why the earlier ones do not. Throws `invalid` with the path. */
  test(payload: unknown, rules: readonly unknown[] | null): PolicyTestRow[];
  /** What other rules would have made of the alerts that came since then, beside what the rules in force make of them. */
  replay(since: Date, rules: readonly unknown[]): PolicyTestRow[];
  show(): PolicyAnswer;
  lint(rules: readonly unknown[]): PolicyAnswer["warnings"];
  /** Records that these rules hold from now on, unless they are the ones that held before. */
  noteLoaded(): void;
}

interface Deps {
  store: Pick<Store, "incidents" | "transact" | "audit" | "meta">;
  configured: readonly Rule[];
  clock: Clock;
  timezone: string;
  locale: Locale;
}

/** More rows than anybody reads; the newest are the ones asked about. */
const mostRows = 5_000;
const loadedKey = "policy_hash";

export function createPolicy({ store, configured, clock, timezone, locale }: Deps): Policy {
  const rules = rulesInForce(configured);
  const context = { timezone, locale };

  return { rules, test, replay, show, lint: (given) => warnings(parseRules(given)), noteLoaded };

  function test(payload: unknown, given: readonly unknown[] | null): PolicyTestRow[] {
    const body = parse(z.object({ payload: WebhookBody }), { payload }).payload;
    const tried = given === null ? rules : parseRules(given);
    const now = clock.now();
    return body.alerts.map(({ labels }) => rowOf(tried, labels, now));
  }

  function replay(since: Date, given: readonly unknown[]): PolicyTestRow[] {
    const tried = parseRules(given);
    const rows: PolicyTestRow[] = [];
    for (const { labels, firstSeenAt } of store.incidents.iterateAlerts(since)) {
      const now = evaluate(rules, labels, firstSeenAt, context);
      rows.push({ ...rowOf(tried, labels, firstSeenAt), now: { rule: now.rule, route: now.route } });
    }
    return rows.slice(-mostRows);
  }

  function rowOf(tried: readonly Rule[], labels: Readonly<Record<string, string>>, now: Date): PolicyTestRow {
    const { rule, route, because } = evaluate(tried, labels, now, context);
    return { labels: { ...labels }, rule, route, because: [...because] };
  }

  function show(): PolicyAnswer {
    return { builtIn: configured.length === 0, rules: rules.map(written), warnings: warnings(rules) };
  }

  function warnings(checked: readonly Rule[]): PolicyAnswer["warnings"] {
    return lint(checked, locale).map(({ rule, text }) => ({ rule, text }));
  }

  function noteLoaded(): void {
    const hash = createHash("sha256")
      .update(canonicalize(rules.map(written)) ?? "")
      .digest("hex");
    store.transact(() => {
      if (store.meta.get(loadedKey) === hash) return;
      store.meta.set(loadedKey, hash);
      store.audit.append({
        userId: systemActor.userId,
        intent: null,
        actionType: "policy_load",
        targetResource: null,
        commandSnapshot: null,
        status: "SUCCESS",
        clientIp: null,
        platform: systemActor.platform,
        incidentId: null,
        proposalId: null,
        detail: { rules: rules.map(written), sha256: hash },
      });
    });
  }
}

/** A rule as JSON: its matchers as they were written. */
function written({ match, ...rule }: Rule): { name: string; [key: string]: unknown } {
  return { ...rule, match: match.map(({ text }) => text) };
}

function parseRules(given: readonly unknown[]): Rule[] {
  return parse(z.object({ rules: z.array(Rule) }), { rules: given }).rules;
}
