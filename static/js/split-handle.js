// <split-handle name>: between two panes; dragged, moved by arrows, and remembered under its name.
const LEAST = 25,
  MOST = 75,
  STEP = 2,
  FIRST = 46;

class SplitHandle extends HTMLElement {
  #part = FIRST;

  connectedCallback() {
    if (this.hasAttribute("role")) return;
    for (const [name, value] of Object.entries({
      role: "separator",
      tabindex: "0",
      "aria-orientation": "vertical",
      "aria-valuemin": LEAST,
      "aria-valuemax": MOST,
      "aria-label": this.getAttribute("label"),
    }))
      this.setAttribute(name, value);
    this.addEventListener("keydown", (event) => this.#key(event));
    this.addEventListener("pointerdown", (event) => this.#grab(event));
    this.addEventListener("dblclick", () => this.#keep(FIRST));
    this.#set(Number(this.#remembered) || FIRST);
  }

  get #place() {
    return `duto.split.${this.getAttribute("name")}`;
  }

  get #remembered() {
    try {
      return localStorage.getItem(this.#place);
    } catch {
      return null;
    }
  }

  #set(percent) {
    this.#part = Math.min(MOST, Math.max(LEAST, percent));
    this.parentElement.style.setProperty("--left", `${this.#part}fr`);
    this.parentElement.style.setProperty("--right", `${100 - this.#part}fr`);
    this.setAttribute("aria-valuenow", Math.round(this.#part));
  }

  #keep(percent) {
    this.#set(percent);
    try {
      localStorage.setItem(this.#place, this.#part.toFixed(1));
    } catch {
      /* it then lasts as long as the page */
    }
  }

  #key(event) {
    const next = { ArrowLeft: this.#part - STEP, ArrowRight: this.#part + STEP, Home: LEAST, End: MOST, Enter: FIRST }[
      event.key
    ];
    if (next === undefined) return;
    event.preventDefault();
    this.#keep(next);
  }

  #grab(event) {
    if (event.button) return;
    event.preventDefault();
    this.focus();
    this.setPointerCapture(event.pointerId);
    this.classList.add("grabbed");
    const box = this.parentElement.getBoundingClientRect();
    const move = ({ clientX }) => this.#set((100 * (clientX - box.left)) / box.width);
    const drop = () => {
      this.removeEventListener("pointermove", move);
      this.classList.remove("grabbed");
      this.#keep(this.#part);
    };
    this.addEventListener("pointermove", move);
    this.addEventListener("lostpointercapture", drop, { once: true });
  }
}

customElements.define("split-handle", SplitHandle);
