// Copies the browser libraries named in package.json, with their licences, to static/vendor/.
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const target = new URL("../vendor/", import.meta.url);
const source = new URL("./node_modules/", import.meta.url);

const files = {
  htmx: ["htmx.org/dist/htmx.min.js", "htmx.org/LICENSE"],
  uplot: ["uplot/dist/uPlot.iife.min.js", "uplot/dist/uPlot.min.css", "uplot/LICENSE"],
  lucide: ["lucide-static/LICENSE"],
  inter: ["@fontsource-variable/inter/files/inter-latin-wght-normal.woff2", "@fontsource-variable/inter/LICENSE"],
};

rmSync(target, { recursive: true, force: true });
for (const [name, paths] of Object.entries(files)) {
  const folder = new URL(`${name}/`, target);
  mkdirSync(folder, { recursive: true });
  for (const path of paths) cpSync(new URL(path, source), new URL(path.split("/").pop(), folder));
}

// Not served: the browser tests run it over every page.
const axe = new URL("../../tests/browser/axe/", import.meta.url);
mkdirSync(axe, { recursive: true });
for (const name of ["axe.min.js", "LICENSE"]) cpSync(new URL(`axe-core/${name}`, source), new URL(name, axe));

// One sprite of the icons that templates name: <use href="…/lucide/icons.svg#plus"/>.
const icons = [
  "archive", "arrow-right", "building-2", "chart-no-axes-combined", "check", "chevron-down", "chevron-right",
  "circle-check", "circle-x", "clock", "code", "copy", "cpu", "database", "ellipsis", "flag", "flask-conical",
  "hourglass", "info", "key-round", "layers", "log-out", "menu", "minus", "monitor", "moon", "play", "plus",
  "refresh-cw", "rocket", "search", "shield-check", "sliders-horizontal", "sun", "target", "trash-2",
  "trending-down", "trending-up", "triangle-alert", "users", "x",
];
const symbols = icons.map((name) => {
  const svg = readFileSync(new URL(`lucide-static/icons/${name}.svg`, source), "utf8");
  const body = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.lastIndexOf("</svg>")).replace(/\s+/g, " ").trim();
  return `<symbol id="${name}" viewBox="0 0 24 24">${body}</symbol>`;
});
writeFileSync(
  new URL("lucide/icons.svg", target),
  `<svg xmlns="http://www.w3.org/2000/svg">\n${symbols.join("\n")}\n</svg>\n`,
);
