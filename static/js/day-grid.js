// The calendar by keyboard, as WAI-ARIA has it of grids: one stop of Tab, arrows between its days, Enter to what stands on one.
const CELL = '[role="gridcell"]';
// Set where a key leads to other days, so that the keyboard stays in the calendar.
const KEPT = "duto-calendar";

/** The days that are shown: where there is no room for columns, those with nothing are not. */
const daysOf = (grid) => [...grid.querySelectorAll(CELL)].filter((day) => day.getClientRects().length > 0);

const columnsOf = (days) => days.filter((day) => day.offsetTop === days[0].offsetTop).length;

function enter(day) {
  for (const other of day.closest('[role="grid"]').querySelectorAll(`${CELL}[tabindex="0"]`)) other.tabIndex = -1;
  day.tabIndex = 0;
}

function wanted(event, days, here) {
  const columns = columnsOf(days),
    start = here - (here % columns);
  const whole = event.ctrlKey || event.metaKey;
  return {
    ArrowLeft: here - 1,
    ArrowRight: here + 1,
    ArrowUp: here - columns,
    ArrowDown: here + columns,
    Home: whole ? 0 : start,
    End: whole ? days.length - 1 : Math.min(start + columns, days.length) - 1,
  }[event.key];
}

function turn(rel) {
  const link = document.querySelector(`.calendar-steps a[rel="${rel}"]`);
  if (!link) return;
  sessionStorage.setItem(KEPT, "yes");
  link.click();
}

function onDay(event, day) {
  const days = daysOf(day.closest('[role="grid"]'));
  const place = wanted(event, days, days.indexOf(day));
  if (place !== undefined) days[place]?.focus();
  else if (event.key === "PageUp" || event.key === "PageDown") turn(event.key === "PageUp" ? "prev" : "next");
  else if (event.key === "Enter" || event.key === "F2") day.querySelector("a")?.focus();
  else return;
  event.preventDefault();
}

function inDay(event, day) {
  const links = [...day.querySelectorAll("a")];
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  if (step) links[links.indexOf(event.target) + step]?.focus();
  else if (event.key === "Escape" || event.key === "F2") day.focus();
  else return;
  event.preventDefault();
}

document.addEventListener("keydown", (event) => {
  const day = event.target.closest?.(`.calendar ${CELL}`);
  if (!day || event.altKey || event.defaultPrevented) return;
  (event.target === day ? onDay : inDay)(event, day);
});

document.addEventListener("focusin", (event) => {
  const day = event.target.closest?.(`.calendar ${CELL}`);
  if (day) enter(day);
});

/** Some day that is shown is reached by Tab, also where the one that the page has chosen is not. */
function settle() {
  for (const grid of document.querySelectorAll('.calendar[role="grid"]')) {
    const days = daysOf(grid);
    const first = days.find((day) => day.tabIndex === 0) ?? days[0];
    if (!first) continue;
    enter(first);
    if (sessionStorage.getItem(KEPT)) first.focus();
    sessionStorage.removeItem(KEPT);
  }
}

settle();
addEventListener("resize", settle);
document.addEventListener("duto:content", settle);
