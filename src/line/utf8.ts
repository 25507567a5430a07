/**
 * Decodes UTF-8 and rejects bytes that are not UTF-8, and bounds the length of encoded text. Pure.
 *
 * @module
 */

// The decoder keeps a byte order mark, so that offsets in the text match offsets in the bytes.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Maximum number of UTF-8 bytes for one UTF-16 code unit of a string. */
export const UTF8_BYTES_MAX = 3;

/** The character that a decoder puts in place of bytes that are not UTF-8. Text can also contain it as it is. */
const REPLACEMENT = "\ufffd";

/** Returns the text of bytes, including a byte order mark; null if the bytes are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  // The strict decoder takes several times as long as the other one and the search. So it only decides about text with
  // a replacement character, which is rare.
  const text = decoder.decode(bytes);
  return text.includes(REPLACEMENT) ? decodeStrictly(bytes) : text;
}

function decodeStrictly(bytes: Uint8Array): string | null {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    // The bytes are not UTF-8. The error of the decoder has no further details.
    return null;
  }
}
