/**
 * Copies a response so that an observer sees the body while the caller reads it.
 *
 * Invariant: the original body is read only when the caller reads the copy, and the caller gets each piece unchanged.
 *
 * @module
 */

/**
 * An observer of the body of a response. Its methods must not throw. After a call of `end`, `cancel`, `fail` or `drop`,
 * the observer must ignore all later calls.
 */
export interface BodyObserver {
  /** Called with each piece of the body, before the caller gets it. The bytes are only valid during the call. */
  take(bytes: Uint8Array): void;
  /** Called when the body has ended. */
  end(): void;
  /** Called when the caller stops reading the body before its end. */
  cancel(reason: unknown): void;
  /** Called when reading the body has failed, for example because the connection broke. */
  fail(error: unknown): void;
  /**
   * Called when the observer will not see the end of the body, because the body was garbage collected or cannot be
   * observed.
   */
  drop(): void;
}

/**
 * Calls `drop()` when the program no longer refers to a body that it has not read to its end. Otherwise such a call
 * would never be logged.
 */
const dropped = new FinalizationRegistry<BodyObserver>((observer) => observer.drop());

/**
 * Returns a copy of a response with the same status, headers, URL and type. The observer sees the body of the copy. The
 * body of the original must no longer be read. If the response cannot be copied, returns the original response, and its
 * body is not observed.
 */
export function observedResponse(response: Response, observer: BodyObserver): Response {
  if (!(response instanceof Response) || response.body === null) {
    observer.end();
    return response;
  }
  const { status, statusText, headers } = response;
  const facts = { status, statusText, headers };
  if (response.bodyUsed || response.body.locked || !canMake(facts)) {
    observer.drop();
    return response;
  }
  const body = observedBody(response.body, observer);
  return withFactsOf(response, new Response(body, facts));
}

/**
 * Checks whether a response can be copied. It cannot if the constructor of `Response` refuses its status, as it refuses
 * some that servers send.
 */
function canMake(facts: ResponseInit): boolean {
  try {
    new Response(null, facts);
    return true;
  } catch {
    // The constructor threw a RangeError or a TypeError, so the response cannot be copied.
    return false;
  }
}

/**
 * Sets the properties that the constructor of `Response` cannot set, in a copied response and its clones. So the copy
 * looks like the original to the caller.
 */
function withFactsOf({ url, redirected, type }: Response, copy: Response): Response {
  const clone = () => withFactsOf(copy, Response.prototype.clone.call(copy));
  return Object.defineProperties(copy, {
    url: { value: url },
    redirected: { value: redirected },
    type: { value: type },
    clone: { value: clone },
  });
}

function observedBody(
  source: ReadableStream<Uint8Array>,
  observer: BodyObserver,
): ReadableStream<Uint8Array> {
  const isOwner = isByteStream(source);
  const reader = source.getReader();
  watchClosed(reader, observer);
  let controller: ReadableStreamDefaultController<Uint8Array>;

  // This function runs for each piece of a body. It is a callback and not an async function, because `await` would be
  // slower.
  const pass = ({ done, value }: ReadableStreamReadResult<Uint8Array>): void => {
    if (!done) {
      observer.take(value);
      // If the source is not a byte stream, it may still use the buffer of the piece, so the piece is copied. slice()
      // is not used, because it does not copy a `Buffer`.
      controller.enqueue(isOwner ? value : new Uint8Array(value));
      return;
    }
    dropped.unregister(observer);
    observer.end();
    controller.close();
  };
  const body = new ObservedBody({
    start(streamController) {
      controller = streamController;
    },
    pull: () => reader.read().then(pass),
    async cancel(reason) {
      dropped.unregister(observer);
      observer.cancel(reason);
      await reader.cancel(reason);
    },
  });
  dropped.register(body, observer, observer);
  return body;
}

/**
 * The body of an observed response. The body of a fetched response is a byte stream, but a byte stream takes three
 * times as long to pass on a piece. So an `ObservedBody` becomes a byte stream only if the caller requests a reader of
 * mode "byob", which reads into a buffer of the caller.
 */
class ObservedBody extends ReadableStream<Uint8Array> {
  #bytes: ReadableStream<Uint8Array> | undefined;

  constructor(source: UnderlyingDefaultSource<Uint8Array>) {
    super(source, { highWaterMark: 0 });
  }

  override get locked(): boolean {
    return this.#bytes?.locked ?? super.locked;
  }

  override cancel(reason?: unknown): Promise<void> {
    return this.#bytes?.cancel(reason) ?? super.cancel(reason);
  }

  override getReader(options: { mode: "byob" }): ReadableStreamBYOBReader;
  override getReader(options?: { mode?: undefined }): ReadableStreamDefaultReader<Uint8Array>;
  override getReader(
    options?: { mode?: "byob" | undefined },
  ): ReadableStreamBYOBReader | ReadableStreamDefaultReader<Uint8Array> {
    if (options?.mode !== "byob") return this.#bytes?.getReader() ?? super.getReader();
    this.#bytes ??= byteStreamOf(super.getReader());
    return this.#bytes.getReader({ mode: "byob" });
  }
}

/** Returns a byte stream that yields the pieces that a reader reads. */
function byteStreamOf(
  reader: ReadableStreamDefaultReader<Uint8Array>,
): ReadableStream<Uint8Array> {
  return new ReadableStream({
    type: "bytes",
    async pull(controller) {
      let piece = await reader.read();
      // A byte stream does not accept an empty piece, so empty pieces are skipped.
      while (piece.value?.byteLength === 0) piece = await reader.read();
      if (!piece.done) return controller.enqueue(piece.value as Uint8Array<ArrayBuffer>);
      controller.close();
      // Without respond(0), a pending read into a buffer of the caller would never end.
      controller.byobRequest?.respond(0);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

/**
 * Reports an error of the source to the observer, even if the caller is not reading. The code is in a function of its
 * own, because a closure keeps the variables of its function alive. In observedBody(), its callback would keep the body
 * alive, so that an unread body would never be garbage collected.
 */
function watchClosed(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  observer: BodyObserver,
): void {
  reader.closed.catch((error) => {
    dropped.unregister(observer);
    observer.fail(error);
  });
}

/**
 * Checks whether a stream is a byte stream. A byte stream does not use the buffer of a piece after the piece was read.
 */
function isByteStream(stream: ReadableStream<Uint8Array>): boolean {
  try {
    stream.getReader({ mode: "byob" }).releaseLock();
    return true;
  } catch {
    // getReader() fails for a locked stream or for one that is not a byte stream. The caller has checked that the
    // stream is not locked.
    return false;
  }
}
