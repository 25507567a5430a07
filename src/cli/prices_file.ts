/**
 * Reads a file with a table of prices.
 *
 * @module
 */
import { shown } from "../event.ts";
import { objectOf } from "../llm/json_values.ts";
import type { PriceTable } from "../llm/price_table.ts";
import { shownText } from "../shown.ts";
import { CommandError } from "./command_error.ts";
import { readSmallFile } from "./small_file.ts";

/** Maximum length of a file of prices in bytes, which protects the memory. The table of LiteLLM has 1.6 MB. */
const BYTES_MAX = 64 * 1024 * 1024;
/**
 * Reads a table of prices. The prices themselves are not checked.
 *
 * @throws {CommandError} If the file cannot be read, or is not a JSON object.
 */
export function readPrices(file: string): PriceTable {
  const text = readSmallFile(file, "prices", BYTES_MAX);
  let table: unknown;
  try {
    table = JSON.parse(text);
  } catch (error) {
    throw new CommandError(
      `Cannot read prices: the file is not JSON: ${shownText((error as Error).message)}: ${
        shownText(file)
      }`,
      1,
    );
  }
  if (objectOf(table) !== undefined) return table as PriceTable;
  throw new CommandError(
    `Cannot read prices: the file must contain an object with a member for each model, got ${
      shown(table)
    }: ${shownText(file)}`,
    1,
  );
}
