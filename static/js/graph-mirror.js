// The graph as a tree grid, for those who listen to it: each step with its state, time and what it waits for.
import { h } from "./dom.js";
import { describe, spokenName } from "./run-store.js";
import { stateOf, word } from "./states.js";
import { t } from "./words.js";

const depths = ({ nodes, edges }) => {
  const parents = new Map(nodes.map(({ id }) => [id, []])),
    depth = new Map();
  edges.forEach(({ from, to }) => parents.get(to)?.push(from));
  const of = (id, path = new Set()) => {
    if (depth.has(id) || path.has(id)) return depth.get(id) ?? 1;
    path.add(id);
    depth.set(id, 1 + Math.max(0, ...parents.get(id).map((parent) => of(parent, path))));
    return depth.get(id);
  };
  nodes.forEach(({ id }) => of(id));
  return { depth, parents };
};

export function mirror(doc, label) {
  const { depth, parents } = depths(doc);
  const names = new Map(doc.nodes.map((node) => [node.id, node.label]));
  const row = (node) =>
    h(
      "tr",
      { role: "row", "aria-level": depth.get(node.id), "data-mirror": node.id },
      h("td", { role: "gridcell" }, spokenName(node)),
      h("td", { role: "gridcell" }),
      h("td", { role: "gridcell" }),
      h(
        "td",
        { role: "gridcell" },
        parents
          .get(node.id)
          .map((id) => names.get(id))
          .join(", "),
      ),
    );
  const head = h(
    "tr",
    { role: "row" },
    [t("Name"), t("State"), t("Detail"), t("After")].map((name) =>
      h("th", { role: "columnheader", scope: "col" }, name),
    ),
  );
  const body = [...doc.nodes].sort((a, b) => depth.get(a.id) - depth.get(b.id)).map(row);
  const table = h(
    "table",
    { class: "sr-only", role: "treegrid", "aria-label": label },
    h("thead", { role: "rowgroup" }, head),
    h("tbody", { role: "rowgroup" }, body),
  );
  doc.nodes.forEach((node) => reflect(table, node));
  return table;
}

export function reflect(table, node) {
  const cells = table.querySelector(`[data-mirror="${CSS.escape(node.id)}"]`)?.children;
  if (!cells) return;
  cells[1].textContent = node.type === "data" ? t("data") : word(stateOf(node));
  cells[2].textContent = node.type === "step" ? describe(node) : (node.detail ?? "");
}
