// Keep the overview up to date: ask for its parts, and replace those that have changed. The page is
// complete without it. It rests while nobody looks, and waits longer after each error.
"use strict";

(() => {
  const EVERY = 5000; // ms
  const LONGEST = 60000;
  const page = document.getElementById("jobqueue-overview");
  const url = page && page.dataset.url;
  if (!url) return;

  let pause = EVERY;
  let timer = null;
  let running = false;

  function show(parts) {
    for (const [id, html] of Object.entries(parts)) {
      const part = document.getElementById(id);
      // What somebody is reading with the keyboard stays, and so does what is selected.
      if (!part || part.contains(document.activeElement) || part.dataset.html === html) continue;
      if (!getSelection().isCollapsed && getSelection().containsNode(part, true)) continue;
      part.dataset.html = html;
      part.innerHTML = html;
    }
  }

  async function ask() {
    timer = null;
    running = true;
    try {
      const answer = await fetch(url, { headers: { Accept: "application/json" } });
      if (!answer.ok || answer.redirected) throw new Error(answer.status);
      show((await answer.json()).parts);
      pause = EVERY;
      page.removeAttribute("data-stale");
    } catch {
      pause = Math.min(pause * 2, LONGEST);
      page.dataset.stale = "";
    }
    running = false;
    wait();
  }

  function wait() {
    if (timer === null && !running && !document.hidden) timer = setTimeout(ask, pause);
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    timer = null;
    if (!document.hidden && !running) ask();
  });
  wait();
})();
