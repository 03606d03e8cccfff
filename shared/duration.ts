const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, y: 31_536_000_000 } as const;

/**
 * Reads a Prometheus style duration (`90s`, `15m`, `1h30m`, `30d`) into milliseconds.
 * Returns null for anything else, so that each caller can say where the bad text stood.
 * Source: Prometheus model.ParseDuration (units from large to small, each at most once).
 */
export function parseDuration(text: string): number | null {
  if (text === "0") return 0;
  const match = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/.exec(text);
  if (text === "" || match === null) return null;
  const order = ["y", "w", "d", "h", "m", "s", "ms"] as const;
  const total = order.reduce((sum, unit, i) => sum + Number(match[i + 1] ?? 0) * units[unit], 0);
  return Number.isSafeInteger(total) ? total : null;
}

/** Writes milliseconds as people read them: the two largest units, as `6m10s`, `2h`, `850ms`. */
export function formatDuration(ms: number): string {
  const rest = Math.max(0, Math.round(ms));
  if (rest < 1_000) return `${rest}ms`;
  const seconds = Math.floor(rest / 1_000);
  const parts: readonly [number, string][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor((seconds % 86_400) / 3_600), "h"],
    [Math.floor((seconds % 3_600) / 60), "m"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([n]) => n > 0);
  return parts
    .slice(first, first + 2)
    .filter(([n]) => n > 0)
    .map(([n, unit]) => `${n}${unit}`)
    .join("");
}
