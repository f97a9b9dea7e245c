// <file-drop>: files dragged in or chosen, sent with a bar, a rest time and a way to stop.
import { ASKED, csrfToken, h, icon, refusal } from "./dom.js";
import { bytes, t } from "./words.js";

const rest = (seconds) => t("{time} left", { time: seconds < 60 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min` });

class FileDrop extends HTMLElement {
  #queue = [];
  #sending = null;

  connectedCallback() {
    if (this.list) return;
    this.input = this.querySelector('input[type="file"]') ?? this.appendChild(h("input", { type: "file", multiple: this.hasAttribute("multiple"), accept: this.getAttribute("accept") }));
    this.input.classList.add("sr-only");
    this.input.id ||= `files-${Math.random().toString(36).slice(2)}`;
    this.list = h("ul", { class: "files", "aria-live": "polite" });
    this.append(h("label", { class: "zone", for: this.input.id }, icon("upload"), h("span", null, h("b", null, t("Choose files")), " ", t("or drag them here")),
      h("small", { class: "faint" }, this.getAttribute("hint") ?? "")), this.list);
    this.input.addEventListener("change", () => this.#take(this.input.files));
    for (const name of ["dragenter", "dragover"]) this.addEventListener(name, (event) => { event.preventDefault(); this.classList.add("over"); });
    for (const name of ["dragleave", "drop"]) this.addEventListener(name, () => this.classList.remove("over"));
    this.addEventListener("drop", (event) => { event.preventDefault(); this.#dropped(event.dataTransfer); });
    // Chosen before this module had come, or kept by the browser over a reload.
    if (this.input.files.length) this.#take(this.input.files);
  }

  #dropped(transfer) {
    if (!transfer.files.length) return;
    // Without an own address the files go with their form, as those of any file field.
    if (!this.hasAttribute("action")) this.input.files = transfer.files;
    this.#take(transfer.files);
  }

  #take(files) {
    if (!this.hasAttribute("action")) {
      this.list.replaceChildren(...[...files].map((file) => h("li", null, icon("file"), h("span", { class: "truncate" }, file.name), h("span", { class: "what" }, bytes(file.size)))));
      return;
    }
    for (const file of files) this.#queue.push(this.#row(file));
    this.input.value = "";
    this.#next();
  }

  #row(file) {
    const bar = h("progress", { max: 1, value: 0, "aria-label": file.name });
    const what = h("span", { class: "what" }, bytes(file.size));
    const job = { file, bar, what };
    job.stop = h("button", { type: "button", class: "btn quiet square small", "aria-label": t("Stop {name}", { name: file.name }), onclick: () => this.#cancel(job) }, icon("close"));
    job.row = h("li", null, icon("file"), h("span", { class: "truncate" }, file.name), what, job.stop, bar);
    this.list.append(job.row);
    return job;
  }

  #next() {
    if (this.#sending) return;
    const job = this.#sending = this.#queue.shift() ?? null;
    this.toggleAttribute("busy", Boolean(job));
    if (job) this.#send(job);
    else this.dispatchEvent(new CustomEvent("files-sent", { bubbles: true }));
  }

  #send(job) {
    const path = (this.getAttribute("prefix") ?? "") + job.file.name;
    const put = (this.getAttribute("method") ?? "PUT").toUpperCase() === "PUT";
    const address = this.getAttribute("action") + (put ? path.split("/").map(encodeURIComponent).join("/") : "") + (this.hasAttribute("overwrite") ? "?overwrite=1" : "");
    const request = job.request = new XMLHttpRequest();
    request.open(put ? "PUT" : "POST", address);
    for (const [name, value] of Object.entries({ "X-CSRFToken": csrfToken(), ...ASKED })) request.setRequestHeader(name, value);
    const began = performance.now();
    request.upload.onprogress = ({ loaded, total }) => this.#progress(job, loaded, total, (performance.now() - began) / 1000);
    request.onload = () => this.#done(job, path, request);
    request.onerror = () => this.#failed(job, t("The connection was lost."));
    request.onabort = () => { job.row.remove(); this.#finish(job); };
    let body = job.file;
    if (!put) { body = new FormData(); body.append(this.input.name || "file", job.file); }
    request.send(body);
  }

  #progress(job, loaded, total, seconds) {
    job.bar.value = total ? loaded / total : 0;
    const left = loaded ? ((total - loaded) * seconds) / loaded : 0;
    job.what.textContent = `${t("{part} of {whole}", { part: bytes(loaded), whole: bytes(total) })}${seconds > 1 && left > 1 ? ` · ${rest(left)}` : ""}`;
  }

  #done(job, path, request) {
    if (request.status >= 300) {
      let message = refusal(request.status);
      try { message = JSON.parse(request.responseText).error.message; } catch { /* not ours to read */ }
      this.#failed(job, message);
      return;
    }
    job.bar.remove();
    job.what.textContent = bytes(job.file.size);
    job.row.classList.add("done");
    job.row.firstChild.replaceWith(icon("check"));
    const name = this.getAttribute("name");
    if (name) job.row.append(h("input", { type: "hidden", name, value: path }));
    this.dispatchEvent(new CustomEvent("file-sent", { bubbles: true, detail: { path, size: job.file.size } }));
    this.#finish(job);
  }

  #failed(job, message) {
    job.bar.remove();
    job.row.classList.add("bad");
    job.what.textContent = message;
    this.#finish(job);
  }

  #cancel(job) {
    if (job === this.#sending) { job.request.abort(); return; }
    this.#queue = this.#queue.filter((other) => other !== job);
    job.row.remove();
  }

  #finish(job) {
    if (job !== this.#sending) return;
    this.#sending = null;
    this.#next();
  }
}

customElements.define("file-drop", FileDrop);
