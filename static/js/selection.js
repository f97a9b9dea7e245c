// What is selected stands in the URL; graph, timeline, table and panel all read it there.

export const param = (name) => new URL(location.href).searchParams.get(name);
/** None while the panel shows the run itself. */
export const selectedStep = () => (param("of") === "run" ? null : param("step"));

/** The groups of a folded graph that are open, in the order in which they were opened. */
export const opened = () => new URL(location.href).searchParams.getAll("open");

export function open(name) {
  if (opened().includes(name)) return;
  const url = new URL(location.href);
  url.searchParams.append("open", name);
  history.pushState(null, "", url);
}

function tell(url) {
  document.dispatchEvent(new CustomEvent("duto:select", { detail: { step: selectedStep(), url } }));
  mark(document);
}

// These belong to the step that is left; the tab and the view stay.
const OF_A_STEP = ["attempt", "line", "file", "folder", "output", "against", "children", "of", "part"];

/** The tab stays unless one is named. */
export function select(step, tab = param("tab")) {
  const url = new URL(location.href);
  if (selectedStep() === step && param("tab") === tab) return;
  url.searchParams.set("step", step);
  if (tab) url.searchParams.set("tab", tab);
  OF_A_STEP.forEach((name) => url.searchParams.delete(name));
  url.hash = "";
  history.pushState(null, "", url);
  tell(url);
}

/** `only`: the one parameter that the link is about; all others stay as they are now, whatever they were when it was drawn. */
export function follow(href, only = "") {
  let url = new URL(href, location.href);
  if (only) {
    const value = url.searchParams.get(only);
    url = new URL(location.href);
    url.searchParams.set(only, value);
  }
  history.pushState(null, "", url);
  tell(url);
}

/** Rows and links that stand for a step show whether it is the selected one. */
export function mark(root) {
  const step = selectedStep();
  for (const element of root.querySelectorAll("tr[data-step]")) {
    element.setAttribute("aria-selected", String(element.dataset.step === step));
  }
}

/** The tab that was chosen is lit at once, however long its content takes. */
function light(link) {
  const tabs = link.closest(".tabs");
  for (const other of tabs?.querySelectorAll("[aria-current]") ?? []) other.removeAttribute("aria-current");
  if (tabs) link.setAttribute("aria-current", "page");
}

addEventListener("popstate", () => tell(new URL(location.href)));
document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const link = event.target.closest("a[data-panel]");
  if (link) {
    event.preventDefault();
    light(link);
    follow(link.href, link.dataset.panel);
    return;
  }
  const row = event.target.closest("[data-step]");
  if (row && !event.target.closest("button, input, a:not([data-step])")) {
    event.preventDefault();
    select(row.dataset.step);
  }
});
mark(document);
