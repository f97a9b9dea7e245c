// <run-timeline>: when each step waited, was prepared, ran and was put away.
import { dataBlock, h, icon } from "./dom.js";
import { attempt, describe, storeFor } from "./run-store.js";
import { select, selectedStep } from "./selection.js";
import { ended, stateIcon, stateOf, word } from "./states.js";
import { at, built, domainOf, inOrder, percent, segments, ticks, tickWord } from "./timeline-scale.js";
import { duration, t } from "./words.js";

const PHASES = {
  queued: word("Queued"),
  preparing: word("Preparing"),
  running: word("Running"),
  finalizing: word("Finalizing"),
};
const BUILD = t("Environment build");
const said = (kind) => (PHASES[kind] ?? BUILD).toLowerCase();
/** An attempt ends as a run does, or is lost. */
const endOf = ({ status }) => (status.toLowerCase() === "lost" ? t("Lost") : word(stateOf({ status }))).toLowerCase();
// Between marks, a letter of their words, and what stands on both sides of a word.
const TICK_PX = 72,
  LETTER_PX = 6,
  BESIDE_PX = 8;

class RunTimeline extends HTMLElement {
  #rows = new Map();
  #domain = null;
  #stop = [];

  async connectedCallback() {
    if (!this.store) {
      const block = dataBlock(this);
      try {
        this.store = await storeFor(this, block);
      } catch (error) {
        this.append(
          h("p", { class: "graph-note", role: "alert" }, `${t("The timeline could not be loaded.")} ${error.message}`),
        );
        return;
      }
    }
    this.#listen();
    this.#render();
  }

  disconnectedCallback() {
    this.#stop.splice(0).forEach((stop) => stop());
  }

  static observedAttributes = ["selected"];
  attributeChangedCallback(_name, before) {
    if (before !== null && this.body) this.#mark();
  }

  #listen() {
    const on = (target, name, work) => {
      target.addEventListener(name, work);
      this.#stop.push(() => target.removeEventListener(name, work));
    };
    on(this.store, "states", () => this.#draw());
    on(this.store, "structure", () => this.#render());
    on(document, "duto:select", () => this.#mark());
    const timer = setInterval(() => this.#ongoing && document.visibilityState === "visible" && this.#draw(true), 1_000);
    const resized = new ResizeObserver(() => this.#axis());
    resized.observe(this);
    this.#stop.push(
      () => clearInterval(timer),
      () => resized.disconnect(),
    );
  }

  /** What has a row: the steps, and the builds of environments that they waited for. */
  get #nodes() {
    const { builds = [], created_at: from, finished_at: until } = this.store.doc;
    // A build may have begun for another run, and go on for one: here it is what this run waited.
    const inside = (moment) =>
      moment && (at(moment) < at(from) ? from : until && at(moment) > at(until) ? until : moment);
    const own = (build) => ({
      queued_at: inside(build.queued_at),
      started_at: inside(build.started_at),
      finished_at: inside(build.finished_at ?? until),
    });
    return [
      ...builds.map((build) => ({ ...build, ...own(build), id: `build:${build.id}`, type: "build" })),
      ...this.store.steps,
    ];
  }

  get #ongoing() {
    return this.#nodes.some(
      (node) =>
        (node.queued_at || node.started_at) && !ended(stateOf(node)) && !(node.type === "build" && node.finished_at),
    );
  }

  #render() {
    const critical = new Set(this.store.doc.critical_path ?? []);
    const order = inOrder(this.#nodes, this.store.doc.edges ?? []);
    this.#rows = new Map(order.map((node) => [node.id, this.#row(node, critical.has(node.id))]));
    this.axis = h("div", { class: "axis", "aria-hidden": "true" });
    this.body = h(
      "div",
      { class: "rows", role: "list", "aria-label": t("Steps by time") },
      [...this.#rows.values()].map(({ row }) => row),
    );
    const legend = h(
      "div",
      { class: "legend", "aria-hidden": "true" },
      Object.entries(PHASES).map(([kind, name]) => h("span", null, h("i", { class: `seg ${kind}` }), name)),
      order.some(({ type }) => type === "build") && h("span", null, h("i", { class: "seg building" }), BUILD),
      critical.size > 0 && h("span", null, h("i", { class: "critical-mark" }), t("Critical path")),
    );
    this.querySelectorAll(":scope > :not(script)").forEach((old) => old.remove());
    this.append(h("div", { class: "scroll" }, h("div", { class: "top" }, this.axis), this.body), legend);
    this.body.addEventListener("keydown", (event) => this.#key(event));
    // The column of names is as wide as the longest, and at most its share of the width.
    this.style.setProperty("--names", `calc(${Math.max(0, ...order.map(({ label }) => label.length))}ch + 8px)`);
    this.#domain = null;
    this.#draw();
    this.#mark();
  }

  #row(node, critical) {
    const track = h("span", { class: "track" });
    const sign = h("span", { class: "sign" });
    const time = h("span", { class: "took" });
    const enter =
      { group: () => this.store.open(node.name), build: () => select(node.step, "environment") }[node.type] ??
      (() => select(node.id));
    const row = h(
      "button",
      {
        type: "button",
        class: `line${critical ? " critical" : ""}`,
        [node.type === "build" ? "data-build" : "data-step"]: node.id,
        onclick: enter,
      },
      sign,
      h(
        "span",
        { class: "name", title: node.type === "build" ? `${node.label}, ${said("building")}` : node.label },
        node.label,
      ),
      time,
      track,
    );
    return { row: h("div", { role: "listitem" }, row), line: row, track, sign, time, key: "" };
  }

  #draw(onlyOngoing = false) {
    const before = this.#domain,
      nodes = this.#nodes;
    this.#domain = domainOf(nodes, this.#ongoing, before);
    if (!this.#domain) {
      nodes.forEach((node) => this.#label(node, this.#rows.get(node.id)));
      return;
    }
    const rescaled = before !== this.#domain;
    if (rescaled) this.#axis();
    const now = Date.now();
    for (const node of nodes) {
      if (rescaled || !onlyOngoing || !ended(stateOf(node))) this.#bars(node, this.#rows.get(node.id), now);
    }
  }

  #label(node, { line, sign, time, ...parts }) {
    const state = stateOf(node);
    if (line.dataset.state !== state) {
      line.dataset.state = state;
      sign.replaceChildren(icon(stateIcon(state)));
      sign.firstChild.classList.toggle("turning", state === "Running");
    }
    const took =
      node.started_at && state !== "Reused"
        ? duration(((at(node.finished_at) ?? Date.now()) - at(node.started_at)) / 1000)
        : word(state).toLowerCase();
    if (time.textContent !== took) time.textContent = took;
    line.setAttribute("aria-label", `${node.label}, ${describe(node).replaceAll(" · ", ", ")}`);
    return parts;
  }

  #bars(node, parts, now) {
    this.#label(node, parts);
    const past = this.#past(node),
      state = stateOf(node),
      end = at(node.finished_at);
    const lived = node.type === "build" ? built(node, now) : segments(node, now, past.at(-1)?.[2]);
    const pieces = [...past, ...lived];
    // What ended without running is a mark at that moment.
    if (ended(state) && end && !node.started_at) pieces.push(["mark", end, end, word(state).toLowerCase()]);
    if (parts.line.classList.contains("critical") && lived.length)
      pieces.push(["on-path", pieces[0][1], lived.at(-1)[2], t("on the critical path")]);
    const kinds = pieces.map(([kind]) => kind).join();
    if (parts.key !== kinds) {
      parts.track.replaceChildren(
        ...pieces.map(([kind, , , title]) => h("i", { class: `seg ${kind}`, title: title ?? said(kind) })),
      );
      parts.key = kinds;
    }
    pieces.forEach(([kind, from, until, title], place) => {
      const bar = parts.track.children[place],
        left = percent(this.#domain, from);
      bar.style.left = kind === "mark" ? `min(${left}%, 100% - 9px)` : `${left}%`;
      bar.style.width = `${Math.max(0, percent(this.#domain, until) - left)}%`;
      bar.title = title ?? `${said(kind)} ${duration((until - from) / 1000)}`;
    });
  }

  /** Earlier attempts stand before the last one, each in the colour of its end. */
  #past(node) {
    return (node.attempts ?? [])
      .slice(0, -1)
      .filter((one) => one.started_at)
      .map((one) => {
        const from = at(one.started_at),
          until = at(one.finished_at) ?? from;
        return [
          /* classes */ `past ${one.status.toLowerCase()}`,
          from,
          until,
          t("attempt {number} of {all}: {state}, {time}", {
            number: one.number,
            all: attempt(node),
            state: endOf(one),
            time: duration((until - from) / 1000),
          }),
        ];
      });
  }

  #axis() {
    if (!this.#domain || !this.axis) return;
    const marks = ticks(this.#domain, Math.max(2, this.axis.clientWidth / TICK_PX));
    const span = (this.#domain.end - this.#domain.start) / 1000;
    const width = this.axis.clientWidth,
      shown = [];
    for (const second of marks) {
      const text = tickWord(second),
        from = (width * second) / span,
        room = text.length * LETTER_PX + BESIDE_PX;
      // What has no room at the right of its mark stands at its left; the word before it makes way, and its line stays.
      const isLast = second > 0 && width - from < room;
      const before = shown.at(-1);
      if (isLast && before && before.until > from - room) before.text = "";
      shown.push({ text, isLast, left: (100 * second) / span, until: from + room });
    }
    this.axis.replaceChildren(
      ...shown.map(({ text, isLast, left }) => {
        const tick = h("span", { class: isLast && "end" }, text);
        tick.style.left = `${left}%`;
        return tick;
      }),
    );
    this.style.setProperty("--grid", `${(100 * (marks[1] ?? span)) / span}%`);
  }

  #mark() {
    const step = this.store.home(selectedStep() ?? this.getAttribute("selected"));
    for (const [id, { line }] of this.#rows) line.setAttribute("aria-pressed", String(id === step));
  }

  #key(event) {
    const all = [...this.body.querySelectorAll(".line")],
      here = all.indexOf(event.target);
    const next = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: all.length - 1 }[event.key];
    if (here < 0 || next === undefined) return;
    all[next]?.focus();
    event.preventDefault();
  }
}

customElements.define("run-timeline", RunTimeline);
