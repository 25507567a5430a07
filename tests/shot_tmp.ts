import { chromium } from "playwright-core";
const [file, width, out, dark, sel] = Deno.args;
const b = await chromium.launch({ executablePath: "/usr/bin/chromium" });
const c = await b.newContext({ viewport: { width: +width!, height: 900 }, colorScheme: dark === "dark" ? "dark" : "light" });
const p = await c.newPage(); await p.goto("file://" + file);
console.log(await p.evaluate(`JSON.stringify([...document.querySelectorAll(".scroll")].map(e=>[e.id,e.scrollWidth-e.clientWidth]))`), await p.evaluate("document.documentElement.scrollWidth-innerWidth"));
if (sel) await p.locator(sel).screenshot({ path: out! }); else await p.screenshot({ path: out!, fullPage: true });
await b.close();
