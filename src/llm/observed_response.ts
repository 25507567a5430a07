/**
 * Returns a response like another one, whose body an observer sees while the caller reads it.
 *
 * Invariant: the body is read only when the caller reads it, and each piece goes to the caller as it came.
 *
 * @module
 */

/**
 * Sees the body of a response. Its functions must not throw. After `end`, `cancel`, `fail` or `drop`, it must ignore every
 * further call.
 */
export interface BodyObserver {
  /** Called with each piece of the body, before the caller gets it. The bytes are only valid during the call. */
  take(bytes: Uint8Array): void;
  /** Called when the body has ended. */
  end(): void;
  /** Called when the caller stops reading. */
  cancel(reason: unknown): void;
  /** Called when the body cannot be read further. */
  fail(error: unknown): void;
  /** Called when the body can no longer be read to its end, because the program has dropped it. */
  drop(): void;
}

/** Notices bodies that the program has dropped. */
const dropped = new FinalizationRegistry<BodyObserver>((observer) => observer.drop());

/**
 * Returns a response whose body is observed. It has the status, headers, URL and type of the other response, whose body
 * belongs to it from then on. A response that cannot be copied is returned as it is, and its body is not observed.
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

/** Checks whether a response can be copied: servers send statuses that the constructor refuses. */
function canMake(facts: ResponseInit): boolean {
  try {
    new Response(null, facts);
    return true;
  } catch {
    // A RangeError or a TypeError, which is all that this function is asked about.
    return false;
  }
}

/** Sets the properties of a response and its clones that the constructor cannot set. */
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

  // Callbacks instead of `await`, because this runs for each piece of a stream.
  const pass = ({ done, value }: ReadableStreamReadResult<Uint8Array>): void => {
    if (!done) {
      observer.take(value);
      // The source of a stream that is not a byte stream may still use the buffer, which slice() of a `Buffer` shares.
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
 * The body of an observed response. A byte stream, as the body of a fetched response is, would take three times as long to
 * pass a piece on. So this one becomes a byte stream only if the caller asks for a reader into its own buffer.
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

/** Returns a byte stream of the pieces that a reader reads. */
function byteStreamOf(
  reader: ReadableStreamDefaultReader<Uint8Array>,
): ReadableStream<Uint8Array> {
  return new ReadableStream({
    type: "bytes",
    async pull(controller) {
      let piece = await reader.read();
      // A byte stream cannot take an empty piece.
      while (piece.value?.byteLength === 0) piece = await reader.read();
      if (!piece.done) return controller.enqueue(piece.value as Uint8Array<ArrayBuffer>);
      controller.close();
      // A read into the caller's own buffer would wait for ever otherwise.
      controller.byobRequest?.respond(0);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

/**
 * Reports an error of the source to the observer, even if nothing is being read. A function of its own, because closures of one
 * function share their variables, and so this one would keep the body alive.
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

/** Checks whether a stream is a byte stream. The buffers of its pieces belong to the reader. */
function isByteStream(stream: ReadableStream<Uint8Array>): boolean {
  try {
    stream.getReader({ mode: "byob" }).releaseLock();
    return true;
  } catch {
    // The only error of a stream that is not locked: it is not a byte stream.
    return false;
  }
}
