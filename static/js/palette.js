// ⌘K: jump to anything by name. Pages come from the navigation at once, the rest from the studio.
import { fetchJSON, h, icon } from "./dom.js";
import { stateOf, word } from "./states.js";
import { t } from "./words.js";

const ICONS = {
  run: "runs",
  pipeline: "pipelines",
  draft: "edit",
  dataset: "data",
  datastore: "disk",
  environment: "environments",
  model: "models",
  compute: "compute",
  experiment: "experiments",
  page: "arrow-right",
};
const PAUSE_MS = 120;

class Palette {
  #found = [];
  #at = 0;
  #timer = null;
  #request = null;

  constructor(dialog) {
    this.dialog = dialog;
    this.input = dialog.querySelector("input");
    this.list = dialog.querySelector("ul");
    this.input.addEventListener("input", () => this.#ask());
    this.input.addEventListener("keydown", (event) => this.#key(event));
    this.list.addEventListener("click", (event) => this.#go(event.target.closest("li"), event));
    dialog.addEventListener("close", () => {
      this.input.value = "";
    });
    new MutationObserver(() => dialog.open && this.#ask()).observe(dialog, { attributeFilter: ["open"] });
  }

  #pages(query) {
    const links = [...document.querySelectorAll(".shell a.item, a[data-palette]")];
    return links
      .map((a) => ({
        kind: "page",
        name: a.dataset.palette || a.firstElementChild.nextSibling?.textContent.trim() || a.textContent.trim(),
        url: a.href,
        detail: t("Page"),
      }))
      .filter(({ name }) => name.toLowerCase().includes(query.toLowerCase()));
  }

  #ask() {
    const query = this.input.value.trim();
    this.#show(this.#pages(query), query);
    clearTimeout(this.#timer);
    this.#request?.abort();
    this.#timer = setTimeout(() => this.#fetch(query), query ? PAUSE_MS : 0);
  }

  async #fetch(query) {
    const request = (this.#request = new AbortController());
    try {
      const { items } = await fetchJSON(`${this.dialog.dataset.src}?q=${encodeURIComponent(query)}`, {
        signal: request.signal,
      });
      if (this.input.value.trim() === query) this.#show([...items, ...this.#pages(query)], query);
    } catch {
      /* the pages are there; the next letter asks again */
    }
  }

  #show(found, query) {
    this.#found = found;
    this.#at = 0;
    const rows = found.map(({ kind, name, detail }, place) =>
      h(
        "li",
        { role: "option", id: `palette-${place}` },
        icon(ICONS[kind] ?? "arrow-right"),
        h("span", { class: "truncate" }, name),
        h("span", { class: "detail" }, kind === "run" ? word(stateOf({ status: detail })) : (detail ?? kind)),
      ),
    );
    this.list.replaceChildren(
      ...(rows.length
        ? rows
        : [
            h(
              "li",
              { class: "none", "aria-disabled": "true" },
              query ? t("Nothing is named “{text}”.", { text: query }) : t("Nothing yet."),
            ),
          ]),
    );
    this.#mark();
  }

  #mark() {
    [...this.list.children].forEach((row, place) => row.setAttribute("aria-selected", String(place === this.#at)));
    this.input.setAttribute("aria-activedescendant", `palette-${this.#at}`);
    this.list.children[this.#at]?.scrollIntoView({ block: "nearest" });
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.#found.length) {
      this.#at = (this.#at + step + this.#found.length) % this.#found.length;
      this.#mark();
      event.preventDefault();
    } else if (event.key === "Enter") {
      this.#go(this.list.children[this.#at], event);
      event.preventDefault();
    }
  }

  #go(row, event) {
    const hit = this.#found[[...this.list.children].indexOf(row)];
    if (!hit) return;
    if (event.metaKey || event.ctrlKey) window.open(hit.url);
    else location.assign(hit.url);
  }
}

const dialog = document.getElementById("palette");
if (dialog) new Palette(dialog);
