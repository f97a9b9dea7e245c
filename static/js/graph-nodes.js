// How a node of the graph looks, and how it changes in place.
import { iconHref, mark, s } from "./dom.js";
import { describe, spokenName } from "./run-store.js";
import { ended, stateIcon, stateOf, word } from "./states.js";
import { t } from "./words.js";

const STEP = { width: 200, height: 54 };
const DATA_HEIGHT = 36,
  PAD = 22;
const brush = document.createElement("canvas").getContext("2d");

function measure(text, font) {
  brush.font = font;
  return brush.measureText(text).width;
}

function fit(text, width, font) {
  if (measure(text, font) <= width) return text;
  let cut = text;
  while (cut.length > 1 && measure(`${cut}…`, font) > width) cut = cut.slice(0, -1);
  return `${cut}…`;
}

const family = () => getComputedStyle(document.body).fontFamily;
const LABEL = () => `600 13.5px ${family()}`,
  SUB = () => `12px ${family()}`;

export function sizeOf(node) {
  if (node.type !== "data") return STEP;
  const text = measure(node.label, `13px ${family()}`) + (node.detail ? measure(node.detail, SUB()) + 9 : 0);
  return { width: Math.min(300, Math.max(110, Math.ceil(text) + PAD * 2 + 14)), height: DATA_HEIGHT };
}

function dataNode(node, width) {
  const room = width - PAD * 2 - 8;
  const label = fit(node.label, room, `13px ${family()}`);
  const left = -width / 2 + PAD;
  return [
    s("rect", { class: "node", x: -width / 2, y: -DATA_HEIGHT / 2, width, height: DATA_HEIGHT, rx: DATA_HEIGHT / 2 }),
    mark("data", { class: "glyph", x: left - 6, y: -7, width: 14, height: 14 }),
    s("text", { class: "label data", x: left + 16, y: 4.5 }, label),
    node.detail &&
      s(
        "text",
        { class: "sub", x: left + 16 + measure(label, `13px ${family()}`) + 8, y: 4.5 },
        fit(node.detail, Math.max(30, room - measure(label, `13px ${family()}`)), SUB()),
      ),
  ];
}

function stepNode(node) {
  const { width, height } = STEP;
  const marks = [node.icon && [node.icon, "kind"], node.warning && ["warning", "caution"]].filter(Boolean);
  return [
    node.type === "group" &&
      s("rect", { class: "node behind", x: -width / 2 + 6, y: -height / 2 + 6, width, height, rx: 7 }),
    s("rect", { class: "halo", x: -width / 2 - 3, y: -height / 2 - 3, width: width + 6, height: height + 6, rx: 10 }),
    s("rect", { class: "node", x: -width / 2, y: -height / 2, width, height, rx: 7 }),
    s("path", {
      class: "bar",
      d: `M${-width / 2 + 5} ${-height / 2}h-1a4 4 0 0 0 -4 4v${height - 8}a4 4 0 0 0 4 4h1z`,
    }),
    // Drawn around its own origin, so that it can turn there.
    s(
      "g",
      { transform: `translate(${-width / 2 + 26} 0)` },
      mark("state-notstarted", { class: "glyph", x: -9, y: -9, width: 18, height: 18 }),
    ),
    s("text", { class: "label", x: -width / 2 + 46, y: -4 }, fit(node.label, width - 60 - 16 * marks.length, LABEL())),
    s("text", { class: "sub", x: -width / 2 + 46, y: 15 }),
    ...marks.map(([name, look], place) =>
      mark(name, { class: look, x: width / 2 - 22 - 18 * place, y: -height / 2 + 7, width: 14, height: 14 }),
    ),
    s("title", null, node.warning ? `${spokenName(node)}: ${node.warning}` : spokenName(node)),
  ];
}

export function draw(node, { x, y }) {
  const parts = node.type === "data" ? dataNode(node, sizeOf(node).width) : stepNode(node);
  const group = s(
    "g",
    {
      class: `vertex ${node.type}`,
      transform: `translate(${x} ${y})`,
      "data-node": node.id,
      tabindex: "-1",
      role: node.url && node.type === "data" ? "link" : "button",
    },
    parts,
  );
  patch(group, node);
  return group;
}

/** Only what changed: a running clock touches one text. */
export function patch(group, node) {
  if (node.type === "data") {
    group.setAttribute("aria-label", `${t("data")} ${node.label} ${node.detail ?? ""}`);
    return;
  }
  const state = stateOf(node);
  const said = describe(node);
  const sub = group.querySelector(".sub");
  if (sub.textContent !== said) {
    sub.textContent = fit(said, STEP.width - 58, SUB());
    group.setAttribute("aria-label", `${spokenName(node)}, ${said.replaceAll(" · ", ", ")}`);
  }
  if (group.dataset.state === state) return;
  group.dataset.state = state;
  const glyph = group.querySelector(".glyph");
  glyph.setAttribute("href", iconHref(stateIcon(state)));
  glyph.classList.toggle("turning", state === "Running");
  group.classList.toggle("open-ended", !ended(state));
}
