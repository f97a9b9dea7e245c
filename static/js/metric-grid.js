// <metric-grid>: what a run logged by log and log_list: single values as tiles, series of numbers as charts, and texts and
// lists as they are.
import { dataBlock, fetchJSON, h, isGone, throttle } from "./dom.js";
import { numberOf, worded } from "./chart-plot.js";
import { live } from "./live.js";
import "./metric-chart.js";
import { sayGone } from "./notices.js";
import { n, t, whole } from "./words.js";

const KINDS = new Set(["scalar", "list"]);
const TILE_TEXT = 60,
  MOST_ROWS = 500,
  MOST_TEXT = 20_000;

const cut = (text) => (text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)}…` : text);

/** The points of a series; what log_list kept as a list is one point for each of its values. */
function flat(kind, points) {
  if (kind !== "list") return points.map(([index, value, at]) => [index, numberOf(value), at]);
  return points.flatMap(([, value]) => value).map((value, index) => [index, numberOf(value)]);
}

/** Whether a series shows what a frame tells: an answer may know of a point before its frame comes. */
function isKnown({ points, isThinned }, { index, at }) {
  const last = points.at(-1);
  if (!last || last[0] < index) return false;
  return isThinned || points.some(([known, , when]) => known === index && when === at);
}

class MetricGrid extends HTMLElement {
  #metrics = new Map();
  // What the script says that each metric is.
  #words = new Map();
  #stop = null;
  // While an answer is on its way: what frames told of which it may know nothing.
  #meanwhile = null;
  // Series that there are more than one answer holds.
  #beyond = 0;
  // A flood of points says "reload" many times a second.
  #again = throttle(2000, async () => {
    if (this.#meanwhile) {
      this.#again();
      return;
    }
    try {
      await this.#load();
    } catch (error) {
      if (isGone(error)) this.end(); /* else the next frame asks again */
    }
  });

  async connectedCallback() {
    this.tiles ??= h("div", { class: "tiles" });
    this.charts ??= h("div", { class: "charts" });
    this.lists ??= h("div", { class: "lists" });
    this.note ??= h("p", { class: "muted", hidden: true });
    if (!this.tiles.isConnected) this.append(this.tiles, this.charts, this.lists, this.note);
    this.setAttribute("aria-busy", "true");
    try {
      await this.#load(dataBlock(this));
    } catch (error) {
      this.note.hidden = false;
      this.note.textContent = error.message;
    }
    this.removeAttribute("aria-busy");
    const topic = this.getAttribute("topic");
    if (topic)
      this.#stop = live.watch(topic, (frame) => (frame.reload ? this.#again() : this.#heard(frame.points ?? [])));
  }

  disconnectedCallback() {
    this.#stop?.();
    this.#again.cancel();
  }

  /** What it shows is not there any more. */
  end() {
    this.disconnectedCallback();
    sayGone(this);
  }

  async #load(block) {
    const heard = (this.#meanwhile = []);
    try {
      const { metrics, total } = block ?? (await fetchJSON(this.getAttribute("src")));
      this.#beyond = Math.max(0, total - metrics.length);
      for (const { name, kind, points, description, thinned } of metrics)
        if (KINDS.has(kind)) this.#show(name, flat(kind, points), description, thinned);
    } finally {
      this.#meanwhile = null;
    }
    this.#heard(heard);
  }

  #say() {
    this.note.hidden = this.#metrics.size > 0 && !this.#beyond;
    this.note.textContent = this.#beyond
      ? n(
          "One more metric was logged than is shown here. A program gets all of them: {code}",
          "{count} more metrics were logged than are shown here. A program gets all of them: {code}",
          this.#beyond,
          { code: "run.get_metrics()" },
        )
      : t("No numbers were logged. In the script: {code}", { code: 'run.log("loss", 0.31)' });
  }

  /** Numbers are a chart, or a tile where there is but one; everything else stands as it was logged. */
  #show(name, points, description, isThinned) {
    if (!points.length) return;
    if (description) this.#words.set(name, description);
    const own = this.#metrics.get(name) ?? {};
    Object.assign(own, { points, isThinned });
    this.#metrics.set(name, own);
    const numbers = points.filter(([, value]) => typeof value === "number");
    const others = points.filter(([, value]) => typeof value !== "number");
    const isTile = points.length === 1 && worded(points[0][1]).length <= TILE_TEXT;
    if (numbers.length > 1) this.#chart(name, own, numbers);
    if (!isTile && others.length) this.#list(name, own, numbers.length > 1 ? others : points);
    if (isTile && !own.chart) this.#tile(name, own);
    else own.tile?.remove();
  }

  #titled(name) {
    return this.#words.has(name) ? `${name}: ${this.#words.get(name)}` : name;
  }

  #tile(name, own) {
    const [[, value]] = own.points;
    const shown = h("div", { class: typeof value === "number" ? "v" : "v small-v" }, worded(value));
    const tile = h("div", { class: "tile" }, h("div", { class: "k truncate", title: this.#titled(name) }, name), shown);
    if (own.tile?.isConnected) own.tile.replaceWith(tile);
    else this.tiles.append(tile);
    own.tile = tile;
  }

  #chart(name, own, numbers) {
    if (own.chart) {
      own.chart.series[0].points = numbers;
      own.chart.push([]);
      return;
    }
    own.chart = h("metric-chart", { label: name, title: this.#words.get(name) });
    own.chart.series = [{ name, points: numbers }];
    this.charts.append(own.chart);
  }

  /** Texts, lists and whatever else is no number, in the order in which they were logged; of very many the last ones. */
  #list(name, own, points) {
    const shown = points.slice(-MOST_ROWS),
      words = this.#words.get(name);
    const body =
      points.length === 1
        ? h("pre", { class: "code", tabindex: "0" }, cut(worded(points[0][1])))
        : h(
            "div",
            { class: "table-wrap logged", tabindex: "0", role: "region", "aria-label": name },
            h(
              "table",
              { class: "table dense" },
              h("thead", null, h("tr", null, h("th", { class: "num" }, t("Index")), h("th", null, t("Value")))),
              h(
                "tbody",
                null,
                ...shown.map(([index, value]) =>
                  h(
                    "tr",
                    null,
                    h("td", { class: "num" }, whole(index)),
                    h("td", { class: "wrap pre" }, cut(worded(value))),
                  ),
                ),
              ),
            ),
          );
    const left = points.length - shown.length;
    const list = h(
      "section",
      { class: "card" },
      h(
        "header",
        null,
        h("h3", { class: "truncate", title: this.#titled(name) }, name),
        words && h("span", { class: "muted small" }, words),
      ),
      body,
      left > 0 && h("footer", null, n("The last {count} value", "The last {count} values", shown.length)),
    );
    if (own.list?.isConnected) own.list.replaceWith(list);
    else this.lists.append(list);
    own.list = list;
  }

  #heard(points) {
    this.#meanwhile?.push(...points);
    const changed = new Map();
    for (const point of points) {
      if (point.kind !== "scalar") continue;
      const { name, index, at, description } = point;
      const own = this.#metrics.get(name) ?? changed.get(name)?.own ?? { points: [] };
      if (isKnown(own, point)) continue;
      const value = numberOf(point.value);
      own.points.push([index, value, at]);
      if (own.chart && typeof value === "number") own.chart.push([point]);
      else changed.set(name, { own, description: description ?? changed.get(name)?.description });
    }
    for (const [name, { own, description }] of changed) this.#show(name, own.points, description, own.isThinned);
    this.#say();
  }
}

customElements.define("metric-grid", MetricGrid);
