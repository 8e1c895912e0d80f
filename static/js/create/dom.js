// Small pieces that the editors of this page share.

export const form = document.getElementById("optimization-form");

export function icon(name) {
  const known = document.querySelector("svg.icon use").getAttribute("href");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${known.split("#")[0]}#${name}`);
  svg.append(use);
  return svg;
}

export function iconButton(name, label, onClick, size = "btn-sm") {
  const button = document.createElement("button");
  button.type = "button";
  button.className = `btn btn-ghost btn-square ${size} text-muted`;
  button.append(icon(name));
  if (label) button.setAttribute("aria-label", label);
  button.addEventListener("click", onClick);
  return button;
}

// Said to screen readers: moving something changes no text of its own.
export function announce(text) {
  form.querySelector("[data-announce]").textContent = text;
}

// Moves `row` one place among its visible neighbours; false at the end of the list.
export function step(row, direction) {
  let other = row;
  do other = direction < 0 ? other.previousElementSibling : other.nextElementSibling;
  while (other?.hidden);
  if (!other) return false;
  if (direction < 0) other.before(row);
  else other.after(row);
  return true;
}
