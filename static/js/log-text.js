// From bytes to lines: what a script printed becomes text and classes, never markup of its own.
import { AnsiUp } from "../vendor/ansi_up.js";
import { h } from "./dom.js";
import { addLinks } from "./log-links.js";
import { t } from "./words.js";

const NEWLINE = 10,
  RETURN = 13;
const LONGEST_LINE = 20_000;
const STEADY = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
const LEVEL_ERROR = /(^|[\s[|:])(ERROR|CRITICAL|FATAL)([\s\]|:]|$)/;
const LEVEL_WARNING = /(^|[\s[|:])(WARN|WARNING)([\s\]|:]|$)|Warning:/;
const TRACEBACK = /^Traceback \(most recent call last\):/;
const INVISIBLE =
  /[\u0000-\u0008\u000B\u000C\u000E-\u001A\u001C-\u001F\u007F-\u009F\u200E\u200F\u202A-\u202E\u2066-\u2069]/g;
const decoder = new TextDecoder("utf-8");

/** Colours become classes: the policy allows no styles, and both themes need readable inks. */
class Painter extends AnsiUp {
  constructor() {
    super();
    this.use_classes = true;
  }

  transform_to_html(fragment) {
    const text = this.escape_txt_for_html(fragment.text);
    const names = ["bold", "faint", "italic", "underline"]
      .filter((name) => fragment[name])
      .map((name) => `ansi-${name}`);
    if (fragment.fg) names.push(`${nearest(fragment.fg)}-fg`);
    if (fragment.bg) names.push(`${nearest(fragment.bg)}-bg`);
    return names.length ? /* markup */ `<span class="${names.join(" ")}">${text}</span>` : text;
  }

  // A link that a program prints may lead anywhere: its text is shown, its address is not followed.
  process_hyperlink(packet) {
    return this.escape_txt_for_html(packet.text);
  }
}

function nearest({ class_name: name, rgb }) {
  if (name !== "truecolor") return name;
  const [r, g, b] = rgb,
    high = Math.max(r, g, b),
    low = Math.min(r, g, b);
  if (high - low < 40) return high > 170 ? "ansi-white" : "ansi-bright-black";
  const middle = (high + low) / 2;
  return `ansi-${STEADY[(r > middle ? 1 : 0) | (g > middle ? 2 : 0) | (b > middle ? 4 : 0)]}`;
}

export function concat(parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  parts.reduce((at, part) => {
    whole.set(part, at);
    return at + part.length;
  }, 0);
  return whole;
}

/**
 * Splits bytes at newlines. A long line comes in pieces, of which the later ones are `continued`, and without what progress bars
 * overwrote of it. `rest` has not ended: `begun` is where its line began, perhaps before these bytes.
 */
export function splitLines(bytes, offset, final, { begun = offset, continued = false } = {}) {
  const lines = [];
  let start = 0;
  while (start < bytes.length) {
    const found = bytes.indexOf(NEWLINE, start);
    const whole = found >= 0;
    let end = whole ? found : bytes.length;
    if (end - start > LONGEST_LINE) start += overwritten(bytes.subarray(start, end));
    const isLong = end - start > LONGEST_LINE;
    if (isLong) end = beforeLetter(bytes, start + LONGEST_LINE);
    else if (!whole && !final) break;
    lines.push({ offset: begun, bytes: bytes.subarray(start, end), continued });
    continued = isLong;
    start = end + (whole && !isLong ? 1 : 0);
    begun = offset + start;
  }
  return { lines, rest: bytes.subarray(start), begun, continued };
}

/** How many bytes of a line its last carriage return took back; those at its end are the end of a line of Windows. */
function overwritten(line) {
  let end = line.length;
  while (end > 0 && line[end - 1] === RETURN) end -= 1;
  return end ? line.lastIndexOf(RETURN, end - 1) + 1 : 0;
}

/** The same place, or that of the letter which it would cut. */
function beforeLetter(bytes, at) {
  const isInside = (place) => (bytes[place] & 0xc0) === 0x80;
  return [0, 1, 2, 3].map((back) => at - back).find((place) => !isInside(place)) ?? at;
}

/** A carriage return starts the line again, as progress bars do. */
export function textOf(bytes) {
  const text = decoder.decode(bytes).replace(/\r+$/, "");
  const shown = text.includes("\r") ? text.slice(text.lastIndexOf("\r") + 1) : text;
  return shown.replace(INVISIBLE, "�");
}

const plain = (text) => (!text.includes("\u001B") ? text : text.replace(/\u001B\[[0-9;?]*[ -/]*[@-~]/g, ""));

/** Marks errors as it goes; a traceback spans lines until the exception's own. */
export class LineMaker {
  #painter = new Painter();
  #inTraceback = false;
  #long = ""; // the level of a line that goes on

  #level(text) {
    if (TRACEBACK.test(text)) {
      this.#inTraceback = true;
      return /* classes */ "error first";
    }
    if (this.#inTraceback) {
      if (text && !/^\s/.test(text)) this.#inTraceback = false;
      return "error";
    }
    if (LEVEL_ERROR.test(text)) return /* classes */ "error first";
    return LEVEL_WARNING.test(text) ? "warning" : "";
  }

  make({ offset, bytes, continued }, number) {
    const text = textOf(bytes),
      level = continued ? this.#long : this.#level(plain(text));
    this.#long = level.replace(" first", "");
    const line = BLANK.cloneNode(true),
      words = line.lastChild;
    // ansi_up escapes every character that could be markup; its only tags are ours, above.
    if (text.includes("\u001B")) words.innerHTML = this.#painter.ansi_to_html(text);
    else words.textContent = text;
    if (text.includes("://")) addLinks(words);
    if (level) line.className = /* classes */ `line ${level}`;
    line.dataset.offset = offset;
    if (continued) line.dataset.continued = line.firstChild.dataset.no = "";
    if (number !== null) nameLine(line, number);
    return line;
  }
}

// Copied for each line, of which there are tens of thousands.
const BLANK = h(
  "div",
  { class: "line" },
  h("a", { class: "no", tabindex: "-1", "data-no": "·" }),
  h("span", { class: "text" }),
);

export function nameLine(line, number) {
  line.id = `L${number}`;
  const link = line.firstChild;
  link.href = `#L${number}`;
  link.ariaLabel = t("Line {number}", { number });
  link.dataset.no = number;
}
