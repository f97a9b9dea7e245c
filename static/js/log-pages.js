// The loaded part of a log: a row of chunks, grown at either end, let go of at the far one.
import { h } from "./dom.js";
import { concat, LineMaker, nameLine, splitLines } from "./log-text.js";
import { WINDOW } from "./log-source.js";

const LINES_PER_CHUNK = 2_000, MOST_CHUNKS = 14, MOST_FOLLOWED = 4;
const FLOOD = 160 * 1024, GLANCE = 48 * 1024, NEWLINE = 10;

function newlines(bytes) {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}

export class LogPages {
  #chunks = [];
  #rest = new Uint8Array();
  #pending = null;
  #first = null; // the number of the first loaded line
  #maker = new LineMaker();

  constructor(host, source) {
    Object.assign(this, { host, source, end: 0, following: false });
  }

  get start() { return this.#chunks[0]?.start ?? this.end; }
  get drawn() { return this.end - this.#rest.length; }
  get atTail() { return this.end >= this.source.size; }
  get #next() { return this.#chunks.length ? this.#chunks.at(-1).next : this.#first; }
  get lastNumber() { return this.#next === null ? null : this.#next - 1 + (this.#pending ? 1 : 0); }
  get full() { return this.#chunks.length >= MOST_CHUNKS - 1; }
  get empty() { return !this.#chunks.length && !this.#pending; }

  clear(offset) {
    this.host.replaceChildren();
    this.#chunks = [];
    this.#rest = new Uint8Array();
    this.#pending = null;
    this.#first = offset === 0 ? 1 : null;
    this.#maker = new LineMaker();
    this.end = offset;
  }

  /** Starts anew around an offset that begins a line, or somewhere inside one. */
  async openAt(offset, exact = true) {
    const { bytes, offset: start, line } = await this.source.window(offset);
    let cut = 0;
    if (!exact && start > 0) cut = bytes.indexOf(10) + 1;
    const number = line === null ? await this.source.lineAt(start + cut) : line + (cut ? 1 : 0);
    this.clear(start + cut);
    this.append(bytes.subarray(cut), number);
  }

  /** Bytes that follow what is loaded. */
  append(bytes, number = null) {
    const joined = concat([this.#rest, bytes]);
    const from = this.end - this.#rest.length;
    this.end += bytes.length;
    const final = this.source.final && this.atTail;
    const { lines, rest } = splitLines(joined, from, final);
    this.#rest = rest.slice();
    this.#pending?.remove();
    this.#pending = null;
    this.#first ??= number;
    this.#add(lines, from);
    this.#showRest();
    this.#letGo(true);
  }

  /** While a flood is followed nobody reads it: only its end is drawn, the lines before are counted. */
  follow(bytes) {
    const cut = bytes.length > FLOOD ? bytes.indexOf(NEWLINE, bytes.length - GLANCE) + 1 : 0;
    if (!cut) { this.append(bytes); return; }
    const next = this.#next;
    const number = next === null ? null : next + newlines(this.#rest) + newlines(bytes.subarray(0, cut));
    this.clear(this.end + cut);
    this.append(bytes.subarray(cut), number);
  }

  #add(lines, from) {
    for (let at = 0; at < lines.length;) {
      let chunk = this.#chunks.at(-1);
      if (!chunk || chunk.count >= LINES_PER_CHUNK) chunk = this.#begin(this.#next, lines[at].offset ?? from);
      const part = lines.slice(at, at + LINES_PER_CHUNK - chunk.count);
      chunk.element.append(...part.map((line) => this.#maker.make(line, chunk.next === null ? null : chunk.next++)));
      chunk.count += part.length;
      this.#size(chunk);
      at += part.length;
    }
  }

  #begin(next, start, first = false) {
    const chunk = { element: h("div", { class: "chunk" }), start, next, count: 0 };
    if (first) { this.#chunks.unshift(chunk); this.host.prepend(chunk.element); }
    else { this.#chunks.push(chunk); this.host.append(chunk.element); }
    return chunk;
  }

  // Chunks out of view are not laid out; this is the height they are believed to have.
  #size({ element, count }) { element.style.setProperty("--lines", count); }

  #showRest() {
    if (!this.#rest.length || !this.atTail) return;
    this.#pending = new LineMaker().make({ offset: this.end - this.#rest.length, bytes: this.#rest }, this.#next);
    this.host.append(this.#pending);
  }

  async before() {
    const end = this.start, start = Math.max(0, end - WINDOW);
    if (end === 0) return;
    const { bytes } = await this.source.window(start, end - start);
    const cut = start === 0 ? 0 : bytes.indexOf(10) + 1;
    const { lines } = splitLines(bytes.subarray(cut), start + cut, true);
    if (!lines.length) return;
    const known = this.#chunks[0], firstKnown = known?.next == null ? null : known.next - known.count;
    const chunk = this.#begin(firstKnown === null ? null : firstKnown - lines.length, start + cut, true);
    const maker = new LineMaker();
    chunk.element.append(...lines.map((line) => maker.make(line, chunk.next === null ? null : chunk.next++)));
    chunk.count = lines.length;
    this.#size(chunk);
    this.#letGo(false);
  }

  async after() {
    const { bytes } = await this.source.window(this.end);
    if (bytes.length) this.append(bytes);
    return bytes.length;
  }

  #letGo(fromStart) {
    while (this.#chunks.length > (this.following ? MOST_FOLLOWED : MOST_CHUNKS)) {
      const gone = fromStart ? this.#chunks.shift() : this.#chunks.pop();
      gone.element.remove();
      if (fromStart) continue;
      this.#pending?.remove();
      this.#pending = null;
      this.#rest = new Uint8Array();
      this.#maker = new LineMaker();
      this.end = gone.start;
    }
  }

  /** One line's number is known at last: so are those of all others. */
  numberFrom(line, number) {
    const lines = [...this.host.querySelectorAll(".line")], first = number - lines.indexOf(line);
    if (first < 1) return;
    lines.forEach((one, place) => nameLine(one, first + place));
    let next = first;
    for (const chunk of this.#chunks) chunk.next = next += chunk.count;
  }

  /** The line that holds this offset, if it is loaded. */
  lineOf(offset) {
    if (offset < this.start || offset >= this.end) return null;
    const chunk = this.#chunks.findLast((one) => one.start <= offset);
    return [...(chunk?.element.children ?? [])].findLast((line) => Number(line.dataset.offset) <= offset) ?? null;
  }
}
