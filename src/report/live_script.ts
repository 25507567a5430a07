/**
 * The browser script of a live page. The script replaces the sections that changed, and preserves the selection, the
 * scroll positions and the focus. It also filters and pauses the page, and loads older events.
 *
 * @module
 */
import { LISTED_EVENTS_MAX } from "./live_controls.ts";

/** The script of a live page. It inserts markup unchecked, because the server has escaped all text in the markup. */
export const LIVE_SCRIPT = `
"use strict";
{
  const status = document.getElementById("live");
  const pause = document.getElementById("pause");
  const older = document.getElementById("older");
  const all = document.getElementById("listed");
  const failed = document.getElementById("failed");
  const refused = document.getElementById("refused");
  const waiting = new Map();
  const step = 50;
  let version = document.documentElement.dataset.version;
  let isPaused = false;
  let isConnected = false;
  let listed = step;

  function sayState() {
    const state = isPaused ? "paused" : isConnected ? "live" : "connection lost, reconnecting";
    status.className = isConnected ? "on" : "";
    if (status.textContent !== state) status.textContent = state;
  }

  function addressOf(path, name, value) {
    const params = new URLSearchParams(location.search);
    params.set(name, value);
    return path + "?" + params;
  }

  function isBeingSelected(element) {
    const selection = getSelection();
    return !selection.isCollapsed && selection.containsNode(element, true);
  }

  function show(element, markup) {
    const focused = element.contains(document.activeElement) ? document.activeElement : null;
    const href = focused === null ? null : focused.getAttribute("href");
    element.innerHTML = markup;
    if (href !== null) element.querySelector("a[href=" + CSS.escape(href) + "]")?.focus();
  }

  function showWaiting() {
    if (isPaused) return;
    for (const [id, markup] of waiting) {
      const element = document.getElementById(id);
      if (isBeingSelected(element)) continue;
      waiting.delete(id);
      if (id === "events" && listed > step) list();
      else show(element, markup);
      if (id === "events" && listed === step) {
        older.hidden = element.querySelectorAll("tbody tr").length < step;
      }
    }
  }

  let listing = null;
  async function list() {
    if (listing !== null) return void (listing.again = true);
    const own = listing = { again: false };
    const wanted = listed;
    try {
      const response = await fetch(addressOf("last", "count", wanted));
      const text = await response.text();
      if (!response.ok) throw new Error(text);
      const element = document.getElementById("events");
      if (!isPaused || wanted > element.querySelectorAll("tbody tr").length) show(element, text);
      const rows = element.querySelectorAll("tbody tr").length;
      older.hidden = rows < wanted || wanted === ${LISTED_EVENTS_MAX};
      all.hidden = rows < ${LISTED_EVENTS_MAX};
      failed.textContent = "";
    } catch (error) {
      failed.textContent = "Older events could not be loaded: " + error.message;
    }
    listing = null;
    if (own.again) await list();
  }

  function connect() {
    const source = new EventSource(addressOf("events", "from", version));
    source.addEventListener("open", () => {
      isConnected = true;
      sayState();
    });
    source.addEventListener("sections", (event) => {
      version = event.lastEventId;
      for (const [id, markup] of Object.entries(JSON.parse(event.data))) waiting.set(id, markup);
      showWaiting();
    });
    source.addEventListener("error", () => {
      isConnected = false;
      sayState();
      // A browser does not retry a request that the server has refused.
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
    });
  }

  async function open(filter) {
    for (const [name, value] of [...filter]) if (value.trim() === "") filter.delete(name);
    // The server checks the filter first, because its answer would replace the page and what was typed into the form.
    try {
      const response = await fetch("last?count=1&" + filter);
      if (response.status === 400) refused.textContent = await response.text();
      else location.search = filter.toString();
    } catch {
      refused.textContent = "The server cannot be reached.";
    }
  }

  document.querySelector("#filter form").addEventListener("submit", (event) => {
    event.preventDefault();
    const filter = new URLSearchParams(new FormData(event.target));
    const current = new URLSearchParams(location.search);
    for (const { name, value, defaultValue } of event.target.elements) {
      // An input shows control characters as escapes, so a value that was not changed is taken from the address.
      if (value === defaultValue && current.has(name)) filter.set(name, current.get(name));
    }
    open(filter);
  });
  document.addEventListener("click", (event) => {
    const address = event.target.dataset?.href;
    if (address !== undefined) open(new URLSearchParams(address));
  });
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? "Continue" : "Pause";
    sayState();
    showWaiting();
  });
  older.addEventListener("click", () => {
    listed = Math.min(listed + step, ${LISTED_EVENTS_MAX});
    list();
  });
  document.addEventListener("selectionchange", showWaiting);
  older.hidden = document.querySelectorAll("#events tbody tr").length < step;
  connect();
}
`;
