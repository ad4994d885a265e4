/** Asks again until the answer is truthy, and gives it. Rejects with `what` after `milliseconds`. */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  milliseconds = 30_000,
): Promise<NonNullable<T>> {
  const deadline = performance.now() + milliseconds;
  for (;;) {
    const answer = await ask();
    if (answer !== null && answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadline) throw new Error(`waited too long: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
