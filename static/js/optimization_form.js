// The editor of factors and exclusions. The form works without it: each is then a text area with one level per line.
// Here each text area stays the submitted field and is mirrored by one input per level.

const WARN_ABOVE = 100;
const form = document.getElementById("optimization-form");

function svgIcon(name) {
  const known = document.querySelector("svg.icon use").getAttribute("href");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${known.split("#")[0]}#${name}`);
  svg.append(use);
  return svg;
}

class LevelEditor {
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
    this.add.append(svgIcon("plus"), "Add level");
    this.add.addEventListener("click", () => this.append("").focus());
    this.area.hidden = true;
    this.area.after(this.list, this.add);
    const levels = this.area.value.split("\n").filter((level) => level.trim() !== "");
    while (levels.length < 2) levels.push("");
    for (const level of levels) this.append(level);
    this.area.form.addEventListener("submit", () => this.store());
  }

  get inputs() {
    return [...this.list.querySelectorAll("input")];
  }

  get levels() {
    return new Set(this.inputs.map((input) => input.value.trim()).filter(Boolean));
  }

  append(value, after = null) {
    const row = document.createElement("li");
    row.className = "flex items-center gap-2";
    const input = document.createElement("input");
    input.className = "input";
    input.value = value;
    if (this.area.getAttribute("aria-invalid") === "true") input.setAttribute("aria-invalid", "true");
    const tag = document.createElement("span");
    tag.className = "pill pill-accent";
    tag.textContent = "Baseline";
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "btn btn-ghost btn-square btn-sm text-muted";
    remove.append(svgIcon("x"));
    remove.addEventListener("click", () => this.remove(row));
    input.addEventListener("input", () => this.store());
    input.addEventListener("keydown", (event) => this.onKey(event, row, input));
    input.addEventListener("paste", (event) => this.onPaste(event, row, input));
    row.append(input, tag, remove);
    if (after) after.after(row);
    else this.list.append(row);
    this.number();
    return input;
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
    this.number();
    this.store();
  }

  number() {
    [...this.list.children].forEach((row, index) => {
      row.querySelector("input").setAttribute("aria-label", index === 0 && this.baseline ? "Level 1, baseline" : `Level ${index + 1}`);
      row.querySelector("input").placeholder = index === 0 && this.baseline ? "What visitors see today" : "Another version";
      if (!this.baseline) row.querySelector("input").placeholder = "A value of the context";
      row.querySelector("span").hidden = index !== 0 || !this.baseline;
      row.querySelector("button").setAttribute("aria-label", `Remove level ${index + 1}`);
    });
  }

  store() {
    this.area.value = this.inputs.map((input) => input.value).filter((value) => value.trim() !== "").join("\n");
    this.area.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

const editors = new Map();

// An exclusion is a choice per design factor: any level, or one. The choice is remembered as that level's own input, so
// that renaming a factor or a level keeps it.
class ExclusionEditor {
  constructor(row) {
    this.row = row;
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
    const design = [...editors].filter(([factor, editor]) => !factor.hidden && editor.baseline);
    this.fields.replaceChildren(...design.map(([factor, editor], index) => this.field(factor, editor, index)));
    this.store();
  }

  field(factor, editor, index) {
    const name = factor.querySelector("input[name$=-name]").value.trim();
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

  store() {
    const name = (factor) => factor.querySelector("input[name$=-name]").value.trim();
    this.area.value = this.levels.map(([factor, input]) => `${name(factor)} = ${input.value.trim()}`).join("\n");
  }
}

const exclusions = new Map();

function enhanceExclusion(row) {
  exclusions.set(row, new ExclusionEditor(row));
  row.querySelector("[data-remove-exclusion]").addEventListener("click", () => {
    row.querySelector("input[name$=-DELETE]").checked = true;
    row.hidden = true;
    countVariants();
    row.closest("[data-formset]").querySelector("[data-add]").focus();
  });
}

function enhance(factor) {
  editors.set(factor, new LevelEditor(factor));
  factor.querySelector("[data-remove-factor]").addEventListener("click", () => {
    factor.querySelector("input[name$=-DELETE]").checked = true;
    factor.hidden = true;
    countVariants();
    factor.closest("[data-formset]").querySelector("[data-add]").focus();
  });
}

function addFactor(section) {
  const total = section.querySelector("input[name$=-TOTAL_FORMS]");
  const html = section.querySelector("template[data-empty]").innerHTML.replaceAll("__prefix__", total.value);
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const factor = holder.content.firstElementChild;
  section.querySelector("[data-rows]").append(factor);
  total.value = String(Number(total.value) + 1);
  if (factor.matches("[data-exclusion]")) enhanceExclusion(factor);
  else enhance(factor);
  factor.querySelector("select, input").focus();
  countVariants();
}

// How many of the grid's combinations no exclusion takes away; null where there are too many to go through.
function servable(designs, total) {
  const rules = [...exclusions].filter(([row]) => !row.hidden).map(([, editor]) => new Map(editor.levels
    .map(([factor, input]) => [factor, [...new Set(editors.get(factor).levels)].indexOf(input.value.trim())])))
    .filter((rule) => rule.size > 0);
  if (!rules.length) return total;
  if (total > 100000) return null;
  const codes = designs.map(() => 0);
  let left = 0;
  for (let i = 0; i < total; i += 1) {
    if (!rules.some((rule) => designs.every(([factor], f) => !rule.has(factor) || rule.get(factor) === codes[f]))) left += 1;
    for (let f = codes.length - 1; f >= 0; f -= 1) {
      codes[f] += 1;
      if (codes[f] < designs[f][1]) break;
      codes[f] = 0;
    }
  }
  return left;
}

function countVariants() {
  const designs = [...editors]
    .filter(([factor, editor]) => !factor.hidden && editor.baseline && editor.levels.size > 0)
    .map(([factor, editor]) => [factor, editor.levels.size]);
  const sizes = designs.map(([, size]) => size);
  const grid = sizes.length ? sizes.reduce((product, size) => product * size, 1) : 0;
  for (const editor of exclusions.values()) editor.store();
  const total = servable(designs, grid) ?? grid;
  form.querySelector("[data-variants]").textContent = total.toLocaleString("en");
  const combined = `${sizes.join(" × ")} ${sizes.length === 1 ? "levels" : "levels combined"}`;
  form.querySelector("[data-variants-text]").textContent = sizes.length
    ? combined + (total < grid ? `, ${(grid - total).toLocaleString("en")} excluded` : "")
    : "Add a design factor with two levels.";
  form.querySelector("[data-variants-warning]").classList.toggle("hidden", total <= WARN_ABOVE);
}

for (const section of form.querySelectorAll("[data-formset]")) {
  for (const factor of section.querySelectorAll("[data-rows] > [data-factor]")) {
    enhance(factor);
    if (factor.querySelector("input[name$=-DELETE]").checked) factor.hidden = true;
  }
  for (const row of section.querySelectorAll("[data-rows] > [data-exclusion]")) {
    enhanceExclusion(row);
    if (row.querySelector("input[name$=-DELETE]").checked) row.hidden = true;
  }
  section.querySelector("[data-add]").addEventListener("click", (event) => {
    event.preventDefault();
    addFactor(section);
  });
}
form.addEventListener("change", (event) => {
  // a factor that changed may have another name or other levels to exclude
  if (event.target.closest("[data-factor]")) for (const editor of exclusions.values()) editor.render();
  countVariants();
});
// removing a factor changes no field, but what there is to exclude
form.addEventListener("click", (event) => {
  if (event.target.closest("[data-remove-factor]")) for (const editor of exclusions.values()) editor.render();
});
countVariants();

for (const range of form.querySelectorAll("[data-range-for]")) {
  const number = document.getElementById(range.dataset.rangeFor);
  range.value = number.value;
  range.addEventListener("input", () => { number.value = range.value; });
  number.addEventListener("input", () => { range.value = number.value; });
}
