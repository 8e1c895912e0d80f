// What every page shares: theme choice, menus that close, copy buttons, filters that submit themselves.

const root = document.documentElement;

function chosenTheme() {
  return root.dataset.theme ?? "system";
}

function showChoice() {
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === chosenTheme()));
  }
}

function chooseTheme(choice) {
  if (choice === "system") delete root.dataset.theme;
  else root.dataset.theme = choice;
  try {
    if (choice === "system") localStorage.removeItem("theme");
    else localStorage.setItem("theme", choice);
  } catch {
    // The choice then lasts for this page only.
  }
  showChoice();
  root.dispatchEvent(new CustomEvent("themechange"));
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const text = source.value ?? source.textContent;
  const label = button.querySelector("[data-copy-label]") ?? button;
  const before = label.textContent;
  try {
    await navigator.clipboard.writeText(text.trim());
    label.textContent = "Copied";
  } catch {
    // Without a secure origin there is no clipboard: select the text so that one keystroke copies it.
    getSelection().selectAllChildren(source);
    label.textContent = "Press Ctrl+C";
  }
  setTimeout(() => { label.textContent = before; }, 2000);
}

document.addEventListener("click", (event) => {
  const theme = event.target.closest("[data-theme-choice]");
  if (theme) chooseTheme(theme.dataset.themeChoice);
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
  for (const menu of document.querySelectorAll("details[data-dismiss][open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details[data-dismiss][open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A form of filters is submitted by choosing; without this its button does it.
document.addEventListener("change", (event) => {
  event.target.closest("form[data-autosubmit]")?.requestSubmit();
});

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  root.dispatchEvent(new CustomEvent("themechange"));
});

// On a small screen the tabs scroll sideways: the current one must not lie outside.
document.querySelector(".tab-link[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

showChoice();
