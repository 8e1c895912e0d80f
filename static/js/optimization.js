// Charts over time and the live training card of one optimization's page.
import { drawCharts } from "./charts.js";
import "./polling.js";

drawCharts();
