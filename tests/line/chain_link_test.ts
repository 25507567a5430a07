import { assertEquals } from "@std/assert";
import {
  bareLine,
  CHAIN_START,
  isChained,
  LINK_BYTES_MAX,
  linkOf,
  NextHash,
} from "../../src/line/chain.ts";

const HASH = "0123456789abcdef".repeat(4);
const encoder = new TextEncoder();

const LINES: [line: string, seq: number | null][] = [
  [`{"a":1,"seq":0,"hash":"${HASH}"}`, 0],
  [`{"a":1,"seq":12,"hash":"${HASH}"}`, 12],
  [`{"a":1,"seq":${Number.MAX_SAFE_INTEGER},"hash":"${HASH}"}`, Number.MAX_SAFE_INTEGER],
  [`,"seq":5,"hash":"${HASH}"}`, 5],
  [`{"a":1,"seq":9007199254740992,"hash":"${HASH}"}`, null],
  [`{"a":1,"seq":${"9".repeat(400)},"hash":"${HASH}"}`, null],
  [`{"a":1,"seq":01,"hash":"${HASH}"}`, null],
  [`{"a":1,"seq":-1,"hash":"${HASH}"}`, null],
  [`{"a":1,"seq":1.5,"hash":"${HASH}"}`, null],
  [`{"a":1,"seq":,"hash":"${HASH}"}`, null],
  [`{"seq":1,"hash":"${HASH}"}`, null],
  [`{"a":1,"sep":1,"hash":"${HASH}"}`, null],
  [`{"a":1,"seq": 1,"hash":"${HASH}"}`, null],
  [`{"a":1,"seq":1,"hash":"${HASH.toUpperCase()}"}`, null],
  [`{"a":1,"seq":1,"hash":"${HASH}0"}`, null],
  [`{"a":1,"seq":1,"hash":"${HASH.slice(1)}"}`, null],
  [`{"a":1,"seq":1,"hash":"${HASH.slice(1)}g"}`, null],
  [`{"a":1,"seq":1,"hash":"${HASH}"} `, null],
  [`{"a":1,"hash":"${HASH}","seq":1}`, null],
  [`{"a":1,"hash":"${HASH}"}`, null],
  [`"hash":"${HASH}"}`, null],
  ["{}", null],
  ["", null],
];
for (const [line, seq] of LINES) {
  Deno.test(`linkOf() reads the number ${seq} in the hash chain from the line ${line.length > 120 ? `${line.slice(0, 60)}...` : line}`, () => {
    const bytes = encoder.encode(line);
    assertEquals(linkOf(bytes), seq === null ? null : { seq, hash: HASH });
    assertEquals(isChained(bytes), seq !== null);
    if (seq === null) return;
    assertEquals(new TextDecoder().decode(bareLine(bytes)), line.replace(/,"hash".*$/, "}"));
  });
}

Deno.test("LINK_BYTES_MAX is the length of the longest seq and hash at the end of a line", () => {
  const [longest = ""] = LINES.map(([line]) => line)
    .filter((line) => line.includes(`${Number.MAX_SAFE_INTEGER}`));
  assertEquals(longest.length - '{"a":1}'.length, LINK_BYTES_MAX);
});

Deno.test("NextHash accepts the bytes between two lines of a hash chain in pieces, and returns the same hash if called again", () => {
  const [whole, pieces] = [new NextHash(CHAIN_START), new NextHash(CHAIN_START)];
  whole.addBetween(encoder.encode("torn\n"));
  for (const piece of ["to", "", "rn\n"]) pieces.addBetween(encoder.encode(piece));
  const line = encoder.encode("{}");
  assertEquals(pieces.of(line), whole.of(line));
  assertEquals(pieces.of(line), whole.of(line));
  assertEquals([whole.hasBetween, new NextHash(CHAIN_START).hasBetween], [true, false]);
  assertEquals(new NextHash(CHAIN_START).of(line) === whole.of(line), false);
});
