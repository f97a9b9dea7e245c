// Which instants a timeline shows, and where on its width each stands.
import { decimal } from "./words.js";

const NICE = [0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800];
const HEADROOM = 1.12, SHORTEST_MS = 1_000;

export const at = (moment) => (moment ? new Date(moment).getTime() : null);

/** The end runs a little ahead of now, so that a growing bar rescales the picture seldom. */
export function domainOf(steps, ongoing, before) {
  const starts = steps.flatMap((node) => [node.queued_at, node.preparing_at, node.started_at].map(at)).filter(Boolean);
  const ends = steps.map((node) => at(node.finished_at)).filter(Boolean);
  if (!starts.length) return null;
  const start = Math.min(...starts), now = ongoing ? Date.now() : -Infinity;
  const last = Math.max(now, ...ends, ...starts, start + SHORTEST_MS);
  if (before && before.start === start && ongoing && last <= before.end) return before;
  return { start, end: ongoing ? start + (last - start) * HEADROOM : last };
}

export const percent = ({ start, end }, moment) => (100 * (moment - start)) / (end - start);

export function ticks({ start, end }, count) {
  const seconds = (end - start) / 1000;
  const step = NICE.find((nice) => seconds / nice <= count) ?? seconds / count;
  const marks = [];
  for (let second = 0; second <= seconds + 1e-6; second += step) marks.push(second);
  return marks;
}

export function tickWord(seconds) {
  if (seconds === 0) return "0";
  if (seconds < 60) return `${decimal(Number(seconds.toFixed(1)))} s`;
  if (seconds < 3600) return seconds % 60 ? `${Math.floor(seconds / 60)}:${String(Math.round(seconds % 60)).padStart(2, "0")}` : `${seconds / 60} min`;
  return seconds % 3600 ? `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)}` : `${seconds / 3600} h`;
}

/** What the last attempt did, one after another: [kind, from, until]; earlier ones ended at `after`. */
export function segments(node, now, after = 0) {
  const end = at(node.finished_at) ?? now;
  const stamps = [["queued", at(node.queued_at)], ["preparing", at(node.preparing_at)], ["running", at(node.started_at)], ["finalizing", at(node.finalizing_at)]]
    .filter(([, from]) => from !== null);
  return stamps
    .map(([kind, from], place) => [kind, Math.max(from, after), stamps[place + 1]?.[1] ?? Math.max(end, from)])
    .filter(([, from, until]) => until >= from);
}
