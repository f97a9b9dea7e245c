// <usage-charts>: what a step uses of its host, drawn over the seconds of its life, with the peaks.
import { fetchJSON, h, throttle } from "./dom.js";
import { number } from "./chart-plot.js";
import { live } from "./live.js";
import "./metric-chart.js";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
const CHARTS = [
  { key: "cpu", title: "Processor", unit: "cores", names: { cpu: "cores" } },
  { key: "memory", title: "Memory", names: { memory: "memory" } },
  { key: "disk", title: "Disks", names: { read: "read", written: "written" }, per: "/s" },
  { key: "gpu", title: "GPU", unit: "%", times: 100, names: { gpu: "use" } },
  { key: "gpu_memory", title: "GPU memory", names: { gpu_memory: "memory" } },
];

/** The largest unit in which the value is at least one. */
function unitOf(bytes) {
  const power = bytes >= 1 ? Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10)) : 0;
  return { word: UNITS[power], times: 2 ** (-10 * power) };
}

function size(bytes) {
  const { word, times } = unitOf(bytes);
  return `${number(Number((bytes * times).toPrecision(3)))} ${word}`;
}

const time = (seconds) => (seconds < 100 ? `${number(Number(seconds.toPrecision(2)))} s` : `${number(Math.round(seconds / 60))} min`);

class UsageCharts extends HTMLElement {
  #charts = new Map();
  #stop = null;
  #again = throttle(2000, () => this.#load());

  connectedCallback() {
    this.tiles ??= h("div", { class: "tiles" });
    this.plots ??= h("div", { class: "charts" });
    this.note ??= h("p", { class: "muted", role: "status", hidden: true });
    if (!this.tiles.isConnected) this.append(this.tiles, this.note, this.plots);
    this.#load();
    const topic = this.getAttribute("topic");
    if (topic) this.#stop = live.watch(topic, () => this.#again());
  }

  disconnectedCallback() { this.#stop?.(); this.#again.cancel(); }

  async #load() {
    let told;
    try { told = await fetchJSON(this.getAttribute("src")); }
    catch (error) { this.#say(error.message); return; }
    if (!this.isConnected) return;
    this.#tile(told);
    const drawn = CHARTS.map((chart) => this.#draw(chart, told.series)).some(Boolean);
    this.#say(drawn ? "" : told.final ? "The step was over before there was anything to draw." : "The first numbers come after some seconds.");
  }

  #say(text) { this.note.hidden = !text; this.note.textContent = text; }

  #tile({ peak_memory: peak, memory, cpu_seconds: cpu, cores, series }) {
    const most = series.find(({ name }) => name === "cpu")?.peak;
    const tiles = [
      ["Peak memory", peak === null ? "–" : size(peak), memory ? `of ${size(memory)}` : ""],
      ["Peak processor", most === null || most === undefined ? "–" : `${number(Number(most.toFixed(2)))} cores`, cores ? `of ${number(cores)}` : ""],
      ["Processor time", cpu === null ? "–" : time(cpu), ""],
    ];
    this.tiles.replaceChildren(...tiles.map(([name, value, detail]) =>
      h("div", { class: "tile" }, h("div", { class: "k" }, name), h("div", { class: "v" }, value), detail && h("div", { class: "d" }, detail))));
  }

  /** Whether there is anything to draw. A line needs two points. */
  #draw(chart, series) {
    const own = series.filter(({ name, points }) => chart.names[name] && points.length > 1);
    if (!own.length) return false;
    const { word, times } = chart.unit ? { word: chart.unit, times: chart.times ?? 1 } : unitOf(Math.max(...own.map(({ peak }) => peak)));
    const devices = [...new Set(own.map(({ device }) => device))];
    const name = (one) => (one.device ? `${chart.names[one.name]} ${devices.indexOf(one.device)}` : chart.names[one.name]);
    const drawn = own.map((one) => ({ name: name(one), points: one.points.map(([second, value]) => [second, value * times]) }));
    const label = `${chart.title}, ${word}${chart.per ?? ""}`;
    let element = this.#charts.get(chart.key);
    if (!element) {
      element = h("metric-chart", { label, axis: "Seconds", floor: true });
      element.series = drawn;
      this.#charts.set(chart.key, element);
      this.plots.append(element);
    } else { element.show(label, drawn); }
    return true;
  }
}

customElements.define("usage-charts", UsageCharts);
