// The form that registers a dataset: its preview follows what it says, and its name comes from the data until one is typed.

const form = () => document.getElementById("dataset-form");
let typed = false;

/** "birds 2021" of "raw/birds 2021.csv", "raw" of "raw/". */
export function nameOf(path) {
  const last =
    path
      .split(/[?#]/)[0]
      .split("/")
      .filter((part) => part && !/[*?[\]]/.test(part))
      .pop() ?? "";
  return last.replace(/(?<=.)\.[A-Za-z0-9]{1,8}$/, "");
}

let source = ""; // what a name may be proposed of

function propose(path) {
  source = path;
  // What has changed is told as one leaves its field, before one is in the next.
  setTimeout(offer);
}

function offer() {
  const name = form()?.elements.name;
  // Whoever stands in the field is about to type.
  if (!name || name.type === "hidden" || typed || !source || document.activeElement === name) return;
  name.value = nameOf(source);
}

// What is changed while an answer is on its way is asked for next: the answer must not undo it.
let asked = 0,
  answered = 0;
const isReading = (event) => event.detail.elt?.id === "reading";

function read() {
  asked += 1;
  document.getElementById("reading")?.dispatchEvent(new CustomEvent("read"));
}

document.addEventListener("htmx:beforeRequest", (event) => {
  if (isReading(event)) answered = asked;
});
document.addEventListener("htmx:beforeSwap", (event) => {
  if (isReading(event) && answered !== asked) event.detail.shouldSwap = false;
});

const isName = (field) => field.form === form() && field.name === "name";

document.addEventListener("input", (event) => {
  if (isName(event.target)) typed = event.target.value !== "";
});
document.addEventListener("focusout", (event) => {
  if (isName(event.target) && !event.target.value) setTimeout(offer);
});
document.addEventListener("change", (event) => {
  if (event.target.form !== form() || !event.target.closest("[data-reads]")) return;
  if (event.target.closest("[data-names]") && event.target.name !== "datastore") propose(event.target.value);
  read();
});
document.addEventListener("files-changed", (event) => {
  if (!event.target.closest("#dataset-form")) return;
  const { paths } = event.detail;
  // Of a folder, or of one file; several files by themselves name nothing.
  const tops = new Set(paths.map((path) => (path.includes("/") ? path.split("/")[0] : path)));
  propose(tops.size === 1 ? [...tops][0] : (paths[0] ?? ""));
  read();
});
// A path that was picked comes as a part of the page.
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id !== "place") return;
  propose(form().elements.path.value);
  read();
});
// What is there when the page comes back after a refusal was typed by a person.
typed = Boolean(form()?.elements.name?.value);
const given = form()?.elements.path ?? form()?.elements.url;
if (given?.value) propose(given.value);
