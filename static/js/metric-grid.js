// <metric-grid>: every number that a run logged; single ones as tiles, the others as charts.
import { dataBlock, fetchJSON, h, isGone, throttle } from "./dom.js";
import { numberOf, worded } from "./chart-plot.js";
import { live } from "./live.js";
import "./metric-chart.js";
import { sayGone } from "./notices.js";
import { t } from "./words.js";

const KINDS = new Set(["scalar", "list"]);

/** The points of a series; what log_list kept as a list is one point for each of its values. */
function flat(kind, points) {
  if (kind !== "list") return points.map(([index, value]) => [index, numberOf(value)]);
  return points.flatMap(([, value]) => value).map((value, index) => [index, numberOf(value)]);
}

class MetricGrid extends HTMLElement {
  #metrics = new Map();
  // What the script says that each metric is.
  #words = new Map();
  #stop = null;
  #isLoading = false;
  // A flood of points says "reload" many times a second.
  #again = throttle(2000, async () => {
    if (this.#isLoading) { this.#again(); return; }
    try { await this.#load(); } catch (error) { if (isGone(error)) this.#end(); /* else the next frame asks again */ }
  });

  async connectedCallback() {
    this.tiles ??= h("div", { class: "tiles" });
    this.charts ??= h("div", { class: "charts" });
    this.note ??= h("p", { class: "muted", hidden: true });
    if (!this.tiles.isConnected) this.append(this.tiles, this.charts, this.note);
    try { await this.#load(dataBlock(this)); } catch (error) { this.note.hidden = false; this.note.textContent = error.message; }
    const topic = this.getAttribute("topic");
    if (topic) this.#stop = live.watch(topic, (frame) => (frame.reload ? this.#again() : this.#heard(frame.points ?? [])));
  }

  disconnectedCallback() { this.#stop?.(); this.#again.cancel(); }

  #end() {
    this.disconnectedCallback();
    sayGone(this);
  }

  async #load(block) {
    this.#isLoading = true;
    try {
      const { metrics } = block ?? (await fetchJSON(this.getAttribute("src")));
      for (const { name, kind, points, description } of metrics) if (KINDS.has(kind)) this.#show(name, flat(kind, points), description);
    } finally { this.#isLoading = false; }
    this.#say();
  }

  #say() {
    this.note.hidden = this.#metrics.size > 0;
    this.note.textContent = t("No numbers were logged. In the script: {code}", { code: 'run.log("loss", 0.31)' });
  }

  #show(name, points, description) {
    if (description) this.#words.set(name, description);
    const known = this.#metrics.get(name);
    if (known?.chart) { known.chart.series[0].points = points; known.chart.push([]); return; }
    const numbers = points.filter(([, value]) => typeof value === "number");
    if (numbers.length > 1) this.#chart(name, numbers);
    else if (points.length) this.#tile(name, points);
  }

  #titled(name) { return this.#words.has(name) ? `${name}: ${this.#words.get(name)}` : name; }

  #tile(name, points) {
    const text = worded(points.at(-1)[1]);
    const value = h("div", { class: typeof points.at(-1)[1] === "number" ? "v" : "v truncate", title: text.slice(0, 1000) }, text.slice(0, 200));
    const tile = h("div", { class: "tile" }, h("div", { class: "k truncate", title: this.#titled(name) }, name), value);
    this.#metrics.get(name)?.tile?.remove();
    this.#metrics.set(name, { tile, points });
    this.tiles.append(tile);
  }

  #chart(name, points) {
    this.#metrics.get(name)?.tile?.remove();
    const chart = h("metric-chart", { label: name, title: this.#words.get(name) });
    chart.series = [{ name, points }];
    this.#metrics.set(name, { chart });
    this.charts.append(chart);
  }

  #heard(points) {
    for (const point of points) {
      if (!KINDS.has(point.kind ?? "scalar")) continue;
      const known = this.#metrics.get(point.name);
      if (known?.chart) known.chart.push([point]);
      else this.#show(point.name, [...(known?.points ?? []), [point.index ?? known?.points.length ?? 0, numberOf(point.value)]], point.description);
    }
    this.#say();
  }
}

customElements.define("metric-grid", MetricGrid);
