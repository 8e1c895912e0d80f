// Charts over time and the live training card of one optimization's page.
import { drawCharts } from "./charts.js";

drawCharts();

// Polling rests while nobody looks.
document.body.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.detail.requestConfig.verb === "get") event.preventDefault();
});
