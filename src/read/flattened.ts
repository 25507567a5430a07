/**
 * One item at a time out of batches that come asynchronously.
 *
 * An async generator that yields each item would be less to read, and takes four times as long for it:
 * where an item is at hand, here, it is given without a turn of the generator below.
 *
 * @module
 */

/** Gives the items of the iterators that a generator yields. Steps may be asked for before others end. */
export class Flattened<T> implements AsyncIterableIterator<T, void> {
  readonly #batches: AsyncGenerator<Iterator<T, void>, void>;
  #batch: Iterator<T, void> | undefined;
  /** How many steps wait for the batches; while there are some, none is taken at once. */
  #waiting = 0;
  #lastStep: Promise<unknown> = Promise.resolve();

  /** Asks for nothing yet. */
  constructor(batches: AsyncGenerator<Iterator<T, void>, void>) {
    this.#batches = batches;
  }

  /** Gives the next item; an error of a batch ends them all. */
  next(): Promise<IteratorResult<T, void>> {
    if (this.#waiting > 0 || this.#batch === undefined) return this.#inTurn(() => this.#advance());
    try {
      const result = this.#batch.next();
      if (result.done !== true) return Promise.resolve(result);
    } catch (error) {
      return this.#inTurn(() => this.#fail(error));
    }
    return this.#inTurn(() => this.#advance());
  }

  /** Ends it, and the generator below. */
  return(): Promise<IteratorResult<T, void>> {
    return this.#inTurn(() => this.#end());
  }

  /** Itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  #inTurn(
    step: () => Promise<IteratorResult<T, void>>,
  ): Promise<IteratorResult<T, void>> {
    this.#waiting++;
    const result = this.#lastStep.then(step).finally(() => this.#waiting--);
    // Whoever asked for the step is told; the next one has its turn all the same.
    this.#lastStep = result.catch(() => {});
    return result;
  }

  async #advance(): Promise<IteratorResult<T, void>> {
    for (;;) {
      let result: IteratorResult<T, void> | undefined;
      try {
        result = this.#batch?.next();
      } catch (error) {
        return await this.#fail(error);
      }
      if (result?.done === false) return result;
      const { value, done } = await this.#batches.next();
      this.#batch = value ?? undefined;
      if (done === true) return { value: undefined, done };
    }
  }

  async #fail(error: unknown): Promise<never> {
    await this.#end();
    throw error;
  }

  async #end(): Promise<IteratorResult<T, void>> {
    this.#batch = undefined;
    await this.#batches.return();
    return { value: undefined, done: true };
  }
}
