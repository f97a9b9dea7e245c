// <file-drop>: files and folders dragged in or chosen, each sent by itself, with how far all of them are and a way to stop.
import { ASKED, csrfToken, h, icon, refusal } from "./dom.js";
import { ofDrop, ofInput } from "./file-entries.js";
import { announce } from "./notices.js";
import { bytes, duration, n, t } from "./words.js";

// Small files take longer on their way than in the wire.
const AT_ONCE = 3;
// Larger files go in pieces, where the receiver takes them: one that broke off goes on after the last piece that arrived.
const PIECE = 8 << 20;
const AGAIN = 1 << 20;
// How long it is waited before a piece is sent again, in seconds; after that a person is asked.
const PAUSES = [1, 2, 4, 8, 16];
// Stands for this page: of several that send one file the studio takes the pieces of one alone.
const SENDER = Math.random().toString(36).slice(2);
// So many of those that are sent stay listed; the sum counts all.
const LISTED = 200;

/** What the studio says of a request; nothing where what answered was not the studio, such as the page of a proxy. */
function said(request) {
  try {
    return JSON.parse(request.responseText) ?? {};
  } catch {
    return {};
  }
}

const why = (status, answer) =>
  answer?.error?.message ??
  (status < 300
    ? t("What answered was not the studio. Sign in again, or ask who runs the proxy before it.")
    : refusal(status));

const rest = (seconds) => t("{time} left", { time: duration(seconds) });

class FileDrop extends HTMLElement {
  #jobs = [];
  #waiting = [];
  #sending = new Set();
  #began = 0;
  #held = null;

  connectedCallback() {
    if (this.list) return;
    this.input =
      this.querySelector('input[type="file"]') ?? this.appendChild(h("input", { type: "file", multiple: true }));
    this.input.classList.add("sr-only");
    this.input.id ||= `files-${Math.random().toString(36).slice(2)}`;
    this.list = this.querySelector("ul.files") ?? h("ul", { class: "files" });
    this.sum = h("p", { class: "sum", hidden: true });
    this.append(this.#zone(), this.sum, this.list);
    if (this.hasAttribute("takes-back")) for (const row of this.list.children) this.#addRemove(row, row.dataset.path);
    this.input.addEventListener("change", () => this.#takeFrom(this.input));
    for (const name of ["dragenter", "dragover"])
      this.addEventListener(name, (event) => {
        event.preventDefault();
        this.classList.add("over");
      });
    for (const name of ["dragleave", "drop"]) this.addEventListener(name, () => this.classList.remove("over"));
    this.addEventListener("drop", (event) => {
      event.preventDefault();
      this.#dropped(event.dataTransfer);
    });
    // The page that is loaded anew finds its files again.
    const key = this.closest("form")?.elements.staged?.value;
    if (this.hasAttribute("resumes") && key) {
      const here = new URL(location.href);
      here.searchParams.set("staged", key);
      history.replaceState(history.state, "", here);
    }
    this.closest("form")?.addEventListener("submit", (event) => this.#mayGo(event));
    addEventListener("beforeunload", (event) => {
      if (this.#isBusy) event.preventDefault();
    });
    // Chosen before this module had come, or kept by the browser over a reload.
    if (this.input.files.length) this.#takeFrom(this.input);
  }

  get #isBusy() {
    return this.#sending.size + this.#waiting.length > 0;
  }

  #zone() {
    const zone = h(
      "label",
      { class: "zone", for: this.input.id },
      icon("upload"),
      h("span", null, h("b", null, t("Choose files")), " ", t("or drag them here")),
      h("small", { class: "faint" }, this.getAttribute("hint") ?? ""),
    );
    if (!this.hasAttribute("folders")) return zone;
    const folder = h("input", {
      type: "file",
      webkitdirectory: true,
      multiple: true,
      hidden: true,
      onchange: () => this.#takeFrom(folder),
    });
    return h(
      "div",
      { class: "zones" },
      zone,
      folder,
      h(
        "button",
        { type: "button", class: "btn small", onclick: () => folder.click() },
        icon("folder"),
        t("Choose a folder"),
      ),
    );
  }

  #takeFrom(input) {
    const found = ofInput(input.files);
    input.value = "";
    this.#take(found);
  }

  async #dropped(transfer) {
    try {
      this.#take(await ofDrop(transfer));
    } catch (error) {
      this.#tell(t("These files cannot be read: {why}", { why: error.message }));
    }
  }

  #take(found) {
    if (!found.length) return;
    if (!this.#isBusy) {
      this.#began = performance.now();
      this.#jobs = this.#jobs.filter((job) => job.failed);
    }
    for (const { file, path } of found) {
      // The same path again takes the place of what was there before.
      const before = [...this.list.children].find((row) => row.dataset.path === path);
      const job = { file, path, loaded: 0, mayBeThere: Boolean(before) };
      if (before) {
        const known = this.#jobs.find((other) => other.row === before);
        if (this.#sending.has(known)) this.#abort(known, false);
        this.#jobs = this.#jobs.filter((other) => other !== known);
        before.remove();
      }
      this.#jobs.push(job);
      this.#waiting.push(job);
    }
    this.#next();
  }

  #next() {
    while (this.#sending.size < AT_ONCE && this.#waiting.length) this.#send(this.#waiting.shift());
    this.toggleAttribute("busy", this.#isBusy);
    this.#draw();
    if (!this.#isBusy) this.#ended();
  }

  #ended() {
    const failed = this.#jobs.filter((job) => job.failed).length;
    announce(failed ? n("{count} file was not sent", "{count} files were not sent", failed) : t("All files are sent"));
    this.#changed();
    const go = this.#held;
    this.#held = null;
    if (go && !failed) go.form.requestSubmit(go.submitter);
  }

  #changed() {
    const paths = [...this.list.querySelectorAll("li.done")].map((row) => row.dataset.path);
    this.dispatchEvent(new CustomEvent("files-changed", { bubbles: true, detail: { paths } }));
  }

  #send(job, replace = this.hasAttribute("overwrite")) {
    this.#sending.add(job);
    job.failed = job.isElsewhere = false;
    job.loaded = 0;
    job.bar = h("progress", { max: 1, value: 0, "aria-label": job.path });
    job.what = h("span", { class: "what" }, bytes(job.file.size));
    const stop = h(
      "button",
      {
        type: "button",
        class: "btn quiet square small",
        "aria-label": t("Stop {name}", { name: job.path }),
        onclick: () => this.#abort(job),
      },
      icon("close"),
    );
    this.#put(job, "", icon("file"), this.#name(job), job.what, stop, job.bar);
    job.pauses = [...PAUSES];
    if (this.hasAttribute("resumes") && job.file.size > PIECE) {
      this.#sendPiece(job, 0);
      return;
    }
    const request = this.#request(job, replace ? "?overwrite=1" : "", job.file, 0);
    request.onload = () => {
      const answer = said(request);
      if (request.status < 300 && answer.size === job.file.size) this.#sent(job);
      else this.#refused(job, request.status, answer);
    };
    request.onerror = () => this.#failed(job, t("The connection was lost."));
    request.send(job.file);
  }

  /** What sends some bytes of a file that begin there, without what comes of it. */
  #request(job, query, body, offset) {
    const request = (job.request = new XMLHttpRequest());
    const path = ((this.getAttribute("prefix") ?? "") + job.path).split("/").map(encodeURIComponent).join("/");
    request.open("PUT", this.getAttribute("action") + path + query);
    for (const [name, value] of Object.entries({ "X-CSRFToken": csrfToken(), ...ASKED }))
      request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => {
      job.loaded = offset + (total ? (loaded / total) * body.size : 0);
      job.bar.value = job.file.size ? job.loaded / job.file.size : 0;
      this.#draw();
    };
    request.onabort = () => this.#left(job);
    return request;
  }

  /** A piece, and after it those that the receiver has not: it says how much is there. */
  #sendPiece(job, offset) {
    const { size, lastModified } = job.file,
      piece = job.file.slice(offset, offset + PIECE),
      request = this.#request(job, `?changed=${lastModified}&by=${SENDER}`, piece, offset);
    const range = `${offset}-${offset + piece.size - 1}/${size}`;
    request.setRequestHeader("Content-Range", ["bytes", range].join(" "));
    request.onload = () => {
      const answer = said(request),
        { received } = answer;
      if (request.status >= 300 || typeof received !== "number") {
        // A studio that is away for a moment is waited for like a connection.
        if (request.status >= 500 && request.status !== 507) this.#later(job, offset, refusal(request.status));
        else this.#refused(job, request.status, answer);
        return;
      }
      job.pauses = [...PAUSES];
      const end = offset + piece.size;
      if (received >= size) this.#sent(job);
      // What came of it before is sent again at its end: the studio compares, and begins anew where it is another file.
      else this.#sendPiece(job, received > end ? Math.max(end, received - AGAIN) : received);
    };
    request.onerror = () => this.#later(job, offset, t("The connection was lost."));
    request.send(piece);
  }

  #later(job, offset, why) {
    if (!job.pauses.length) {
      this.#failed(job, why);
      return;
    }
    const seconds = job.pauses.shift();
    job.what.textContent = `${why} ${t("It is tried again.")}`;
    job.row.classList.add("part");
    job.timer = setTimeout(() => {
      job.timer = null;
      job.row.classList.remove("part");
      job.what.textContent = bytes(job.file.size);
      this.#sendPiece(job, offset);
    }, seconds * 1000);
  }

  #abort(job, takesBack = true) {
    job.takesBack = takesBack;
    if (!job.timer) {
      job.request.abort();
      return;
    }
    clearTimeout(job.timer);
    job.timer = null;
    this.#left(job);
  }

  /** What has arrived of it, or lies there from before, goes, too: else the form would have to wait for the rest. */
  async #left(job) {
    const reason = job.takesBack ? await this.#takeBack(job.path) : "";
    if (reason) {
      this.#failed(job, reason);
      return;
    }
    this.#forget(job);
    this.#sending.delete(job);
    this.#next();
  }

  #name(job) {
    return h("span", { class: "truncate", title: job.path }, h("bdi", null, job.path));
  }

  #put(job, state, ...parts) {
    const row = h("li", { class: state, "data-path": job.path }, ...parts);
    if (job.row?.isConnected) job.row.replaceWith(row);
    else this.list.append(row);
    job.row = row;
  }

  #refused(job, status, answer) {
    // What another window sends is that one's to leave out.
    job.isElsewhere = answer.error?.code === "sent_elsewhere";
    this.#failed(job, why(status, answer), answer.error?.code === "exists");
  }

  #sent(job) {
    job.loaded = job.file.size;
    this.#put(job, "done", icon("check"), this.#name(job), h("span", { class: "what" }, bytes(job.file.size)));
    if (this.hasAttribute("takes-back")) this.#addRemove(job.row, job.path);
    else {
      const done = this.list.querySelectorAll("li.done");
      if (done.length > LISTED) done[0].remove();
    }
    this.#sending.delete(job);
    this.#next();
  }

  #failed(job, message, isThere = false) {
    job.failed = true;
    job.loaded = 0;
    const again = h(
      "button",
      {
        type: "button",
        class: "btn small",
        onclick: () => {
          this.#send(job, isThere || this.hasAttribute("overwrite"));
          this.#next();
        },
      },
      isThere ? t("Replace it") : t("Try again"),
    );
    const leave = h(
      "button",
      {
        type: "button",
        class: "btn quiet square small",
        "aria-label": t("Leave out {name}", { name: job.path }),
        onclick: () => this.#remove(job.row, job.isElsewhere ? null : job.path, leave),
      },
      icon("close"),
    );
    this.#put(
      job,
      "bad",
      icon("error"),
      this.#name(job),
      h("span", { class: "what", role: "alert" }, message),
      h("span", { class: "row" }, again, leave),
    );
    this.#sending.delete(job);
    this.#next();
  }

  #forget(job) {
    job.row?.remove();
    this.#jobs = this.#jobs.filter((other) => other !== job);
  }

  #stopAll() {
    const left = new Set(this.#waiting);
    this.#waiting = [];
    this.#held = null;
    this.#jobs = this.#jobs.filter((job) => !left.has(job));
    for (const job of [...this.#sending]) this.#abort(job);
    for (const job of left) {
      if (!job.mayBeThere) continue;
      job.takesBack = true;
      this.#sending.add(job);
      this.#left(job);
    }
    this.#draw();
  }

  #addRemove(row, path) {
    const button = h(
      "button",
      {
        type: "button",
        class: "btn quiet square small",
        "aria-label": t("Leave out {name}", { name: path }),
        onclick: () => this.#remove(row, path, button),
      },
      icon("close"),
    );
    row.append(button);
  }

  async #remove(row, path, button) {
    button.disabled = true;
    const reason = await this.#takeBack(path);
    button.disabled = false;
    if (reason) {
      this.#tell(reason);
      return;
    }
    row.remove();
    this.#jobs = this.#jobs.filter((job) => job.row !== row);
    this.#draw();
    this.#changed();
  }

  /** Have the studio forget a file, where it does that; why it did not. */
  async #takeBack(path) {
    if (path === null || !this.hasAttribute("takes-back")) return "";
    const answer = await fetch(this.getAttribute("action") + path.split("/").map(encodeURIComponent).join("/"), {
      method: "DELETE",
      headers: { "X-CSRFToken": csrfToken(), ...ASKED },
    }).catch(() => null);
    if (!answer) return t("The connection was lost.");
    return answer.status === 204 ? "" : why(answer.status, await answer.json().catch(() => ({})));
  }

  /** One line for all: how many and how much of it is there, and what is wrong. */
  #draw() {
    const failed = this.#jobs.filter((job) => job.failed);
    const done = this.#jobs.filter((job) => job.row?.classList.contains("done"));
    if (this.#isBusy) {
      const total = this.#jobs.reduce((sum, job) => sum + job.file.size, 0),
        loaded = this.#jobs.reduce((sum, job) => sum + job.loaded, 0);
      const seconds = (performance.now() - this.#began) / 1000,
        left = loaded ? ((total - loaded) * seconds) / loaded : 0;
      this.bar ??= h("progress", { max: 1, "aria-label": t("All files") });
      this.bar.value = total ? loaded / total : 0;
      const words = [
        n("{done} of {count} file", "{done} of {count} files", this.#jobs.length, { done: done.length }),
        t("{part} of {whole}", { part: bytes(loaded), whole: bytes(total) }),
        seconds > 1 && left > 1 ? rest(left) : "",
      ]
        .filter(Boolean)
        .join(" · ");
      this.stop ??= h("button", { type: "button", class: "btn small", onclick: () => this.#stopAll() }, t("Stop"));
      this.words ??= h("span", { class: "what" });
      this.words.textContent = words;
      if (this.sum.firstChild !== this.words) this.sum.replaceChildren(this.words, this.stop, this.bar);
      this.sum.className = "sum";
      this.sum.hidden = false;
    } else if (failed.length) {
      this.#tell(n("{count} file was not sent.", "{count} files were not sent.", failed.length));
    } else {
      this.sum.hidden = done.length < 2;
      this.sum.className = "sum";
      this.sum.replaceChildren(
        h(
          "span",
          { class: "what" },
          `${n("{count} file", "{count} files", done.length)} · ${bytes(done.reduce((sum, job) => sum + job.file.size, 0))}`,
        ),
      );
    }
  }

  #tell(text) {
    this.sum.hidden = false;
    this.sum.className = "sum";
    this.sum.classList.add("bad");
    this.sum.replaceChildren(h("span", { role: "alert" }, text));
  }

  /** A form waits for its files; one of which some were not sent goes only without them. */
  #mayGo(event) {
    if (this.#isBusy) {
      event.preventDefault();
      this.#held = { form: event.target, submitter: event.submitter };
      announce(t("It is sent when all files are there."));
    } else if (this.#jobs.some((job) => job.failed) || this.list.querySelector("li.part")) {
      event.preventDefault();
      this.#tell(t("Some files were not sent. Try them again, or leave them out."));
      this.scrollIntoView({ block: "nearest" });
    }
  }
}

customElements.define("file-drop", FileDrop);
