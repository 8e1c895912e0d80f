// Copies the browser libraries named in package.json, with their licences, to static/vendor/.
import { buildSync } from "esbuild";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const target = new URL("../vendor/", import.meta.url);
const source = new URL("./node_modules/", import.meta.url);

const files = {
  htmx: ["htmx.org/dist/htmx.min.js", "htmx.org/LICENSE"],
  sortable: ["sortablejs/Sortable.min.js", "sortablejs/LICENSE"],
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

// CodeMirror comes as modules: our sql-editor.js and what it uses, in one file, with the licences of all of it.
const codemirror = new URL("codemirror/", target);
mkdirSync(codemirror, { recursive: true });
const built = buildSync({
  entryPoints: [new URL("sql-editor.js", import.meta.url).pathname],
  outfile: new URL("sql-editor.min.js", codemirror).pathname,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none",
  metafile: true,
});
const packages = Object.keys(built.metafile.inputs).map((path) => path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1]);
const used = [...new Set(packages.filter(Boolean))].sort();
const licences = used.map((name) => `${name}\n\n${readFileSync(new URL(`${name}/LICENSE`, source), "utf8").trim()}\n`);
writeFileSync(new URL("LICENSE", codemirror), licences.join("\n---\n\n"));

// Not served: the browser tests run it over every page.
const axe = new URL("../../tests/browser/axe/", import.meta.url);
mkdirSync(axe, { recursive: true });
for (const name of ["axe.min.js", "LICENSE"]) cpSync(new URL(`axe-core/${name}`, source), new URL(name, axe));

// One sprite of the icons that templates name: <use href="…/lucide/icons.svg#plus"/>.
const icons = [
  "archive", "arrow-right", "building-2", "chart-no-axes-combined", "check", "chevron-down", "chevron-right",
  "circle-check", "circle-x", "clock", "code", "copy", "cpu", "database", "ellipsis", "flag", "flask-conical",
  "arrow-down", "arrow-up", "command", "corner-down-left", "grip-vertical", "history",
  "hourglass", "info", "key-round", "layers", "log-out", "mail", "menu", "minus", "monitor", "moon", "play", "plus",
  "refresh-cw", "rocket", "search", "shield-check", "sliders-horizontal", "split", "sun", "target", "trash-2",
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
