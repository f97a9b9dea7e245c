// Finding in a log: the studio searches the whole of it, the page jumps from hit to hit.
import { h, icon } from "./dom.js";
import { t } from "./words.js";

const TYPING_MS = 250;

export class LogFind {
  #typing = 0;
  #searching = false;
  #hits = [];
  #next = 0;
  #at = -1;
  #asked = "";

  constructor(source, jump) {
    Object.assign(this, { source, jump });
    const button = (name, label, step) =>
      h(
        "button",
        { type: "button", class: "btn quiet square small", "aria-label": label, onclick: () => this.go(step) },
        icon(name),
      );
    this.input = h("input", {
      type: "search",
      class: "input small",
      placeholder: t("Find in log"),
      "aria-label": t("Find in log"),
      "data-search": true,
      spellcheck: "false",
    });
    this.count = h("span", { class: "found", "aria-live": "polite" });
    this.steps = h(
      "span",
      { class: "row", hidden: true },
      button("chevron-up", t("Previous hit"), -1),
      button("chevron-down", t("Next hit"), 1),
    );
    this.element = h(
      "div",
      { class: "find", role: "search" },
      h("label", { class: "search" }, icon("search"), this.input),
      this.count,
      this.steps,
    );
    this.input.addEventListener("keydown", (event) => this.#key(event));
    this.input.addEventListener("input", () => this.#typed());
    this.input.addEventListener("search", () => this.input.value || this.#forget());
  }

  #key(event) {
    if (event.key === "Enter") {
      this.go(event.shiftKey ? -1 : 1);
      event.preventDefault();
    }
    if (event.key === "Escape") {
      this.input.value = "";
      this.#forget();
    }
  }

  #typed() {
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.input.value === this.#asked || this.go(1), TYPING_MS);
  }

  #forget() {
    clearTimeout(this.#typing);
    this.#hits = []; // a search on its way knows by this that it was given up
    this.#searching = false;
    this.#asked = "";
    this.#at = -1;
    this.count.textContent = "";
    this.steps.hidden = true;
    CSS.highlights?.delete("log-found");
  }

  async go(step) {
    const text = this.input.value;
    if (!text) {
      this.#forget();
      return;
    }
    if (text !== this.#asked) {
      this.#forget();
      this.#asked = text;
      this.#next = 0;
    }
    if (this.#searching) return;
    if (
      (step > 0 || !this.#hits.length) &&
      this.#at === this.#hits.length - 1 &&
      this.#next !== null &&
      !(await this.#more())
    )
      return;
    if (!this.#hits.length) {
      this.count.textContent = t("no hit");
      return;
    }
    this.#at =
      this.#at < 0 && step < 0 ? this.#hits.length - 1 : (this.#at + step + this.#hits.length) % this.#hits.length;
    this.#show();
    const line = await this.jump(this.#hits[this.#at]);
    if (line) this.#paint(line, text);
  }

  /** Whether the answer came and is still wanted. */
  async #more() {
    const hits = this.#hits;
    this.#searching = true;
    this.count.textContent = t("searching…");
    try {
      // A long log is searched in parts, of which the first may hold nothing.
      for (let place = this.#next, known = hits.length; place !== null && hits.length === known;) {
        const { matches, next } = await this.source.search(this.#asked, place);
        if (hits !== this.#hits) return false;
        hits.push(...matches);
        this.#next = place = next;
      }
      return true;
    } catch (error) {
      if (hits === this.#hits) this.count.textContent = error.message;
      return false;
    } finally {
      if (hits === this.#hits) this.#searching = false;
    }
  }

  #show() {
    this.count.textContent = t("{part} of {whole}", {
      part: this.#at + 1,
      whole: `${this.#hits.length}${this.#next === null ? "" : "+"}`,
    });
    this.steps.hidden = false;
  }

  #paint(line, text) {
    if (!CSS.highlights) return;
    const ranges = [],
      wanted = text.toLowerCase();
    const walker = document.createTreeWalker(line.querySelector(".text"), NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      for (
        let at = node.data.toLowerCase().indexOf(wanted);
        at >= 0;
        at = node.data.toLowerCase().indexOf(wanted, at + wanted.length)
      ) {
        const range = new Range();
        range.setStart(node, at);
        range.setEnd(node, at + wanted.length);
        ranges.push(range);
      }
    }
    CSS.highlights.set("log-found", new Highlight(...ranges));
  }
}
