/**
 * Making the next thing ready while one is being worked on.
 *
 * @module
 */

/**
 * Gives what the source gives, which is asked for the next one before one is given. Who reads no further
 * has `stop` called, for a source that may wait for its next one without an end.
 */
export async function* oneAhead<T>(
  source: AsyncGenerator<T, void>,
  stop: () => void = () => {},
): AsyncGenerator<T, void> {
  const ask = () => {
    const asked = source.next();
    // Who does not read on does not look at it.
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
