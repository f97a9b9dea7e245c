// Runs before the first paint, so that a reader's own theme never flashes the other one.
try {
  const theme = localStorage.getItem("duto.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  /* storage may be refused; the system's theme holds then */
}
