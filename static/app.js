/* The little that the pages need a script for. Everything works without it, if less pleasantly. */
"use strict";

const token = () => document.querySelector('meta[name="csrf-token"]')?.content ?? "";
const polls = (element) => element?.hasAttribute?.("data-poll");
const notes = () => document.getElementById("notes");

/* Every request of htmx carries the form's secret. */
document.addEventListener("htmx:config:request", (event) => {
  const ctx = event.detail.ctx;
  if (ctx.request.method !== "GET") ctx.request.headers["X-CSRFToken"] = token();
});

/* What polls is silent while nobody looks, and asks at once when somebody does again. */
document.addEventListener("htmx:before:request", (event) => {
  if (document.hidden && polls(event.detail.ctx.sourceElement)) event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden || !window.htmx) return;
  for (const element of document.querySelectorAll("[data-poll]")) window.htmx.trigger(element, "look");
});

/* A page that has lost its server says so, once, and says so when it is back. */
let lost = false;
const lostNote = () => {
  const note = document.createElement("p");
  note.className = "note look-note";
  note.id = "lost";
  note.textContent = "This page has lost its connection to Mailout. What is being sent goes on without it; the page comes back by itself.";
  return note;
};
const isLost = () => {
  if (lost || !notes()) return;
  lost = true;
  notes().append(lostNote());
};
document.addEventListener("htmx:error", isLost);
document.addEventListener("htmx:after:request", () => {
  if (!lost) return;
  lost = false;
  document.getElementById("lost")?.remove();
});

/* A switch that could not be saved goes back to where it was; where its form is sent, the form's. */
const back = (event) => {
  const sent = event.detail.ctx.sourceElement;
  const pressed = sent?.matches?.(".hit-form") ? sent.querySelector("input.switch") : sent;
  if (pressed?.matches?.("input.switch")) pressed.checked = !pressed.checked;
};
document.addEventListener("htmx:error", back);
document.addEventListener("htmx:response:error", back);

/* What a proxy says while we start anew is no part of a page: ours says where it goes. */
document.addEventListener("htmx:before:response", (event) => {
  const answer = event.detail.ctx.response;
  if (answer.status < 500 || answer.headers.get("HX-Retarget")) return;
  event.preventDefault();
  isLost();
  back(event);
});

/* Copy buttons: <button data-copy="text">; the word on the button says that it is done. */
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  event.preventDefault();
  const label = button.querySelector("[data-copy-word]") ?? button;
  const before = label.textContent;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    label.textContent = "Copied";
  } catch {
    const field = document.getElementById(button.dataset.copyFrom ?? "");
    if (field) getSelection().selectAllChildren(field);
    label.textContent = "Press Ctrl+C";
  }
  setTimeout(() => { label.textContent = before; }, 2000);
});

/* Menus close when one looks elsewhere. */
const openMenus = () => document.querySelectorAll("details.menu[open]");
document.addEventListener("click", (event) => {
  for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of openMenus()) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
document.addEventListener("focusin", (event) => {
  for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
});

/* A form, or a control of one, that sends it when it changes (without a script it has a button, which then hides). */
const quick = () => {
  for (const button of document.querySelectorAll("[data-without-script]")) button.hidden = true;
};
document.addEventListener("htmx:after:swap", quick);
document.addEventListener("change", (event) => {
  if (event.target.closest("[data-send-on-change]")) event.target.form?.requestSubmit();
});

/* A form that is on its way is not sent a second time by a double click; the way back to the page frees it. */
const onItsWay = new Set();
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || form.hasAttribute("data-hx-post") || event.defaultPrevented) return;
  if (onItsWay.has(form)) event.preventDefault();
  onItsWay.add(form);
  setTimeout(() => onItsWay.delete(form), 3000);
});
window.addEventListener("pageshow", () => onItsWay.clear());

/* What must open once, in answer to the press that made the page: <a href="mailto:…" data-open-once="a name for it">. */
const openOnce = () => {
  const link = document.querySelector("a[data-open-once]");
  if (!link || sessionStorage.getItem(link.dataset.openOnce)) return;
  sessionStorage.setItem(link.dataset.openOnce, "opened");
  location.href = link.href;
};

document.addEventListener("DOMContentLoaded", () => {
  quick();
  openOnce();
  /* What is not right yet has the focus, wherever on the page it is: its words are read with it. */
  document.querySelector('[aria-invalid="true"]')?.focus();
  /* A live region speaks when it changes, not when it is born: say what was flashed once more, in the room it has. */
  const region = notes();
  if (region?.childElementCount) {
    const said = [...region.childNodes];
    region.style.minHeight = `${region.offsetHeight + parseFloat(getComputedStyle(region).marginBottom)}px`;
    region.replaceChildren();
    setTimeout(() => {
      region.append(...said);
      region.style.minHeight = "";
    }, 150);
  }
});
