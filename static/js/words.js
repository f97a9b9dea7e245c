// The words, numbers and dates of the page's language. English is what the code says: it needs no catalogue and no request.
// Another language comes before this module as a script of its own, static/words/<language>.js (components/head.html).
const { words = {}, form } = globalThis.dutoWords ?? {};

export const language = document.documentElement.lang || "en";
// The reader's own region of that language, if the browser names one: days and months stand in its order.
const root = language.split("-")[0];
const region = navigator.languages?.find((one) => one.split("-")[0] === root) ?? language;

const fill = (text, facts) => (facts ? text.replace(/\{(\w+)\}/g, (whole, name) => facts[name] ?? whole) : text);

/** The text in the page's language, with `{name}` replaced. Only plain strings, since they are collected from the code. */
export const t = (text, facts) => fill(words[text] ?? text, facts);

/** One or many; `{count}` is the number as people write it. */
export function n(one, many, count, facts) {
  const text = words[one]?.[form(count)] ?? (count === 1 ? one : many);
  return fill(text, { count: whole(count), ...facts });
}

const NUMBERS = new Intl.NumberFormat(language);
const POINT = NUMBERS.formatToParts(0.5).find(({ type }) => type === "decimal").value;

/** 12,345 */
export const whole = (count) => NUMBERS.format(count);
/** A number that is written already, such as 0.31 or 1.2e-5, with the mark that the language puts before its decimals. */
export const decimal = (text) => String(text).replace(".", POINT);

/** A formatter of moments (milliseconds or Date) for these options of Intl. */
export const dates = (options) => new Intl.DateTimeFormat(region, options);

const SIZES = [[1e9, "GB", 2], [1e6, "MB", 1], [1e3, "kB", 1]];

/** 1.2 kB: decimal units, as disks and networks count. */
export function bytes(amount) {
  const [size, unit, places] = SIZES.find(([least]) => amount >= least) ?? [1, "B", 0];
  return `${decimal((amount / size).toFixed(places))} ${unit}`;
}
