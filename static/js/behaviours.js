// Small behaviours by attribute, for whatever the page holds now or later.
import { csrfToken } from "./dom.js";
import { toast } from "./notices.js";
import { t } from "./words.js";

async function copy(button) {
  const wanted = button.dataset.copy;
  const text = wanted.startsWith("#") ? (document.querySelector(wanted)?.textContent.trim() ?? "") : wanted;
  try {
    await navigator.clipboard.writeText(text);
    toast(t("Copied"), "success");
  } catch {
    toast(t("The browser does not let pages copy here. Select the text instead."), "warning");
  }
}

function toggle(button) {
  const open = document.querySelector(button.dataset.toggle)?.classList.toggle("open");
  button.setAttribute("aria-expanded", String(Boolean(open)));
}

document.addEventListener("click", (event) => {
  const copier = event.target.closest("[data-copy]");
  if (copier) copy(copier);
  const toggler = event.target.closest("[data-toggle]");
  if (toggler) toggle(toggler);
});

/** A name that is cut can be read where one points at it. */
document.addEventListener("pointerover", (event) => {
  const cut = event.target.closest?.(".clip, .truncate");
  if (!cut || cut.closest("[title]:not([data-cut])")) return;
  const isCut = cut.scrollWidth > cut.clientWidth;
  if (isCut || cut.dataset.cut !== undefined) cut.title = isCut ? cut.innerText.trim() : "";
  if (isCut) cut.dataset.cut = "";
});

document.addEventListener("change", (event) => {
  // What is typed to search for is followed as it is typed.
  const form = !event.target.matches?.("[data-search]") && event.target.closest?.("form[data-autosubmit]");
  if (form) form.requestSubmit();
});

document.addEventListener(
  "toggle",
  (event) => {
    const key = event.target.dataset?.persist;
    if (key)
      try {
        localStorage.setItem(`duto.open.${key}`, event.target.open ? "1" : "0");
      } catch {
        /* not remembered then */
      }
  },
  true,
);

function restore(root) {
  for (const details of root.querySelectorAll("details[data-persist]")) {
    let kept = null;
    try {
      kept = localStorage.getItem(`duto.open.${details.dataset.persist}`);
    } catch {
      /* as the server said */
    }
    if (kept !== null) details.open = kept === "1";
  }
}

document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.verb !== "get") event.detail.headers["X-CSRFToken"] = csrfToken();
});
restore(document);
document.addEventListener("htmx:load", (event) => event.target.querySelectorAll && restore(event.target));
/** A step that is opened in a graph opens what the page has for it, if it has something. */
document.addEventListener("step-open", (event) =>
  document.querySelector(`[data-opens="${CSS.escape(event.detail.step)}"]`)?.click(),
);
