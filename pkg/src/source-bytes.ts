import type { FileStream } from "./wasm/looplm.js";

/** Bytes that are there already, as a file. */
export class BytesStream implements FileStream {
  readonly size: number;
  #bytes: Uint8Array | null;

  constructor(bytes: Uint8Array) {
    this.size = bytes.byteLength;
    this.#bytes = bytes;
  }

  read(): Promise<Uint8Array | null> {
    const bytes = this.#bytes;
    this.#bytes = null;
    return Promise.resolve(bytes);
  }

  close(): void {
    this.#bytes = null;
  }
}
