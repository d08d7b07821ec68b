import { ask, type Answer, type ByteRange } from "./http.js";
import { stillSame, type FileVersion } from "./manifest.js";
import { TransientError } from "./retry.js";

/** The server does not give ranges of this file, or none that could be trusted; the whole file may still be had. */
export class RangesRefused extends Error {
  constructor(url: string, why: string) {
    super(`${url}: no ranges (${why})`);
    this.name = "RangesRefused";
  }
}

/** The file is another one than it was when this load began. */
export class SourceChanged extends Error {
  readonly url: string;

  constructor(url: string) {
    super(`${url} has changed`);
    this.name = "SourceChanged";
    this.url = url;
  }
}

/** Bytes of a file, and which version they are of. */
export interface RangeOfFile {
  bytes: Uint8Array<ArrayBuffer>;
  version: FileVersion;
}

/**
 * Fetches a range of a file, all of it or what the file has of it. Throws `RangesRefused`, `SourceChanged` (if the file is
 * not of the version `known`), `TransientError`, or a `LoopLMError`. Undefined if there is no such file. `spare` is a
 * buffer that may be used for the bytes, and is given up.
 */
export async function fetchRange(
  url: string,
  range: ByteRange,
  known: FileVersion | undefined,
  signal: AbortSignal,
  onBytes: (bytes: number) => void = () => undefined,
  spare?: ArrayBuffer,
): Promise<RangeOfFile | undefined> {
  const answer = await ask(url, signal, range);
  try {
    if (answer.status === 404 || answer.status === 410) return undefined;
    // Past the end of what it was is another file; past the end of what nobody knows yet, an empty one.
    if (answer.status === 416 && known !== undefined) throw new SourceChanged(url);
    const found = checkedRange(answer, range);
    const version = { ...answer.version, bytes: found.total };
    if (known !== undefined && !stillSame(known, version)) throw new SourceChanged(url);
    return { bytes: await readExactly(answer, found.end - range.offset, onBytes, spare), version };
  } finally {
    answer.close();
  }
}

/** What a 206 says it is, if that is what was asked for; throws `RangesRefused`. */
export function checkedRange(answer: Answer, { offset, end }: ByteRange): { end: number; total: number } {
  const { url, status } = answer;
  if (status !== 206) throw new RangesRefused(url, `status ${status}`);
  if (answer.compressed) throw new RangesRefused(url, "compressed");
  // Another origin may hide the header, and then nobody can say where in the file the bytes are.
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.header("content-range") ?? "");
  if (match === null) throw new RangesRefused(url, "no Content-Range");
  const [first = 0, last = 0, total = 0] = match.slice(1).map(Number);
  if (first !== offset || last + 1 !== Math.min(end, total)) {
    throw new RangesRefused(url, `asked for ${offset}-${end - 1}, was given ${first}-${last}`);
  }
  return { end: last + 1, total };
}

/** The body, which must have exactly so many bytes. */
async function readExactly(
  answer: Answer,
  size: number,
  onBytes: (bytes: number) => void,
  spare: ArrayBuffer | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  let buffer = spare !== undefined && spare.byteLength >= size ? spare : new ArrayBuffer(size);
  let filled = 0;
  try {
    while (filled < size) {
      const part = await answer.readInto(new Uint8Array(buffer, filled, size - filled));
      if (part.bytes === 0) throw new TransientError(answer.lost(size));
      buffer = part.buffer;
      filled += part.bytes;
      onBytes(part.bytes);
    }
    if ((await answer.readInto(new Uint8Array(1))).bytes > 0) throw answer.tooLong();
  } catch (thrown) {
    // What an attempt that fails has counted does not count.
    onBytes(-filled);
    throw thrown;
  }
  return new Uint8Array(buffer, 0, size);
}
