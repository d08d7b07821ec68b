import { without } from "../checks.js";
import { createError } from "../errors.js";
import { readThrough } from "../source.js";
import type { LoadProgress, WeightFormat } from "../types.js";
import type { LoadConfig } from "../wasm/looplm.js";
import type { Conversion, ConversionPlan, Converter } from "./converter.js";
import { downloadPieces } from "./download.js";
import { pieceBytes, type CacheEntry, type KeptPiece } from "./entry.js";
import { layOut } from "./layout.js";
import type { KeptFile, Manifest } from "./manifest.js";
import type { Origin } from "./origin.js";
import { DownloadProgress } from "./progress.js";
import { SourceChanged } from "./ranges.js";
import { sha256 } from "./sha256.js";

/** Why a model cannot be cached here and now; it can be loaded without. */
export class Uncacheable extends Error {}

/** That there is no room for it. */
export class NoRoom extends Uncacheable {}

/** What filling an entry takes. */
export interface Filling {
  entry: CacheEntry;
  origin: Origin;
  converter: Converter;
  format: WeightFormat;
  /** How it is to be loaded. */
  config: LoadConfig;
  /** Whether what is kept must be looked at first: something of it was found to be wrong. */
  verify: boolean;
  report: (progress: LoadProgress) => void;
  signal: AbortSignal;
  /** What the browser says of its room. */
  estimate: () => Promise<StorageEstimate>;
}

/**
 * Makes an entry complete, or throws; what it then has of the model stays, for another time. To be called by whoever has
 * the entry's lock for writing. Throws `SourceChanged` if the model changed meanwhile, `NoRoom`, and `Uncacheable`.
 */
export async function fill(filling: Filling): Promise<void> {
  const { converter, origin, format, report } = filling;
  report({ phase: "download", loaded: 0, total: 0 });
  const conversion = await readThrough(origin, (source) =>
    converter.plan(source, format === "stored" ? {} : { format }),
  );
  try {
    const plan = conversion.describe();
    await fillPlanned(filling, conversion, plan);
  } finally {
    conversion.free();
  }
}

async function fillPlanned(filling: Filling, conversion: Conversion, plan: ConversionPlan): Promise<void> {
  const { entry, origin, report, signal } = filling;
  const heads = plan.files.map((_, file) => conversion.head(file));
  layOut(
    plan,
    heads.map(({ byteLength }) => byteLength),
  );
  if (!origin.tellsVersions(plan.sources)) {
    throw new Uncacheable("its server tells no versions of its files apart (no ETag and no Last-Modified)");
  }
  // What this GPU cannot hold need not be fetched.
  await conversion.check(filling.config);
  const before = await continued(filling, plan, heads);
  const manifest = await begin(filling, plan, heads, before);
  const kept = await entry.pieces(plan.pieces);
  if (filling.verify) await dropDamaged(entry, kept, before);
  const missing = plan.pieces
    .map((piece, index) => ({ piece, index }))
    .filter(({ index }) => !kept.has(index));
  const needed = missing.reduce((sum, { piece }) => sum + pieceBytes(piece), 0);
  const { quota, usage } = await filling.estimate();
  if (quota !== undefined && usage !== undefined && needed > Math.max(0, quota - usage)) {
    throw new NoRoom(`it needs ${needed} bytes, and this browser gives ${Math.max(0, quota - usage)}`);
  }
  if (missing.length > 0) {
    const bytes = (pieces: readonly { piece: { source: { bytes: number } } }[]): number =>
      pieces.reduce((sum, { piece }) => sum + piece.source.bytes, 0);
    const total = bytes(plan.pieces.map((piece) => ({ piece })));
    const progress = new DownloadProgress(total - bytes(missing), total, report);
    await downloadPieces({ origin, conversion, plan, entry, progress, signal }, missing, kept);
  }
  const hashes = plan.pieces.map((_, index) => kept.get(index)?.sha256 ?? "");
  if (before?.hashes?.some((hash, index) => hash !== hashes[index])) {
    // What was fetched anew is not what it was, though the server says it is.
    throw new SourceChanged(origin.address);
  }
  await entry.writeManifest({ ...manifest, hashes });
}

/**
 * The entry's manifest, if what it has is of this plan, without the pieces of files of another version; otherwise the entry
 * is emptied.
 */
async function continued(
  { entry, origin }: Filling,
  plan: ConversionPlan,
  heads: readonly Uint8Array<ArrayBuffer>[],
): Promise<Manifest | undefined> {
  const manifest = await entry.manifest();
  const hashes = await Promise.all(heads.map((head) => sha256(head)));
  const same = plan.sources.map((path, i) => origin.isSame(path, manifest?.versions[i] ?? {}));
  if (
    manifest === undefined ||
    JSON.stringify(manifest.plan) !== JSON.stringify(plan) ||
    hashes.some((hash, i) => manifest.heads[i]?.sha256 !== hash) ||
    !same.includes(true)
  ) {
    await entry.clear();
    return undefined;
  }
  if (!same.includes(false)) return manifest;
  for (const piece of (await entry.pieces(plan.pieces)).values()) {
    const file = plan.pieces[piece.index]?.source.file;
    if (file === undefined || !same[file]) await entry.removePiece(piece);
  }
  return without(manifest, "hashes");
}

/** Writes everything but the pieces. With the manifest written, pieces count. */
async function begin(
  { entry, origin, format }: Filling,
  plan: ConversionPlan,
  heads: readonly Uint8Array<ArrayBuffer>[],
  before: Manifest | undefined,
): Promise<Manifest> {
  const smallFiles: KeptFile[] = [];
  const written = new Set(plan.texts.map(({ path }) => path));
  for (const { path, required } of plan.smallFiles.filter(({ path }) => !written.has(path))) {
    const bytes = await origin.small(path);
    if (bytes !== undefined) smallFiles.push(await entry.keepFile(path, bytes));
    else if (required) {
      const message = `${path} is missing: ${origin.address} is no model's folder`;
      throw createError("checkpoint-invalid", message, { kind: "missing-file", file: path });
    }
  }
  const keptHeads: KeptFile[] = [];
  for (const [file, head] of heads.entries()) {
    keptHeads.push(await entry.keepFile(plan.files[file]?.path ?? "", head));
  }
  const manifest: Manifest = {
    address: origin.address,
    format,
    plan,
    versions: plan.sources.map((path) => origin.version(path)),
    seen: origin.seen(),
    smallFiles,
    heads: keptHeads,
    created: before?.created ?? Date.now(),
    // If only small files are others, the entry is complete as before.
    ...(before?.hashes === undefined ? {} : { hashes: before.hashes }),
  };
  await entry.writeManifest(manifest);
  return manifest;
}

/** Removes the pieces whose bytes are not what they should be. */
async function dropDamaged(
  entry: CacheEntry,
  kept: Map<number, KeptPiece>,
  before: Manifest | undefined,
): Promise<void> {
  for (const piece of [...kept.values()]) {
    const bytes = await (await entry.piece(piece))?.arrayBuffer();
    const expected = before?.hashes?.[piece.index] ?? piece.sha256;
    if (bytes !== undefined && piece.sha256 === expected && (await sha256(bytes)) === expected) continue;
    await entry.removePiece(piece);
    kept.delete(piece.index);
  }
}
