/** As `Promise.all`, but a failure is thrown when nothing of the rest is running any more, so that it can be cleaned up after. */
export async function settleAll<const T extends readonly unknown[]>(
  promises: T,
): Promise<{ -readonly [Index in keyof T]: Awaited<T[Index]> }> {
  await Promise.allSettled(promises);
  return await Promise.all(promises);
}
