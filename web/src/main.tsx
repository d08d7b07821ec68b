import { render } from "preact";
import { start } from "./state/start.ts";
import { App } from "./views/App.tsx";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/chooser.css";
import "./styles/prompt.css";
import "./styles/exit-view.css";
import "./styles/legend.css";
import "./styles/panels.css";
import "./styles/who.css";
import "./styles/train.css";
import "./styles/charts.css";
import "./styles/depth.css";
import "./styles/timeline.css";
import "./styles/loading.css";
import "./styles/models.css";
import "./styles/offer.css";

const root = document.getElementById("app");
if (root) {
  render(<App />, root);
  start();
}
