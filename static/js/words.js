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

const NUMBERS = new Intl.NumberFormat(language, { useGrouping: "always" });
const POINT = NUMBERS.formatToParts(0.5).find(({ type }) => type === "decimal").value;

/** 12,345 */
export const whole = (count) => NUMBERS.format(count);
/** A number that is written already, such as 0.31 or 1.2e-5, with the mark that the language puts before its decimals. */
export const decimal = (text) => String(text).replace(".", POINT);

/** A formatter of moments (milliseconds or Date) for these options of Intl. */
export const dates = (options) => new Intl.DateTimeFormat(region, options);

// Sizes, durations and numbers are written as `duto.spec.units` does it; a test compares them.
export const SIZES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** 1.2 KiB: one decimal below a hundred where it says something. */
export function bytes(size) {
  if (size < 0) return `-${bytes(-size)}`;
  let tenths,
    power = -1;
  do {
    power += 1;
    const amount = size / 1024 ** power;
    tenths = power > 0 && amount < 99.95 ? Math.floor(amount * 10 + 0.5) : 10 * Math.floor(amount + 0.5);
  } while (tenths >= 10_240 && power < SIZES.length - 1);
  return `${decimal(tenths / 10)} ${SIZES[power]}`;
}

const SPANS = [
  [86_400, "d", 3_600, "h"],
  [3_600, "h", 60, "min"],
  [60, "min", 1, "s"],
];

/** 2.0 s, 4 min 12 s, 30 min: what has passed in full, in at most two units. */
export function duration(seconds) {
  const milliseconds = Math.max(0, Math.floor(seconds * 1000 + 0.5));
  if (milliseconds < 10_000) return `${decimal((Math.floor(milliseconds / 100) / 10).toFixed(1))} s`;
  const passed = Math.floor(milliseconds / 1000);
  const [size, unit, less, smaller] = SPANS.find(([span]) => passed >= span) ?? [1, "s", 1, ""];
  const rest = Math.floor((passed % size) / less);
  return rest ? `${Math.floor(passed / size)} ${unit} ${rest} ${smaller}` : `${Math.floor(passed / size)} ${unit}`;
}

/** A measured number: 0.3142, 12,345, 1e-05. */
export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) {
    const [digits, power] = value.toExponential(2).split("e");
    return `${decimal(Number(digits))}e${power[0]}${power.slice(1).padStart(2, "0")}`;
  }
  return Number.isInteger(value) || size >= 1000
    ? whole(Math.sign(value) * Math.round(size))
    : decimal(Number(value.toPrecision(4)));
}
