import type { PresentModel } from "./model/shipped.ts";

declare global {
  /** The folders in models/ that hold a whole model, as they were when the page was built; see models-present.ts. */
  const MODELS_PRESENT: readonly PresentModel[];
}
