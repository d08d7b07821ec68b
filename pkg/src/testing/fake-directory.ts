import type { DirectoryHandle, FileHandle } from "../cache/directory.js";

/** A disk for a `FakeDirectory`. */
export class FakeDisk {
  /** Bytes that fit; writing more is a `QuotaExceededError`. */
  quota = Infinity;
  /** Bytes that are there. */
  used = 0;
  /** Thrown by the next writes to a file whose name matches. */
  failure: { name: RegExp; error: Error } | undefined;
  /** Files written, by name, in order. */
  readonly written: string[] = [];
}

/** A folder in memory, which does as the origin's private file system: a file changes when its writer is closed. */
export class FakeDirectory implements DirectoryHandle {
  readonly disk: FakeDisk;
  readonly #folders = new Map<string, FakeDirectory>();
  readonly #files = new Map<string, FakeFile>();

  constructor(disk = new FakeDisk()) {
    this.disk = disk;
  }

  async getDirectoryHandle(name: string, options: { create?: boolean } = {}): Promise<FakeDirectory> {
    await Promise.resolve();
    const found = this.#folders.get(name);
    if (found !== undefined) return found;
    if (!options.create) throw missing(name);
    const made = new FakeDirectory(this.disk);
    this.#folders.set(name, made);
    return made;
  }

  async getFileHandle(name: string, options: { create?: boolean } = {}): Promise<FakeFile> {
    await Promise.resolve();
    const found = this.#files.get(name);
    if (found !== undefined) return found;
    if (!options.create) throw missing(name);
    const made = new FakeFile(name, this.disk);
    this.#files.set(name, made);
    return made;
  }

  async removeEntry(name: string, options: { recursive?: boolean } = {}): Promise<void> {
    await Promise.resolve();
    const folder = this.#folders.get(name);
    if (folder !== undefined) {
      const inside = [...folder.#folders.keys(), ...folder.#files.keys()];
      if (inside.length > 0 && !options.recursive) {
        throw new DOMException(`${name} is not empty`, "InvalidModificationError");
      }
      for (const child of inside) await folder.removeEntry(child, { recursive: true });
      this.#folders.delete(name);
      return;
    }
    const file = this.#files.get(name);
    if (file === undefined) throw missing(name);
    this.disk.used -= file.content.byteLength;
    this.#files.delete(name);
  }

  async *keys(): AsyncIterable<string> {
    await Promise.resolve();
    yield* [...this.#folders.keys(), ...this.#files.keys()];
  }

  /** The files below it, by path, for a test to look at and to change. */
  files(prefix = ""): Map<string, FakeFile> {
    const all = new Map([...this.#files].map(([name, file]) => [prefix + name, file]));
    for (const [name, folder] of this.#folders) {
      for (const [path, file] of folder.files(`${prefix}${name}/`)) all.set(path, file);
    }
    return all;
  }
}

/** A file in memory. */
export class FakeFile implements FileHandle {
  content = new Uint8Array();
  readonly #name: string;
  readonly #disk: FakeDisk;

  constructor(name: string, disk: FakeDisk) {
    this.#name = name;
    this.#disk = disk;
  }

  async getFile(): Promise<File> {
    await Promise.resolve();
    return new File([this.content], this.#name);
  }

  async createWritable(): ReturnType<FileHandle["createWritable"]> {
    await Promise.resolve();
    const parts: Uint8Array[] = [];
    return {
      write: async (data) => {
        await Promise.resolve();
        const disk = this.#disk;
        if (disk.failure?.name.test(this.#name)) throw disk.failure.error;
        const part =
          typeof data === "string" ? new TextEncoder().encode(data) : new Uint8Array(data as ArrayBuffer);
        if (disk.used + part.byteLength > disk.quota) {
          throw new DOMException("the quota has been exceeded", "QuotaExceededError");
        }
        parts.push(part.slice());
      },
      close: async () => {
        const content = new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
        this.#disk.used += content.byteLength - this.content.byteLength;
        this.content = content;
        this.#disk.written.push(this.#name);
      },
      abort: () => Promise.resolve(),
    };
  }
}

function missing(name: string): DOMException {
  return new DOMException(`there is no ${name}`, "NotFoundError");
}
