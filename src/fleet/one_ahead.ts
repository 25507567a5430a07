/**
 * Requests the next item of a generator while the caller processes the current item.
 *
 * @module
 */

/**
 * Yields the items of the source, and requests the next item before it yields the current item. When the consumer ends
 * the iteration, calls `stop`. The source must then end, because it could otherwise wait forever for its next item.
 */
export async function* oneAhead<T>(
  source: AsyncGenerator<T, void>,
  stop: () => void = () => {},
): AsyncGenerator<T, void> {
  const ask = () => {
    const asked = source.next();
    // If the consumer ends the iteration, no code awaits this result. So its rejection is handled here, because an
    // unhandled rejection would end the process.
    asked.catch(() => {});
    return asked;
  };
  let asked = ask();
  try {
    while (true) {
      const { value, done } = await asked;
      if (done) return;
      asked = ask();
      yield value;
    }
  } finally {
    stop();
    await asked.catch(() => {});
    await source.return();
  }
}
