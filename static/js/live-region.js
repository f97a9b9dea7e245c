// <live-region src topic>: a fragment of the page that renders itself again when its topic speaks.
import htmx from "../vendor/htmx.js";
import { Idiomorph } from "../vendor/idiomorph.js";
import { regularly, throttle } from "./dom.js";
import { live } from "./live.js";
import { mark, selectedStep } from "./selection.js";

/** These draw themselves; they are replaced when their source changes and left alone otherwise. */
const OWN = new Set(["LOG-VIEW", "RUN-GRAPH", "RUN-TIMELINE", "METRIC-GRID", "METRIC-CHART", "USAGE-CHARTS", "FILE-DROP"]);
const identity = (element) => [...element.attributes].filter((a) => ["src", "topic", "data", "attempt"].includes(a.name)).map((a) => a.value).join("|");

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

class LiveRegion extends HTMLElement {
  #stop = [];
  #request = null;
  #later = throttle(500, () => this.refresh());

  connectedCallback() {
    for (const topic of (this.getAttribute("topic") ?? "").split(/\s+/).filter(Boolean)) this.#watch(topic);
    if (this.hasAttribute("follow")) this.#listen("duto:select", () => this.refresh(true));
    this.#listen("visibilitychange", () => this.#missed && document.visibilityState === "visible" && this.#later());
    if (this.hasAttribute("every")) this.#stop.push(regularly(Number(this.getAttribute("every")), this.#later));
    if (this.hasAttribute("load")) this.refresh();
  }

  disconnectedCallback() {
    this.#later.cancel();
    this.#request?.abort();
    this.#stop.splice(0).forEach((stop) => stop());
  }

  #missed = false;

  #watch(topic) {
    const version = this.getAttribute("version");
    this.#stop.push(live.watch(topic, (frame) => this.#heard(frame), version ? () => ({ version: Number(version) }) : undefined));
  }

  #listen(name, work) {
    document.addEventListener(name, work);
    this.#stop.push(() => document.removeEventListener(name, work));
  }

  #heard(frame) {
    if (frame.error) return;
    const mine = !this.hasAttribute("follow") || selectedStep() === null || frame.reload || !frame.changes || frame.changes.some((change) => change.step === selectedStep());
    if (!mine) return;
    // A tab in the background loads once, when it is looked at.
    if (document.visibilityState === "hidden") { this.#missed = true; return; }
    this.#later();
  }

  get address() {
    const url = new URL(this.getAttribute("src") || location.href, location.href);
    if (this.hasAttribute("follow") || this.hasAttribute("query")) {
      for (const [name, value] of new URL(location.href).searchParams) if (!url.searchParams.has(name)) url.searchParams.append(name, value);
    }
    return url;
  }

  async refresh(changed = false) {
    this.#missed = false;
    this.#request?.abort();
    const request = this.#request = new AbortController();
    if (changed) this.setAttribute("aria-busy", "true");
    try {
      const headers = { "HX-Request": "true", ...(this.id && { "HX-Target": this.id }) };
      const response = await fetch(this.address, { headers, signal: request.signal });
      if (response.redirected && new URL(response.url).pathname !== this.address.pathname) location.reload();
      else if (response.ok) morph(this, await response.text());
    } catch (error) {
      if (error.name !== "AbortError") this.#missed = true;
    } finally {
      if (request === this.#request) this.removeAttribute("aria-busy");
    }
  }
}

customElements.define("live-region", LiveRegion);
