// <page-about topic name>: what a page is about. When that is deleted under it, the page says so and asks for nothing more of it.
import { live } from "./live.js";
import { sayGone } from "./notices.js";
import { t } from "./words.js";

const ASKING = ["live-region", "metric-grid", "usage-charts", "log-view"].join();

function leave(root, text) {
  sayGone(root, text);
  for (const each of root.querySelectorAll(ASKING)) each.end?.();
  document.dispatchEvent(new CustomEvent("duto:gone"));
}

class PageAbout extends HTMLElement {
  #stop;

  connectedCallback() {
    this.#stop = live.watch(this.getAttribute("topic"), ({ gone, error }) => {
      if (gone === this.getAttribute("name") || error?.code === "not_found") leave(document.getElementById("content"));
    });
  }

  disconnectedCallback() {
    this.#stop?.();
  }
}

customElements.define("page-about", PageAbout);
// The lists of a workspace are refused to those who belong to it no more: none of this page is theirs now.
document.addEventListener("duto:live", ({ detail: { error } }) => {
  if (error?.code === "not_found" && error.topic.startsWith("list:"))
    leave(document.body, t("This workspace was deleted, or you do not belong to it any more."));
});
