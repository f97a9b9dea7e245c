// The loaded part of a log: a row of chunks, grown at either end, let go of at the far one.
import { h } from "./dom.js";
import { concat, LineMaker, nameLine, splitLines } from "./log-text.js";
import { WINDOW } from "./log-source.js";

const LINES_PER_CHUNK = 2_000,
  MOST_CHUNKS = 14,
  MOST_FOLLOWED = 4;
const FLOOD = 160 * 1024,
  GLANCE = 48 * 1024,
  NEWLINE = 10;

function newlines(bytes) {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}

/** Where the first line begins of which there is something, after that whose beginning is not here; 0 where there is none. */
function lineIn(bytes) {
  const place = bytes.indexOf(NEWLINE) + 1;
  return place < bytes.length ? place : 0;
}

/** Chunks out of view are not laid out; `--lines` is the height they are believed to have. */
function fill(chunk, lines, maker) {
  const numberOf = (line) => (line.continued || chunk.next === null ? null : chunk.next++);
  chunk.element.append(...lines.map((line) => maker.make(line, numberOf(line))));
  chunk.begun += lines.filter((line) => !line.continued).length;
  chunk.count += lines.length;
  chunk.element.style.setProperty("--lines", chunk.count);
}

export class LogPages {
  #chunks = [];
  #rest = new Uint8Array();
  #begun = 0; // where the line of the rest began
  #continued = false; // what comes next goes on with a line of which pieces are drawn
  #pending = null;
  #first = null; // the number of the first loaded line that begins
  #maker = new LineMaker();

  constructor(host, source) {
    Object.assign(this, { host, source, end: 0, following: false });
  }

  get start() {
    return this.#chunks[0]?.start ?? this.end;
  }
  get drawn() {
    return this.#begun;
  }
  get atTail() {
    return this.end >= this.source.size;
  }
  get #next() {
    return this.#chunks.length ? this.#chunks.at(-1).next : this.#first;
  }
  get lastNumber() {
    return this.#next === null ? null : this.#next - 1 + (this.#pending && !this.#continued ? 1 : 0);
  }
  get full() {
    return this.#chunks.length >= MOST_CHUNKS - 1;
  }
  get empty() {
    return !this.#chunks.length && !this.#pending;
  }

  clear(offset) {
    this.host.replaceChildren();
    this.#chunks = [];
    this.#rest = new Uint8Array();
    this.#pending = null;
    this.#first = offset === 0 ? 1 : null;
    this.#maker = new LineMaker();
    this.end = this.#begun = offset;
    this.#continued = false;
  }

  /** Starts anew around an offset that begins a line, or somewhere inside one. */
  async openAt(offset, exact = true) {
    const { bytes, offset: start, line } = await this.source.window(offset);
    const cut = !exact && start > 0 ? lineIn(bytes) : 0;
    const continued = !exact && start > 0 && !cut;
    const number = line ?? (await this.source.lineAt(start + cut));
    this.clear(start + cut);
    this.#continued = continued;
    this.append(bytes.subarray(cut), number === null ? null : number + (continued ? 1 : 0));
  }

  /** Bytes that follow what is loaded. */
  append(bytes, number = null) {
    const joined = concat([this.#rest, bytes]);
    const from = this.end - this.#rest.length;
    this.end += bytes.length;
    const final = this.source.final && this.atTail;
    const known = { begun: this.#begun, continued: this.#continued };
    const { lines, rest, begun, continued } = splitLines(joined, from, final, known);
    this.#rest = rest.slice();
    this.#begun = begun;
    this.#continued = continued;
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
    if (!cut) {
      this.append(bytes);
      return;
    }
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
      fill(chunk, part, this.#maker);
      at += part.length;
    }
  }

  #begin(next, start, first = false) {
    const chunk = { element: h("div", { class: "chunk" }), start, next, count: 0, begun: 0 };
    if (first) {
      this.#chunks.unshift(chunk);
      this.host.prepend(chunk.element);
    } else {
      this.#chunks.push(chunk);
      this.host.append(chunk.element);
    }
    return chunk;
  }

  #showRest() {
    if (!this.#rest.length || !this.atTail) return;
    const line = { offset: this.#begun, bytes: this.#rest, continued: this.#continued };
    this.#pending = new LineMaker().make(line, this.#continued ? null : this.#next);
    this.host.append(this.#pending);
  }

  async before() {
    const end = this.start,
      start = Math.max(0, end - WINDOW);
    if (end === 0) return;
    const { bytes } = await this.source.window(start, end - start);
    const cut = start === 0 ? 0 : lineIn(bytes);
    const { lines } = splitLines(bytes.subarray(cut), start + cut, true, { continued: start > 0 && !cut });
    if (!lines.length) return;
    const known = this.#chunks[0],
      firstKnown = known?.next == null ? null : known.next - known.begun;
    const begun = lines.filter((line) => !line.continued).length;
    const chunk = this.#begin(firstKnown === null ? null : firstKnown - begun, start + cut, true);
    fill(chunk, lines, new LineMaker());
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
      this.end = this.#begun = gone.start;
      this.#continued = "continued" in gone.element.firstChild.dataset;
    }
  }

  /** Whether the numbers of its lines are known. */
  get isNumbered() {
    return this.#next !== null;
  }

  /** One line's number is known at last: so are those of all others. */
  numberFrom(line, number) {
    const lines = [...this.host.querySelectorAll(".line")],
      begins = (each) => !("continued" in each.dataset);
    const first = number + 1 - lines.slice(0, lines.indexOf(line) + 1).filter(begins).length;
    if (first < 1) return;
    lines.filter(begins).forEach((one, place) => nameLine(one, first + place));
    let next = first;
    for (const chunk of this.#chunks) chunk.next = next += chunk.begun;
  }

  /** The line that holds this offset, if it is loaded. */
  lineOf(offset) {
    if (offset < this.start || offset >= this.end) return null;
    const chunk = this.#chunks.findLast((one) => one.start <= offset);
    return [...(chunk?.element.children ?? [])].findLast((line) => Number(line.dataset.offset) <= offset) ?? null;
  }
}
