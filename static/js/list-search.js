// A list follows what is typed into its search field, as the log does. The address follows too, and the focus stays.
import { refusal } from "./dom.js";
import { morph } from "./live-region.js";
import { toast } from "./notices.js";
import { t } from "./words.js";

const PAUSE_MS = 250;
let pause = null,
  request = null;

/** What the form asks for, from the first page on. */
function addressOf(form) {
  const url = new URL(location.pathname, location.href);
  for (const [name, value] of new FormData(form)) if (value) url.searchParams.append(name, value);
  return url;
}

function forget() {
  clearTimeout(pause);
  request?.abort();
  request = null;
}

/** The whole page is asked for: its filters hold what is searched for as well. */
async function search(form) {
  const url = addressOf(form),
    main = form.closest("main"),
    { signal } = (request = new AbortController());
  history.replaceState(history.state, "", url);
  form.nextElementSibling?.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(url, { signal });
    if (response.redirected) return location.assign(response.url);
    if (!response.ok) throw new Error(refusal(response.status));
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (signal.aborted) return;
    morph(main, page.querySelector("main").innerHTML);
    for (const region of main.querySelectorAll("live-region")) region.hearRows();
  } catch (error) {
    if (signal.aborted) return;
    form.nextElementSibling?.removeAttribute("aria-busy");
    toast(error instanceof TypeError ? t("The studio cannot be reached.") : error.message, "error");
  }
}

document.addEventListener("input", (event) => {
  const form = event.target.matches?.("[data-search]") && event.target.closest("form.filters");
  if (!form) return;
  forget();
  pause = setTimeout(() => search(form), PAUSE_MS);
});

// Who chooses another filter before the answer is there keeps what was typed.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("form.filters .choices a"),
    field = link?.closest("form").querySelector("[data-search]");
  if (!field) return;
  const url = new URL(link.href);
  url.searchParams.delete(field.name);
  if (field.value) url.searchParams.set(field.name, field.value);
  link.href = url;
});

// Who does not wait asks at once, by the form itself.
document.addEventListener("submit", forget);
