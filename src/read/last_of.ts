/**
 * The end of a sequence.
 *
 * @module
 */

/**
 * The last `n` items in their order, in memory for `n`.
 *
 * @throws {RangeError} when `n` is no integer >= 0.
 */
export async function lastOf<T>(items: AsyncIterable<T>, n: number): Promise<T[]> {
  if (!Number.isSafeInteger(n) || n < 0) {
    throw new RangeError(`Cannot take the last events as n must be an integer >= 0: ${n}`);
  }
  if (n === 0) return [];
  const ring: T[] = [];
  let count = 0;
  for await (const item of items) ring[count++ % n] = item;
  return [...ring.slice(count % n), ...ring.slice(0, count % n)].slice(-n);
}
