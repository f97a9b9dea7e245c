// Times that stay true while the page is open.
import { dates, duration, t } from "./words.js";

const UNITS = [
  [31_536_000, t("y")],
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
];

export function relative(seconds) {
  const past = Math.abs(seconds);
  if (past < 45) return seconds >= 0 ? t("just now") : t("in a moment");
  const [size, unit] = UNITS.find(([span]) => past >= span) ?? UNITS[3];
  const amount = Math.max(1, Math.floor(past / size));
  const time = `${amount} ${unit}`;
  return seconds > 0 ? t("{time} ago", { time }) : t("in {time}", { time });
}

const HOUR = dates({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
/** The reader's time of day: 14:05. */
export const hourOf = (seconds) => HOUR.format(seconds * 1000);

export const secondsBetween = (start, end) => (new Date(end ?? Date.now()) - new Date(start)) / 1000;

const EXACT = dates({ dateStyle: "medium", timeStyle: "long" });
export const exact = (moment) => EXACT.format(new Date(moment));

/** One clock for the page: each second for what runs, each half minute for what is past. */
const ticking = new Set(),
  ageing = new Set();
setInterval(() => ticking.forEach((element) => element.show()), 1_000);
setInterval(() => ageing.forEach((element) => element.show()), 30_000);

class RelativeTime extends HTMLElement {
  connectedCallback() {
    ageing.add(this);
    this.show();
  }
  disconnectedCallback() {
    ageing.delete(this);
  }
  show() {
    const time = this.querySelector("time");
    if (!time) return;
    const text = relative(secondsBetween(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
    time.title = exact(time.dateTime);
  }
}

class RunDuration extends HTMLElement {
  static observedAttributes = ["start", "end"];
  connectedCallback() {
    this.attributeChangedCallback();
  }
  disconnectedCallback() {
    ticking.delete(this);
  }
  attributeChangedCallback() {
    if (this.isConnected && this.hasAttribute("start") && !this.getAttribute("end")) ticking.add(this);
    else ticking.delete(this);
    this.show();
  }
  show() {
    if (!this.getAttribute("start")) return;
    const text = duration(secondsBetween(this.getAttribute("start"), this.getAttribute("end") || undefined));
    if (this.textContent !== text) this.textContent = text;
  }
}

customElements.define("relative-time", RelativeTime);
customElements.define("run-duration", RunDuration);
