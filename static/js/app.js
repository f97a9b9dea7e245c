// What every page needs; the large elements are fetched only where they stand.
import "../vendor/htmx.js";
import "./words.js"; // first, since all others wait for it
import "./notices.js";
import "./behaviours.js";
import "./browser-notices.js";
import "./dialogs.js";
import "./keyboard.js";
import "./list-search.js";
import "./live.js";
import "./live-region.js";
import "./menus.js";
import "./page-about.js";
import "./palette.js";
import "./selection.js";
import "./split-handle.js";
import "./tables.js";
import "./theme.js";
import "./time.js";

const ELEMENTS = {
  "run-graph": () => import("./run-graph.js"),
  "run-timeline": () => import("./run-timeline.js"),
  "log-view": () => import("./log-view.js"),
  "metric-grid": () => import("./metric-grid.js"),
  "usage-charts": () => import("./usage-charts.js"),
  "viewer-zone": () => import("./viewer-zone.js"),
  ".calendar": () => import("./day-grid.js"),
  "file-drop": () => import("./file-drop.js"),
  ".code-view": () => import("./code-line.js"),
  "#dataset-form": () => import("./dataset-form.js"),
  "fieldset[data-if]": () => import("./form-parts.js"),
};

function load(root) {
  for (const [name, fetchIt] of Object.entries(ELEMENTS)) {
    if (!(/^\w/.test(name) && customElements.get(name)) && (root.matches?.(name) || root.querySelector(name)))
      fetchIt();
  }
}

load(document);
document.addEventListener("htmx:load", (event) => load(event.detail.elt));
document.addEventListener("duto:content", (event) => load(event.detail.root));
