/**
 * The browser script of a live page. The script replaces the sections that changed, and preserves the selection, the
 * scroll positions and the focus.
 *
 * @module
 */

/** The script of a live page. It inserts markup unchecked, because the server has escaped all text in the markup. */
export const LIVE_SCRIPT = `
"use strict";
{
  const status = document.getElementById("live");
  const waiting = new Map();
  let version = document.documentElement.dataset.version;

  function say(isOn, text) {
    status.className = isOn ? "on" : "";
    if (status.textContent !== text) status.textContent = text;
  }

  function isBeingSelected(element) {
    const selection = getSelection();
    return !selection.isCollapsed && selection.containsNode(element, true);
  }

  function showWaiting() {
    for (const [id, markup] of waiting) {
      const element = document.getElementById(id);
      if (isBeingSelected(element)) continue;
      element.innerHTML = markup;
      waiting.delete(id);
    }
  }

  function connect() {
    const source = new EventSource("events?from=" + encodeURIComponent(version));
    source.addEventListener("open", () => say(true, "live"));
    source.addEventListener("sections", (event) => {
      version = event.lastEventId;
      for (const [id, markup] of Object.entries(JSON.parse(event.data))) waiting.set(id, markup);
      showWaiting();
    });
    source.addEventListener("error", () => {
      say(false, "connection lost, reconnecting");
      // A browser does not retry a request that the server has refused.
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
    });
  }

  document.addEventListener("selectionchange", showWaiting);
  connect();
}
`;
