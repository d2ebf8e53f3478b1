// Ask how a request stands, and show it in its place: no page is loaded again. The server says when
// to ask next, in Retry-After. Nothing is asked while nobody looks, and a server that is away is
// asked more and more seldom.
"use strict";

(() => {
  const LONGEST = 60; // seconds between two questions

  class JobRequest {
    constructor(section) {
      this.section = section;
      this.url = section.dataset.jobRequest;
      this.pause = Number(section.dataset.retryAfter) || 1;
      this.later();
    }

    later() {
      setTimeout(() => this.ask(), this.pause * 1000);
    }

    part(name) {
      return this.section.querySelector(`[data-job-request-${name}]`);
    }

    async ask() {
      if (document.hidden) {
        document.addEventListener("visibilitychange", () => this.ask(), { once: true });
        return;
      }
      try {
        const answer = await this.fetch({ Accept: "application/json" });
        if (answer.status >= 400 && answer.status < 500) {
          location.reload(); // logged out, or the link has expired: the page says so
          return;
        }
        if (!answer.ok) throw new Error(answer.statusText);
        const found = await answer.json();
        if (found.done) {
          await this.end(found);
          return;
        }
        this.show(found);
        this.pause = Number(answer.headers.get("Retry-After")) || this.pause;
      } catch {
        this.pause = Math.min(this.pause * 2, LONGEST);
      }
      this.later();
    }

    fetch(headers) {
      return fetch(this.url, { headers, credentials: "same-origin" });
    }

    say(name, text) {
      const part = this.part(name);
      if (part && part.textContent !== text) part.textContent = text;
    }

    show(found) {
      this.say("text", found.text);
      this.say("detail", found.detail);
      this.say("times", found.times);
      const bar = this.section.querySelector("progress");
      if (!bar) return;
      if (found.progress && found.progress.total) {
        bar.max = found.progress.total;
        bar.value = found.progress.current;
      } else {
        bar.removeAttribute("value");
      }
    }

    // The text of the state stays in its element, so that screen readers announce it; what is below
    // it, and what is above that an end changes, is replaced by what the server has rendered.
    async end(found) {
      const answer = await this.fetch({ Accept: "text/html" });
      if (!answer.ok) throw new Error(answer.statusText);
      const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = parsed.querySelector("[data-job-request]");
      if (!fresh) throw new Error("no request in the answer");
      const here = document.activeElement;
      const wasHere = !here || here === document.body || this.section.contains(here);
      this.say("text", found.text);
      this.say("symbol", fresh.querySelector("[data-job-request-symbol]")?.textContent ?? "");
      this.section.className = fresh.className;
      this.renew(parsed, ".job-requests-said"); // "it is on its way"
      this.renew(parsed, ".job-requests-bell");
      this.part("body").replaceWith(fresh.querySelector("[data-job-request-body]"));
      document.title = `${found.text} · ${found.title}`;
      const heading = this.section.querySelector("h1, h2");
      if (wasHere && heading) heading.focus();
      this.section.dispatchEvent(new CustomEvent("jobrequestdone", { bubbles: true, detail: found }));
    }

    renew(parsed, selector) {
      const fresh = parsed.querySelector(selector);
      document.querySelectorAll(selector).forEach((old) => {
        if (fresh) old.replaceWith(fresh.cloneNode(true));
        else old.remove();
      });
    }
  }

  document.querySelectorAll("[data-job-request][data-retry-after]").forEach((section) => {
    if (!section.hasAttribute("hx-get")) new JobRequest(section);
  });
})();
