import { assert, assertEquals, assertMatch } from "@std/assert";
// @ts-types="echarts"
import { type EChartsOption, init } from "echarts/dist/echarts.esm.min.mjs";
import { drawingsOf } from "../../src/report/drawing.ts";
import { ReportAggregate, type ReportData } from "../../src/report/aggregate.ts";
import {
  accuracyChart,
  latencyChart,
  spendChart,
  tokensChart,
  typesChart,
} from "../../src/report/charts.ts";
import { hourlyBudget } from "../../src/report/hourly_budget.ts";
import { resolveReportOptions } from "../../src/report/options.ts";
import { plainSvg } from "../../src/report/plain_svg.ts";
import { timelineChart } from "../../src/report/timeline_chart.ts";
import { SeededRandom } from "../seeded_random.ts";

Deno.test("plainSvg() merges consecutive paths that look the same", () => {
  const path = (d: string, fill: string) => `<path d="${d}" fill="${fill}"></path>`;
  const paths = [path("M0 0", "a"), path("M1 1", "a"), path("M2 2", "b"), path("M3 3", "a")];
  assertEquals(
    plainSvg(`<svg>\n${paths.join("\n")}\n</svg>`, "n"),
    `<svg>${path("M0 0M1 1", "a")}${path("M2 2", "b")}${path("M3 3", "a")}</svg>`,
  );
});

Deno.test("plainSvg() does not change text that looks like an identifier", () => {
  assertEquals(plainSvg("<svg><text>zr1-c5</text></svg>", "n"), "<svg><text>zr1-c5</text></svg>");
});

Deno.test("plainSvg() removes all attributes other than presentation attributes", () => {
  assertEquals(
    plainSvg(
      `<svg width="9" height="9" xmlns="x" viewBox="0 0 9 9" onload="f()"><g class="a>b" style="x">` +
        `<rect x="1" y="2" width="3" height="4" fill="red" onclick="f()" href="#"></rect>` +
        `<text x="1" font-size="12" xml:space="preserve" id="zr3-c1">a</text><line x1="1"/></g></svg>`,
      "mine",
    ),
    `<svg viewBox="0 0 9 9"><g><rect x="1" y="2" width="3" height="4" fill="red"></rect>` +
      `<text x="1" id="mine-c1">a</text><line/></g></svg>`,
  );
});

const ODD_NAMES = [
  "<script>alert(1)</script>",
  "</text></svg><img src=x onerror=alert(1)>",
  `" onload="alert(1)`,
  "' style='color:red",
  "<style>*{color:red}</style>",
  "&lt;&amp;",
  "]]><!--",
  "{a|b} {value} $& $1",
];

interface Node {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  /** The child elements, and the texts with decoded entities. */
  readonly children: (Node | string)[];
}

/** Parses XML. Throws if the XML is not well-formed. */
function parsed(xml: string): Node {
  const root: Node = { name: "", attributes: new Map(), children: [] };
  const open = [root];
  const token = /<(\/?)([a-zA-Z]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|([^<]+)/gy;
  while (token.lastIndex < xml.length) {
    const at = token.lastIndex;
    const found = token.exec(xml);
    assert(found !== null, `not well-formed: ${xml.slice(at, at + 80)}`);
    const [, closing, name = "", attributes = "", empty, text] = found;
    if (text !== undefined) {
      open.at(-1)!.children.push(unescaped(text));
    } else if (closing) {
      assertEquals(open.pop()!.name, name);
    } else {
      const pairs = [...attributes.matchAll(/([\w:-]+)="([^"]*)"/g)]
        .map(([, name, value]) => [name!, unescaped(value!)] as const);
      const node = { name, attributes: new Map(pairs), children: [] };
      assertEquals(node.attributes.size, pairs.length);
      open.at(-1)!.children.push(node);
      if (!empty) open.push(node);
    }
  }
  assertEquals(open, [root]);
  return root;
}

const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"' } as const;

function unescaped(text: string): string {
  return text.replaceAll(
    /&(?:(amp|lt|gt|quot)|#(\d+));|&/g,
    (found, name?: keyof typeof ENTITIES, code?: string) => {
      assert(found !== "&", `an & that is not escaped: ${text}`);
      return name === undefined ? String.fromCodePoint(Number(code)) : ENTITIES[name];
    },
  );
}

function nodesOf(node: Node): Node[] {
  const below = node.children.filter((child) => typeof child !== "string").flatMap(nodesOf);
  return node.name === "" ? below : [node, ...below];
}

function textsOf(node: Node): string[] {
  return node.children.flatMap((child) => typeof child === "string" ? [child] : textsOf(child));
}

/** Returns the texts that an SVG drawing shows, in order. */
function wordsOf(svg: string): string[] {
  return nodesOf(parsed(svg)).filter(({ name }) => name === "text").flatMap(textsOf);
}

const ELEMENTS = /^(?:svg|g|path|text|tspan|rect|circle|line|polyline|defs|clipPath|title)$/;
const ATTRIBUTES =
  /^(?:viewBox|d|x|y|width|height|transform|fill|id|clip-path|text-anchor|dominant-baseline|stroke(?:-width|-dasharray|-linecap|-linejoin)?)$/;

/**
 * Checks that an SVG drawing has no scripts and no styles, and that its identifiers start with a prefix that is unique
 * on the page.
 */
function checkPlain(svg: string, name: string): void {
  const nodes = nodesOf(parsed(svg));
  assertEquals(nodes[0]?.name, "svg");
  assertEquals([...nodes[0]!.attributes.keys()], ["viewBox"]);
  const ids = nodes.flatMap(({ attributes }) => attributes.get("id") ?? []);
  assertEquals(new Set(ids).size, ids.length);
  for (const node of nodes) {
    assertMatch(node.name, ELEMENTS);
    for (const [attribute, value] of node.attributes) {
      assertMatch(attribute, ATTRIBUTES);
      assert(!/javascript:|expression\(|NaN|undefined/.test(value), `${attribute}="${value}"`);
      const [, target = ""] = value.match(/^url\(#(.*)\)$/) ?? [];
      if (value.includes("url")) assert(ids.includes(target), `${value} is nowhere`);
    }
  }
  for (const id of ids) assert(id.startsWith(`${name}-c`), `id ${id} in ${name}`);
}

function randomData(seed: number, names: readonly string[]): ReportData {
  const random = new SeededRandom(seed);
  const aggregate = new ReportAggregate(resolveReportOptions({}));
  const rangeMs = 60_000 * 10 ** random.below(7);
  for (let n = 0; n < 300; n++) {
    aggregate.add({
      ts: new Date(Date.UTC(2020, 0) + random.below(rangeMs)).toISOString(),
      event: ["nav", "validation_fail", ...names][random.below(names.length + 2)]!,
      model: names[random.below(names.length)]!,
      cost: random.below(1_000) / 7,
      input_t: random.below(10_000),
      output_t: random.below(1_000),
    });
  }
  return aggregate.data();
}

/** Returns the SVG drawings of every chart of a report in all sizes, each with the prefix of its identifiers. */
function svgsOf(data: ReportData): [name: string, svg: string][] {
  const budgetPerHour = 5;
  const options = resolveReportOptions({ timeZone: "Europe/Berlin", budgetPerHour });
  const content = { data, options, linkTo: null };
  const charts = {
    spend: spendChart({ ...content, hourly: hourlyBudget(data, budgetPerHour) }),
    accuracy: accuracyChart(content),
    types: typesChart(content),
    tokens: tokensChart(content),
    timeline: timelineChart(content),
    latency: latencyChart(content),
  };
  return Object.entries(charts).flatMap(([name, chart]) => {
    const text = Array.from(drawingsOf(chart), ({ text }) => text).join("");
    const drawings = [...text.matchAll(/<div class="(\w+)".*?(<svg.*?<\/svg>)/gs)];
    assertEquals(drawings.map(([, size]) => size), ["wide", "middle", "narrow"]);
    return drawings.map(([, size, svg]): [string, string] => [`${name}-${size}`, svg!]);
  });
}

Deno.test(
  "plainSvg() returns only drawing elements for the charts of a report, with unique identifiers",
  () => {
    let clips = 0;
    for (let seed = 1; seed <= 5; seed++) {
      const names = Array.from({ length: 1 + 5 * (seed % 3) }, (_, n) => `name ${n}`);
      for (const [name, svg] of svgsOf(randomData(seed, names))) {
        checkPlain(svg, name);
        clips += svg.split(" clip-path=").length - 1;
        assert(wordsOf(svg).length > 0 && svg.includes("<path "));
      }
    }
    assert(clips > 0, "no drawing has a clip path, whose identifier must be unique");
  },
);

Deno.test("plainSvg() shows markup in names as text", () => {
  const drawings = svgsOf(randomData(6, ODD_NAMES));
  for (const [name, svg] of drawings) checkPlain(svg, name);
  const shownOf = (name: string) => wordsOf(drawings.find(([drawing]) => drawing === name)![1]);
  const short = ODD_NAMES.map((name) => name.length > 26 ? `${name.slice(0, 25)}…` : name);
  for (const name of ["types-wide", "tokens-wide"]) {
    assertEquals(short.filter((text) => !shownOf(name).includes(text)), []);
  }
});

/** Returns the SVG that ECharts draws for a chart, before `plainSvg()` simplifies it. */
function drawn(option: EChartsOption): string {
  const chart = init(null, null, { renderer: "svg", ssr: true, width: 400, height: 300 });
  // The animation loop must not start, because its timer would outlive the chart.
  chart.getZr().animation.start = () => {};
  try {
    chart.setOption(option);
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
}

const OPTION: EChartsOption = {
  title: { text: 'A <b>&amp;"bold"</b> title', left: "center" },
  xAxis: { type: "category", data: [...ODD_NAMES, "last"], axisLabel: { interval: 0 } },
  yAxis: { type: "value" },
  series: [
    { type: "bar", itemStyle: { color: "var(--s0)" }, data: [1, 2, 3, 4, 5, 6, 7, 8, 9] },
    { type: "line", clip: true, data: [9, 8, 7, 6, 5, 4, 3, 2, 1] },
    { type: "bar", name: "<i>", itemStyle: { color: "red" }, data: [1, 2, 3, 4, 5, 6, 7, 8, 9] },
  ],
};

Deno.test(
  "plainSvg() removes the styles, the classes and the data attributes of ECharts, but no text",
  () => {
    const raw = drawn(OPTION);
    for (const part of ["<style", " style=", "ecmeta", " class=", "zr"]) {
      assert(raw.includes(part), part);
    }
    const plain = plainSvg(raw, "mine");
    checkPlain(plain, "mine");
    assert(plain.length < raw.length / 2, `${plain.length} of ${raw.length} characters`);
    const wordsOfRaw = wordsOf(raw.replace(/<style.*?<\/style>/gs, ""));
    assert(wordsOfRaw.length > 10);
    assertEquals(wordsOf(plain), wordsOfRaw);
  },
);

/** Returns the paths of an SVG drawing. Paths with the same colors and transformation are joined in their order. */
function shapesOf(svg: string): Map<string, string> {
  const shapes = new Map<string, string>();
  for (const { name, attributes } of nodesOf(parsed(svg))) {
    const look = ["fill", "stroke", "transform"].map((key) => attributes.get(key)).join();
    if (name === "path") shapes.set(look, (shapes.get(look) ?? "") + attributes.get("d"));
  }
  return shapes;
}

Deno.test("plainSvg() removes no path of ECharts, and changes no color and no position", () => {
  const raw = drawn(OPTION).replace(/<style.*?<\/style>/gs, "");
  assert(shapesOf(raw).size >= 5);
  assertEquals(shapesOf(plainSvg(raw, "mine")), shapesOf(raw));
  const pathsOf = (svg: string) =>
    nodesOf(parsed(svg)).filter(({ name }) => name === "path").length;
  assert(pathsOf(plainSvg(raw, "mine")) < pathsOf(raw) / 2);
});

Deno.test("plainSvg() returns the same SVG for repeated drawings of one chart", () => {
  assertEquals(plainSvg(drawn(OPTION), "mine"), plainSvg(drawn(OPTION), "mine"));
  assert(plainSvg(drawn(OPTION), "mine") !== plainSvg(drawn(OPTION), "other"));
});
