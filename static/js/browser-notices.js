// A person's own notices, by rules that they have made: shown by the browser where it may, else as a toast.
import { live } from "./live.js";
import { toast } from "./notices.js";
import { t } from "./words.js";

const KEY = "duto.notices",
  KEPT = 40;
const user = document.body?.dataset.user;
const may = () => window.Notification?.permission === "granted";

/** What pages of this browser have shown: when the newest was made, and the last ones by their ids. One that is opened later
 * is told what came since, and each is shown once. */
function shown() {
  try {
    return { at: undefined, ids: [], ...JSON.parse(localStorage.getItem(KEY)) };
  } catch {
    return { at: undefined, ids: [] };
  }
}

function remember(at, id) {
  const before = shown();
  const ids = id ? [...before.ids, id].slice(-KEPT) : before.ids;
  try {
    localStorage.setItem(KEY, JSON.stringify({ at: Math.max(at, before.at ?? 0), ids }));
  } catch {
    /* it then lasts as long as the page */
  }
}

function show({ notice, title, body, url, at }) {
  if (!notice || shown().ids.includes(notice)) return;
  if (may()) {
    // Two pages that hear it in the same moment show one: the later takes the place of the first.
    const made = new Notification(title, { body, tag: notice });
    made.onclick = () => {
      window.focus();
      location.assign(url);
    };
  } else if (document.visibilityState === "visible") toast(title, "info");
  else return;
  remember(at, notice);
}

if (user) live.watch(`notices:${user}`, show, () => ({ version: shown().at }));

document.addEventListener("click", async (event) => {
  if (!event.target.closest("[data-allow-notices]")) return;
  if (!window.Notification) return toast(t("This browser shows no notifications."), "error");
  if ((await Notification.requestPermission()) === "granted") {
    remember(Date.now());
    toast(t("This browser shows notifications from now on."), "success");
  } else toast(t("The browser does not allow it. Its settings for this page can."), "error");
});
