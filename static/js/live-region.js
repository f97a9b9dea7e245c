// <live-region src topic>: a fragment of the page that renders itself again when its topic speaks.
import htmx from "../vendor/htmx.js";
import { Idiomorph } from "../vendor/idiomorph.js";
import { isGone, regularly, throttle } from "./dom.js";
import { live } from "./live.js";
import { sayGone } from "./notices.js";
import { mark, param, selectedStep } from "./selection.js";
import { t } from "./words.js";

/** These draw themselves; they are replaced when their source changes and left alone otherwise. */
const OWN = new Set([
  "LOG-VIEW",
  "RUN-GRAPH",
  "RUN-TIMELINE",
  "METRIC-GRID",
  "METRIC-CHART",
  "USAGE-CHARTS",
  "FILE-DROP",
]);
const identity = (element) =>
  [...element.attributes]
    .filter((a) => ["src", "topic", "data", "attempt"].includes(a.name))
    .map((a) => a.value)
    .join("|");

const callbacks = {
  beforeNodeMorphed(old, fresh) {
    if (!OWN.has(old.nodeName)) return true;
    if (old.nodeName === fresh.nodeName && identity(old) !== identity(fresh)) old.replaceWith(fresh);
    // Without a choice of the reader the server shows the step that tells most, and moves on with the run.
    else if (fresh.hasAttribute?.("selected")) old.setAttribute("selected", fresh.getAttribute("selected"));
    return old.nodeName !== fresh.nodeName;
  },
  // What the reader opened, ticked or typed, or a script placed, is not the server's to take back.
  beforeAttributeUpdated(name, element) {
    if (name === "style") return false;
    if (name === "open") return !element.matches("details, dialog");
    if (name === "checked") return element.checked === element.defaultChecked;
    return name !== "value" || !element.matches("input, textarea") || element.value === element.defaultValue;
  },
};

export function morph(target, html) {
  Idiomorph.morph(target, html, { morphStyle: "innerHTML", ignoreActiveValue: true, callbacks });
  htmx.process(target);
  mark(target);
  document.dispatchEvent(new CustomEvent("duto:content", { detail: { root: target } }));
}

/** One request at a time, which is let finish however slow the answer is; who asked meanwhile is answered by the next.
 *
 * Regions of one group share it: they show the same version of what the page is about. */
class Fetching {
  #wanted = new Set();
  #isBusy = false;
  #soon = throttle(500, () => this.#load());

  ask(region) {
    this.#wanted.add(region);
    if (!this.#isBusy) this.#soon();
  }

  leave(region) {
    this.#wanted.delete(region);
    if (!this.#wanted.size) this.#soon.cancel();
  }

  async #load() {
    const regions = [...this.#wanted];
    this.#wanted.clear();
    this.#isBusy = true;
    try {
      await fill(regions);
    } catch {
      setTimeout(() => regions.forEach((region) => region.isConnected && this.ask(region)), RETRY_MS);
    } finally {
      this.#isBusy = false;
      if (this.#wanted.size) this.#soon();
    }
  }
}

const RETRY_MS = 3_000;
const groups = new Map();
const fetchingOf = (name) => {
  if (!name) return new Fetching();
  if (!groups.has(name)) groups.set(name, new Fetching());
  return groups.get(name);
};

/** Fetches the parts of these regions at once, and shows them. What the reader has left meanwhile is not shown. */
async function fill(regions, signal) {
  const [first] = regions,
    address = first.address,
    asked = location.search;
  for (const region of regions)
    for (const [name, value] of region.address.searchParams)
      if (!address.searchParams.has(name)) address.searchParams.append(name, value);
  if (regions.length > 1) address.searchParams.set("part", regions.map((region) => region.part).join(","));
  const headers = { "HX-Request": "true", ...(regions.length === 1 && first.id && { "HX-Target": first.id }) };
  const response = await fetch(address, { headers, signal });
  if (response.redirected && new URL(response.url).pathname !== address.pathname) return location.reload();
  if (isGone(response)) return regions.forEach((region) => region.end());
  if (!response.ok) throw new Error(response.statusText);
  const text = await response.text();
  const parts = regions.length > 1 && new DOMParser().parseFromString(text, "text/html");
  for (const region of regions) {
    const html = parts ? parts.querySelector(`template[data-part="${region.part}"]`)?.innerHTML : text;
    if (region.isConnected && html !== undefined && (asked === location.search || !region.hasQuery)) {
      morph(region, html);
      region.hearRows();
    }
  }
}

class LiveRegion extends HTMLElement {
  #stop = [];
  #request = null;
  #fetching = null;
  #followed = "";
  #missed = false;
  #rows = new Map();
  #heardRuns = new Map();

  connectedCallback() {
    this.#fetching = fetchingOf(this.getAttribute("group"));
    this.#followed = this.#choice();
    for (const topic of (this.getAttribute("topic") ?? "").split(/\s+/).filter(Boolean)) this.#watch(topic);
    if (this.hasAttribute("follow")) this.#listen("duto:select", () => this.#selected());
    this.#listen("visibilitychange", () => this.#missed && document.visibilityState === "visible" && this.#later());
    if (this.hasAttribute("every")) this.#stop.push(regularly(Number(this.getAttribute("every")), () => this.#later()));
    this.hearRows();
    if (this.hasAttribute("load")) this.#later();
  }

  /** The runs of which it shows rows are heard as well, each from the version that is shown: of a row with `data-run` that
   * run's changes and its root's name, of one without it every change. */
  hearRows() {
    this.#rows.clear();
    for (const { dataset } of this.querySelectorAll("[data-root]")) {
      const topic = `run:${dataset.root}`;
      if (!this.#rows.has(topic)) this.#rows.set(topic, new Set());
      this.#rows.get(topic).add(dataset.run);
      if (!this.#heardRuns.has(topic))
        this.#heardRuns.set(
          topic,
          live.watch(
            topic,
            (frame) => this.#heardRow(topic, frame),
            () => ({ version: Number(dataset.version) }),
          ),
        );
    }
    for (const [topic, stop] of this.#heardRuns)
      if (!this.#rows.has(topic)) {
        this.#heardRuns.delete(topic);
        stop();
      }
  }

  #heardRow(topic, frame) {
    const shown = this.#rows.get(topic);
    const isShown = ({ run, facts }) =>
      shown.has(undefined) || shown.has(run) || (topic === `run:${run}` && "display_name" in (facts ?? {}));
    if (frame.reload || frame.changes?.some(isShown)) this.#heard(frame);
  }

  disconnectedCallback() {
    this.#fetching.leave(this);
    this.#request?.abort();
    for (const stop of [...this.#stop.splice(0), ...this.#heardRuns.values()]) stop();
    this.#heardRuns.clear();
  }

  /** What it shows is not there any more. */
  end() {
    this.disconnectedCallback();
    sayGone(this);
  }

  #later() {
    this.#missed = false;
    this.#fetching.ask(this);
  }

  #watch(topic) {
    const version = this.getAttribute("version");
    this.#stop.push(
      live.watch(topic, (frame) => this.#heard(frame), version ? () => ({ version: Number(version) }) : undefined),
    );
  }

  #listen(name, work) {
    document.addEventListener(name, work);
    this.#stop.push(() => document.removeEventListener(name, work));
  }

  #heard(frame) {
    if (frame.error || (this.hasAttribute("reloads") && !frame.reload)) return;
    if (
      this.hasAttribute("follow") &&
      !frame.reload &&
      frame.changes &&
      !frame.changes.some((change) => this.#isMine(change))
    )
      return;
    // A tab in the background loads once, when it is looked at.
    if (document.visibilityState === "hidden") {
      this.#missed = true;
      return;
    }
    this.#later();
  }

  /** A child run that begins or ends is told with the run above it. */
  #isMine({ step, parent }) {
    return (
      selectedStep() === null ||
      step === selectedStep() ||
      (parent && parent === this.querySelector("[data-run]")?.dataset.run)
    );
  }

  /** Whether it shows what the page's query asks for. */
  get hasQuery() {
    return this.hasAttribute("follow") || this.hasAttribute("query");
  }

  get part() {
    return new URL(this.getAttribute("src") || location.href, location.href).searchParams.get("part") ?? "";
  }

  get address() {
    const url = new URL(this.getAttribute("src") || location.href, location.href);
    if (this.hasQuery) {
      const own = new Set(url.searchParams.keys());
      for (const [name, value] of new URL(location.href).searchParams)
        if (!own.has(name)) url.searchParams.append(name, value);
    }
    return url;
  }

  /** What it depends on of the page's query: the parameters that `follow` names, or all. */
  #choice() {
    const names = this.getAttribute("follow")?.split(" ").filter(Boolean) ?? [];
    return names.length ? JSON.stringify(names.map(param)) : location.search;
  }

  #selected() {
    const before = this.#followed;
    this.#followed = this.#choice();
    if (before !== this.#followed) this.refresh();
  }

  /** At once, since the reader chose something else; an older choice is not waited for. */
  async refresh() {
    this.#request?.abort();
    const request = (this.#request = new AbortController());
    this.setAttribute("aria-busy", "true");
    try {
      await fill([this], request.signal);
    } catch (error) {
      if (error.name !== "AbortError") setTimeout(() => this.isConnected && this.#later(), RETRY_MS);
    } finally {
      if (request === this.#request) this.removeAttribute("aria-busy");
    }
  }
}

customElements.define("live-region", LiveRegion);
