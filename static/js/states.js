// The palette of states on this side; `studio/templatetags/duto.py` is the other one, and a test compares them.
import { faviconHref } from "./dom.js";
import { t } from "./words.js";

export const WORDS = {
  NotStarted: t("Not started"),
  Queued: t("Queued"),
  Preparing: t("Preparing"),
  Running: t("Running"),
  Finalizing: t("Finalizing"),
  CancelRequested: t("Canceling"),
  NotResponding: t("Not responding"),
  Completed: t("Completed"),
  Reused: t("Reused"),
  Failed: t("Failed"),
  Canceled: t("Canceled"),
  Skipped: t("Skipped"),
};

const ENDED = new Set(["Completed", "Reused", "Failed", "Canceled", "Skipped"]);

/** Reused is a completed step with a source; attempts may come in lower case. */
export function stateOf(thing) {
  const status = thing.status ?? "NotStarted";
  if (status === "Completed" && (thing.reused || thing.reused_from || thing.is_reused)) return "Reused";
  if (WORDS[status]) return status;
  return Object.keys(WORDS).find((key) => key.toLowerCase() === status.toLowerCase()) ?? "NotStarted";
}

export const word = (state) => WORDS[state] ?? state;
export const ended = (state) => ENDED.has(state);
export const stateIcon = (state) => `state-${state.toLowerCase()}`;

export function showFavicon(state) {
  const link = document.getElementById("favicon");
  if (link) link.href = faviconHref(state.toLowerCase());
}
