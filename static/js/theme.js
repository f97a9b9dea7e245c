// <theme-switch>: three buttons, system, light and dark.
class ThemeSwitch extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", (event) => {
      const button = event.target.closest("button[value]");
      if (button) this.choose(button.value);
    });
    this.show(document.documentElement.dataset.theme ?? "system");
  }
  choose(theme) {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem("duto.theme", theme);
    } catch {
      /* it then lasts as long as the page */
    }
    this.show(theme);
    document.dispatchEvent(new CustomEvent("duto:theme"));
  }
  show(theme) {
    for (const button of this.querySelectorAll("button"))
      button.setAttribute("aria-pressed", String(button.value === theme));
  }
}
customElements.define("theme-switch", ThemeSwitch);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
  document.dispatchEvent(new CustomEvent("duto:theme")),
);
