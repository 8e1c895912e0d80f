// uPlot charts from <script type="application/json"> data. The same numbers stand in a table beside each chart.
/* global uPlot */

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const percent = (value, digits = 0) => `${(value * 100).toFixed(digits)}%`;
const signed = (value) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(1)}%`;
const day = (seconds) => new Date(seconds * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });

const DAYS = [1, 2, 3, 7, 14, 28, 56, 112].map((days) => days * 86400);

function axes(format) {
  const axis = { stroke: token("--color-muted"), font: "12px Inter Variable, system-ui, sans-serif", ticks: { show: false } };
  return [
    { ...axis, grid: { show: false }, space: 70, size: 30, incrs: DAYS, values: (_, splits) => splits.map(day) },
    { ...axis, grid: { stroke: token("--color-base-300"), width: 1 }, size: 52, values: (_, splits) => splits.map(format) },
  ];
}

// A tooltip that follows the cursor; rows: (index) => [[label, text, swatch class], ...]
function tooltip(title, rows) {
  let box;
  return {
    hooks: {
      init: (chart) => {
        box = document.createElement("div");
        box.className = "chart-tip";
        box.hidden = true;
        chart.over.append(box);
        chart.over.addEventListener("mouseleave", () => { box.hidden = true; });
      },
      setCursor: (chart) => {
        const { idx, left } = chart.cursor;
        if (idx == null || left < 0) {
          box.hidden = true;
          return;
        }
        const heading = document.createElement("p");
        heading.className = "mb-1 font-medium";
        heading.textContent = title(idx);
        box.replaceChildren(heading, ...rows(idx).map(([label, text, swatch]) => {
          const row = document.createElement("p");
          row.className = "flex items-baseline gap-2 whitespace-nowrap";
          if (swatch) {
            const mark = document.createElement("span");
            mark.className = `swatch swatch-${swatch}`;
            row.append(mark);
          }
          const name = document.createElement("span");
          name.className = "max-w-52 flex-1 truncate text-muted";
          name.textContent = label;
          row.append(name, text);
          return row;
        }));
        box.hidden = false;
        const right = left > chart.over.clientWidth / 2;
        box.style.left = right ? "" : `${left + 14}px`;
        box.style.right = right ? `${chart.over.clientWidth - left + 14}px` : "";
        box.style.top = "8px";
      },
    },
  };
}

function stacked(data) {
  const sums = data.dates.map(() => 0);
  const layers = data.series.map((series) => series.values.map((value, i) => {
    if (value == null) return null;
    sums[i] += value;
    return sums[i];
  }));
  // The last layer is the whole: draw from the top so that each area covers only its own share.
  const order = layers.map((_, i) => i).reverse();
  return {
    values: [data.dates, ...order.map((i) => layers[i])],
    options: {
      scales: { x: { time: true }, y: { range: [0, 1] } },
      series: [{}, ...order.map((i) => {
        const colour = token(`--color-chart-${data.series[i].color}`);
        return { label: data.series[i].label, stroke: token("--color-base-100"), width: 1, fill: colour, points: { show: false } };
      })],
      axes: axes((value) => percent(value)),
      plugins: [tooltip(
        (i) => day(data.dates[i]),
        (i) => data.series.map((series) => [series.label, series.values[i] == null ? "–" : percent(series.values[i], 1), series.color]),
      )],
    },
  };
}

// The first days know little and their intervals are huge: the scale follows the intervals of the later ones.
function reach(data) {
  const last = data.dates.length - 1;
  const widest = 4 * (data.high[last] - data.low[last]);
  const settled = data.dates.map((_, i) => i).filter((i) => data.high[i] - data.low[i] <= widest);
  const low = Math.min(0, ...settled.map((i) => data.low[i]));
  const high = Math.max(0, ...settled.map((i) => data.high[i]));
  const room = (high - low) * 0.08 || 1;
  return [low - room, high + room];
}

function band(data) {
  const line = token("--color-chart-1");
  return {
    values: [data.dates, data.high, data.low, data.mean, data.dates.map(() => 0)],
    options: {
      scales: { x: { time: true }, y: { range: reach(data) } },
      series: [
        {},
        { label: "High", stroke: "transparent", points: { show: false } },
        { label: "Low", stroke: "transparent", points: { show: false } },
        { label: "Lift", stroke: line, width: 2, points: { show: data.dates.length < 3, size: 7, fill: line } },
        { label: "Zero", stroke: token("--color-muted"), width: 1, dash: [4, 4], points: { show: false } },
      ],
      bands: [{ series: [1, 2], fill: `color-mix(in oklab, ${line} 20%, transparent)` }],
      axes: axes((value) => `${value > 0 ? "+" : ""}${value}%`.replace("-", "−")),
      plugins: [tooltip(
        (i) => day(data.dates[i]),
        (i) => [
          ["Lift", data.mean[i] == null ? "–" : signed(data.mean[i])],
          ["95% interval", data.low[i] == null ? "–" : `${signed(data.low[i])} to ${signed(data.high[i])}`],
        ],
      )],
    },
  };
}

const kinds = { stacked, band };

function draw(holder) {
  const data = JSON.parse(document.getElementById(holder.dataset.source).textContent);
  const { options, values } = kinds[holder.dataset.chart](data);
  holder.replaceChildren();
  const size = () => ({ width: holder.clientWidth, height: holder.clientHeight });
  const chart = new uPlot({
    ...options,
    ...size(),
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    legend: { show: false },
    padding: [8, 20, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
  }, values, holder);
  const observer = new ResizeObserver(() => chart.setSize(size()));
  observer.observe(holder);
  return () => {
    observer.disconnect();
    chart.destroy();
  };
}

export function drawCharts() {
  let clear = [];
  const redraw = () => {
    for (const undo of clear) undo();
    clear = [...document.querySelectorAll("[data-chart]")].map(draw);
  };
  redraw();
  // Canvas pixels do not follow CSS variables: draw again when the theme changes.
  document.documentElement.addEventListener("themechange", redraw);
  return redraw;
}
