import type { Conversion, ConversionPlan, Piece } from "./converter.js";
import type { CacheEntry, KeptPiece } from "./entry.js";
import type { Origin } from "./origin.js";
import type { DownloadProgress } from "./progress.js";
import { RangesRefused, SourceChanged } from "./ranges.js";
import { cutPieces } from "./sequential.js";

/** Requests at a time. */
const PARALLEL = 3;

/** What a download is made of. */
export interface Download {
  origin: Origin;
  conversion: Conversion;
  plan: ConversionPlan;
  entry: CacheEntry;
  progress: DownloadProgress;
  /** Ends it; what has been kept by then stays. */
  signal: AbortSignal;
}

/** A piece still to be had. */
export interface Missing {
  index: number;
  piece: Piece;
}

/**
 * Fetches pieces, converts them and keeps them: by ranges, several at a time, and where the server gives none, by reading
 * the file from its beginning. Adds to `kept`.
 */
export async function downloadPieces(
  download: Download,
  missing: readonly Missing[],
  kept: Map<number, KeptPiece>,
): Promise<void> {
  const left = await byRanges(download, missing, kept);
  for (const file of new Set(left.map(({ piece }) => piece.source.file))) {
    await fromTheBeginning(
      download,
      left.filter(({ piece }) => piece.source.file === file),
      kept,
    );
  }
}

/** Those that cannot be had by ranges are returned. */
async function byRanges(
  download: Download,
  missing: readonly Missing[],
  kept: Map<number, KeptPiece>,
): Promise<Missing[]> {
  const queue = [...missing];
  const refused: Missing[] = [];
  const failed = new AbortController();
  const signal = AbortSignal.any([download.signal, failed.signal]);
  const work = async (): Promise<void> => {
    let spare: ArrayBuffer | undefined;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { file, offset, bytes } = next.piece.source;
      const path = download.plan.sources[file] ?? "";
      try {
        const onBytes = (count: number): void => download.progress.add(count, path);
        const source = await download.origin.range(path, offset, bytes, signal, onBytes, spare);
        await keep(download, next.index, source, kept);
        spare = source.buffer;
      } catch (thrown) {
        if (!(thrown instanceof RangesRefused)) throw thrown;
        refused.push(next);
      }
    }
  };
  const workers = Array.from({ length: PARALLEL }, () =>
    work().catch((thrown: unknown) => {
      // The others would fetch what nobody will use; of what they throw then nobody needs to hear.
      failed.abort();
      throw thrown;
    }),
  );
  // All have ended before anyone hears of a failure: nothing is written to the entry after that.
  const outcomes = await Promise.allSettled(workers);
  const failures = outcomes.filter((outcome) => outcome.status === "rejected");
  const first = failures.find(({ reason }) => !isAbort(reason)) ?? failures[0];
  if (first !== undefined) throw first.reason;
  return refused;
}

async function fromTheBeginning(
  download: Download,
  missing: readonly Missing[],
  kept: Map<number, KeptPiece>,
): Promise<void> {
  const path = download.plan.sources[missing[0]?.piece.source.file ?? -1] ?? "";
  let left = [...missing];
  // Pieces that overlap take another turn each.
  while (left.length > 0) {
    const stream = await download.origin.whole(path, download.signal);
    if (stream === null) throw new SourceChanged(path);
    try {
      left = await cutPieces(
        stream,
        path,
        left,
        ({ index }, source) => keep(download, index, source, kept),
        (bytes) => download.progress.add(bytes, path),
      );
    } finally {
      stream.close();
    }
  }
}

async function keep(
  { conversion, entry, signal }: Download,
  index: number,
  source: Uint8Array,
  kept: Map<number, KeptPiece>,
): Promise<void> {
  signal.throwIfAborted();
  kept.set(index, await entry.keepPiece(index, conversion.convert(index, source)));
}

function isAbort(thrown: unknown): boolean {
  return (Object(thrown) as { name?: unknown }).name === "AbortError";
}
