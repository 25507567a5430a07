/**
 * Reduces the SVG of ECharts to the small part that a page without scripts needs.
 *
 * Elements and presentation attributes stay. Styles are removed, because the content security policy of the page would
 * block them. The colors are CSS variables that the page defines.
 *
 * @module
 */

/** The attributes that are not removed from the elements of a drawing. */
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
/**
 * Matches an identifier of a clip path or a gradient. It contains the number of the drawing in this process, so equal
 * charts would have different SVGs.
 */
const IDENTIFIER = /\bzr\d+-(\w+)/;
const INVISIBLE_BACKGROUND = /<rect [^>]*fill="none"[^>]*><\/rect>/g;
/** Matches two or more consecutive paths that differ only in their shapes, so that they can be merged into one path. */
const PATH = /<path d="([^"]*)"([^>]*)><\/path>(?:\s*<path d="([^"]*)"\2><\/path>)+/g;
const SHAPE = /<path d="([^"]*)"/g;

/** Returns an SVG of ECharts in reduced form. In identifiers, `name` replaces the number of the drawing. */
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
    // The bars of a series are consecutive paths, which are merged into one path.
    .replaceAll(PATH, (paths: string, _first: string, attributes: string) => {
      const shapes = [...paths.matchAll(SHAPE)].map(([, shape]) => shape);
      return `<path d="${shapes.join("")}"${attributes}></path>`;
    })
    .trim();
}

function keptAttributes(element: string, attributes: string, drawing: string): string {
  return [...attributes.matchAll(ATTRIBUTE)]
    // The root element keeps only its viewBox, so that the page can scale the drawing.
    .filter(([, name = ""]) => KEPT.has(name) && !(element === "svg" && name !== "viewBox"))
    .map(([attribute]) => ` ${attribute.replace(IDENTIFIER, `${drawing}-$1`)}`)
    .join("");
}
