// Charts over time and the live training card of one optimization's page.
import { drawCharts } from "./charts.js";
import "./polling.js";

const redraw = drawCharts();

// A newer version was trained: the overview's figures and charts follow.
document.body.addEventListener("htmx:afterSwap", async () => {
  if (!document.querySelector("#overview [data-stale]")) return;
  await htmx.ajax("GET", location.pathname, { target: "#overview", select: "#overview", swap: "outerHTML" });
  redraw();
});
