// The editor of a new optimization: its rows of factors, exclusions and guardrails, and the count of variants. The form
// works without it; the rows then come and move by submitting.
/* global Sortable */
import { announce, form, step } from "./dom.js";
import { ExclusionEditor, ExclusionMatrix } from "./exclusions.js";
import { LevelEditor } from "./levels.js";

const WARN_ABOVE = 100;
const editors = new Map(); // factor -> LevelEditor
const exclusions = new Map(); // row -> ExclusionEditor

const sections = new Map([...form.querySelectorAll("[data-formset]")].map((one) => [one.dataset.formset, one]));
const rowsOf = (section) => [...section.querySelectorAll("[data-rows] > *")].filter((row) => !row.hidden);
const designs = () => rowsOf(sections.get("design")).map((factor) => [factor, editors.get(factor)]).filter(([, editor]) => editor);
const activeExclusions = () => [...exclusions].filter(([row]) => !row.hidden).map(([, editor]) => editor);

const matrix = new ExclusionMatrix({
  designs,
  exclusions: activeExclusions,
  add: (pairs) => {
    const row = addRow(sections.get("exclude"), { focus: false });
    exclusions.get(row).choose(pairs);
    changed(row);
  },
  remove: (row) => {
    removeRow(row);
    changed(row);
  },
});

function changed(row) {
  row.querySelector("textarea").dispatchEvent(new Event("change", { bubbles: true }));
}

function enhance(row) {
  row.querySelector("[data-remove]").addEventListener("click", () => {
    removeRow(row);
    row.closest("[data-formset]").querySelector("[data-add]").focus();
  });
  if (row.matches("[data-exclusion]")) exclusions.set(row, new ExclusionEditor(row, designs));
  if (row.matches("[data-factor]")) {
    editors.set(row, new LevelEditor(row));
    for (const button of row.querySelectorAll("[data-step]")) {
      button.addEventListener("click", (event) => {
        event.preventDefault();
        if (!step(row, Number(button.dataset.step))) return;
        const place = rowsOf(row.closest("[data-formset]")).indexOf(row) + 1;
        announce(`${row.querySelector("input[name$=-name]").value || "Factor"} is now in place ${place}.`);
        renumber();
        (button.disabled ? row.querySelector("[data-step]:not(:disabled)") : button)?.focus();
      });
    }
  }
  if (row.querySelector("input[name$=-DELETE]").checked) row.hidden = true;
}

function removeRow(row) {
  row.querySelector("input[name$=-DELETE]").checked = true;
  row.hidden = true;
  if (row.matches("[data-factor]")) for (const editor of exclusions.values()) editor.render();
  renumber();
}

function addRow(section, { focus = true } = {}) {
  const total = section.querySelector("input[name$=-TOTAL_FORMS]");
  const holder = document.createElement("template");
  holder.innerHTML = section.querySelector("template[data-empty]").innerHTML.replaceAll("__prefix__", total.value);
  const row = holder.content.firstElementChild;
  section.querySelector("[data-rows]").append(row);
  total.value = String(Number(total.value) + 1);
  enhance(row);
  if (focus) row.querySelector("select, input:not([type=hidden])").focus();
  renumber();
  return row;
}

// Places are what the page shows, whatever the numbers in the fields' names are.
function renumber() {
  for (const section of sections.values()) {
    const rows = rowsOf(section);
    rows.forEach((row, index) => {
      const place = row.querySelector("input[name$=-place]");
      if (place) place.value = String(index);
      for (const button of row.querySelectorAll("[data-step]")) {
        button.disabled = Number(button.dataset.step) < 0 ? index === 0 : index === rows.length - 1;
      }
    });
  }
  countVariants();
}

// How many of the grid's combinations no exclusion takes away; null where there are too many to go through.
function servable(factors, total) {
  const rules = activeExclusions().map((editor) => new Map(editor.levels
    .map(([factor, input]) => [factor, [...editors.get(factor).levels].indexOf(input.value.trim())])))
    .filter((rule) => rule.size > 0);
  if (!rules.length) return total;
  if (total > 100000) return null;
  const codes = factors.map(() => 0);
  let left = 0;
  for (let i = 0; i < total; i += 1) {
    if (!rules.some((rule) => factors.every(([factor], f) => !rule.has(factor) || rule.get(factor) === codes[f]))) left += 1;
    for (let f = codes.length - 1; f >= 0; f -= 1) {
      codes[f] += 1;
      if (codes[f] < factors[f][1]) break;
      codes[f] = 0;
    }
  }
  return left;
}

function countVariants() {
  const factors = designs().filter(([, editor]) => editor.levels.size > 0).map(([factor, editor]) => [factor, editor.levels.size]);
  const sizes = factors.map(([, size]) => size);
  const grid = sizes.length ? sizes.reduce((product, size) => product * size, 1) : 0;
  for (const editor of exclusions.values()) editor.store();
  matrix.render();
  const total = servable(factors, grid) ?? grid;
  form.querySelector("[data-variants]").textContent = total.toLocaleString("en");
  const combined = `${sizes.join(" × ")} ${sizes.length === 1 ? "levels" : "levels combined"}`;
  form.querySelector("[data-variants-text]").textContent = sizes.length
    ? combined + (total < grid ? `, ${(grid - total).toLocaleString("en")} excluded` : "")
    : "Add a design factor with two levels.";
  form.querySelector("[data-variants-warning]").classList.toggle("hidden", total <= WARN_ABOVE);
}

for (const section of sections.values()) {
  const rows = section.querySelector("[data-rows]");
  for (const row of rows.children) enhance(row);
  section.querySelector("[data-add]")?.addEventListener("click", (event) => {
    event.preventDefault();
    addRow(section);
  });
  if (rows.dataset.rows === "sortable") {
    Sortable.create(rows, { handle: "[data-factor-grip]", animation: 120, onEnd: renumber });
  }
}
form.addEventListener("change", (event) => {
  // a factor that changed may have another name or other levels to exclude
  if (event.target.closest("[data-factor]")) for (const editor of exclusions.values()) editor.render();
  countVariants();
});
renumber();

for (const range of form.querySelectorAll("[data-range-for]")) {
  const number = document.getElementById(range.dataset.rangeFor);
  range.value = number.value;
  range.addEventListener("input", () => { number.value = range.value; });
  number.addEventListener("input", () => { range.value = number.value; });
}
