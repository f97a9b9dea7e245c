// A person's own notices, by rules that they have made: shown by the browser where it may, else as a toast.
import { live } from "./live.js";
import { toast } from "./notices.js";
import { t } from "./words.js";

const HEARD = "duto.notices";
const user = document.body?.dataset.user;
const may = () => window.Notification?.permission === "granted";

/** What any page of this browser heard last: one that is opened later is told what came since, and nothing twice. */
const heard = () => {
  try {
    return Number(localStorage.getItem(HEARD)) || undefined;
  } catch {
    return undefined;
  }
};

function remember(version) {
  try {
    if (version > (heard() ?? 0)) localStorage.setItem(HEARD, version);
  } catch {
    /* it then lasts as long as the page */
  }
}

function show({ notice, title, body, url, version }) {
  if (!notice) return;
  remember(version);
  if (!may()) {
    if (document.visibilityState === "visible") toast(title, "info");
    return;
  }
  // Pages of one browser show one notice: the later ones take the place of the first.
  const shown = new Notification(title, { body, tag: notice });
  shown.onclick = () => {
    window.focus();
    location.assign(url);
  };
}

if (user) live.watch(`notices:${user}`, show, () => ({ version: heard() }));

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-allow-notices]");
  if (!button) return;
  if (!window.Notification) return toast(t("This browser shows no notifications."), "error");
  const answer = await Notification.requestPermission();
  if (answer === "granted") {
    remember(Date.now());
    toast(t("This browser shows notifications from now on."), "success");
  } else toast(t("The browser does not allow it. Its settings for this page can."), "error");
});
