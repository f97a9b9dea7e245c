// <metric-grid>: every number that a run logged; single ones as tiles, the others as charts.
import { dataBlock, fetchJSON, h } from "./dom.js";
import { number } from "./chart-plot.js";
import { live } from "./live.js";
import "./metric-chart.js";
import { t } from "./words.js";

const KINDS = new Set(["scalar", "list"]);

class MetricGrid extends HTMLElement {
  #metrics = new Map();
  #stop = null;

  async connectedCallback() {
    this.tiles ??= h("div", { class: "tiles" });
    this.charts ??= h("div", { class: "charts" });
    this.note ??= h("p", { class: "muted", hidden: true });
    if (!this.tiles.isConnected) this.append(this.tiles, this.charts, this.note);
    try { await this.#load(dataBlock(this)); } catch (error) { this.note.hidden = false; this.note.textContent = error.message; }
    const topic = this.getAttribute("topic");
    if (topic) this.#stop = live.watch(topic, (frame) => (frame.reload ? this.#load() : this.#heard(frame.points ?? [])));
  }

  disconnectedCallback() { this.#stop?.(); }

  async #load(block) {
    const { metrics } = block ?? (await fetchJSON(this.getAttribute("src")));
    for (const { name, kind, points } of metrics) {
      if (KINDS.has(kind)) this.#show(name, points.filter(([, value]) => typeof value === "number"));
    }
    this.#say();
  }

  #say() {
    this.note.hidden = this.#metrics.size > 0;
    this.note.textContent = t("No numbers were logged. In the script: {code}", { code: 'run.log("loss", 0.31)' });
  }

  #show(name, points) {
    const known = this.#metrics.get(name);
    if (known?.chart) { known.chart.series[0].points = points; known.chart.push([]); return; }
    if (points.length > 1) this.#chart(name, points);
    else if (points.length) this.#tile(name, points);
  }

  #tile(name, points) {
    const value = h("div", { class: "v" }, number(points[0][1]));
    const tile = h("div", { class: "tile" }, h("div", { class: "k truncate", title: name }, name), value);
    this.#metrics.get(name)?.tile?.remove();
    this.#metrics.set(name, { tile, points });
    this.tiles.append(tile);
  }

  #chart(name, points) {
    this.#metrics.get(name)?.tile?.remove();
    const chart = h("metric-chart", { label: name });
    chart.series = [{ name, points }];
    this.#metrics.set(name, { chart });
    this.charts.append(chart);
  }

  #heard(points) {
    for (const point of points) {
      if (!KINDS.has(point.kind ?? "scalar") || typeof point.value !== "number") continue;
      const known = this.#metrics.get(point.name);
      if (known?.chart) known.chart.push([point]);
      else this.#show(point.name, [...(known?.points ?? []), [point.index ?? known?.points.length ?? 0, point.value]]);
    }
    this.#say();
  }
}

customElements.define("metric-grid", MetricGrid);
