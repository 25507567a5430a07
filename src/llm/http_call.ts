/**
 * Logs an HTTP call that is not to a model, for programs that want all of their requests in the log.
 *
 * @module
 */
import type { CallLog } from "./call_log.ts";
import { errorFields, isAbort, roundedMs } from "./event_values.ts";
import { type BodyObserver, observedResponse } from "./observed_response.ts";
import type { SentRequest } from "./sent_request.ts";

/** Makes an HTTP call that is not to a model, and logs the call as `http_call` when its response ends. */
export async function callHttp(
  calls: CallLog,
  { url, method, signal }: SentRequest,
  send: () => Promise<Response>,
): Promise<Response> {
  const beganMs = performance.now();
  let http_status: number | undefined;
  let isLogged = false;
  const end = (status: string, error?: unknown) => {
    if (isLogged) return;
    isLogged = true;
    void calls.log("http_call", {
      status,
      error: error === undefined ? undefined : errorFields(error),
      duration_ms: roundedMs(performance.now() - beganMs),
      method,
      host: url.host,
      path: url.pathname,
      http_status,
    });
  };
  const observer: BodyObserver = {
    take() {},
    end: () => end(http_status! >= 400 ? "error" : "ok"),
    cancel: (reason) => end("aborted", reason),
    fail: (error) => end(isAbort(error, signal) ? "aborted" : "error", error),
    drop: () => end("aborted"),
  };
  try {
    const response = await send();
    http_status = response.status;
    return observedResponse(response, observer);
  } catch (error) {
    observer.fail(error);
    throw error;
  }
}
