// The command palette: Ctrl+K or Cmd+K, or the button beside the navigation. A dialog with a combobox (WAI-ARIA): the
// focus stays in the input, the arrow keys move through what the server found.

const dialog = document.getElementById("palette");
const input = dialog.querySelector("input");
const list = dialog.querySelector("[role=listbox]");
const status = dialog.querySelector("[role=status]");
let options = [];
let current = -1;
let asked = 0;
let timer;

function choose(index) {
  options[current]?.setAttribute("aria-selected", "false");
  current = options.length ? (index + options.length) % options.length : -1;
  const option = options[current];
  option?.setAttribute("aria-selected", "true");
  option?.scrollIntoView({ block: "nearest" });
  if (option) input.setAttribute("aria-activedescendant", option.id);
  else input.removeAttribute("aria-activedescendant");
}

function show(commands) {
  options = commands.map(({ label, kind, url }, index) => {
    const option = document.createElement("li");
    option.id = `palette-${index}`;
    option.className = "palette-option";
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", "false");
    option.dataset.url = url;
    const name = document.createElement("span");
    name.className = "min-w-0 flex-1 truncate";
    name.textContent = label;
    const what = document.createElement("span");
    what.className = "flex-none text-[0.9rem] text-muted";
    what.textContent = kind;
    option.append(name, " ", what);
    return option;
  });
  list.replaceChildren(...options);
  status.textContent = options.length ? `${options.length} found` : "Nothing found";
  status.classList.toggle("sr-only", options.length > 0);
  choose(0);
}

async function ask() {
  const turn = asked += 1;
  try {
    const answer = await fetch(`${dialog.dataset.url}?q=${encodeURIComponent(input.value)}`, { headers: { "HX-Request": "true" } });
    const away = answer.headers.get("HX-Redirect");
    if (away) location.assign(away); // signed out meanwhile
    const { commands } = await answer.json();
    if (turn === asked) show(commands); // a slower answer to an older question is not shown
  } catch {
    if (turn === asked) show([]);
  }
}

function open() {
  if (dialog.open) return;
  input.value = "";
  dialog.showModal();
  ask();
}

function go(option) {
  if (option) location.assign(option.dataset.url);
}

input.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(ask, 120);
});
input.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") choose(current + 1);
  else if (event.key === "ArrowUp") choose(current - 1);
  else if (event.key === "Enter") go(options[current]);
  else return;
  event.preventDefault();
});
list.addEventListener("click", (event) => go(event.target.closest("[role=option]")));
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close(); // the backdrop
});
document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
  event.preventDefault();
  open();
});
for (const button of document.querySelectorAll("[data-palette]")) button.addEventListener("click", open);
