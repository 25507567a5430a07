/**
 * Returns a response like another one, whose body an observer sees while the caller reads it.
 *
 * Invariant: the body is read only when the caller reads it, and each piece goes to the caller as it came.
 *
 * @module
 */

/** Sees the body of a response. Its functions must not throw. */
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
 * belongs to it from then on.
 */
export function observedResponse(response: Response, observer: BodyObserver): Response {
  if (response.body === null) {
    observer.end();
    return response;
  }
  const { status, statusText, headers } = response;
  const body = observedBody(response.body, observer);
  return withFactsOf(response, new Response(body, { status, statusText, headers }));
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
  const reader = source.getReader();
  const settled = () => dropped.unregister(observer);
  const body = new ReadableStream({
    type: "bytes",
    async pull(controller) {
      let piece: Awaited<ReturnType<typeof reader.read>>;
      try {
        // A byte stream cannot take an empty piece.
        do piece = await reader.read(); while (piece.value?.byteLength === 0);
      } catch (error) {
        settled();
        observer.fail(error);
        throw error;
      }
      if (!piece.done) {
        observer.take(piece.value);
        controller.enqueue(piece.value);
        return;
      }
      settled();
      observer.end();
      controller.close();
      // A read into the caller's own buffer would wait for ever otherwise.
      controller.byobRequest?.respond(0);
    },
    async cancel(reason) {
      settled();
      observer.cancel(reason);
      await reader.cancel(reason);
    },
  });
  dropped.register(body, observer, observer);
  return body;
}
