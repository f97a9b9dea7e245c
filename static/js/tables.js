// Tables by keyboard, and rows that are ticked to be acted on together.
import { throttle } from "./dom.js";
import { t } from "./words.js";

const rows = (row) => [...row.closest("tbody").querySelectorAll("tr[tabindex]")];

document.addEventListener("keydown", (event) => {
  const row = event.target.closest?.("tbody tr[tabindex]");
  if (!row || event.target !== row) return;
  const all = rows(row),
    here = all.indexOf(row);
  const next = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: all.length - 1 }[event.key];
  if (next !== undefined) {
    all[next]?.focus();
    event.preventDefault();
  } else if (event.key === "Enter") {
    (row.querySelector("td.main a") ?? row).click();
    event.preventDefault();
  } else if (event.key === " " || event.key === "x") {
    row.querySelector('input[type="checkbox"]')?.click();
    event.preventDefault();
  }
});

document.addEventListener("click", (event) => {
  const row = event.target.closest("tr[data-href]");
  if (!row || event.target.closest("a, button, input, label, summary")) return;
  if (String(getSelection())) return;
  if (event.ctrlKey || event.metaKey) open(row.dataset.href);
  else location.assign(row.dataset.href);
});

/** What is wider or higher than its place, and holds nothing that takes the focus, is scrolled by keyboard itself. */
function reach() {
  for (const box of document.querySelectorAll(".table-wrap")) {
    const isCut = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
    const isReached = box.querySelector("a, button, input, [tabindex]");
    if (!isCut || isReached) {
      if (box.dataset.scrolls)
        ["tabindex", "role", "aria-label", "data-scrolls"].forEach((name) => box.removeAttribute(name));
      continue;
    }
    // A group: a region would be a second landmark of its section's name.
    for (const [name, value] of Object.entries({
      tabindex: "0",
      role: "group",
      "aria-label": titleOf(box),
      "data-scrolls": "yes",
    }))
      box.setAttribute(name, value);
  }
}

const titleOf = (box) => box.closest("section, dialog")?.querySelector("h1, h2, h3")?.textContent.trim() || t("Table");

const boxes = (name) => [...document.querySelectorAll(`input[type="checkbox"][name="${CSS.escape(name)}"]`)];

function count(name) {
  const all = boxes(name),
    picked = all.filter((box) => box.checked);
  for (const bar of document.querySelectorAll(`[data-needs-picked="${CSS.escape(name)}"]`)) {
    bar.hidden = picked.length < Number(bar.dataset.atLeast ?? 1);
    bar.querySelectorAll("[data-picked]").forEach((place) => {
      place.textContent = picked.length;
    });
  }
  for (const head of document.querySelectorAll(`[data-check-all="${CSS.escape(name)}"]`)) {
    head.checked = all.length > 0 && picked.length === all.length;
    head.indeterminate = picked.length > 0 && picked.length < all.length;
  }
  all.forEach((box) => box.closest("tr")?.classList.toggle("selected", box.checked));
}

document.addEventListener("change", (event) => {
  const box = event.target;
  if (!box.matches?.('input[type="checkbox"]')) return;
  if (box.dataset.checkAll) {
    boxes(box.dataset.checkAll).forEach((other) => {
      other.checked = box.checked;
    });
    count(box.dataset.checkAll);
  } else if (box.name) count(box.name);
});
// Rows may be replaced while some are ticked.
const recount = () =>
  new Set([...document.querySelectorAll("[data-needs-picked]")].map((bar) => bar.dataset.needsPicked)).forEach(count);
const changed = () => {
  recount();
  reach();
};
document.addEventListener("htmx:afterSettle", changed);
document.addEventListener("duto:content", changed);
window.addEventListener("resize", throttle(200, reach));
changed();
