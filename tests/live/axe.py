"""What axe finds on a page, without looking at the same colours a hundred times."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

# Of all that axe looks at, the theme changes the colours only.
COLOURS = ("color-contrast", "link-in-text-block")
# What depends on how much room there is, and on what stands there only where there is little.
LAYOUT = ("scrollable-region-focusable", "target-size", "button-name", "link-name", "aria-hidden-focus")
# Ids that stand twice, within what is shown or not: axe looks at those that names refer to only.
DOUBLED = """() => {
  const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
  return [...new Set(ids.filter((id, place) => ids.indexOf(id) !== place))];
}"""
SETTLED = """() => Promise.allSettled(document.getAnimations().filter((each) => each instanceof CSSTransition).map((each) => each.finished))"""

# Four fifths of axe's time go into contrasts, mostly of what each page has: its frame, the cells of its tables. A contrast follows
# from a text's colour, size and weight and from what lies behind it, so that each combination is looked at once in a process.
# Text of which that cannot be told from its ancestors alone, since something between it and an opaque background is placed or
# moved freely, is looked at wherever it stands; so are fields, which paint themselves.
UNSEEN = r"""([within, known]) => {
  const seen = new Set(known), fresh = new Set(), chains = new Map();
  const behind = (element) => {
    if (!element) return {look: "", faded: "", isPlaced: false};
    const found = chains.get(element);
    if (found) return found;
    const style = getComputedStyle(element), above = behind(element.parentElement);
    const faded = above.faded + (style.opacity === "1" && style.filter === "none" && style.mixBlendMode === "normal"
      ? "" : `/${style.opacity} ${style.filter} ${style.mixBlendMode}`);
    const own = `${style.backgroundColor} ${style.backgroundImage}`;
    const isOpaque = style.backgroundImage === "none" && /^rgb\(/.test(style.backgroundColor);
    const isClear = own === "rgba(0, 0, 0, 0) none";
    const isPlaced = ["absolute", "fixed", "sticky"].includes(style.position) || style.transform !== "none";
    const made = isOpaque ? {look: own, faded, isPlaced: false}
      : {look: isClear ? above.look : `${own}/${above.look}`, faded, isPlaced: above.isPlaced || isPlaced};
    chains.set(element, made);
    return made;
  };
  for (const element of (within ? document.getElementById(within) : document.body).querySelectorAll("*")) {
    delete element.dataset.unseen;
    const isField = element.matches("input, select, textarea");
    if (!isField && ![...element.childNodes].some((each) => each.nodeType === 3 && each.data.trim())) continue;
    if (!element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    const style = getComputedStyle(element), {look, faded, isPlaced} = behind(element), {width, height} = element.getBoundingClientRect();
    const isOff = element.closest(":disabled, [aria-disabled=true], [aria-hidden=true], [inert]") || element.closest("label")?.control?.disabled;
    const mark = [style.color, style.fill, style.fontSize, style.fontWeight, style.textShadow, style.clip, style.clipPath,
      width > 1 && height > 1, !!isOff, look, faded].join("|");
    if (isField || isPlaced || !seen.has(mark)) element.dataset.unseen = "";
    if (!isField && !isPlaced) fresh.add(mark);
  }
  axe.configure({rules: [{id: "color-contrast", selector: "[data-unseen]"}]});
  return [...fresh].filter((each) => !seen.has(each));
}"""
# The looks that passed.
_passed: set[str] = set()
# What is wrong, and no more: the library's own call loads axe each time and brings home all that is right as well.
AXE = """([within, options]) => axe.run(within ? document.getElementById(within) : document, {resultTypes: ["violations"], selectors: false, elementRef: false, preload: false, ...options}).then(
  ({violations}) => violations.map((each) => `${each.id}: ${each.help}: ${JSON.stringify(each.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)))}`))"""


def violations(page: Page, *schemes: str, colours: str = "", layout: str = "", within: str = "") -> list[str]:
    """What axe finds on a page in each of the colour schemes, whatever it weighs; and ids that stand twice.

    `colours` is a further scheme of which the colours alone are looked at, `layout` one for a size at which a page that was
    looked at before is looked at again: its colours and what may differ by size. `within` is the id of the element that is
    looked at alone, where the page around it was looked at before.
    """
    found = [f"duplicate-id: {each}" for each in page.evaluate(DOUBLED)]
    asked: list[tuple[str, dict[str, Any]]] = [(scheme, {}) for scheme in schemes]
    if colours:
        asked.append((colours, {"runOnly": list(COLOURS)}))
    if layout:
        asked.append((layout, {"runOnly": [*COLOURS, *LAYOUT]}))
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    for scheme, options in asked:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.evaluate(SETTLED)
        unseen = page.evaluate(UNSEEN, [within, sorted(_passed)])
        wrong = page.evaluate(AXE, [within, options])
        found += [f"{scheme}: {each}" for each in wrong]
        if not any(each.startswith("color-contrast") for each in wrong):
            _passed.update(unseen)
    return found
