// Native dialogs: opened and closed by attribute, and one that asks before something cannot be undone.
import { t } from "./words.js";

export function open(id) {
  const dialog = document.getElementById(id);
  if (dialog && !dialog.open) dialog.showModal();
  return dialog;
}

/** Resolves to true when the reader agrees. */
export function ask(title, detail = "", button = t("Continue"), keep = "") {
  const dialog = document.getElementById("confirm");
  if (!dialog) return Promise.resolve(window.confirm(title));
  dialog.querySelector("#confirm-title").textContent = title;
  dialog.querySelector("#confirm-detail").textContent = detail;
  dialog.querySelector('button[value="yes"]').textContent = button;
  const no = dialog.querySelector('button[value="no"]');
  no.textContent = keep || no.dataset.otherwise;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((answer) =>
    dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true }),
  );
}

/** What agrees says what the button says that was pressed, if nothing else is said. */
const askFor = (element, question, pressed) =>
  ask(
    element.dataset.confirm ?? question,
    element.dataset.confirmDetail,
    element.dataset.confirmButton ?? (pressed?.textContent.trim() || undefined),
    element.dataset.confirmKeep,
  );
const agreed = new WeakSet();

async function hold(event, element, goOn, pressed = element) {
  if (agreed.delete(element)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (!(await askFor(element, undefined, pressed))) return;
  agreed.add(element);
  goOn();
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open]");
  if (opener) {
    opener.closest("[popover]")?.hidePopover();
    open(opener.dataset.open);
  }
  const closer = event.target.closest("[data-close]");
  if (closer) closer.closest("dialog")?.close();
  // A click beside the dialog's content leaves it.
  if (event.target.matches?.("dialog.dialog[open]:not([role=alertdialog])")) {
    const { left, right, top, bottom } = event.target.getBoundingClientRect();
    if (event.clientX < left || event.clientX > right || event.clientY < top || event.clientY > bottom)
      event.target.close();
  }
});

// Before anyone else hears of it: htmx and the browser act only after a yes.
document.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    if (form.dataset.confirm && !form.matches("[hx-post], [hx-get], [hx-delete], [hx-patch], [hx-put]")) {
      const submitter = event.submitter;
      hold(event, form, () => form.requestSubmit(submitter), submitter);
    }
  },
  true,
);
// A second click sends a form that makes something no second time: its first answer is the one that is to be seen.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post" || form.matches("[hx-post]")) return;
  if (form.dataset.sent && form.elements.once) event.preventDefault();
  form.dataset.sent = "yes";
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
document.addEventListener(
  "click",
  (event) => {
    const link = event.target.closest?.("a[data-confirm]");
    if (link && !link.matches("[hx-get], [hx-post]")) hold(event, link, () => link.click());
  },
  true,
);
document.addEventListener("htmx:confirm", (event) => {
  const element = event.detail.elt;
  if (!element.dataset.confirm && !event.detail.question) return;
  event.preventDefault();
  askFor(element, event.detail.question).then((yes) => yes && event.detail.issueRequest(true));
});
// A form in a dialog that was accepted has done its work.
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful && event.detail.elt.closest("dialog[data-close-after]"))
    event.detail.elt.closest("dialog").close();
});
// A form that was refused comes back open, with what is wrong at its fields.
document.querySelector("dialog[data-open-now]")?.showModal();
