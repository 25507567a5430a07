/**
 * Removes everything from the SVG of ECharts that a page without scripts does not need, which is most of it.
 *
 * Elements and presentation attributes are kept. Styles are removed, because the content security policy would
 * block them. The colors are variables that the page defines.
 *
 * @module
 */

/** The attributes that elements keep. */
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
/** The identifiers of clip paths and gradients, which contain the number of the drawing. */
const IDENTIFIER = /\bzr\d+-(\w+)/;
const INVISIBLE_BACKGROUND = /<rect [^>]*fill="none"[^>]*><\/rect>/g;
/** Two or more consecutive paths that look the same. */
const PATH = /<path d="([^"]*)"([^>]*)><\/path>(?:\s*<path d="([^"]*)"\2><\/path>)+/g;
const SHAPE = /<path d="([^"]*)"/g;

/** Returns the reduced SVG. In identifiers, `name` replaces the number of the drawing. */
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
    // The bars of a series are consecutive paths, which can be merged into one.
    .replaceAll(PATH, (paths: string, _first: string, attributes: string) => {
      const shapes = [...paths.matchAll(SHAPE)].map(([, shape]) => shape);
      return `<path d="${shapes.join("")}"${attributes}></path>`;
    })
    .trim();
}

function keptAttributes(element: string, attributes: string, drawing: string): string {
  return [...attributes.matchAll(ATTRIBUTE)]
    // The root keeps only its viewBox, so that the page can scale it.
    .filter(([, name = ""]) => KEPT.has(name) && !(element === "svg" && name !== "viewBox"))
    .map(([attribute]) => ` ${attribute.replace(IDENTIFIER, `${drawing}-$1`)}`)
    .join("");
}
