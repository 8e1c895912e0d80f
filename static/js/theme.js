// Runs before the first paint, so that a remembered theme does not flash. "system" follows the browser.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  let choice = null;
  try {
    choice = localStorage.getItem("theme");
  } catch {
    // Storage may be forbidden; the browser's preference then decides.
  }
  if (choice === "light" || choice === "dark") root.dataset.theme = choice;
})();
