/** Waits between attempts of a stream: doubling from half a second to half a minute, each drawn from its upper half so that many do not come at once. */
export function createBackoff(): { next(): number; reset(): void } {
  const firstMs = 500;
  const longestMs = 30_000;
  let ceilingMs = firstMs;
  return {
    next() {
      const wait = ceilingMs * (0.5 + Math.random() / 2);
      ceilingMs = Math.min(longestMs, ceilingMs * 2);
      return wait;
    },
    reset() {
      ceilingMs = firstMs;
    },
  };
}
