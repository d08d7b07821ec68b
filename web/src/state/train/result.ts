import { signal } from "@preact/signals";
import { explain, type Explanation } from "../../model/errors.ts";
import { asFiles, fileName, type ModelFiles, zipModel } from "../../model/train/files.ts";
import { openInstead } from "../replacing.ts";
import { show } from "../route.ts";
import { findRun, type Run, working } from "./runs.ts";
import { modelOf } from "./session.ts";

/** What is being done with a model just now. */
export const busyWith = signal<"download" | "open" | undefined>(undefined);
/** Why that failed, and with whose model. */
export const resultError = signal<{ run: string; error: Explanation } | undefined>(undefined);

/** The model's name on the page and in its zip. */
export const modelName = (run: Run) => fileName(run.config.name);

/** Downloads a run's model: the folder that the exit view, the command line and Hugging Face open, as a zip. */
export async function downloadModel(id: string): Promise<void> {
  await withModel(id, "download", async (run, files) => {
    const name = modelName(run);
    const zip = await zipModel(name, files);
    const url = URL.createObjectURL(new Blob([zip], { type: "application/zip" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = `${name}.zip`;
    link.click();
    // The browser has taken hold of it by the next task.
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  });
}

/** Opens a run's model in the exit view. */
export async function watchModel(id: string): Promise<void> {
  await withModel(id, "open", async (run, files) => {
    const opened = openInstead({ name: modelName(run), from: asFiles(files) });
    show("watch");
    await opened;
  });
}

async function withModel(
  id: string,
  what: "download" | "open",
  use: (run: Run, files: ModelFiles) => Promise<void>,
): Promise<void> {
  const run = findRun(id);
  if (!run || working.value || busyWith.value) return;
  busyWith.value = what;
  resultError.value = undefined;
  try {
    await use(run, await modelOf(id, new AbortController().signal));
  } catch (thrown) {
    resultError.value = { run: id, error: explain(thrown) };
  } finally {
    busyWith.value = undefined;
  }
}
