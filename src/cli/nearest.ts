/**
 * Finds the name that a mistyped one was meant to be. Pure.
 *
 * @module
 */

/** A longer text is not a mistyped name, and comparing it would take long. */
const LENGTH_MAX = 64;

/**
 * Returns the known name with the fewest edits to the text, or undefined if none is near.
 *
 * @param text The text as it was typed
 * @param names The known names; the first of equally near ones wins
 */
export function nearest(text: string, names: Iterable<string>): string | undefined {
  if (text.length > LENGTH_MAX) return undefined;
  let found: string | undefined;
  let fewest = Math.max(1, Math.floor(text.replace(/^-+/, "").length / 3)) + 1;
  for (const name of names) {
    if (name === text || Math.abs(name.length - text.length) >= fewest) continue;
    const edits = editsBetween(text.toLowerCase(), name.toLowerCase());
    if (edits < fewest) [found, fewest] = [name, edits];
  }
  return found;
}

/** Returns the number of letters to insert, remove, replace or swap with their neighbour. */
function editsBetween(from: string, to: string): number {
  let [before, last]: [number[], number[]] = [
    [],
    Array.from({ length: to.length + 1 }, (_, n) => n),
  ];
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const isSame = from[i - 1] === to[j - 1];
      const isSwapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      row[j] = Math.min(
        last[j]! + 1,
        row[j - 1]! + 1,
        last[j - 1]! + (isSame ? 0 : 1),
        isSwapped ? before[j - 2]! + 1 : Infinity,
      );
    }
    [before, last] = [last, row];
  }
  return last[to.length]!;
}
