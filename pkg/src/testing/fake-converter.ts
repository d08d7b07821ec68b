import type { Conversion, ConversionPlan, Converter, Extent, Piece } from "../cache/converter.js";
import type { FileSource } from "../wasm/looplm.js";
import { wasmError } from "./fake-wasm.js";

/** Bytes of a piece's source. */
const PIECE = 1000;

/** A number which no weight may be: a piece that holds it is refused. */
export const NO_NUMBER = 0xff;

/** A weight file of this many bytes after its header, which differ from one `seed` to another. */
export function fakeWeights(bytes: number, seed: number): Uint8Array<ArrayBuffer> {
  const header = new TextEncoder().encode(JSON.stringify({ bytes, padding: " ".repeat(seed % 7) }));
  const file = new Uint8Array(8 + header.byteLength + bytes);
  new DataView(file.buffer).setUint32(0, header.byteLength, true);
  file.set(header, 8);
  for (let i = 0, value = seed; i < bytes; i++) {
    value = (Math.imul(value, 1664525) + 1013904223) >>> 0;
    file[8 + header.byteLength + i] = value >>> 25;
  }
  return file;
}

/**
 * A converter for folders whose config.json names the weight files: `{ "weights": ["a.safetensors"] }`. Without a format
 * the files stay as they are. With one, they become a single file with every second byte of theirs, and after those a
 * byte for each piece: so every piece has two targets.
 */
export class FakeConverter implements Converter {
  /** Part of the fingerprint. */
  version = 1;
  /** Pieces converted. */
  converted = 0;
  /** Conversions that have not been freed. */
  open = 0;
  /** What the GPU has against a model. */
  refusal: Error | undefined;

  async plan(source: FileSource, options: { format?: string }): Promise<Conversion> {
    const config = await read(source, "config.json");
    if (config === null) throw wasmError("checkpoint-invalid", "config.json is missing");
    const { weights } = JSON.parse(new TextDecoder().decode(config)) as { weights: string[] };
    const headers: Uint8Array<ArrayBuffer>[] = [];
    const sizes: number[] = [];
    for (const path of weights) {
      const header = await readHeader(source, path);
      headers.push(header);
      sizes.push((JSON.parse(new TextDecoder().decode(header.subarray(8))) as { bytes: number }).bytes);
    }
    const pieces: Piece[] = sizes.flatMap((size, file) =>
      Array.from({ length: Math.ceil(size / PIECE) }, (_, i) => {
        const offset = (headers[file]?.byteLength ?? 0) + i * PIECE;
        return { source: { file, offset, bytes: Math.min(PIECE, size - i * PIECE) }, targets: [] };
      }),
    );
    const { format } = options;
    const files = weights.map((path, i) => ({
      path,
      bytes: (headers[i]?.byteLength ?? 0) + (sizes[i] ?? 0),
    }));
    const plan: ConversionPlan = {
      fingerprint: `${format ?? "stored"}-v${this.version}`,
      sources: weights,
      files: format === undefined ? files : [{ path: "model.safetensors", bytes: place(pieces) }],
      smallFiles: [
        { path: "config.json", required: true },
        { path: "tokenizer.json", required: false },
        { path: "chat_template.jinja", required: false },
      ],
      texts: format === undefined ? [] : [{ path: "config.json", text: JSON.stringify({ format }) }],
      pieces,
    };
    if (format === undefined) for (const piece of pieces) piece.targets = [piece.source];
    this.open++;
    return {
      check: async () => {
        if (this.refusal !== undefined) throw this.refusal;
      },
      describe: () => plan,
      head: (file) => (format === undefined ? headers[file] : HEAD) ?? new Uint8Array(),
      convert: (index, bytes) => {
        this.converted++;
        if (bytes.byteLength !== pieces[index]?.source.bytes || bytes.includes(NO_NUMBER)) {
          throw wasmError("checkpoint-invalid", `piece ${index} holds what is no number`);
        }
        return format === undefined ? bytes.slice() : halved(bytes);
      },
      free: () => void this.open--,
    };
  }
}

const HEAD = new TextEncoder().encode("halved");

/** Gives every piece its targets; the size of the file. */
function place(pieces: readonly Piece[]): number {
  let end = HEAD.byteLength;
  const target = (bytes: number): Extent => {
    end += bytes;
    return { file: 0, offset: end - bytes, bytes };
  };
  for (const { source, targets } of pieces) targets.push(target(Math.ceil(source.bytes / 2)));
  for (const { targets } of pieces) targets.push(target(1));
  return end;
}

/** Every second byte, and the sum of all. */
function halved(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const sum = bytes.reduce((total, byte) => total + byte, 0) & 0xff;
  return Uint8Array.of(...bytes.filter((_, i) => i % 2 === 0), sum);
}

/** Reads until the header is complete, and not on. */
async function readHeader(source: FileSource, path: string): Promise<Uint8Array<ArrayBuffer>> {
  const length = (start: Uint8Array): number =>
    start.byteLength < 8 ? 8 : 8 + new DataView(start.buffer, start.byteOffset).getUint32(0, true);
  const header = await read(source, path, length);
  if (header === null) throw wasmError("checkpoint-invalid", `${path} is missing`);
  if (header.byteLength < length(header)) throw wasmError("checkpoint-invalid", `${path} ends in its header`);
  return header;
}

/**
 * A file's bytes up to a length that they themselves may tell. As the wasm side: of an error in the source it passes on code
 * and message.
 */
export async function read(
  source: FileSource,
  path: string,
  length: (start: Uint8Array) => number = () => Infinity,
): Promise<Uint8Array<ArrayBuffer> | null> {
  try {
    const file = await source.open(path);
    if (file === null) return null;
    let all = new Uint8Array();
    while (all.byteLength < length(all)) {
      const part = await file.read();
      if (part === null) break;
      all = Uint8Array.of(...all, ...part);
    }
    file.close();
    return all.slice(0, Math.min(all.byteLength, length(all)));
  } catch (thrown) {
    const { code, message } = thrown as { code?: string; message: string };
    throw wasmError(code ?? "network", message);
  }
}
