// Windows of a log by byte offset. A gigabyte is never loaded; only what is looked at is.
import { fetchJSON, isGone } from "./dom.js";
import { sayGone } from "./notices.js";
import { t } from "./words.js";

export const WINDOW = 256 * 1024;
const SCAN = 1024 * 1024,
  SCAN_LIMIT = 16 * 1024 * 1024,
  NEWLINE = 10,
  AGAIN_MS = 1_000;

/** A network that changes gives up what it was loading. */
async function reach(url, tries = 3) {
  try {
    return await fetch(url);
  } catch (error) {
    if (tries === 1) throw error;
  }
  await new Promise((soon) => {
    setTimeout(soon, AGAIN_MS);
  });
  return reach(url, tries - 1);
}

export class LogSource {
  size = 0;
  final = false;
  errors = null; // of the whole log, as the studio counts them; null where it does not know
  isGone = false;

  constructor(src, search, attempt) {
    Object.assign(this, { src, searchSrc: search, attempt });
  }

  #url(base, query) {
    const url = new URL(base, location.href);
    for (const [name, value] of Object.entries({ attempt: this.attempt, ...query }))
      if (value !== null && value !== undefined) url.searchParams.set(name, value);
    return url;
  }

  /** `offset` below zero counts from the end; the answer says where it really starts. */
  async window(offset, limit = WINDOW) {
    if (this.isGone) return { bytes: new Uint8Array(), offset: 0, line: 1 };
    const response = await reach(this.#url(this.src, { offset, limit }));
    if (isGone(response)) {
      // A log of which nothing is there yet may come; one that was read was deleted.
      this.isGone = this.size > 0;
      if (this.isGone) sayGone();
      return { bytes: new Uint8Array(), offset: 0, line: 1 };
    }
    if (!response.ok)
      throw new Error(t("The log could not be read: the studio answered {status}.", { status: response.status }));
    const header = (name, fallback) => {
      const value = response.headers.get(name);
      return value === null ? fallback : Number(value);
    };
    const bytes = new Uint8Array(await response.arrayBuffer());
    const start = header("X-Log-Offset", Math.max(0, offset));
    this.size = Math.max(header("X-Log-Size", 0), start + bytes.length);
    this.final = header("X-Log-Final", 0) === 1;
    this.know(header("X-Log-Errors", null));
    return { bytes, offset: start, line: start === 0 ? 1 : null };
  }

  /** There are never fewer: an answer may be older than what is known. */
  know(errors) {
    if (typeof errors === "number") this.errors = Math.max(this.errors ?? 0, errors);
  }

  /** The number of the line at this offset: a short log is counted here. */
  async lineAt(offset) {
    if (offset === 0) return 1;
    if (offset > SCAN_LIMIT) return null;
    let line = 1;
    for (let at = 0; at < offset;) {
      const { bytes } = await this.window(at, Math.min(SCAN, offset - at));
      if (!bytes.length) return null;
      for (const byte of bytes) if (byte === NEWLINE) line += 1;
      at += bytes.length;
    }
    return line;
  }

  /** Where a line begins, or null when it is further than a page should count. */
  async offsetOf(wanted) {
    if (wanted <= 1) return 0;
    let { bytes } = await this.window(0, SCAN),
      at = 0,
      line = 1;
    while (bytes.length && at < SCAN_LIMIT) {
      for (let place = bytes.indexOf(NEWLINE); place >= 0; place = bytes.indexOf(NEWLINE, place + 1)) {
        if (++line === wanted) return at + place + 1;
      }
      at += bytes.length;
      ({ bytes } = await this.window(at, SCAN));
    }
    return null;
  }

  search(text, from = 0) {
    return fetchJSON(this.#url(this.searchSrc, { q: text, from }));
  }

  /** The first error at or after this byte. */
  async error(from) {
    const { matches, next } = await fetchJSON(this.#url(this.searchSrc, { from }));
    return matches[0] ?? (next === null ? null : this.error(next));
  }
}
