// <log-view>: a log that may be a gigabyte and may still be growing.
import { h, icon } from "./dom.js";
import { bytesOf, live } from "./live.js";
import { LogFind } from "./log-find.js";
import { LogPages } from "./log-pages.js";
import { LogSource, WINDOW } from "./log-source.js";
import { concat } from "./log-text.js";
import { bytes, n, t } from "./words.js";

const NEAR_PX = 1_200,
  BOTTOM_PX = 24,
  FAR_BEHIND = 2 * WINDOW,
  PAUSE_MS = 120;
const WRAP = "duto.log.wrap";

class LogView extends HTMLElement {
  #follow = false;
  #busy = false;
  #stop = null;
  #frames = [];
  #drawing = false;
  #missed = false;
  #drawn = 0;
  #height = 0;

  async connectedCallback() {
    if (this.source) return;
    this.source = new LogSource(
      this.getAttribute("src"),
      this.getAttribute("search") ?? `${this.getAttribute("src")}search/`,
      this.getAttribute("attempt"),
    );
    this.#frame();
    this.pages = new LogPages(this.lines, this.source);
    try {
      await this.#open();
    } catch (error) {
      this.note.textContent = error.message;
    }
    this.#listen();
    this.#foot();
  }

  disconnectedCallback() {
    this.#stop?.();
    this.#stop = null;
  }

  /** What it shows is not there any more. */
  end() {
    this.disconnectedCallback();
    if (this.source) this.source.isGone = true;
  }

  #frame() {
    this.lines = h("div", { class: "lines" });
    this.note = h("p", { class: "note" });
    this.scroll = h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": this.getAttribute("label") ?? t("Log") },
      this.lines,
      this.note,
    );
    this.find = new LogFind(this.source, (hit) => this.#jump(hit.offset, hit.line));
    this.find.element.hidden = this.hasAttribute("no-find");
    this.errors = h("button", {
      type: "button",
      class: "btn quiet small errors",
      hidden: true,
      onclick: () => this.#nextError(),
    });
    this.follower = h(
      "button",
      { type: "button", class: "btn quiet small", "aria-pressed": "false", onclick: () => this.#followEnd() },
      icon("follow"),
      t("Follow"),
    );
    const edge = (name, label, go) =>
      h(
        "button",
        { type: "button", class: "btn quiet square small", "aria-label": label, title: label, onclick: go },
        icon(name),
      );
    this.toStart = edge("arrow-up", t("Start of the log"), () => this.#goTo(0));
    this.toEnd = edge("arrow-down", t("End of the log"), () => this.#goTo(-WINDOW));
    this.total = h("span", { class: "total" });
    this.wrapper = h(
      "button",
      {
        type: "button",
        class: "btn quiet square small",
        "aria-label": t("Wrap lines"),
        title: t("Wrap lines"),
        "aria-pressed": "false",
        onclick: () => this.#wrap(!this.classList.contains("wrapped")),
      },
      icon("wrap"),
    );
    const download = this.getAttribute("download");
    this.append(
      this.scroll,
      h(
        "div",
        { class: "foot" },
        this.find.element,
        this.errors,
        this.toStart,
        this.toEnd,
        this.wrapper,
        this.follower,
        this.total,
        download &&
          h("a", { class: "btn quiet small", href: download, download: true }, icon("download"), t("Download")),
      ),
    );
    this.scroll.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.lines.addEventListener("click", (event) => this.#linked(event));
    try {
      this.wrap(localStorage.getItem(WRAP) === "1");
    } catch {
      /* as they come */
    }
  }

  async #toHash() {
    // Of several logs on a page none is meant by the number of a line.
    if (this.hasAttribute("unlinked")) return false;
    const line = Number(location.hash.match(/^#L(\d+)$/)?.[1] ?? 0);
    if (!line || !this.isConnected) return false;
    const offset = await this.source.offsetOf(line);
    if (offset !== null) await this.#jump(offset, line);
    return offset !== null;
  }

  async #open() {
    const error = this.getAttribute("error-offset");
    if (await this.#toHash()) return;
    if (error) {
      await this.#jump(Number(error));
      return;
    }
    const ended = this.hasAttribute("final");
    await this.pages.openAt(ended ? 0 : -WINDOW, ended);
    this.#follow = !ended && !this.source.final;
    if (this.#follow) this.#toEnd();
    else this.#firstError();
  }

  #firstError() {
    if (this.hasAttribute("at-error")) this.#center(this.lines.querySelector(".line.first"));
  }

  #listen() {
    const topic = this.getAttribute("topic");
    const stops = [];
    if (topic && !this.source.final)
      stops.push(
        live.watch(
          topic,
          (frame) => this.#heard(frame),
          () => ({ offset: this.pages.end }),
        ),
      );
    // A link to a line of this log may be followed while the log is already open.
    const linked = () => this.#toHash();
    for (const [target, name] of [
      [document, "duto:select"],
      [window, "hashchange"],
    ]) {
      target.addEventListener(name, linked);
      stops.push(() => target.removeEventListener(name, linked));
    }
    const seen = () => {
      if (this.#missed && document.visibilityState === "visible") {
        this.#missed = false;
        this.#frames.push({});
        this.#plan();
      }
    };
    document.addEventListener("visibilitychange", seen);
    stops.push(() => document.removeEventListener("visibilitychange", seen));
    const sized = new ResizeObserver(() => this.#resized());
    sized.observe(this.scroll);
    stops.push(() => sized.disconnect());
    this.#stop = () => stops.forEach((stop) => stop());
  }

  #heard(frame) {
    if (frame.error) return;
    if (frame.final) this.source.final = true;
    this.source.know(frame.errors);
    // A tab in the background keeps no bytes; it fetches what it missed when it is looked at.
    if (document.visibilityState === "hidden") {
      this.source.size = Math.max(this.source.size, frame.size ?? 0);
      this.#missed = true;
    } else {
      this.#frames.push(frame);
      this.#plan();
    }
  }

  #plan() {
    if (this.#drawing || !this.#frames.length) return;
    this.#drawing = true;
    setTimeout(
      () => requestAnimationFrame(() => this.#draw()),
      Math.max(0, this.#drawn + PAUSE_MS - performance.now()),
    );
  }

  /** All frames since the last picture at once: a flood costs one layout. */
  async #draw() {
    this.#drawn = performance.now();
    this.pages.following = this.#follow;
    try {
      await this.#take(this.#frames.splice(0));
      if (this.#follow && !this.pages.atTail) await this.#catchUp();
    } catch {
      /* the next frame tries again */
    }
    if (this.source.final && this.pages.atTail) this.pages.append(new Uint8Array());
    if (this.#follow) this.#toEnd();
    this.#foot();
    this.#drawing = false;
    this.#plan();
  }

  async #take(frames) {
    const parts = [];
    let end = this.pages.end;
    for (const frame of frames) {
      const bytes = frame.text ? bytesOf(frame.text) : new Uint8Array();
      const reach = (frame.offset ?? 0) + bytes.length;
      this.source.size = Math.max(this.source.size, reach, frame.size ?? 0);
      if (frame.offset === undefined || frame.offset > end || reach <= end) continue;
      parts.push(bytes.subarray(end - frame.offset));
      end = reach;
    }
    if (this.#follow) this.pages.follow(concat(parts));
    else if (!this.pages.full) this.pages.append(concat(parts));
    // A frame without bytes says that there is more, or that it is over: it is fetched.
    if (frames.some(({ offset }) => offset === undefined)) await this.pages.after();
  }

  async #catchUp() {
    if (this.source.size - this.pages.end > FAR_BEHIND) await this.pages.openAt(-WINDOW, false);
    else await this.pages.after();
  }

  async #followEnd() {
    this.#follow = !this.#follow;
    if (this.#follow && !this.pages.atTail) await this.pages.openAt(-WINDOW, false);
    if (this.#follow) this.#toEnd();
    this.#foot();
  }

  /** To the first line (0) or the last (an offset from the end). */
  async #goTo(offset) {
    this.#follow = false;
    try {
      if (offset === 0 && this.pages.start > 0) await this.pages.openAt(0);
      if (offset < 0 && !this.pages.atTail) await this.pages.openAt(offset, false);
    } catch (error) {
      this.note.textContent = error.message;
      return;
    }
    if (offset === 0) this.scroll.scrollTop = 0;
    else {
      this.#toEnd();
      requestAnimationFrame(() => this.#toEnd());
    } // what comes into view has its real height only then
    await this.#load();
    this.#foot();
  }

  /** Only the log moves: the page around it stays where the reader left it. */
  #center(line) {
    if (!line) return;
    const box = this.scroll.getBoundingClientRect();
    this.scroll.scrollTop += line.getBoundingClientRect().top - box.top - box.height / 3;
  }

  /** What the reader was led to stays in view when what is around the log takes or leaves room. */
  #resized() {
    const { clientHeight } = this.scroll,
      marked = this.lines.querySelector(".target");
    if (this.#follow) this.#toEnd();
    else if (marked) {
      const { top, bottom } = marked.getBoundingClientRect(),
        start = this.scroll.getBoundingClientRect().top;
      if (top - start < this.#height && bottom - start > clientHeight) this.#center(marked);
    }
    this.#height = clientHeight;
  }

  #toEnd() {
    this.scroll.scrollTop = this.scroll.scrollHeight;
  }

  async #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroll;
    const left = scrollHeight - scrollTop - clientHeight;
    if (this.#follow && left > BOTTOM_PX * 4 && !this.#drawing) {
      this.#follow = false;
      this.#foot();
    } else if (!this.#follow && left < BOTTOM_PX && this.pages.atTail && !this.source.final) {
      this.#follow = true;
      this.#foot();
    }
    await this.#load();
  }

  /** More of the log above or below, where what is loaded ends near by. */
  async #load() {
    if (this.#busy) return;
    this.#busy = true;
    const { scrollTop, scrollHeight, clientHeight } = this.scroll;
    const left = scrollHeight - scrollTop - clientHeight;
    try {
      if (scrollTop < NEAR_PX && this.pages.start > 0) {
        do await this.#grow();
        while (this.pages.start > 0 && this.scroll.scrollHeight <= clientHeight); // nothing would ask for more
      } else if (left < NEAR_PX && !this.pages.atTail) {
        await this.pages.after();
        this.#foot();
      }
    } catch (error) {
      this.note.textContent = error.message;
    }
    this.#busy = false;
  }

  /** What is read stays where it is while lines come in above it. */
  async #grow() {
    const anchor = this.#atTop();
    const before = anchor?.getBoundingClientRect().top;
    await this.pages.before();
    if (anchor?.isConnected) this.scroll.scrollTop += anchor.getBoundingClientRect().top - before;
    this.#foot();
  }

  async #jump(offset, number) {
    this.#follow = false;
    let line = this.pages.lineOf(offset);
    if (!line) {
      await this.pages.openAt(Math.max(0, offset - WINDOW / 4), offset < WINDOW / 4);
      line = this.pages.lineOf(offset);
    }
    if (line && number && !this.pages.isNumbered) this.pages.numberFrom(line, number);
    this.#target(line);
    this.#center(line);
    await this.#load();
    this.#center(line);
    this.#foot();
    return line;
  }

  #target(line) {
    this.lines.querySelector(".target")?.classList.remove("target");
    line?.classList.add("target");
  }

  #linked(event) {
    const link = event.target.closest("a.no");
    if (!link) return;
    event.preventDefault();
    this.#target(link.parentElement);
    if (link.hash) history.replaceState(history.state, "", link.hash);
  }

  /** The next one below the marked line, or below where the reader is; after the last the first. */
  async #nextError() {
    this.#follow = false;
    const marked = this.lines.querySelector(".target"),
      box = this.scroll.getBoundingClientRect();
    const top = (line) => line.getBoundingClientRect().top;
    const begin = marked && top(marked) >= box.top && top(marked) < box.bottom ? top(marked) + 1 : box.top;
    const next = [...this.lines.querySelectorAll(".line.first")].find((line) => top(line) >= begin);
    if (next) {
      this.#target(next);
      this.#center(next);
      this.#foot();
      return;
    }
    try {
      const hit = (await this.source.error(this.pages.drawn)) ?? (await this.source.error(0));
      if (hit) await this.#jump(hit.offset, hit.line);
    } catch (error) {
      this.note.textContent = error.message;
    }
  }

  /** How long lines are shown is chosen once, for all logs. */
  #wrap(wanted) {
    try {
      localStorage.setItem(WRAP, wanted ? "1" : "0");
    } catch {
      /* not remembered then */
    }
    for (const view of document.querySelectorAll("log-view")) view.wrap?.(wanted);
  }

  /** What is read stays in view. */
  wrap(wanted) {
    const line = this.#atTop(),
      before = line?.getBoundingClientRect().top;
    this.classList.toggle("wrapped", wanted);
    this.wrapper.setAttribute("aria-pressed", String(wanted));
    if (this.#follow) this.#toEnd();
    else if (line) this.scroll.scrollTop += line.getBoundingClientRect().top - before;
  }

  /** The first line in view, wherever the page is scrolled to. */
  #atTop() {
    const { top } = this.scroll.getBoundingClientRect(),
      isBelow = (element) => element.getBoundingClientRect().bottom > top;
    const chunk = [...this.lines.children].find(isBelow);
    return chunk?.matches(".line") ? chunk : [...(chunk?.children ?? [])].find(isBelow);
  }

  #foot() {
    const { errors } = this.source;
    this.errors.hidden = errors === null ? !this.lines.querySelector(".line.first") : !errors;
    this.errors.textContent = errors === null ? t("Next error") : n("{count} error", "{count} errors", errors);
    this.follower.hidden = this.source.final;
    this.toEnd.hidden = !this.source.final; // of a growing log, Follow leads there
    this.follower.setAttribute("aria-pressed", String(this.#follow));
    const count = this.pages.atTail ? this.pages.lastNumber : null;
    this.total.textContent = [count && n("{count} line", "{count} lines", count), bytes(this.source.size)]
      .filter(Boolean)
      .join(" · ");
    this.note.textContent = this.pages.empty
      ? this.source.final || this.hasAttribute("final")
        ? t("The script printed nothing.")
        : t("Nothing printed yet.")
      : "";
  }
}

customElements.define("log-view", LogView);
