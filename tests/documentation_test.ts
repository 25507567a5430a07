/**
 * Checks that the documentation of the public API is complete: every function documents its parameters and its result,
 * and every option documents its default.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { runCommand } from "./run_command.ts";
import { tempDir } from "./temp_dir.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));
const MODULES = [
  "mod.ts",
  "src/report/mod.ts",
  "src/fleet/mod.ts",
  "src/llm/mod.ts",
  "src/import/mod.ts",
];
/** Interfaces whose optional members are options. */
const OPTIONS_NAME = /(?:Options|Policy)$/;

// The parts of `deno doc --json` that the test reads.
interface Tag {
  readonly kind: string;
  readonly name?: string;
  readonly doc?: string;
  /** The text of `@default`. */
  readonly value?: string;
}
interface JsDoc {
  readonly doc?: string;
  readonly tags?: readonly Tag[];
}
interface Param {
  readonly kind: string;
  readonly name?: string;
  readonly left?: Param;
  readonly arg?: Param;
}
interface Signature {
  readonly params?: readonly Param[] | undefined;
  readonly returnType?: object | undefined;
}
interface Member {
  readonly name: string;
  readonly jsDoc?: JsDoc;
  readonly optional?: boolean;
  readonly functionDef?: Signature;
  readonly params?: readonly Param[];
  readonly returnType?: Signature["returnType"];
}
interface Declaration {
  readonly kind: string;
  readonly jsDoc?: JsDoc;
  readonly def: Signature & {
    readonly properties?: readonly Member[];
    readonly methods?: readonly Member[];
    readonly constructors?: readonly Member[];
  };
}
interface Documented {
  readonly name: string;
  readonly declarations: readonly Declaration[];
}

/** Reads the documentation of the modules. */
async function symbolsOf(modules: readonly string[]): Promise<Documented[]> {
  const { code, stdout, stderr } = await runCommand(Deno.execPath(), {
    args: ["doc", "--json", ...modules],
    cwd: ROOT,
  });
  assertEquals(code, 0, stderr);
  const { nodes } = JSON.parse(stdout);
  return Object.values<{ symbols: Documented[] }>(nodes).flatMap(({ symbols }) => symbols)
    .map(({ name, declarations }) => ({
      name,
      // A symbol that a module only re-exports is documented in the module that declares it.
      declarations: declarations.filter(({ kind }) => kind !== "reference"),
    }));
}

/** Returns the parts that are missing from the documentation of the symbols, each as "place: what is missing". */
function lacks(symbols: readonly Documented[]): string[] {
  return symbols.flatMap(({ name, declarations }) =>
    declarations.flatMap(({ kind, jsDoc, def }) => {
      const members = [
        ...(def.methods ?? []).map((method) =>
          lacksOfFunction(`${name}.${method.name}`, method.jsDoc, method.functionDef ?? method)
        ),
        ...(def.constructors ?? []).map((each) =>
          lacksOfFunction(`new ${name}`, each.jsDoc, { params: each.params ?? [] })
        ),
        ...(def.properties ?? []).map((each) =>
          lacksOfProperty(
            `${name}.${each.name}`,
            each,
            kind === "interface" && OPTIONS_NAME.test(name),
          )
        ),
      ];
      const own = kind === "function" ? lacksOfFunction(name, jsDoc, def) : lacksText(name, jsDoc);
      return [...own, ...members.flat()];
    })
  );
}

function lacksText(place: string, jsDoc: JsDoc | undefined): string[] {
  return (jsDoc?.doc ?? "").trim() === "" ? [`${place}: text`] : [];
}

function lacksOfFunction(
  place: string,
  jsDoc: JsDoc | undefined,
  { params = [], returnType }: Signature,
): string[] {
  const tags = jsDoc?.tags ?? [];
  const described = tags.filter(({ kind, doc = "" }) => kind === "param" && doc.trim() !== "");
  const names = params.map(nameOf);
  // A destructured parameter has no name, so any further @param describes it.
  const others = described.filter(({ name }) => !names.includes(name));
  const missing = names.filter((name) =>
    name === undefined ? others.shift() === undefined : !described.some((tag) => tag.name === name)
  );
  const returnsNothing = returnType === undefined || isVoid(returnType);
  const hasReturns = tags.some(({ kind, doc = "" }) => kind === "return" && doc.trim() !== "");
  return [
    ...lacksText(place, jsDoc),
    ...missing.map((name = "(destructured)") => `${place}: @param ${name}`),
    ...returnsNothing || hasReturns ? [] : [`${place}: @returns`],
  ];
}

function nameOf({ name, left, arg }: Param): string | undefined {
  return name ?? (left ?? arg)?.name;
}

function isVoid(type: object): boolean {
  return /"(?:repr|value)":"(?:void|never)"/.test(JSON.stringify(type)) &&
    !/"kind":"union"/.test(JSON.stringify(type));
}

function lacksOfProperty(place: string, { jsDoc, optional }: Member, isOption: boolean): string[] {
  const hasDefault = (jsDoc?.tags ?? []).some(({ kind, value = "" }) =>
    kind === "default" && value.trim() !== ""
  );
  return [
    ...lacksText(place, jsDoc),
    ...isOption && optional === true && !hasDefault ? [`${place}: @default`] : [],
  ];
}

Deno.test("Every public function documents its parameters and result, and every option its default", async () => {
  const symbols = await symbolsOf(MODULES);
  assert(symbols.length > 50, `only ${symbols.length} symbols`);
  assertEquals(lacks(symbols), []);
});

Deno.test("lacks() finds a missing description, parameter, result or default", async () => {
  using dir = tempDir();
  const path = dir.path("mod.ts");
  Deno.writeTextFileSync(
    path,
    `/** Does. */
export function f(a: string, { b }: { b: number }): string { return a + b; }
/** Options. */
export interface FOptions {
  /** A limit. */
  limit?: number;
  /**
   * A size.
   * @default {1}
   */
  size?: number;
  none?: string;
}
/** Class. */
export class C {
  /**
   * Creates.
   * @param x The x.
   */
  constructor(x: number) { this.x = x; }
  x: number;
  /**
   * Runs.
   * @returns It.
   */
  run(): Promise<number> { return Promise.resolve(this.x); }
  /** Ends. */
  end(): Promise<void> { return Promise.resolve(); }
}
export const v = 1;
`,
  );
  assertEquals(lacks(await symbolsOf([path])).sort(), [
    "C.x: text",
    "FOptions.limit: @default",
    "FOptions.none: @default",
    "FOptions.none: text",
    "f: @param (destructured)",
    "f: @param a",
    "f: @returns",
    "v: text",
  ]);
});
