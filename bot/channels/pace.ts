import type { Operation } from "../edges.ts";

/** One limit of a platform, as a bucket that fills steadily: `burst` at once, then one every `everyMs`. */
export interface PaceRule {
  /** Which operations count. */
  kinds: readonly Operation["kind"][];
  /** Whether each chat has its own, or all share one. */
  per: "chat" | "channel";
  everyMs: number;
  burst: number;
  /** So many of the burst are kept for what is urgent. */
  reserve: number;
}

interface Bucket {
  level: number;
  at: number;
}

/**
 * Answers how long an operation must wait so that every rule is kept, in ms; 0: it may go now, and has been counted. The urgent may use what is
 * kept in reserve, so a flood of others does not stand before them.
 */
export function createPace(rules: readonly PaceRule[]): (operation: Operation, now: Date) => number {
  const buckets = new Map<string, Bucket>();

  return (operation, now) => {
    const at = now.getTime();
    const found = rules.flatMap((rule, i) => {
      if (!rule.kinds.includes(operation.kind)) return [];
      const key = `${i} ${rule.per === "chat" ? operation.chat : ""}`;
      const known = buckets.get(key) ?? { level: rule.burst, at };
      const level = Math.min(rule.burst, known.level + Math.max(0, at - known.at) / rule.everyMs);
      return [{ rule, key, level }];
    });
    const wait = Math.max(
      0,
      ...found.map(({ rule, level }) => {
        const needed = 1 + (operation.urgent ? 0 : rule.reserve);
        return level >= needed ? 0 : Math.ceil((needed - level) * rule.everyMs);
      }),
    );
    for (const { key, level } of found) buckets.set(key, { level: wait === 0 ? level - 1 : level, at });
    return wait;
  };
}
