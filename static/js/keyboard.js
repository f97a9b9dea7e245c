// The keyboard map: `/`, `?`, `g` and a letter, and the palette.
import { open } from "./dialogs.js";

const PATIENCE_MS = 1_200;
const PLACES = {
  h: "home",
  r: "runs",
  d: "data",
  c: "compute",
  p: "pipelines",
  e: "experiments",
  m: "models",
  s: "settings",
};
const apple = /Mac|iPhone|iPad/.test(navigator.platform);
let chordUntil = 0;

const typing = (target) => target.closest?.("input, textarea, select, [contenteditable]");

function go(letter) {
  const own = document.querySelector(`a[data-go="${CSS.escape(letter)}"]`);
  const place =
    PLACES[letter] &&
    [...document.querySelectorAll(".shell a.item")].find((a) => a.querySelector(`use[href$="#${PLACES[letter]}"]`));
  (own ?? place)?.click();
  return Boolean(own ?? place);
}

function search() {
  const input = document.querySelector("[data-search]");
  input?.focus();
  input?.select?.();
  return Boolean(input);
}

function single(event) {
  if (performance.now() < chordUntil) {
    chordUntil = 0;
    return go(event.key);
  }
  if (event.key === "g") {
    chordUntil = performance.now() + PATIENCE_MS;
    return false;
  }
  if (event.key === "/") return search();
  if (event.key === "?") return Boolean(open("keys"));
  return false;
}

document.addEventListener("keydown", (event) => {
  if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
    if (open("palette")) event.preventDefault();
    return;
  }
  if (
    event.defaultPrevented ||
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    typing(event.target) ||
    document.querySelector("dialog[open]")
  )
    return;
  if (single(event)) event.preventDefault();
});

if (!apple)
  document.querySelectorAll("[data-combo]").forEach((key) => {
    key.textContent = /* keys */ "Ctrl K";
  });
