/** A file system of a browser's origin, in memory: as much of it as the page uses. */
export class FolderDouble {
  readonly kind = "directory";
  private readonly inner = new Map<string, FolderDouble | FileDouble>();

  async getDirectoryHandle(name: string, options?: { create?: boolean }): Promise<FolderDouble> {
    return this.entry(name, options, () => new FolderDouble()) as FolderDouble;
  }

  async getFileHandle(name: string, options?: { create?: boolean }): Promise<FileDouble> {
    return this.entry(name, options, () => new FileDouble()) as FileDouble;
  }

  async removeEntry(name: string): Promise<void> {
    this.inner.delete(name);
  }

  async *keys(): AsyncGenerator<string> {
    yield* [...this.inner.keys()];
  }

  async *entries(): AsyncGenerator<[string, FolderDouble | FileDouble]> {
    yield* [...this.inner.entries()];
  }

  private entry(name: string, options: { create?: boolean } = {}, make: () => FolderDouble | FileDouble) {
    const found = this.inner.get(name) ?? (options.create ? make() : undefined);
    if (found === undefined) throw new DOMException(`${name} is not there`, "NotFoundError");
    this.inner.set(name, found);
    return found;
  }
}

class FileDouble {
  readonly kind = "file";
  private content: BlobPart = "";

  async getFile(): Promise<Blob> {
    return new Blob([this.content]);
  }

  async createWritable() {
    let written: BlobPart = "";
    return {
      write: async (data: BlobPart) => void (written = data),
      close: async () => void (this.content = written),
      abort: async () => undefined,
    };
  }
}
