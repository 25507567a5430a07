/**
 * SVG as ECharts writes it, without what a page that runs no script has no use for: that is most of it.
 *
 * What stays are elements with attributes of the presentation; there is no style in it, which a content
 * security policy would not let pass, and its colours are those of the page.
 *
 * @module
 */

/** What an element keeps. */
const KEPT = new Set([
  "viewBox",
  "d",
  "x",
  "y",
  "width",
  "height",
  "transform",
  "fill",
  "stroke",
  "stroke-width",
  "stroke-dasharray",
  "stroke-linecap",
  "stroke-linejoin",
  "text-anchor",
  "dominant-baseline",
  "clip-path",
  "id",
]);

const STYLE_ELEMENT = /<style\b.*?<\/style>/gs;
const OPENING_TAG = /<([a-zA-Z]+)((?:\s+[\w:-]+="[^"]*")*)\s*(\/?)>/g;
const ATTRIBUTE = /([\w:-]+)="([^"]*)"/g;
/** What clips and gradients are called by. */
const IDENTIFIER = /\bzr\d+-(\w+)/;
const INVISIBLE_BACKGROUND = /<rect [^>]*fill="none"[^>]*><\/rect>/g;
/** A shape and the one before it that looks the same. */
const PATH = /<path d="([^"]*)"([^>]*)><\/path>(?:\s*<path d="([^"]*)"\2><\/path>)+/g;
const SHAPE = /<path d="([^"]*)"/g;

/** Makes it plain; `name` takes the place of what tells one drawing from another in its identifiers. */
export function plainSvg(svg: string, name: string): string {
  return svg
    .replaceAll(STYLE_ELEMENT, "")
    .replaceAll(
      OPENING_TAG,
      (_, element: string, attributes: string, end: string) =>
        `<${element}${keptAttributes(element, attributes, name)}${end}>`,
    )
    .replaceAll(INVISIBLE_BACKGROUND, "")
    .replaceAll(/>\n+</g, "><")
    // Bars of one series follow one another, and are one path as well.
    .replaceAll(PATH, (paths: string, _first: string, attributes: string) => {
      const shapes = [...paths.matchAll(SHAPE)].map(([, shape]) => shape);
      return `<path d="${shapes.join("")}"${attributes}></path>`;
    })
    .trim();
}

function keptAttributes(element: string, attributes: string, drawing: string): string {
  return [...attributes.matchAll(ATTRIBUTE)]
    // As large as there is room for.
    .filter(([, name = ""]) => KEPT.has(name) && !(element === "svg" && name !== "viewBox"))
    .map(([attribute]) => ` ${attribute.replace(IDENTIFIER, `${drawing}-$1`)}`)
    .join("");
}
