/** Names of the folders in models/ that hold a whole model, as they were when the page was built; see vite.config.ts. */
declare const MODELS_PRESENT: readonly string[];
