// One picture of a run per page: graph, timeline and the announcer read it, the socket changes it.
import { fetchJSON, isGone, throttle } from "./dom.js";
import { live } from "./live.js";
import { announce, sayGone } from "./notices.js";
import { paintFrom } from "./run-badges.js";
import { open, opened, selectedStep } from "./selection.js";
import { ended, showFavicon, stateOf, word } from "./states.js";
import { secondsBetween } from "./time.js";
import { duration, t } from "./words.js";

const STAMPS = { Queued: "queued_at", Preparing: "preparing_at", Running: "started_at", Finalizing: "finalizing_at" };
const TOLD = new Set(["Failed", "Completed", "Canceled", "NotResponding"]);
const stores = new Map();

class RunStore extends EventTarget {
  #opened = String(opened());
  #builds = new Map();
  // For each picture that is being loaded: the frames that came meanwhile, of which it may know nothing.
  #meanwhile = new Set();
  #stop;

  constructor(doc, src, topic) {
    super();
    this.src = src;
    this.topic = topic;
    this.reload = throttle(500, () => this.#load());
    // A folded picture has no steps to be changed one by one; the studio counts them anew.
    this.recount = throttle(3_000, () => this.#load());
    this.#take(doc);
    paintFrom(this);
    document.addEventListener("duto:select", () => this.#moved());
    document.addEventListener("duto:gone", () => this.#end());
    if (topic)
      this.#stop = live.watch(
        topic,
        (frame) => this.#heard(frame),
        () => ({ version: this.doc.version ?? 0 }),
      );
  }

  #take(doc) {
    this.doc = doc;
    this.nodes = new Map(doc.nodes.map((node) => [node.id, node]));
    this.steps = doc.nodes.filter((node) => node.type !== "data");
    this.#watchBuilds();
  }

  /** A build tells of itself, since it may be another run's, too. */
  #watchBuilds() {
    const going = new Set((this.doc.builds ?? []).filter((build) => !build.finished_at).map(({ id }) => id));
    for (const [id, stop] of this.#builds)
      if (!going.has(id)) {
        stop();
        this.#builds.delete(id);
      }
    for (const id of going)
      if (this.topic && !this.#builds.has(id))
        this.#builds.set(
          id,
          live.watch(`build:${id}`, ({ status }) => status && this.reload()),
        );
  }

  /** Shows what a folded group holds. */
  open(name) {
    open(name);
    return this.#load();
  }

  /** The node that stands for a step: itself, or the closed group that holds it. */
  home(step) {
    return this.doc.home?.[step] ?? step;
  }

  /** Other groups may be open now, and the step that is selected may be in one that is not. */
  #moved() {
    const step = selectedStep();
    const isKnown = !step || this.nodes.has(this.home(step));
    if (this.doc.folded && !(isKnown && this.#opened === String(opened()))) this.#load();
  }

  get #address() {
    const url = new URL(this.src, location.href),
      step = selectedStep();
    for (const name of opened()) url.searchParams.append("open", name);
    if (step) url.searchParams.set("step", step);
    return url;
  }

  async #load() {
    if (!this.src) return;
    const frames = [];
    this.#meanwhile.add(frames);
    try {
      const address = this.#address;
      const doc = await fetchJSON(address);
      this.#opened = String(address.searchParams.getAll("open"));
      const same =
        doc.hash === this.doc.hash &&
        doc.nodes.length === this.doc.nodes.length &&
        doc.nodes.every(({ id }) => this.nodes.has(id)) &&
        String(doc.builds?.map(({ id }) => id)) === String(this.doc.builds?.map(({ id }) => id));
      this.#take(doc);
      for (const { version, changes } of frames)
        if (version > doc.version) changes?.forEach((change) => this.#apply(change));
      live.known(this.topic, doc.version);
      this.#show();
      this.dispatchEvent(new CustomEvent(same ? "states" : "structure", { detail: { steps: this.steps } }));
    } catch (error) {
      if (isGone(error)) this.#end();
      else setTimeout(this.reload, 3_000);
    } finally {
      this.#meanwhile.delete(frames);
    }
  }

  /** The run was deleted under its page. */
  #end() {
    this.#stop?.();
    this.reload.cancel();
    this.recount.cancel();
    this.#builds.forEach((stop) => stop());
    this.src = null;
    sayGone();
  }

  #heard(frame) {
    this.#meanwhile.forEach((frames) => frames.push(frame));
    const changed = (frame.changes ?? []).map((change) => this.#apply(change)).filter(Boolean);
    if (changed.length) this.dispatchEvent(new CustomEvent("states", { detail: { steps: changed } }));
    if (frame.reload) this.reload();
    else if (this.doc.folded && frame.changes?.some(({ step }) => step && !this.nodes.has(step))) this.recount();
  }

  #apply({ run, step, status, facts: { attempt: tried, ...facts } = {} }) {
    const node = step ? this.nodes.get(step) : this.steps.find((other) => other.run === run);
    // A script run is its own and only step. A trial is told of by the topic of its sweep.
    if (status && run === this.doc.run) {
      this.doc.status = status;
      this.#show();
    }
    if (!node) return null;
    const before = stateOf(node);
    Object.assign(node, facts, status && { status, touched: true });
    if (tried) this.#tried(node, tried);
    if (!ended(stateOf(node))) node.finished_at = null;
    const stamp = STAMPS[status];
    // The studio's stamp is better; until it comes, now is near enough for a bar to grow.
    if (stamp && !node[stamp]) node[stamp] = new Date().toISOString();
    if (ended(stateOf(node)) && !node.finished_at) node.finished_at = new Date().toISOString();
    const after = stateOf(node);
    if (after !== before && TOLD.has(after))
      announce(`${node.label} ${word(after).toLowerCase()}${attempt(node) > 1 ? `, ${nth(node)}` : ""}`);
    return node;
  }

  /** Attempts come and end beside the moves of their step. */
  #tried(node, { id, number, status }) {
    const now = new Date().toISOString();
    node.attempts ??= [];
    let own = node.attempts.find((one) => one.number === number);
    if (!own) node.attempts.push((own = { id, number, queued_at: now }));
    own.status = status;
    if (status === "Running") own.started_at ??= now;
    if (ended(stateOf({ status }))) own.finished_at ??= now;
  }

  /** All of the run. One whose steps were all reused was reused itself. */
  get state() {
    const reused = this.steps.length > 0 && this.steps.every((step) => stateOf(step) === "Reused");
    return stateOf({ status: this.doc.status, reused });
  }

  #show() {
    showFavicon(this.state);
    document.dispatchEvent(new CustomEvent("duto:run", { detail: { status: this.state } }));
  }
}

/** Elements of one page that name the same topic share one store. */
export function runStore(doc, src, topic) {
  const key = topic ?? src ?? "";
  if (!stores.has(key)) stores.set(key, new RunStore(doc, src, topic));
  return stores.get(key);
}

export async function storeFor(element, block) {
  const src = element.getAttribute("src"),
    topic = element.getAttribute("topic");
  const known = stores.get(topic ?? src ?? "");
  return known ?? runStore(block ?? (await fetchJSON(src)), src, topic);
}

export const attempt = (node) => node.attempts?.length || 1;
const nth = (node) => t("attempt {number}", { number: attempt(node) });

/** Its name, and its kind where it runs something else than a Python script. */
export const spokenName = (node) => (node.word ? `${node.label} (${node.word})` : node.label);

/** The second line of a node: state, time, attempt. */
export function describe(node) {
  if (node.type === "group") return `${word(stateOf(node)).toLowerCase()} · ${node.detail}`;
  const state = stateOf(node),
    said = state === "Reused" && node.adopted ? t("adopted") : word(state).toLowerCase();
  const detail = node.touched || !ended(state) ? "" : (node.detail ?? "");
  if (detail) return detail.toLowerCase().startsWith(said) ? detail : `${said} · ${detail}`;
  const parts = [said];
  if (node.started_at && state !== "Reused" && state !== "Skipped")
    parts.push(duration(secondsBetween(node.started_at, node.finished_at ?? undefined)));
  else if (!node.touched && attempt(node) === 1 && node.detail && node.detail.toLowerCase() !== said)
    parts.push(node.detail);
  if (attempt(node) > 1) parts.push(nth(node));
  return parts.join(" · ");
}
