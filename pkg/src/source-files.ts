import { abortedError, createError } from "./errors.js";
import type { FileSource, FileStream } from "./wasm/looplm.js";

/** A file with its path inside the folder that was chosen or dropped. */
export interface NamedFile {
  path: string;
  file: File;
}

/** Files by their paths below the model's folder: the one nearest to the top that has a config.json. */
export function nameFiles(files: readonly File[]): NamedFile[] {
  const all = files.map((file) => ({ path: file.webkitRelativePath || file.name, file }));
  const root = modelFolder(all.map(({ path }) => path));
  return all
    .filter(({ path }) => path.startsWith(root))
    .map(({ path, file }) => ({ path: path.slice(root.length), file }));
}

/** Where the model's folder begins: "" or a path that ends in a slash. */
function modelFolder(paths: readonly string[]): string {
  const folders = paths
    .filter((path) => /(^|\/)config\.json$/.test(path))
    .map((path) => path.slice(0, -"config.json".length));
  const depth = (folder: string): number => folder.split("/").length;
  const top = Math.min(...folders.map(depth));
  const roots = folders.filter((folder) => depth(folder) === top);
  if (roots.length > 1) {
    const names = roots.map((root) => root || "./").join(", ");
    throw createError("invalid-argument", `the files hold several models (${names}); give the files of one`, {
      argument: "source",
    });
  }
  // Without any config.json the engine's own error about the missing file is the better one.
  return roots[0] ?? "";
}

/** A model's folder as Files. */
export class FilesSource implements FileSource {
  readonly #files: ReadonlyMap<string, File>;
  readonly #signal: AbortSignal;

  constructor(files: readonly NamedFile[], signal: AbortSignal) {
    this.#files = new Map(files.map(({ path, file }) => [path, file]));
    this.#signal = signal;
  }

  open(path: string): Promise<FileStream | null> {
    const file = this.#files.get(path);
    return Promise.resolve(file === undefined ? null : new BlobStream(file, path, this.#signal));
  }
}

class BlobStream implements FileStream {
  readonly size: number;
  readonly #path: string;
  readonly #signal: AbortSignal;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #received = 0;

  constructor(file: File, path: string, signal: AbortSignal) {
    this.size = file.size;
    this.#path = path;
    this.#signal = signal;
    this.#reader = file.stream().getReader();
  }

  async read(): Promise<Uint8Array | null> {
    if (this.#signal.aborted) throw abortedError("loading");
    try {
      const { value } = await this.#reader.read();
      this.#received += value?.byteLength ?? 0;
      return value ?? null;
    } catch (cause) {
      const message = `${this.#path} could not be read after ${this.#received} of ${this.size} bytes: moved or changed since it was chosen? (${String(cause)})`;
      const details = { url: this.#path, received: this.#received, size: this.size };
      throw createError("network", message, details, { cause });
    }
  }

  close(): void {
    // Nobody reads on, so a failure to cancel matters to nobody.
    this.#reader.cancel().catch(() => undefined);
  }
}
