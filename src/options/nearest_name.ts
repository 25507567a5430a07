/**
 * Finds the known name that is most similar to a mistyped name. Pure.
 *
 * @module
 */

/**
 * Minimum likeness, from 0 to 1, of a known name to a mistyped name. A known name that is less alike is not suggested.
 */
const LIKENESS_MIN = 0.5;
/** Maximum number of characters of a mistyped name. For a longer name, the search would take too long. */
const LENGTH_MAX = 64;

/**
 * Returns the known name that is most similar to `name`, or undefined if no known name is similar enough.
 *
 * Two names are similar if they share at least half of their pairs of adjacent letters (Dice's coefficient of
 * bigrams, ignoring case). They are also similar if they differ by at most one edit per three letters: an added,
 * missing or different letter, or two swapped letters (optimal string alignment).
 */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  if (name.length > LENGTH_MAX) return undefined;
  let nearest: { name: string; likeness: number } | undefined;
  for (const each of known) {
    const likeness = likenessOf(letters(name), letters(each));
    if (likeness >= LIKENESS_MIN && likeness > (nearest?.likeness ?? 0)) {
      nearest = { name: each, likeness };
    }
  }
  return nearest?.name;
}

/** Returns the name in lower case and without leading dashes: "dry-run" of "--Dry-Run". */
function letters(name: string): string {
  return name.replace(/^-+/, "").toLowerCase();
}

function likenessOf(a: string, b: string): number {
  const length = Math.max(a.length, b.length);
  const edits = editsBetween(a, b);
  return Math.max(sharedPairs(a, b), edits * 3 <= length ? 1 - edits / length : 0);
}

function sharedPairs(a: string, b: string): number {
  const left = pairsOf(b);
  const pairs = pairsOf(a);
  const count = pairs.length + left.length;
  let shared = 0;
  for (const pair of pairs) {
    const at = left.indexOf(pair);
    if (at < 0) continue;
    left.splice(at, 1);
    shared++;
  }
  return count === 0 ? 0 : 2 * shared / count;
}

function pairsOf(text: string): string[] {
  return Array.from({ length: Math.max(0, text.length - 1) }, (_, at) => text.slice(at, at + 2));
}

/** Returns the number of edits between two texts (optimal string alignment). */
export function editsBetween(a: string, b: string): number {
  let [beforeLast, last]: number[][] = [[], Array.from({ length: b.length + 1 }, (_, at) => at)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(Math.min(
        last![j]! + 1,
        row[j - 1]! + 1,
        last![j - 1]! + (isSame ? 0 : 1),
        isSwapped ? beforeLast![j - 2]! + 1 : Infinity,
      ));
    }
    [beforeLast, last] = [last, row];
  }
  return last!.at(-1)!;
}
