import { fileAddress } from "../source-url.js";
import type { FileSource, FileStream } from "../wasm/looplm.js";
import { stillSame } from "./manifest.js";
import type { Origin } from "./origin.js";
import { SourceChanged } from "./ranges.js";

/**
 * A folder as it is, read without a cache: every file once, from its first byte to its last. `open` throws `SourceChanged`
 * if a weight file that was read before is another one by then: the rest would be of another version.
 */
export class DirectSource implements FileSource {
  readonly #origin: Origin;
  readonly #signal: AbortSignal;

  constructor(origin: Origin, signal: AbortSignal) {
    this.#origin = origin;
    this.#signal = signal;
  }

  async open(path: string): Promise<FileStream | null> {
    if (!path.endsWith(".safetensors")) return this.#origin.open(path);
    const seen = this.#origin.seen();
    const file = await this.#origin.whole(path, this.#signal);
    try {
      await Promise.all(
        Object.entries(seen).map(async ([other, was]) => {
          if (was === null || other === path || !other.endsWith(".safetensors")) return;
          const is = await this.#origin.look(other);
          if (is && !stillSame(was, is)) throw new SourceChanged(fileAddress(this.#origin.address, other));
        }),
      );
    } catch (thrown) {
      file?.close();
      throw thrown;
    }
    return file;
  }
}
