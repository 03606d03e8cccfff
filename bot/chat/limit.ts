import type { Clock } from "../edges.ts";

/** Whether `who` may once more, having been at most `most` times within `withinMs`; a yes counts. */
export function createLimit(
  clock: Clock,
  { most, withinMs }: { most: number; withinMs: number },
): (who: string) => boolean {
  const times = new Map<string, number[]>();
  return (who) => {
    const now = clock.now().getTime();
    for (const [name, at] of times) if ((at.at(-1) ?? 0) <= now - withinMs) times.delete(name);
    const recent = (times.get(who) ?? []).filter((at) => at > now - withinMs);
    const may = recent.length < most;
    times.set(who, may ? [...recent, now] : recent);
    return may;
  };
}
