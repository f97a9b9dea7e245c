// Which instants a timeline shows, and where on its width each stands.
import { decimal, duration } from "./words.js";

const NICE = [
  0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800,
  604_800,
];
const HEADROOM = 1.12,
  SHORTEST_MS = 1_000;

export const at = (moment) => (moment ? new Date(moment).getTime() : null);

/** When a row begins: a step that never ran (reused, skipped) at the moment at which that was decided. */
function begin(node) {
  return Math.min(...[node.queued_at, node.preparing_at, node.started_at, node.finished_at].filter(Boolean).map(at));
}

/** Rows by the time at which they begin; those of one moment, and those that have not begun, as the graph has them. */
export function inOrder(nodes, edges) {
  const left = new Map(nodes.map(({ id }) => [id, 0])),
    followers = new Map();
  for (const { from, to } of edges) {
    if (!left.has(from) || !left.has(to)) continue;
    left.set(to, left.get(to) + 1);
    if (!followers.has(from)) followers.set(from, []);
    followers.get(from).push(to);
  }
  const line = nodes.filter(({ id }) => !left.get(id)).map(({ id }) => id),
    rank = new Map();
  for (const id of line) {
    rank.set(id, rank.size);
    for (const next of followers.get(id) ?? []) {
      left.set(next, left.get(next) - 1);
      if (!left.get(next)) line.push(next);
    }
  }
  // Folded groups may follow one another in a circle.
  for (const { id } of nodes) if (!rank.has(id)) rank.set(id, rank.size);
  return [...nodes].sort((a, b) => begin(a) - begin(b) || rank.get(a.id) - rank.get(b.id));
}

/** The end runs a little ahead of now, so that a growing bar rescales the picture seldom. */
export function domainOf(steps, ongoing, before) {
  const starts = steps.map(begin).filter(Number.isFinite);
  const ends = steps.map((node) => at(node.finished_at)).filter(Boolean);
  if (!starts.length) return null;
  const start = Math.min(...starts),
    now = ongoing ? Date.now() : -Infinity;
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
  // A mark is exact: 2 s, not 2.0 s.
  return seconds < 10 ? `${decimal(Number(seconds.toFixed(1)))} s` : duration(seconds);
}

/** What a build of an environment did. */
export function built(node, now) {
  const end = at(node.finished_at) ?? now,
    started = at(node.started_at) ?? end;
  return [
    ["queued", at(node.queued_at), started],
    ["building", started, end],
  ].filter(([, from, until]) => until > from);
}

/** What the last attempt did, one after another: [kind, from, until]; earlier ones ended at `after`. */
export function segments(node, now, after = 0) {
  const end = at(node.finished_at) ?? now;
  const stamps = [
    ["queued", at(node.queued_at)],
    ["preparing", at(node.preparing_at)],
    ["running", at(node.started_at)],
    ["finalizing", at(node.finalizing_at)],
  ].filter(([, from]) => from !== null);
  return stamps
    .map(([kind, from], place) => [kind, Math.max(from, after), stamps[place + 1]?.[1] ?? Math.max(end, from)])
    .filter(([, from, until]) => until >= from);
}
