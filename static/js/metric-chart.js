// <metric-chart>: numbers of one metric or of several over one axis. Who makes it gives it their series,
// `[{"name", "points": [[index, value], …]}]`, and pushes what comes later.
import { h, throttle } from "./dom.js";
import { drawn, inkName, numberOf, plot } from "./chart-plot.js";
import { hourOf } from "./time.js";
import { number, t } from "./words.js";

const HEIGHT = 168,
  SHOWN_ROWS = 500;

class MetricChart extends HTMLElement {
  #chart = null;
  #stop = [];
  #redraw = throttle(250, () => this.#draw());
  series = [];

  connectedCallback() {
    this.#build();
    const observed = new ResizeObserver(() => this.#resize());
    observed.observe(this.canvas);
    const recolour = () => {
      this.#drop();
      this.#draw();
    };
    document.addEventListener("duto:theme", recolour);
    this.#stop.push(
      () => observed.disconnect(),
      () => document.removeEventListener("duto:theme", recolour),
    );
    this.#draw();
  }

  disconnectedCallback() {
    this.#stop.splice(0).forEach((stop) => stop());
    this.#redraw.cancel();
    this.#drop();
  }

  #build() {
    if (this.canvas) return;
    this.title_ = h("h3", { class: "truncate" }, this.getAttribute("label") ?? "");
    this.readout = h("span", { class: "readout" });
    this.canvas = h("div", { class: "plot", "aria-hidden": "true" });
    this.table = h("tbody");
    const values = h(
      "details",
      { class: "more", ontoggle: () => this.#tabulate() },
      h("summary", null, t("Values")),
      h(
        "div",
        { class: "values", tabindex: "0", role: "region", "aria-label": t("Values") },
        h("table", { class: "table dense" }, h("thead", null, h("tr")), this.table),
      ),
    );
    this.values = values;
    this.append(h("header", null, this.title_, this.readout), this.canvas, values);
  }

  /** The same chart with other numbers, perhaps in another unit. */
  show(label, series) {
    this.title_.textContent = label;
    this.series = series;
    this.#redraw();
  }

  push(points) {
    for (const { name, index, value } of points) {
      const own = this.series.find((one) => one.name === name);
      const parsed = numberOf(value);
      if (!own || typeof parsed !== "number") continue;
      own.points.push([index ?? own.points.length, parsed]);
    }
    this.#redraw();
  }

  get #data() {
    if (this.series.length === 1) {
      const points = this.series[0].points;
      return [points.map(([index], place) => index ?? place), points.map(([, value]) => drawn(value))];
    }
    const all = [...new Set(this.series.flatMap(({ points }) => points.map(([index], place) => index ?? place)))].sort(
      (a, b) => a - b,
    );
    const columns = this.series.map(({ points }) => {
      const byIndex = new Map(points.map(([index, value], place) => [index ?? place, drawn(value)]));
      return all.map((index) => byIndex.get(index) ?? null);
    });
    return [all, ...columns];
  }

  #draw() {
    if (!this.series.length || !this.canvas?.clientWidth) return;
    const data = this.#data;
    if (this.#chart && this.#chart.series.length === data.length) this.#chart.setData(data);
    else {
      this.#drop();
      this.#chart = plot(this.canvas, {
        labels: this.series.map(({ name }) => name),
        height: HEIGHT,
        fromZero: this.hasAttribute("floor"),
        clock: this.hasAttribute("clock"),
        moved: (at) => this.#read(at),
      })(data);
    }
    this.#read(null);
    if (this.values.open) this.#tabulate();
  }

  #index(value) {
    return this.hasAttribute("clock") ? hourOf(value) : number(value);
  }

  /** Under the pointer, else the last value of each. */
  #read(at) {
    const [x, ...columns] = this.#data;
    const parts = columns.map((column, place) => {
      const value = at === null || at === undefined ? column.findLast((one) => one !== null) : column[at];
      const text = h(
        "b",
        null,
        columns.length > 1 ? `${this.series[place].label ?? this.series[place].name} ${number(value)}` : number(value),
      );
      if (columns.length > 1) text.style.color = `var(${inkName(place)})`;
      return text;
    });
    this.readout.replaceChildren(
      ...(at === null || at === undefined
        ? []
        : [h("span", { class: "faint" }, t("at {index}", { index: this.#index(x[at]) }))]),
      ...parts,
    );
  }

  #tabulate() {
    if (!this.values.open) return;
    const [x, ...columns] = this.#data;
    this.values
      .querySelector("thead tr")
      .replaceChildren(
        h("th", { class: "num" }, this.getAttribute("axis") ?? t("Index")),
        ...this.series.map(({ name }) => h("th", { class: "num" }, name)),
      );
    const from = Math.max(0, x.length - SHOWN_ROWS);
    this.table.replaceChildren(
      ...x.slice(from).map((index, place) =>
        h(
          "tr",
          null,
          h("td", { class: "num" }, this.#index(index)),
          columns.map((column) => h("td", { class: "num" }, number(column[from + place]))),
        ),
      ),
    );
  }

  #resize() {
    if (!this.#chart) this.#draw();
    else if (this.#chart.width !== this.canvas.clientWidth)
      this.#chart.setSize({ width: this.canvas.clientWidth, height: HEIGHT });
  }

  #drop() {
    this.#chart?.destroy();
    this.#chart = null;
  }
}

customElements.define("metric-chart", MetricChart);
