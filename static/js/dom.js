// Making elements without markup in strings: what users wrote can then never become markup.
import { language, t } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.content ?? "";

export function icon(name, label) {
  const said = label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" };
  return s("svg", { class: "icon", ...said }, s("use", { href: `${meta("duto-icons")}#${name}` }));
}

/** An icon placed inside a drawing. */
export const mark = (name, attributes) => s("use", { href: `${meta("duto-icons")}#${name}`, ...attributes });

export const iconHref = (name) => `${meta("duto-icons")}#${name}`;
export const faviconHref = (name) => `${meta("duto-favicons")}${name}.svg`;
export const csrfToken = () => meta("csrf-token");

/** JSON of a data block: `<script type="application/json" id=…>`, which the policy does not run. */
export function dataBlock(element) {
  const named =
    element.getAttribute("data") && document.querySelector(`script#${CSS.escape(element.getAttribute("data"))}`);
  const block = named || element.querySelector(':scope > script[type="application/json"]');
  return block ? JSON.parse(block.textContent) : null;
}

/** A page of another language asks the studio for answers in its own; others get English. */
export const ASKED = language === "en" ? {} : { "Duto-Language": language };

export const refusal = (status) => t("The studio answered {status}.", { status });

export async function fetchJSON(url, options = {}) {
  const response = await fetch(url, { headers: { Accept: "application/json", ...ASKED }, ...options });
  if (response.ok) return response.json();
  const body = await response.json().catch(() => null);
  throw Object.assign(new Error(body?.error?.message ?? refusal(response.status)), { status: response.status });
}

/** What is asked for was deleted, and comes back by no further question. */
export const isGone = ({ status }) => status === 404 || status === 410;

/** Calls at most once per `wait` ms, the last call never lost. */
export function throttle(wait, work) {
  let timer = null,
    last = -Infinity;
  const run = () => {
    timer = null;
    last = performance.now();
    work();
  };
  const ask = () => {
    timer ??= setTimeout(run, Math.max(0, last + wait - performance.now()));
  };
  ask.cancel = () => {
    clearTimeout(timer);
    timer = null;
  };
  return ask;
}

/** Calls every so many seconds while the page is looked at, and once when it is looked at again. Returns what ends it. */
export function regularly(seconds, work) {
  let isDue = false;
  const due = () => {
    isDue = document.visibilityState === "hidden";
    if (!isDue) work();
  };
  const seen = () => {
    if (isDue && document.visibilityState === "visible") due();
  };
  const timer = setInterval(due, seconds * 1000);
  document.addEventListener("visibilitychange", seen);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", seen);
  };
}
