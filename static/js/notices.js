// Short words that float: toasts for everyone, the polite region for those who listen.
import { h, icon, refusal } from "./dom.js";
import { t } from "./words.js";

const ICONS = { success: "success", error: "error", warning: "warning" };
const waiting = [];

/** Said one after another: a region that changes twice at once says only the second. */
export function announce(text) {
  waiting.push(text);
  if (waiting.length === 1) sayNext();
}

function sayNext() {
  const region = document.getElementById("announcer");
  if (!region || !waiting.length) return;
  region.textContent = waiting.splice(0, 3).join(". ");
  setTimeout(() => {
    region.textContent = "";
    sayNext();
  }, 1500);
}

export function toast(text, level = "info") {
  const host = document.getElementById("toasts");
  if (!host) return;
  const item = h(
    "div",
    { class: `toast ${level}`, role: level === "error" ? "alert" : "status" },
    icon(ICONS[level] ?? "info"),
    h("p", null, text),
    h("button", { type: "button", "data-dismiss": true, "aria-label": t("Dismiss") }, icon("close")),
  );
  host.append(item);
  settle(item);
}

/** What an element shows was deleted: it asks for nothing more, and the page says so once, for as long as it is open. */
export function sayGone(element = document.body, text = t("What this page shows was deleted.")) {
  if (!document.querySelector("[data-gone]"))
    document
      .getElementById("content")
      ?.prepend(h("div", { class: "banner warning", role: "alert" }, icon("warning"), h("span", null, text)));
  element.setAttribute("data-gone", "");
}

/** In the top layer, so that a toast stands above an open dialog as well. */
function settle(item) {
  const host = item.parentElement;
  if (host.matches(":popover-open")) host.hidePopover();
  host.showPopover();
  const stay = item.classList.contains("error") ? 12_000 : 6_000;
  const leave = () => {
    item.remove();
    if (!host.children.length) host.hidePopover();
  };
  let timer = null,
    isHeld = false;
  // Only while the page is looked at: what came into a tab in the background, or one that was slow, is still to be read.
  const count = (ms) => {
    clearTimeout(timer);
    if (!isHeld && document.visibilityState === "visible") timer = setTimeout(leave, ms);
  };
  const looked = () => (item.isConnected ? count(stay) : document.removeEventListener("visibilitychange", looked));
  document.addEventListener("visibilitychange", looked);
  for (const name of ["pointerenter", "focusin"])
    item.addEventListener(name, () => {
      isHeld = true;
      clearTimeout(timer);
    });
  for (const name of ["pointerleave", "focusout"])
    item.addEventListener(name, () => {
      isHeld = false;
      count(2_000);
    });
  count(stay);
  item.querySelector("[data-dismiss]")?.addEventListener("click", leave);
}

document.querySelectorAll("#toasts > [data-toast]").forEach(settle);
document.addEventListener("toast", (event) => toast(event.detail.text ?? event.detail.value, event.detail.level));
document.addEventListener("htmx:responseError", (event) => {
  let message = refusal(event.detail.xhr.status);
  try {
    message = JSON.parse(event.detail.xhr.responseText).error.message;
  } catch {
    /* not ours to read */
  }
  toast(message, "error");
});
document.addEventListener("htmx:sendError", () => toast(t("The studio cannot be reached."), "error"));
