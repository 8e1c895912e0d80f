// Exclusions: a choice per design factor, any level or one; and for two factors at a time a grid of check boxes.
import { form } from "./dom.js";

const nameOf = (factor) => factor.querySelector("input[name$=-name]").value.trim();

// The choice is remembered as that level's own input, so that renaming or moving a factor or a level keeps it.
export class ExclusionEditor {
  constructor(row, designs) {
    this.row = row;
    this.designs = designs;
    this.area = row.querySelector("textarea");
    this.area.hidden = true;
    this.chosen = new Map();
    this.written = new Map(this.area.value.split("\n").filter((line) => line.includes("=")).map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    }));
    this.fields = document.createElement("div");
    this.fields.className = "grid gap-x-4 gap-y-3 sm:grid-cols-2";
    this.area.after(this.fields);
    this.render();
  }

  render() {
    this.fields.replaceChildren(...this.designs().map(([factor, editor], index) => this.field(factor, editor, index)));
    this.store();
  }

  field(factor, editor, index) {
    const name = nameOf(factor);
    const label = document.createElement("label");
    label.className = "block min-w-0";
    const caption = document.createElement("span");
    caption.className = "field-label truncate";
    caption.textContent = name || `Factor ${index + 1}`;
    const select = document.createElement("select");
    select.className = "select";
    if (this.area.getAttribute("aria-invalid") === "true") select.setAttribute("aria-invalid", "true");
    select.append(new Option("Any level", ""));
    const inputs = editor.inputs.filter((input) => input.value.trim());
    if (this.written.has(name)) {
      const input = inputs.find((one) => one.value.trim() === this.written.get(name));
      if (input) this.chosen.set(factor, input);
      this.written.delete(name);
    }
    inputs.forEach((input, position) => {
      const option = new Option(input.value.trim(), String(position));
      option.selected = this.chosen.get(factor) === input;
      select.append(option);
    });
    select.addEventListener("change", () => {
      if (select.value === "") this.chosen.delete(factor);
      else this.chosen.set(factor, inputs[Number(select.value)]);
      this.store();
    });
    label.append(caption, select);
    return label;
  }

  get levels() {
    return [...this.chosen].filter(([factor, input]) => !factor.hidden && input.isConnected && input.value.trim());
  }

  // Whether it names these two levels and nothing else.
  isPair(one, other) {
    const inputs = this.levels.map(([, input]) => input);
    return inputs.length === 2 && inputs.includes(one) && inputs.includes(other);
  }

  choose(pairs) {
    this.chosen = new Map(pairs);
    this.render();
  }

  store() {
    this.area.value = this.levels.map(([factor, input]) => `${nameOf(factor)} = ${input.value.trim()}`).join("\n");
  }
}

// The grid of two factors' levels; ticking a cell adds the exclusion of just these two, unticking removes it.
export class ExclusionMatrix {
  constructor({ designs, exclusions, add, remove }) {
    this.box = form.querySelector("[data-matrix]");
    this.selects = [...this.box.querySelectorAll("select")];
    this.table = this.box.querySelector("table");
    Object.assign(this, { designs, exclusions, add, remove });
    this.picked = [null, null];
    this.selects.forEach((select, side) => select.addEventListener("change", () => {
      const before = this.picked[side];
      this.picked[side] = this.factors[Number(select.value)];
      if (this.picked[0] === this.picked[1]) this.picked[1 - side] = before;
      this.render();
    }));
  }

  get factors() {
    return this.designs().filter(([, editor]) => editor.levels.size > 1).map(([factor]) => factor);
  }

  render() {
    const factors = this.factors;
    this.box.hidden = factors.length < 2;
    if (this.box.hidden) return;
    for (const side of [0, 1]) {
      if (!factors.includes(this.picked[side])) this.picked[side] = null;
    }
    for (const side of [0, 1]) this.picked[side] ??= factors.find((factor) => !this.picked.includes(factor));
    this.selects.forEach((select, side) => {
      select.replaceChildren(...factors.map((factor, index) => {
        const option = new Option(nameOf(factor) || `Factor ${index + 1}`, String(index));
        option.selected = factor === this.picked[side];
        return option;
      }));
    });
    const [down, across] = this.picked.map((factor) => {
      const editor = this.designs().find(([one]) => one === factor)[1];
      return editor.inputs.filter((input) => input.value.trim());
    });
    const focused = document.activeElement?.dataset?.cell;
    const head = this.table.tHead.rows[0];
    head.replaceChildren(document.createElement("td"), ...across.map((input) => heading(input, "col")));
    this.table.tBodies[0].replaceChildren(...down.map((first, i) => {
      const row = document.createElement("tr");
      row.append(heading(first, "row"), ...across.map((second, j) => this.cell(first, second, i, j)));
      return row;
    }));
    if (focused) this.table.querySelector(`[data-cell="${focused}"]`)?.focus();
  }

  cell(first, second, i, j) {
    const cell = document.createElement("td");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.className = "checkbox checkbox-primary checkbox-sm";
    box.dataset.cell = `${i}-${j}`;
    const found = this.exclusions().find((editor) => editor.isPair(first, second));
    box.checked = Boolean(found);
    // the first level of both is a part of the baseline, which is always served
    box.disabled = i === 0 && j === 0;
    box.setAttribute("aria-label", `Never ${first.value.trim()} with ${second.value.trim()}${box.disabled ? ": part of the baseline" : ""}`);
    box.addEventListener("change", (event) => {
      event.stopPropagation(); // it is no field of the form
      if (found) this.remove(found.row);
      else this.add([[this.picked[0], first], [this.picked[1], second]]);
      this.render();
    });
    cell.append(box);
    return cell;
  }
}

function heading(input, scope) {
  const cell = document.createElement("th");
  cell.scope = scope;
  cell.textContent = input.value.trim();
  return cell;
}
