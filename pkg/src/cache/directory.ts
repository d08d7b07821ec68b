/** What is used of a `FileSystemDirectoryHandle`; tests give their own. */
export interface DirectoryHandle {
  getDirectoryHandle(name: string, options?: { create?: boolean }): Promise<DirectoryHandle>;
  getFileHandle(name: string, options?: { create?: boolean }): Promise<FileHandle>;
  removeEntry(name: string, options?: { recursive?: boolean }): Promise<void>;
  keys(): AsyncIterable<string>;
}

/** What is used of a `FileSystemFileHandle`. */
export interface FileHandle {
  getFile(): Promise<File>;
  createWritable(): Promise<{
    write(data: BufferSource | string): Promise<void>;
    close(): Promise<void>;
    abort(): Promise<void>;
  }>;
}

/** A folder of the origin's private file system. */
export class Directory {
  readonly #handle: DirectoryHandle;

  constructor(handle: DirectoryHandle) {
    this.#handle = handle;
  }

  /** The folder of that name, made if it is not there. */
  async folder(name: string): Promise<Directory> {
    return new Directory(await this.#handle.getDirectoryHandle(name, { create: true }));
  }

  /** The folder of that name, if it is there. */
  async existing(name: string): Promise<Directory | undefined> {
    const handle = await unlessMissing(this.#handle.getDirectoryHandle(name));
    return handle && new Directory(handle);
  }

  /** The file of that name, if it is there. */
  async file(name: string): Promise<File | undefined> {
    const handle = await unlessMissing(this.#handle.getFileHandle(name));
    return handle && unlessMissing(handle.getFile());
  }

  /**
   * Writes a whole file. Whoever looks meanwhile, or after a crash, finds what was there before, an empty file if nothing
   * was, or all of it.
   */
  async write(name: string, data: Uint8Array<ArrayBuffer> | string): Promise<void> {
    const file = await this.#handle.getFileHandle(name, { create: true });
    const writable = await file.createWritable();
    try {
      await writable.write(data);
      await writable.close();
    } catch (thrown) {
      // The first error is the one to tell, and nothing of the attempt is to be left.
      await writable.abort().catch(() => undefined);
      if ((await this.file(name).catch(() => undefined))?.size === 0) {
        await this.remove(name).catch(() => undefined);
      }
      throw thrown;
    }
  }

  /** The names of what is in it. */
  async names(): Promise<string[]> {
    const names: string[] = [];
    for await (const name of this.#handle.keys()) names.push(name);
    return names;
  }

  /** Removes a file, or a folder with all that is in it; it need not be there. */
  async remove(name: string): Promise<void> {
    await unlessMissing(this.#handle.removeEntry(name, { recursive: true }));
  }
}

/** The result, or undefined where nothing has that name. */
async function unlessMissing<R>(result: Promise<R>): Promise<R | undefined> {
  try {
    return await result;
  } catch (thrown) {
    if ((thrown as DOMException).name === "NotFoundError") return undefined;
    throw thrown;
  }
}
