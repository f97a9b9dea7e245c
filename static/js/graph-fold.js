// Above this many steps a graph is read by groups: steps whose names share a beginning fold into one node.
import { stateOf, worst } from "./states.js";
import { t } from "./words.js";

export const FOLD_ABOVE = 300;
const SMALLEST = 3;

const stem = (label) => label.replace(/[-_./ ]*\d+$/, "").replace(/[-_./][^-_./]*$/, (tail) => (/\d/.test(label) ? "" : tail)) || label;

function groupsOf(steps) {
  const groups = new Map();
  for (const node of steps) {
    const name = node.group ?? stem(node.label);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(node);
  }
  return new Map([...groups].filter(([, members]) => members.length >= SMALLEST));
}

const pluralState = (members) => worst(members.map(stateOf));

function groupNode(name, members) {
  const done = members.filter((node) => node.finished_at).length;
  return { id: `group:${name}`, type: "group", label: `${name} × ${members.length}`, name, members, status: pluralState(members), detail: t("{part} of {whole} done", { part: done, whole: members.length }) };
}

export function refreshGroup(node) {
  Object.assign(node, groupNode(node.name, node.members));
}

/** The document with its groups folded, except those in `open`. */
export function fold(doc, open) {
  const steps = doc.nodes.filter((node) => node.type === "step");
  if (steps.length <= FOLD_ABOVE) return doc;
  const home = new Map(), nodes = [];
  for (const [name, members] of groupsOf(steps)) {
    if (open.has(name)) continue;
    members.forEach((node) => home.set(node.id, `group:${name}`));
    nodes.push(groupNode(name, members));
  }
  nodes.push(...doc.nodes.filter((node) => !home.has(node.id)));
  const seen = new Set(), edges = [];
  for (const edge of doc.edges) {
    const from = home.get(edge.from) ?? edge.from, to = home.get(edge.to) ?? edge.to;
    if (from === to || seen.has(`${from}\n${to}`)) continue;
    seen.add(`${from}\n${to}`);
    edges.push({ ...edge, from, to });
  }
  return { ...doc, nodes, edges };
}
