// The levels of one factor. Without this script they are a text area with one level per line; it stays the submitted
// field and is mirrored by one input per level.
/* global Sortable */
import { announce, icon, iconButton, step } from "./dom.js";

export class LevelEditor {
  constructor(factor) {
    this.factor = factor;
    this.area = factor.querySelector("textarea");
    this.baseline = factor.dataset.kind === "design";
    this.list = document.createElement("ol");
    this.list.className = "grid gap-2";
    const label = factor.querySelector("[data-levels-label]");
    label.removeAttribute("for");
    label.id = `${this.area.id}_label`;
    this.list.setAttribute("aria-labelledby", label.id);
    this.add = document.createElement("button");
    this.add.type = "button";
    this.add.className = "btn btn-ghost btn-sm mt-2 -ml-2 text-primary";
    this.add.append(icon("plus"), "Add level");
    this.add.addEventListener("click", () => this.append("").focus());
    this.area.hidden = true;
    this.area.after(this.list, this.add);
    const levels = this.area.value.split("\n").filter((level) => level.trim() !== "");
    while (levels.length < 2) levels.push("");
    for (const level of levels) this.append(level);
    this.area.form.addEventListener("submit", () => this.store());
    Sortable.create(this.list, { handle: "[data-grip]", animation: 120, onEnd: () => this.moved() });
  }

  get inputs() {
    return [...this.list.querySelectorAll("input")];
  }

  get levels() {
    return new Set(this.inputs.map((input) => input.value.trim()).filter(Boolean));
  }

  append(value, after = null) {
    const row = document.createElement("li");
    row.className = "flex items-center gap-1";
    const grip = document.createElement("span");
    grip.dataset.grip = "";
    grip.className = "hidden flex-none cursor-grab px-1 text-muted sm:block";
    grip.append(icon("grip-vertical"));
    const box = document.createElement("span");
    box.className = "input";
    const input = document.createElement("input");
    input.className = "min-w-0 grow";
    input.value = value;
    if (this.area.getAttribute("aria-invalid") === "true") {
      input.setAttribute("aria-invalid", "true");
      box.classList.add("input-invalid");
    }
    const tag = document.createElement("span");
    tag.className = "pill pill-accent";
    tag.textContent = "Baseline";
    box.append(input, tag);
    const up = iconButton("arrow-up", "", () => this.step(row, -1, up), "btn-xs");
    const down = iconButton("arrow-down", "", () => this.step(row, 1, down), "btn-xs");
    const remove = iconButton("x", "", () => this.remove(row));
    input.addEventListener("input", () => this.store());
    input.addEventListener("keydown", (event) => this.onKey(event, row, input));
    input.addEventListener("paste", (event) => this.onPaste(event, row, input));
    row.append(grip, box, up, down, remove);
    if (after) after.after(row);
    else this.list.append(row);
    this.number();
    return input;
  }

  step(row, direction, button) {
    if (!step(row, direction)) return;
    this.moved();
    button.focus();
    const place = [...this.list.children].indexOf(row) + 1;
    announce(`${row.querySelector("input").value || "Level"} is now level ${place}${place === 1 && this.baseline ? ", the baseline" : ""}.`);
  }

  moved() {
    this.number();
    this.store();
  }

  onKey(event, row, input) {
    if (event.key === "Enter") {
      event.preventDefault();
      const next = row.nextElementSibling?.querySelector("input");
      (next ?? this.append("", row)).focus();
    } else if (event.key === "Backspace" && input.value === "" && this.inputs.length > 2) {
      event.preventDefault();
      const neighbour = row.previousElementSibling ?? row.nextElementSibling;
      this.remove(row);
      neighbour.querySelector("input").focus();
    }
  }

  onPaste(event, row, input) {
    const lines = event.clipboardData.getData("text").split(/\r?\n/).filter((line) => line.trim() !== "");
    if (lines.length < 2) return;
    event.preventDefault();
    input.value = lines.shift();
    let last = row;
    for (const line of lines) last = this.append(line, last).closest("li");
    this.store();
  }

  remove(row) {
    if (this.inputs.length > 2) row.remove();
    else row.querySelector("input").value = "";
    this.moved();
  }

  number() {
    const rows = [...this.list.children];
    rows.forEach((row, index) => {
      const first = index === 0 && this.baseline;
      const input = row.querySelector("input");
      input.setAttribute("aria-label", first ? "Level 1, baseline" : `Level ${index + 1}`);
      input.placeholder = first ? "What visitors see today" : this.baseline ? "Another version" : "A value of the context";
      row.querySelector(".pill").hidden = !first;
      const [up, down, remove] = row.querySelectorAll("button");
      up.setAttribute("aria-label", `Move level ${index + 1} up`);
      down.setAttribute("aria-label", `Move level ${index + 1} down`);
      remove.setAttribute("aria-label", `Remove level ${index + 1}`);
      up.disabled = index === 0;
      down.disabled = index === rows.length - 1;
    });
  }

  store() {
    this.area.value = this.inputs.map((input) => input.value).filter((value) => value.trim() !== "").join("\n");
    this.area.dispatchEvent(new Event("change", { bubbles: true }));
  }
}
