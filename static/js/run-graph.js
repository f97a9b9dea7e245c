// <run-graph>: the steps of a run and the data between them.
import { dataBlock, h, icon, s } from "./dom.js";
import { curve, layoutOf } from "./graph-layout.js";
import { mirror, reflect } from "./graph-mirror.js";
import { draw, patch, sizeOf } from "./graph-nodes.js";
import { storeFor } from "./run-store.js";
import { select, selectedStep } from "./selection.js";
import { ended, stateOf } from "./states.js";
import { Viewport } from "./viewport.js";
import { t } from "./words.js";

class RunGraph extends HTMLElement {
  #groups = new Map();
  #focus = null;
  #stop = [];

  async connectedCallback() {
    if (this.store) {
      this.#listen();
      return;
    }
    const block = dataBlock(this);
    this.#frame();
    try {
      this.store = await storeFor(this, block);
    } catch (error) {
      this.append(
        h("p", { class: "graph-note", role: "alert" }, `${t("The graph could not be loaded.")} ${error.message}`),
      );
      return;
    }
    this.#listen();
    await this.#render();
  }

  disconnectedCallback() {
    this.#stop.splice(0).forEach((stop) => stop());
  }

  static observedAttributes = ["selected"];
  attributeChangedCallback(_name, before) {
    if (before !== null && this.layout) this.#mark(true);
  }

  #frame() {
    const button = (name, label, work) =>
      h(
        "button",
        { type: "button", class: "btn quiet square small", "aria-label": label, title: label, onclick: work },
        icon(name),
      );
    this.world = s("g", null);
    this.svg = s(
      "svg",
      { role: "group", "aria-label": this.getAttribute("label") ?? t("Graph of the run") },
      this.world,
    );
    this.tools = h(
      "div",
      { class: "graph-tools" },
      button("plus", t("Zoom in"), () => this.view.zoom(1.25)),
      button("minus", t("Zoom out"), () => this.view.zoom(0.8)),
      button("fit", t("Fit to the pane"), () => this.view.fit()),
    );
    this.append(this.svg, this.tools);
    this.view = new Viewport(this.svg, this.world);
    this.svg.addEventListener("click", (event) => this.#clicked(event));
    this.svg.addEventListener("keydown", (event) => this.#key(event));
  }

  #listen() {
    const on = (target, name, work) => {
      target.addEventListener(name, work);
      this.#stop.push(() => target.removeEventListener(name, work));
    };
    on(this.store, "states", (event) => this.#patch(event.detail.steps));
    on(this.store, "structure", () => this.#render());
    on(document, "duto:select", () => this.#mark(true));
    const resized = new ResizeObserver(() => this.layout && !this.view.own && this.#place());
    resized.observe(this);
    const clock = setInterval(() => this.#tick(), 1_000);
    this.#stop.push(
      () => resized.disconnect(),
      () => clearInterval(clock),
    );
  }

  async #render() {
    await document.fonts.ready;
    const doc = this.store.doc;
    if (!doc.nodes.length) return;
    const layout = await layoutOf(
      doc.nodes.map((node) => ({ id: node.id, ...sizeOf(node) })),
      doc.edges,
    );
    // A reload has brought other objects while the layout was made: these would be drawn as they were, for good.
    if (doc !== this.store.doc) return this.#render();
    const { places, paths } = layout;
    // All at once: a change that came meanwhile finds either the old picture or the new one.
    Object.assign(this, {
      doc,
      layout,
      byId: new Map(doc.nodes.map((node) => [node.id, this.store.nodes.get(node.id) ?? node])),
    });
    this.#groups = new Map(this.doc.nodes.map((node) => [node.id, draw(node, places[node.id])]));
    this.edges = paths.map((path) => this.#edge(path));
    this.world.replaceChildren(...this.edges, ...this.#groups.values());
    this.#mirror?.remove();
    this.append((this.#mirror = mirror(this.doc, t("Steps of the run"))));
    [this.view.width, this.view.height] = [this.layout.width, this.layout.height];
    this.#place();
    this.#mark(false);
    this.toggleAttribute("ready", true);
  }

  #mirror = null;

  #place() {
    this.view.fit(true);
    const place = this.layout.places[this.selected];
    if (place) this.view.reveal(place);
    this.view.own = false;
  }

  #edge({ from, to, points }) {
    const { places } = this.layout;
    const foot = places[from].y + sizeOf(this.byId.get(from)).height / 2;
    const head = places[to].y - sizeOf(this.byId.get(to)).height / 2;
    const path = curve([[places[from].x, foot], ...points.slice(1, -1), [places[to].x, head]]);
    return s("path", { class: "edge", d: path, "data-from": from, "data-to": to });
  }

  get selected() {
    return this.store.home(selectedStep() ?? this.getAttribute("selected"));
  }

  #patch(steps) {
    for (const node of steps) {
      // A reload brings new objects for the same nodes.
      if (this.byId?.has(node.id)) this.byId.set(node.id, node);
      const group = this.#groups.get(node.id);
      if (group) {
        patch(group, node);
        reflect(this.#mirror, node);
      }
    }
    this.#flow();
  }

  #tick() {
    if (document.visibilityState === "hidden") return;
    for (const [id, group] of this.#groups) {
      const node = this.byId.get(id);
      if (node.type === "step" && node.started_at && !ended(stateOf(node))) patch(group, node);
    }
  }

  #mark(reveal) {
    const selected = this.selected;
    for (const [id, group] of this.#groups) {
      const is = id === selected;
      group.classList.toggle("selected", is);
      if (group.getAttribute("role") === "button") group.setAttribute("aria-pressed", String(is));
      group.setAttribute("tabindex", is ? "0" : "-1");
    }
    if (!this.#groups.has(selected)) this.#groups.values().next().value?.setAttribute("tabindex", "0");
    for (const edge of this.edges ?? [])
      edge.classList.toggle("near", edge.dataset.from === selected || edge.dataset.to === selected);
    if (reveal && this.layout?.places[selected]) this.view.reveal(this.layout.places[selected]);
    this.#flow();
  }

  /** Edges into a running step move, so that the eye finds where the run is. */
  #flow() {
    for (const edge of this.edges ?? []) {
      const to = this.byId.get(edge.dataset.to);
      edge.classList.toggle("flow", to.type !== "data" && stateOf(to) === "Running");
    }
  }

  #clicked(event) {
    const id = event.target.closest("[data-node]")?.dataset.node;
    if (id) this.#enter(id);
  }

  #enter(id) {
    const node = this.byId.get(id);
    if (node.type === "group") this.store.open(node.name);
    else if (node.type === "data") {
      if (node.url) location.assign(node.url);
    } else {
      select(id);
      this.dispatchEvent(new CustomEvent("step-open", { bubbles: true, detail: { step: id, run: node.run } }));
    }
  }

  #key(event) {
    const id = event.target.closest?.("[data-node]")?.dataset.node;
    if (!id) return;
    if (event.key === "Enter" || event.key === " ") {
      this.#enter(id);
      event.preventDefault();
      return;
    }
    const next = this.#neighbour(id, event.key);
    if (!next) return;
    event.preventDefault();
    this.#groups.get(id).setAttribute("tabindex", "-1");
    const group = this.#groups.get(next);
    group.setAttribute("tabindex", "0");
    group.focus({ preventScroll: true });
    this.view.reveal(this.layout.places[next]);
  }

  #neighbour(id, key) {
    const { places } = this.layout,
      here = places[id];
    const nearest = (ids) =>
      ids.sort(
        (a, b) =>
          Math.hypot(places[a].x - here.x, places[a].y - here.y) -
          Math.hypot(places[b].x - here.x, places[b].y - here.y),
      )[0];
    if (key === "ArrowDown") return nearest(this.doc.edges.filter(({ from }) => from === id).map(({ to }) => to));
    if (key === "ArrowUp") return nearest(this.doc.edges.filter(({ to }) => to === id).map(({ from }) => from));
    const side = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (!side) return null;
    return nearest(
      Object.keys(places).filter(
        (other) => Math.abs(places[other].y - here.y) < 30 && (places[other].x - here.x) * side > 0,
      ),
    );
  }
}

customElements.define("run-graph", RunGraph);
