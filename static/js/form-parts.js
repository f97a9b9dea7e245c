// Parts of a form that are for some values of one of its choices: <fieldset data-if="kind=email">, or `kind!=email`. Those of other values are
// neither shown nor sent. Without scripts all of them are there, and the studio reads the ones that it needs.
function settle(form) {
  for (const part of form.querySelectorAll("fieldset[data-if]")) {
    const [name, sign, values] = part.dataset.if.split(/(!?=)/);
    const choice = form.elements[name];
    if (choice) part.hidden = part.disabled = values.split(" ").includes(choice.value) !== (sign === "=");
  }
}

function settleAll(root) {
  for (const form of new Set([...root.querySelectorAll("fieldset[data-if]")].map((part) => part.form))) settle(form);
}

settleAll(document);
// Before whoever sends the form for a preview.
document.addEventListener("change", (event) => event.target.form && settle(event.target.form), true);
document.addEventListener("htmx:load", (event) => settleAll(event.detail.elt));
