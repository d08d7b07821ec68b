import { createError } from "../errors.js";
import type { FileStream } from "../wasm/looplm.js";
import type { Missing } from "./download.js";

/**
 * Cuts pieces out of a file that is read from its beginning, in the order of their places in it. Reads no further than it
 * has to; what `take` gets is overwritten once it is done. Returns those that begin before another one ends, and so need the file once more.
 */
export async function cutPieces(
  stream: FileStream,
  path: string,
  pieces: readonly Missing[],
  take: (piece: Missing, source: Uint8Array) => Promise<void>,
  onBytes: (bytes: number) => void = () => undefined,
): Promise<Missing[]> {
  const ordered = [...pieces].sort((one, other) => one.piece.source.offset - other.piece.source.offset);
  const passed: Missing[] = [];
  let position = 0;
  let buffer = new ArrayBuffer();
  let chunk: Uint8Array = new Uint8Array();
  /** Passes over so many bytes, into `target` if there is one. */
  const advance = async (bytes: number, target?: Uint8Array): Promise<void> => {
    for (let done = 0; done < bytes;) {
      if (chunk.byteLength === 0) {
        const next = await stream.read();
        if (next === null) throw endsTooEarly(path, position, position + bytes - done);
        chunk = next;
        continue;
      }
      const part = chunk.subarray(0, bytes - done);
      target?.set(part, done);
      if (target !== undefined) onBytes(part.byteLength);
      done += part.byteLength;
      position += part.byteLength;
      chunk = chunk.subarray(part.byteLength);
    }
  };
  for (const missing of ordered) {
    const { offset, bytes } = missing.piece.source;
    if (offset < position) {
      passed.push(missing);
      continue;
    }
    await advance(offset - position);
    if (buffer.byteLength < bytes) buffer = new ArrayBuffer(bytes);
    const source = new Uint8Array(buffer, 0, bytes);
    await advance(bytes, source);
    await take(missing, source);
  }
  return passed;
}

function endsTooEarly(path: string, received: number, size: number): Error {
  const message = `${path} ends after ${received} bytes, in the middle of the weights`;
  return createError("network", message, { url: path, received, size });
}
