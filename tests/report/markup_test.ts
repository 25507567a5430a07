import { assertEquals } from "@std/assert";
import { Markup, markup, NOTHING } from "../../src/report/markup.ts";

const ESCAPED: [character: string, escaped: string][] = [
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
  ['"', "&quot;"],
  ["'", "&#39;"],
];
for (const [character, escaped] of ESCAPED) {
  Deno.test(`markup escapes every ${character} in text and in an attribute`, () => {
    const value = `${character}a${character}${character}b`;
    const shown = `${escaped}a${escaped}${escaped}b`;
    assertEquals(markup`<p>${value}</p>`.text, `<p>${shown}</p>`);
    assertEquals(markup`<p title="${value}">`.text, `<p title="${shown}">`);
  });
}

Deno.test("markup does not let text become an element, an attribute or an entity", () => {
  assertEquals(
    markup`<p title="${`" onclick='x()'`}">${"<script>x()</script>&lt;"}</p>`.text,
    '<p title="&quot; onclick=&#39;x()&#39;">&lt;script&gt;x()&lt;/script&gt;&amp;lt;</p>',
  );
});

Deno.test("markup inserts a Markup or a list of Markup unchanged, without escaping it again", () => {
  const item = (text: string) => markup`<li>${text}</li>`;
  assertEquals(item("a & b").text, "<li>a &amp; b</li>");
  assertEquals(markup`<ul>${item("a & b")}</ul>`.text, "<ul><li>a &amp; b</li></ul>");
  assertEquals(
    markup`<ul>${["<", "&amp;"].map(item)}</ul>`.text,
    "<ul><li>&lt;</li><li>&amp;amp;</li></ul>",
  );
  assertEquals(markup`${markup`${markup`${"'"}`}`}`.text, "&#39;");
  assertEquals(markup`${new Markup("<b>")}`.text, "<b>");
});

Deno.test("markup inserts numbers and empty values, and does not change the text of its template", () => {
  assertEquals(markup`${0}, ${-1.5}, ${1e21}`.text, "0, -1.5, 1e+21");
  assertEquals(markup`<a>${NOTHING}${""}${[]}</a>`.text, "<a></a>");
  assertEquals(markup`<i class="x">&nbsp;'</i>`.text, `<i class="x">&nbsp;'</i>`);
  assertEquals(markup``.text, "");
});

Deno.test("markup inserts values that look like replacement patterns literally", () => {
  assertEquals(markup`<p>${"$& $1 $$"}</p>`.text, "<p>$&amp; $1 $$</p>");
});

Deno.test("markup shows control characters, bidirectional controls and lone surrogates as escapes", () => {
  assertEquals(markup`<p>${"ä 漢 \u{1f600}"}</p>`.text, "<p>ä 漢 \u{1f600}</p>");
  const unsafe = "\u001b[8m\u009b31m\u202e\u2028\n\ud800";
  assertEquals(
    markup`<p>${unsafe}</p>`.text,
    "<p>\\u001b[8m\\u009b31m\\u202e\\u2028\\n\\ud800</p>",
  );
});
