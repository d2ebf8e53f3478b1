// Keep the overview up to date: ask for its parts, and replace those that have changed. The page is
// complete without it. It rests while nobody looks, and waits longer after each error.
"use strict";

(() => {
  const EVERY = 5000; // ms
  const LONGEST = 60000;
  const LATE = 4000; // ms after which an answer is missed
  const page = document.getElementById("jobqueue-overview");
  const url = page && page.dataset.url;
  if (!url) return;

  let pause = EVERY;
  let timer = null;
  let running = false;

  // Dims the parts whose ids are given, and no other.
  function dim(ids) {
    for (const part of page.children) part.toggleAttribute("data-stale", ids.includes(part.id));
    document.getElementById("jobqueue-overview-old").hidden = !ids.length;
  }

  const all = () => [...page.querySelectorAll(":scope > div")].map((part) => part.id);

  // Shows the parts, and dims those that the server does not know at the moment: they are empty.
  function show(parts) {
    dim(Object.keys(parts).filter((id) => !parts[id]));
    for (const [id, html] of Object.entries(parts)) {
      const part = document.getElementById(id);
      if (!html) continue;
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
    const late = setTimeout(() => dim(all()), LATE);
    try {
      const answer = await fetch(url, { headers: { Accept: "application/json" } });
      if (!answer.ok || answer.redirected) throw new Error(answer.status);
      const { parts } = await answer.json();
      clearTimeout(late);
      show(parts);
      pause = EVERY;
    } catch {
      pause = Math.min(pause * 2, LONGEST);
      dim(all());
    }
    clearTimeout(late);
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
