/* A mail-out's page between two answers of the server: clocks that tick, and the focus after a press. */
"use strict";

(() => {
  /* The server's clock against this one's: what ticks is the server's time. */
  let offset = 0, told = "";
  const panel = () => document.getElementById("mailout");
  const setClock = () => {
    const now = panel()?.dataset.now;
    /* An answer of 304 says nothing new, of the time neither. */
    if (!now || now === told) return;
    told = now;
    offset = Date.parse(now) - Date.now();
  };
  const left = (until) => Math.max(0, Math.ceil((Date.parse(until) - Date.now() - offset) / 1000));

  const many = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;
  const ago = (seconds) => {
    if (seconds < 1) return "just now";
    if (seconds < 60) return `${many(seconds, "second")} ago`;
    if (seconds < 3600) return `${many(Math.floor(seconds / 60), "minute")} ago`;
    return `${many(Math.floor(seconds / 3600), "hour")} ago`;
  };

  let started = "";
  const tick = () => {
    for (const element of document.querySelectorAll("[data-ago]")) {
      element.textContent = ago(Math.floor((Date.now() + offset - Date.parse(element.dateTime)) / 1000));
    }
    for (const element of document.querySelectorAll("[data-until]")) {
      const seconds = left(element.dataset.until);
      if (element.localName === "progress") element.value = seconds;
      else element.textContent = "words" in element.dataset ? many(seconds, "second") : seconds;
      /* It starts: do not wait for the next turn to say so. */
      if (seconds === 0 && started !== element.dataset.until) {
        started = element.dataset.until;
        window.htmx?.trigger(panel(), "look");
      }
    }
  };

  /* Where the focus was stays where it was; when that is gone it goes to what is asked (not to its red button: a key that
     is held down presses again), to the button that took its place (Resume for Pause), or to the sheet's heading. */
  let focused = null;
  const TWINS = { "press-pause": "press-resume", "press-resume": "press-pause" };
  const instead = (was) =>
    document.getElementById("sure-words") ??
    document.querySelector(`#${TWINS[was.closest("form")?.id] ?? "none"} .btn`) ??
    document.getElementById("sheet-title");
  document.addEventListener("htmx:before:swap", () => {
    const element = document.activeElement;
    focused = panel()?.contains(element) ? element : null;
  });
  document.addEventListener("htmx:after:swap", () => {
    setClock();
    tick();
    const was = focused;
    focused = null;
    if (!was || (document.activeElement !== document.body && document.activeElement?.isConnected)) return;
    const again = was.isConnected ? was : was.id && document.getElementById(was.id);
    (again || instead(was))?.focus();
  });

  /* A form that makes something is sent once, however often its button is pressed. */
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.hasAttribute("data-once")) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("[data-once]")) delete form.dataset.sent;
  });

  document.addEventListener("DOMContentLoaded", () => {
    setClock();
    tick();
    setInterval(tick, 1000);
  });
})();
