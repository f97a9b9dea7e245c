// A line chart in the studio's own inks, on uPlot.
import uPlot from "../vendor/uplot.js";
import { h } from "./dom.js";
import { hourOf } from "./time.js";
import { number } from "./words.js";

const INKS = ["--accent", "--running", "--reused", "--queued", "--failed", "--preparing", "--lost", "--completed"];

/** A canvas knows no variables: the browser is asked what each one is in this theme. */
export function inkOf(host, name) {
  const probe = host.appendChild(h("i", { hidden: true }));
  probe.style.color = `var(${name})`;
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}

/** A logged value as a number where it is one: JSON has no NaN and no infinities, so the studio spells them (docs/wire.md, Numbers). */
export function numberOf(value) {
  const text = value?.$numberDouble;
  return typeof text === "string" ? Number(text) : value;
}

/** What a line can be drawn through; NaN and infinities are gaps. */
export const drawn = (value) => (Number.isFinite(value) ? value : null);

/** A value in words, those included that no chart shows. */
export function worded(value) {
  if (typeof value !== "number")
    return value === null ? "–" : typeof value === "string" ? value : JSON.stringify(value);
  return Number.isNaN(value) ? "NaN" : Number.isFinite(value) ? number(value) : value > 0 ? "∞" : "−∞";
}

const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6];
const MINUTES = [1, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440];

/** `clock`: what the index counts are seconds since 1970, shown as times of day, and the line has a gap where nothing is known. */
export function plot(host, { labels, height, moved, fromZero = false, clock = false }) {
  const ink = (name) => inkOf(host, name);
  const axis = {
    stroke: ink("--ink-3"),
    font: `11px ${getComputedStyle(document.body).fontFamily}`,
    grid: { stroke: ink("--line"), width: 1 },
    ticks: { show: false },
  };
  const options = {
    width: host.clientWidth || 300,
    height,
    padding: [8, clock ? 18 : 8, 0, 0],
    legend: { show: false },
    cursor: { points: { size: 7 }, drag: { x: true, y: false } },
    scales: { x: { time: clock }, ...(fromZero && { y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } }) },
    axes: [
      {
        ...axis,
        size: 24,
        gap: 4,
        ...(clock
          ? { incrs: MINUTES.map((minutes) => minutes * 60), values: (_, values) => values.map(hourOf) }
          : { incrs: STEPS }),
      },
      { ...axis, size: 52, gap: 5, values: (_, values) => values.map(number) },
    ],
    series: [
      {},
      ...labels.map((label, place) => ({
        label,
        stroke: ink(INKS[place % INKS.length]),
        width: 1.75,
        spanGaps: !clock && labels.length > 1,
        points: { size: 5 },
      })),
    ],
    hooks: { setCursor: [(chart) => moved(chart.cursor.idx)] },
  };
  return (data) => new uPlot(options, data, host);
}

export const inkName = (place) => INKS[place % INKS.length];
