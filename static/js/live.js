// One socket per page. It resumes where it was after a lost connection, and says so.
import { announce } from "./notices.js";
import { t } from "./words.js";

const PING_MS = 25_000,
  SILENCE_MS = 12_000,
  LONGEST_WAIT_MS = 15_000;
const WORDS = {
  connecting: t("Connecting…"),
  live: t("Live"),
  reconnecting: t("Reconnecting…"),
  caught: t("Caught up"),
  off: t("Not live"),
};

class Live {
  #topics = new Map();
  #socket = null;
  #tries = 0;
  #wasLive = false;
  #retry = null;
  #pulse = null;
  #asking = new Set();

  /** `heard(frame)` is called for each frame of the topic; `resume()` says from which version or offset to go on. */
  watch(topic, heard, resume) {
    const entry = this.#topics.get(topic) ?? { listeners: new Set(), version: null };
    this.#topics.set(topic, entry);
    entry.listeners.add(heard);
    entry.resume = resume ?? entry.resume;
    const from = resume?.().version ?? null;
    if (entry.version === null) entry.version = from;
    // Who comes late with an older picture has missed what the others of this topic have heard.
    else if (from !== null && from < entry.version) queueMicrotask(() => heard({ topic, reload: true }));
    this.#ask(topic);
    return () => this.#leave(topic, heard);
  }

  /** After the state was loaded anew: what is older than this need not come again. */
  known(topic, version) {
    const entry = this.#topics.get(topic);
    if (entry && version !== undefined) entry.version = Math.max(entry.version ?? 0, version);
  }

  start() {
    this.#connect();
    addEventListener("online", () => this.#soon());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#soon());
    addEventListener("pagehide", () => {
      this.#retire();
    });
    addEventListener("pageshow", (event) => event.persisted && this.#connect());
  }

  #soon() {
    if (this.#socket || !this.#retry) return;
    clearTimeout(this.#retry);
    this.#connect();
  }

  #connect() {
    this.#retry = null;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = (this.#socket = new WebSocket(`${scheme}//${location.host}/ws/`));
    socket.onopen = () => this.#opened(socket);
    socket.onmessage = (event) => this.#receive(JSON.parse(event.data));
    socket.onclose = (event) => socket === this.#socket && this.#closed(event.code);
  }

  #retire() {
    clearTimeout(this.#pulse);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #opened() {
    this.#tries = 0;
    this.#send({ subscribe: [...this.#topics.keys()].map((topic) => this.#request(topic)) });
    if (this.#wasLive) this.#caughtUp();
    else this.#show("live");
    this.#wasLive = true;
    this.#listen();
  }

  /** Lists and metrics have no journal to replay, so their readers load again. */
  #caughtUp() {
    for (const topic of this.#topics.keys())
      if (!/^(run|log|build):/.test(topic)) this.#tell(topic, { topic, reload: true });
    this.#show("caught");
    announce(t("Live again, caught up"));
    setTimeout(() => this.#socket?.readyState === WebSocket.OPEN && this.#show("live"), 4_000);
  }

  #closed(code) {
    clearTimeout(this.#pulse);
    this.#socket = null;
    if (code === 4401 || code === 4403) {
      this.#show("off");
      return;
    }
    this.#show(this.#wasLive ? "reconnecting" : "connecting");
    const wait = Math.min(LONGEST_WAIT_MS, 400 * 2 ** this.#tries++) * (0.7 + Math.random() * 0.6);
    this.#retry = setTimeout(() => this.#connect(), wait);
  }

  /** A socket may die without a word: silence after a ping counts as death. */
  #listen() {
    clearTimeout(this.#pulse);
    this.#pulse = setTimeout(() => {
      this.#send({ ping: 1 });
      this.#pulse = setTimeout(() => {
        this.#retire();
        this.#closed(0);
      }, SILENCE_MS);
    }, PING_MS);
  }

  #ask(topic) {
    if (!this.#asking.size)
      queueMicrotask(() => {
        const subscribe = [...this.#asking].filter((name) => this.#topics.has(name)).map((name) => this.#request(name));
        this.#asking.clear();
        if (subscribe.length) this.#send({ subscribe });
      });
    this.#asking.add(topic);
  }

  #request(topic) {
    const { version, resume } = this.#topics.get(topic);
    const from = resume?.() ?? {};
    return version === null ? { topic, ...from } : { topic, ...from, version };
  }

  #leave(topic, heard) {
    const entry = this.#topics.get(topic);
    if (!entry?.listeners.delete(heard) || entry.listeners.size) return;
    this.#topics.delete(topic);
    this.#send({ unsubscribe: [topic] });
  }

  #send(frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #receive(frame) {
    this.#listen();
    const topic = frame.topic ?? frame.error?.topic;
    const entry = this.#topics.get(topic);
    if (!entry) return;
    if (frame.version !== undefined) {
      if (entry.version !== null && frame.version <= entry.version) return;
      const gap = topic.startsWith("run:") && entry.version !== null && frame.version > entry.version + 1;
      entry.version = frame.version;
      if (gap) frame = { ...frame, reload: true };
    }
    this.#tell(topic, frame);
  }

  #tell(topic, frame) {
    this.#topics.get(topic)?.listeners.forEach((heard) => heard(frame));
    document.dispatchEvent(new CustomEvent("duto:live", { detail: frame }));
  }

  #show(state) {
    for (const light of document.querySelectorAll(".live-light")) {
      light.dataset.live = state === "caught" ? "live" : state;
      light.querySelector("[data-live-word]").textContent = WORDS[state];
    }
  }
}

export const live = new Live();
// Pages outside a workspace have no light and nothing to follow.
if (document.querySelector(".live-light")) live.start();

export const bytesOf = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
