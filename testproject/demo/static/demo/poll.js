// Asks the address in data-poll how far a job is, shows it, and loads the page anew when it is done.
// Slower the longer it takes, silent while nobody looks, and patient when the server is away.
"use strict";

(() => {
  const box = document.querySelector("[data-poll]");
  if (!box) return;
  const text = box.querySelector("[role=status]");
  const bar = box.querySelector("progress");
  const started = Date.now();

  const pause = () => (Date.now() - started < 30000 ? 700 : 3000);

  function show(status) {
    if (status.done || status.unknown) {
      location.reload();
      return;
    }
    if (text.textContent !== status.text) text.textContent = status.text;
    if (bar && status.total) {
      bar.max = status.total;
      bar.value = status.current;
    }
    setTimeout(ask, pause());
  }

  async function ask() {
    if (document.hidden) {
      document.addEventListener("visibilitychange", ask, { once: true });
      return;
    }
    try {
      const answer = await fetch(box.dataset.poll, { headers: { Accept: "application/json" } });
      if (answer.redirected) location.reload(); // logged out
      else if (answer.ok) show(await answer.json());
      else if (answer.status < 500) location.reload();
      else setTimeout(ask, 3000);
    } catch {
      setTimeout(ask, 3000);
    }
  }

  setTimeout(ask, 300);
})();
