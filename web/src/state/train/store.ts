import type { Checkpoint, TrainConfig } from "looplm";
import { type History, readHistory } from "../../model/train/history.ts";
import type { RunFacts } from "./runs.ts";

/** A run as it lies in the browser's own file system (OPFS), all but its checkpoint's files. */
export interface Kept {
  id: string;
  title: string;
  config: TrainConfig;
  /** Updates done, and seconds of training, at the checkpoint. */
  update: number;
  seconds: number;
  /** Whether the run is over. */
  over: "done" | "stopped" | undefined;
  facts: RunFacts | undefined;
  history: History;
  savedAt: number;
}

/** run.json: what is kept, and under which names the checkpoint's files lie beside it. */
interface Manifest extends Kept {
  version: 1;
  files: Record<string, string>;
}

const MANIFEST = "run.json";
/** Most runs kept; the oldest goes when another comes. */
export const MOST_RUNS = 8;

async function folder(): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle("train", { create: true });
}

/**
 * Puts a run away. The files are written under new names and the manifest that names them last, and a file appears only
 * when it is whole: a tab that dies midway leaves the run as it was before.
 *
 * @returns the runs that have made room for it
 */
export async function keep(run: Kept, checkpoint: Checkpoint): Promise<string[]> {
  const all = await folder();
  const own = await all.getDirectoryHandle(run.id, { create: true });
  const files: Record<string, string> = {};
  const stamp = `${checkpoint.update}-${run.savedAt}`;
  for (const [name, bytes] of Object.entries(checkpoint.files)) {
    files[name] = `${stamp}-${name.replaceAll("/", "_")}`;
    await write(own, files[name], bytes);
  }
  const manifest: Manifest = { ...run, version: 1, files };
  await write(own, MANIFEST, JSON.stringify(manifest));
  const named = new Set([MANIFEST, ...Object.values(files)]);
  for await (const name of own.keys()) if (!named.has(name)) await own.removeEntry(name);
  return forgetOldest(run.id);
}

/** Everything that is kept, the newest first. What cannot be read is left out. */
export async function kept(): Promise<Kept[]> {
  const all = await folder();
  const found: Kept[] = [];
  for await (const [id, handle] of all.entries()) {
    if (handle.kind !== "directory") continue;
    const manifest = await readManifest(handle as FileSystemDirectoryHandle);
    if (manifest) found.push({ ...manifest, id, history: readHistory(manifest.history) });
  }
  return found.sort((a, b) => b.savedAt - a.savedAt);
}

/** The checkpoint of a kept run; undefined if there is none that can be read. */
export async function checkpointOf(id: string): Promise<Checkpoint | undefined> {
  const own = await (await folder()).getDirectoryHandle(id, { create: true });
  const manifest = await readManifest(own);
  if (!manifest) return undefined;
  const files: Record<string, Uint8Array<ArrayBuffer>> = {};
  for (const [name, stored] of Object.entries(manifest.files)) {
    const file = await (await own.getFileHandle(stored)).getFile();
    files[name] = new Uint8Array(await file.arrayBuffer());
  }
  const { update, seconds, config } = manifest;
  return { update, seconds, config, files };
}

/** Removes a run for good. */
export async function forget(id: string): Promise<void> {
  const all = await folder();
  for await (const name of all.keys()) if (name === id) await all.removeEntry(id, { recursive: true });
}

async function forgetOldest(except: string): Promise<string[]> {
  const others = (await kept()).filter((run) => run.id !== except);
  const older = others.slice(MOST_RUNS - 1).map(({ id }) => id);
  for (const id of older) await forget(id);
  return older;
}

async function write(own: FileSystemDirectoryHandle, name: string, data: Uint8Array<ArrayBuffer> | string) {
  const stream = await (await own.getFileHandle(name, { create: true })).createWritable();
  try {
    await stream.write(data);
    await stream.close();
  } catch (thrown) {
    await stream.abort().catch(() => undefined);
    throw thrown;
  }
}

async function readManifest(own: FileSystemDirectoryHandle): Promise<Manifest | undefined> {
  try {
    const file = await (await own.getFileHandle(MANIFEST)).getFile();
    const read = JSON.parse(await file.text()) as Manifest;
    return read.version === 1 && typeof read.config === "object" ? read : undefined;
  } catch {
    // Not there, or cut short by an older accident: as good as no run.
    return undefined;
  }
}

/**
 * Takes hold of a run for this tab, so that no second tab goes on with it.
 * @returns how to let go of it, or undefined if another tab has it
 */
export async function hold(id: string): Promise<(() => Promise<void>) | undefined> {
  return new Promise((resolve) => {
    const over = navigator.locks.request(`looplm-run-${id}`, { ifAvailable: true }, (lock) => {
      if (!lock) return resolve(undefined);
      return new Promise<void>((end) =>
        resolve(async () => {
          end();
          await over;
        }),
      );
    });
  });
}
