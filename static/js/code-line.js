// The line of a file that the address names is marked by the server; here it comes into view.
import { follow } from "./selection.js";

let shown = ""; // where the reader was led last: what is drawn again leads nobody back

function lead() {
  const line = document.querySelector(".source .hll"),
    here = location.search;
  if (!line || shown === here) return;
  shown = here;
  const source = line.closest(".source"),
    box = source.getBoundingClientRect(),
    own = line.getBoundingClientRect();
  if (own.top >= box.top && own.bottom <= box.bottom) return;
  source.scrollTop += own.top - box.top - box.height / 3; // only the file moves, not the page around it
}

document.addEventListener("duto:content", lead);
document.addEventListener("duto:select", () => {
  shown = "";
  lead();
});
document.addEventListener("click", (event) => {
  const number = event.target.closest(".source a[href^='#L-']")?.hash.slice("#L-".length);
  if (!number || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  const url = new URL(location.href);
  url.searchParams.set("line", number);
  url.hash = `L-${number}`;
  follow(url);
});
lead();
