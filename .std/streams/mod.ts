/** The parts of `@std/streams` that this project imports, from the npm build of the standard library. */
import * as streams from "npm:deno-std@1.4.0/streams/mod.js";

export interface TextLineStreamOptions {
  allowCR?: boolean;
}

interface TextLineStreamConstructor {
  new (options?: TextLineStreamOptions): TransformStream<string, string>;
}

export const TextLineStream: TextLineStreamConstructor = streams.TextLineStream;
