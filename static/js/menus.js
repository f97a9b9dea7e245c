// Menus are popovers; this places each at its button and lets arrows walk through it.

const GAP = 4,
  EDGE = 8;

function place(menu) {
  const button = document.querySelector(`[popovertarget="${CSS.escape(menu.id)}"]`);
  if (!button) return;
  const anchor = button.getBoundingClientRect(),
    box = menu.getBoundingClientRect();
  const below = anchor.bottom + GAP,
    above = anchor.top - GAP - box.height;
  const up = menu.dataset.place === "top" || (below + box.height > innerHeight - EDGE && above > EDGE);
  const right = anchor.left + box.width > innerWidth - EDGE;
  const left = right ? anchor.right - box.width : anchor.left;
  menu.style.left = `${Math.max(EDGE, Math.min(left, innerWidth - box.width - EDGE))}px`;
  menu.style.top = `${Math.max(EDGE, up ? above : below)}px`;
}

const entries = (menu) => [...menu.querySelectorAll("a[href], button:not([disabled])")];

document.addEventListener(
  "toggle",
  (event) => {
    const menu = event.target;
    if (!menu.matches?.(".menu[popover]")) return;
    document
      .querySelector(`[popovertarget="${CSS.escape(menu.id)}"]`)
      ?.setAttribute("aria-expanded", String(event.newState === "open"));
    if (event.newState === "open") place(menu);
  },
  true,
);

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.(".menu[popover]") ?? document.querySelector(".menu:popover-open");
  if (!menu?.matches(":popover-open") || !["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key)) return;
  const all = entries(menu),
    here = all.indexOf(document.activeElement);
  const next = {
    ArrowDown: (here + 1) % all.length,
    ArrowUp: (here - 1 + all.length) % all.length,
    Home: 0,
    End: all.length - 1,
  }[event.key];
  all[next]?.focus();
  event.preventDefault();
});

document.addEventListener("click", (event) => {
  const entry = event.target.closest(".menu[popover] :is(a, button)");
  if (entry && !entry.closest(".choices")) entry.closest("[popover]").hidePopover();
});
