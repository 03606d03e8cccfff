/** Polls until `probe` answers something other than null, undefined or false; throws with `what` when the deadline passes. */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  deadlineMs = 10_000,
  everyMs = 25,
): Promise<NonNullable<Exclude<T, false>>> {
  const end = performance.now() + deadlineMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await probe();
      if (answer !== null && answer !== undefined && answer !== false) return answer as NonNullable<Exclude<T, false>>;
      last = answer;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) {
      throw new Error(`not within ${deadlineMs} ms: ${what}${last instanceof Error ? ` (last: ${last.message})` : ""}`);
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
