/**
 * The style of the page: in light and dark mode, on phones, on large screens and in print.
 *
 * The colors of the series differ in lightness as well as in hue. Each color has a contrast of at least 3:1 to its
 * background, and text has at least 4.5:1 (Web Content Accessibility Guidelines 2.2, 1.4.3 and 1.4.11).
 *
 * @module
 */

/** The style sheet of the page. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #ffffff; --panel: #f6f7f9; --ink: #1b1f24; --dim: #57606a; --line: #8c959f; --grid: #e4e7eb;
  --edge: #d0d7de; --bad: #b42318; --budget: #b42318; --hour: #8a5a00; --count: #c5d3e3; --interval: #7d96b3; --focus: #0550ae;
  --s0: #1f6fb2; --s1: #c2570c; --s2: #2e7d4f; --s3: #8e44ad; --s4: #b8336a; --s5: #0f7c8a; --s6: #7d6608;
  --s7: #4b4ecf; --others: #6e7781;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #101317; --panel: #191d23; --ink: #e8eaed; --dim: #a3acb7; --line: #6b7580; --grid: #2a3038;
    --edge: #323943; --bad: #ff8f85; --budget: #ff8f85; --hour: #e3b341; --count: #35475c; --interval: #7f9bbd; --focus: #7ab8ff;
    --s0: #58a6e8; --s1: #ef9350; --s2: #56bd83; --s3: #c08be6; --s4: #ec7ba6; --s5: #47bccb; --s6: #cdb23e;
    --s7: #9799f5; --others: #9aa4af;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem clamp(0.75rem, 3vw, 3rem) 3rem; max-width: 110rem;
  background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif;
}
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 0 0 0.5rem; font-size: 1.2rem; }
p { margin: 0 0 0.5rem; }
#about { font-size: 0.85rem; overflow-wrap: anywhere; }
header { margin-bottom: 1.25rem; }
header p, section > div > p, .none, .more, dd span, footer { color: var(--dim); }
main { display: grid; gap: 1.25rem; grid-template-columns: minmax(0, 1fr); }
section { padding: clamp(0.75rem, 2vw, 1.25rem); border: 1px solid var(--edge); border-radius: 0.5rem; min-width: 0; }
section.bare { padding: 0; border: 0; }
@media (min-width: 75rem) {
  main { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  section:not(.half) { grid-column: 1 / -1; }
}
dl { display: grid; gap: 0.75rem; margin: 0; grid-template-columns: repeat(auto-fit, minmax(8.25rem, 1fr)); }
.figure { padding: 0.75rem; border-radius: 0.5rem; background: var(--panel); }
dt { color: var(--dim); }
dd { margin: 0; }
dd b { display: block; font-size: 1.4rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
dd span { font-size: 0.85rem; }
.bad dd b, .over { color: var(--bad); }
.chart { container-type: inline-size; }
.chart svg { display: block; width: 100%; height: auto; font: 12px system-ui, sans-serif; }
.wide, .middle { display: none; }
.wide svg { max-width: 63rem; }
@container (min-width: 26rem) { .middle { display: block; } .narrow { display: none; } }
@container (min-width: 43rem) { .wide { display: block; } .middle { display: none; } }
[data-href] { cursor: pointer; }
a { color: inherit; text-decoration-color: var(--line); text-underline-offset: 0.15em; }
a:hover { text-decoration-color: currentColor; }
button { font: inherit; padding: 0.2rem 0.75rem; color: inherit; background: var(--panel); border: 1px solid var(--line); border-radius: 0.25rem; cursor: pointer; }
#controls { display: flex; gap: 0.5rem 1rem; align-items: center; margin-bottom: 0.5rem; }
#controls p { margin: 0; }
#filter form { display: grid; gap: 0.5rem 1rem; margin-top: 0.5rem; grid-template-columns: repeat(auto-fill, minmax(12rem, 1fr)); align-items: end; }
#filter label { display: block; color: var(--dim); }
#filter input { display: block; width: 100%; font: inherit; padding: 0.2rem 0.4rem; color: var(--ink); background: var(--paper); border: 1px solid var(--line); border-radius: 0.25rem; }
#filter p { margin: 0; }
#filtered { overflow-wrap: anywhere; }
#refused, #failed { color: var(--bad); grid-column: 1 / -1; }
[hidden] { display: none; }
section > p { margin-top: 0.5rem; }
.legend { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; margin: 0 0 0.5rem; padding: 0; list-style: none; font-size: 0.9rem; }
.legend li { overflow-wrap: anywhere; min-width: 0; }
.key { display: inline-block; width: 0.8em; height: 0.8em; margin-right: 0.4em; border-radius: 2px; background: var(--ink); }
.key.line { height: 3px; width: 1.2em; vertical-align: middle; border-radius: 0; }
.key.interval { width: 2px; height: 1em; vertical-align: middle; background: var(--interval); }
.key.budget { background: repeating-linear-gradient(90deg, var(--budget) 0 5px, transparent 5px 8px); }
.s0 { background: var(--s0); } .s1 { background: var(--s1); } .s2 { background: var(--s2); }
.s3 { background: var(--s3); } .s4 { background: var(--s4); } .s5 { background: var(--s5); }
.s6 { background: var(--s6); } .s7 { background: var(--s7); } .others { background: var(--others); }
.failed { background: var(--bad); }
.hatched { background: repeating-linear-gradient(135deg, var(--hour) 0 1.5px, transparent 1.5px 4px); border: 1px solid var(--hour); }
.count { background: var(--count); } .total { background: var(--ink); } .hour { background: var(--hour); }
details { margin-top: 0.5rem; }
summary { cursor: pointer; color: var(--dim); width: fit-content; }
.scroll { max-height: 32rem; overflow: auto; border: 1px solid var(--edge); border-radius: 0.25rem; }
.scroll > .none { margin: 0.5rem 0.75rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 0.6rem; text-align: right; vertical-align: top; font-weight: normal; }
th.text, td.text { text-align: left; }
th, td { white-space: nowrap; }
.text bdi { display: inline-block; width: max-content; max-width: clamp(14rem, 26vw, 40rem); white-space: normal; overflow-wrap: anywhere; }
#notes:not(:empty) { margin-top: 0.75rem; }
.half .text bdi { max-width: clamp(9rem, 12vw, 26rem); }
#events .text bdi { max-width: 9rem; }
#events td:nth-child(7) bdi, #unfinished td:nth-child(5) bdi { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
#unfinished .text bdi { max-width: 9rem; }
#unfinished .text:last-child bdi { max-width: clamp(12rem, 20vw, 40rem); }
#events .text:last-child bdi { max-width: clamp(12rem, 20vw, 40rem); }
#failures .text bdi { max-width: clamp(10rem, 16vw, 26rem); }
.scroll table + table { margin-top: 1rem; }
time { white-space: nowrap; }
.half time, #failures time { white-space: normal; }
thead th { position: sticky; top: 0; background: var(--panel); color: var(--dim); }
tbody tr { border-top: 1px solid var(--edge); }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
#live { font-weight: 600; }
#live::before { content: ""; display: inline-block; width: 0.6em; height: 0.6em; margin-right: 0.4em; border-radius: 50%; background: var(--others); }
#live.on::before { background: var(--s2); }
@media (prefers-reduced-motion: no-preference) { #live.on::before { animation: beat 2s infinite; } }
@keyframes beat { 50% { opacity: 0.35; } }
@media print {
  :root { color-scheme: light; }
  body { padding: 0; max-width: none; font-size: 10pt; }
  section { break-inside: avoid-page; }
  section.long { break-inside: auto; }
  .scroll { max-height: none; overflow: visible; border: 0; }
  summary, #live, #pause, #filter, #older { display: none; }
  thead th { position: static; }
  .key { print-color-adjust: exact; }
  table { font-size: 7.5pt; }
  th, td, time { white-space: normal; }
  th, td { padding: 0.15rem 0.4rem; }
  .text bdi { display: inline; }
  tr { break-inside: avoid; }
}
`;
