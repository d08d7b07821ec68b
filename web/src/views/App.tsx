import { noWebGpu, open, opening, whoIsWho } from "../state/model.ts";
import { type View, view } from "../state/route.ts";
import { columns } from "../state/view.ts";
import { CellDetail } from "./CellDetail.tsx";
import { ChatPanel } from "./ChatPanel.tsx";
import { CostPanel } from "./depth/CostPanel.tsx";
import { DepthPanel } from "./depth/DepthPanel.tsx";
import { DropTarget } from "./DropTarget.tsx";
import { ExitControls } from "./ExitControls.tsx";
import { ExitView } from "./ExitView.tsx";
import { Header } from "./Header.tsx";
import { LoadingPanel } from "./LoadingPanel.tsx";
import { LossBanner } from "./LossBanner.tsx";
import { ModelChooser } from "./ModelChooser.tsx";
import { ModelPanel } from "./ModelPanel.tsx";
import { ModelsView } from "./offers/ModelsView.tsx";
import { NoWebGpu } from "./NoWebGpu.tsx";
import { ReplaceDialog } from "./ReplaceDialog.tsx";
import { SamplingPanel } from "./SamplingPanel.tsx";
import { ShufflePanel } from "./ShufflePanel.tsx";
import { TrainView } from "./train/TrainView.tsx";
import { ExitMeans } from "./who/ExitMeans.tsx";
import { WhoPanel } from "./who/WhoPanel.tsx";

const SKIP: Record<View, string> = {
  watch: "Skip to the model",
  models: "Skip to the models",
  train: "Skip to training",
};

/** The whole page. */
export function App() {
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          // The hash says which view is shown and what is shared: it stays.
          event.preventDefault();
          document.getElementById("main")?.focus();
        }}
      >
        {SKIP[view.value]}
      </a>
      <Header />
      <main id="main" tabIndex={-1}>
        <LossBanner />
        {noWebGpu.value ? <NoWebGpu /> : <Shown />}
      </main>
      <DropTarget />
      <ReplaceDialog />
    </>
  );
}

/** The view that the address names. */
function Shown() {
  switch (view.value) {
    case "watch":
      return <Workbench />;
    case "models":
      return <ModelsView />;
    case "train":
      return <TrainView />;
  }
}

/** What is asked of the open model, by what it was trained to do. */
function AskPanel() {
  const current = open.value;
  if (!current) return <LoadingPanel />;
  switch (current.task?.kind) {
    case "track-the-shuffle":
      return <ShufflePanel />;
    case "who-is-who":
      return <WhoPanel />;
    case undefined:
      return <ChatPanel />;
  }
}

function Workbench() {
  const current = open.value;
  const generative = current !== undefined && current.task === undefined;
  const compares = whoIsWho.value !== undefined;
  // The shell game answers without writing anything: there depth is only looked at.
  const writes = generative || compares;
  const classes = ["workbench", generative && "generative", compares && "compares", writes && "writes"];
  return (
    <div class={classes.filter(Boolean).join(" ")}>
      <div class="area-pick">
        <ModelChooser />
      </div>
      <div class="lane">
        <div class="area-ask">
          <AskPanel />
        </div>
        {writes && (
          <div class="area-depth">
            <DepthPanel />
          </div>
        )}
      </div>
      <div class="area-view" aria-busy={opening.value !== undefined && columns.value.length === 0}>
        <ExitView />
      </div>
      <div class="area-side">
        <ExitControls />
        {columns.value.length > 0 && <CellDetail />}
        {generative && <SamplingPanel />}
      </div>
      {writes && (
        <div class="area-cost">
          <CostPanel />
        </div>
      )}
      {compares && (
        <div class="area-means">
          <ExitMeans />
        </div>
      )}
      <div class="area-model">
        <ModelPanel />
      </div>
    </div>
  );
}
