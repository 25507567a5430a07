/**
 * Formats the amounts of budgets as text for people. Pure.
 *
 * @module
 */
import { counted, shownUsd } from "../shown.ts";
import type { BudgetUnit } from "./amount.ts";

/** Returns an amount as text with its unit, such as `3 calls`. */
export function shownAmount(value: number, unit: BudgetUnit): string {
  return unit === "usd" ? shownUsd(value) : counted(value, unit.slice(0, -"s".length));
}
