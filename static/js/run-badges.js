// Badges and counters beside the graph say what it says: they are drawn anew from the same picture of the run.
import { h, icon, s } from "./dom.js";
import { stateIcon, stateOf, word } from "./states.js";

// As `BAR_ORDER` and `DONE` of studio/templatetags/duto.py.
const ORDER = [
  "Completed",
  "Reused",
  "Failed",
  "Canceled",
  "Skipped",
  "Finalizing",
  "Running",
  "Preparing",
  "NotResponding",
  "CancelRequested",
  "Queued",
  "NotStarted",
];
const DONE = new Set(["Completed", "Reused"]);

/** From now on the badges of the page follow this store, also those that the server has drawn of another moment. */
export function paintFrom(store) {
  const all = () => paint(document, store);
  store.addEventListener("states", all);
  store.addEventListener("structure", all);
  document.addEventListener("duto:run", all);
  document.addEventListener("duto:content", (event) => paint(event.detail.root, store));
}

function paint(root, store) {
  for (const badge of root.querySelectorAll("[data-state-of]")) {
    const of = badge.dataset.stateOf;
    const state = of === "run" ? store.state : store.nodes.has(of.slice(5)) && stateOf(store.nodes.get(of.slice(5)));
    if (state && badge.dataset.state !== state) show(badge, state);
  }
  // A folded picture does not hold each step: then the studio counts.
  if (!store.doc.folded) for (const bar of root.querySelectorAll("[data-counts]")) bar.replaceWith(counts(store));
  // Without a choice of the reader the panel shows the step that tells most, which moves on with the run.
  const chosen = root.querySelector("[data-chosen]")?.dataset.chosen;
  if (chosen)
    for (const drawing of document.querySelectorAll("run-graph, run-timeline"))
      drawing.setAttribute("selected", chosen);
}

function show(badge, state) {
  badge.dataset.state = state;
  if (badge.matches(".state")) badge.replaceChildren(icon(stateIcon(state)), word(state));
}

function counts(store) {
  const found = new Map();
  for (const step of store.steps) found.set(stateOf(step), (found.get(stateOf(step)) ?? 0) + 1);
  const shown = ORDER.filter((state) => found.has(state)),
    total = store.steps.length;
  let x = 0;
  const parts = shown.map((state) => {
    const width = (100 * found.get(state)) / total;
    x += width;
    return s("rect", {
      "data-state": state,
      x: (x - width).toFixed(2),
      y: DONE.has(state) ? 0 : 2,
      width: width.toFixed(2),
      height: DONE.has(state) ? 6 : 2,
    });
  });
  const done = store.steps.filter((step) => DONE.has(stateOf(step))).length;
  const label = shown.map((state) => `${found.get(state)} ${word(state).toLowerCase()}`).join(", ");
  return h(
    "span",
    { class: "steps-done", "data-counts": true },
    s(
      "svg",
      { class: "stepbar", viewBox: "0 0 100 6", preserveAspectRatio: "none", role: "img", "aria-label": label },
      ...parts,
    ),
    h("span", null, `${done}\u2009/\u2009${total}`),
  );
}
