// <usage-charts>: what a step uses over the seconds of its life, or a host by the clock, drawn with the peaks.
import { fetchJSON, h, isGone, regularly, throttle } from "./dom.js";
import { live } from "./live.js";
import "./metric-chart.js";
import { sayGone } from "./notices.js";
import { bytes, duration, n, number, SIZES, t } from "./words.js";

const CHARTS = [
  {
    key: "running",
    title: t("Steps"),
    unit: t("at once"),
    times: 1,
    names: { running: t("running"), waiting: t("waiting") },
  },
  { key: "cpu", title: t("Processor"), unit: t("cores"), names: { cpu: t("cores") } },
  { key: "memory", title: t("Memory"), names: { memory: t("memory") } },
  { key: "used", title: t("Disk used"), names: { disk: t("disk") } },
  { key: "disk", title: t("Disks"), names: { read: t("read"), written: t("written") }, per: "/s" },
  { key: "gpu", title: t("GPU"), unit: "%", times: 100, names: { gpu: t("use") } },
  { key: "gpu_memory", title: t("GPU memory"), names: { gpu_memory: t("memory") } },
  { key: "gpu_temperature", title: t("GPU temperature"), unit: "°C", names: { gpu_temperature: t("GPU") } },
];

/** The largest unit in which the value is at least one, for all values of a chart. */
function unitOf(size) {
  let power = 0;
  while (size >= 1024 ** (power + 1) && power < SIZES.length - 1) power += 1;
  return { word: SIZES[power], times: 1024 ** -power };
}

const of = (all) => t("of {all}", { all });

class UsageCharts extends HTMLElement {
  #charts = new Map();
  #stop = [];
  #again = throttle(2000, () => this.#load());

  connectedCallback() {
    this.tiles ??= h("div", { class: "tiles" });
    this.plots ??= h("div", { class: "charts" });
    this.note ??= h("p", { class: "muted", role: "status", hidden: true });
    if (!this.tiles.isConnected) this.append(this.tiles, this.note, this.plots);
    this.setAttribute("aria-busy", "true");
    this.#load().finally(() => this.removeAttribute("aria-busy"));
    const topic = this.getAttribute("topic");
    if (topic) this.#stop.push(live.watch(topic, () => this.#again()));
    if (this.hasAttribute("every")) this.#stop.push(regularly(Number(this.getAttribute("every")), this.#again));
  }

  disconnectedCallback() {
    this.#stop.splice(0).forEach((stop) => stop());
    this.#again.cancel();
  }

  /** What it shows is not there any more. */
  end() {
    this.disconnectedCallback();
    sayGone(this);
  }

  async #load() {
    let usage;
    try {
      usage = await fetchJSON(this.getAttribute("src"));
    } catch (error) {
      if (isGone(error)) {
        this.end();
        return;
      }
      this.#say(error.message);
      return;
    }
    if (!this.isConnected) return;
    this.#tile(usage);
    const drawn = CHARTS.map((chart) => this.#draw(chart, usage)).some(Boolean);
    this.#say(drawn ? "" : (this.getAttribute(usage.final ? "over" : "empty") ?? ""));
  }

  #say(text) {
    this.note.hidden = !text;
    this.note.textContent = text;
  }

  /** What a cluster did; steps and hosts tell what they used. */
  #steps({ nodes, node_seconds: busy, series }) {
    const most = (what) => number(series.find(({ name }) => name === what)?.peak ?? 0);
    return [
      [t("Steps at once"), most("running"), t("of {all} nodes", { all: number(nodes) })],
      [t("Waiting at once"), most("waiting"), ""],
      [t("Node time"), duration(busy), ""],
    ];
  }

  #tile(usage) {
    this.tiles.replaceChildren(
      ...(usage.nodes === undefined ? this.#used(usage) : this.#steps(usage)).map(([name, value, detail]) =>
        h(
          "div",
          { class: "tile" },
          h("div", { class: "k" }, name),
          h("div", { class: "v" }, value),
          detail && h("div", { class: "d" }, detail),
        ),
      ),
    );
  }

  #used({ peak_memory: peak, memory, cpu_seconds: cpu, cores, disk_total: disk, series }) {
    const most = (what) => series.find(({ name }) => name === what)?.peak ?? null;
    const known = (value, words) => (value === null ? "–" : words(value));
    return [
      [t("Peak memory"), known(peak ?? most("memory"), bytes), memory ? of(bytes(memory)) : ""],
      [
        t("Peak processor"),
        known(most("cpu"), (value) =>
          n("{number} core", "{number} cores", value, { number: number(Number(value.toFixed(2))) }),
        ),
        cores ? of(number(cores)) : "",
      ],
      cpu !== undefined && [t("Processor time"), known(cpu, duration), ""],
      disk && [t("Disk used at most"), known(most("disk"), bytes), of(bytes(disk))],
    ].filter(Boolean);
  }

  /** Whether there is anything to draw. A line needs two points. */
  #draw(chart, { series, devices: known }) {
    const own = series.filter(
      ({ name, points }) => chart.names[name] && points.filter(([, value]) => value !== null).length > 1,
    );
    if (!own.length) return false;
    const { word, times } = chart.unit
      ? { word: chart.unit, times: chart.times ?? 1 }
      : unitOf(Math.max(...own.map(({ peak }) => peak)));
    const devices = known?.map(({ uuid }) => uuid) ?? [...new Set(own.map(({ device }) => device))];
    // Beside the title there is room for the number of a device alone.
    const named = ({ name, device }) =>
      device
        ? { name: `${chart.names[name]} ${devices.indexOf(device)}`, label: `${devices.indexOf(device)}:` }
        : { name: chart.names[name] };
    const drawn = own.map((one) => ({
      ...named(one),
      points: one.points.map(([second, value]) => [second, value === null ? null : value * times]),
    }));
    const label = `${chart.title}, ${word}${chart.per ?? ""}`;
    let element = this.#charts.get(chart.key);
    if (!element) {
      const clock = this.hasAttribute("clock");
      element = h("metric-chart", { label, clock, axis: clock ? t("Time") : t("Seconds"), floor: true });
      element.series = drawn;
      this.#charts.set(chart.key, element);
      this.plots.append(element);
    } else {
      element.show(label, drawn);
    }
    return true;
  }
}

customElements.define("usage-charts", UsageCharts);
