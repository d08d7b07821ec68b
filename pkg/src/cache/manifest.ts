import type { WeightFormat } from "../types.js";
import type { ConversionPlan } from "./converter.js";
import { sha256 } from "./sha256.js";

/** Changes when an older version's entries cannot be read any more. */
const SCHEMA = 1;

/** The version of the wasm module's conversion: what another version made is made anew. */
export const CONVERTER_VERSION = 1;

/** What a server, or a disk, tells of a file: what is fetched later must be of the same version. */
export interface FileVersion {
  /** Of the whole file, where that is known. */
  bytes?: number;
  /** As the server sends it. */
  etag?: string;
  /** As the server sends it. */
  lastModified?: string;
}

/** A file of the entry's own, kept under the name of its hash. */
export interface KeptFile {
  path: string;
  sha256: string;
}

/** What an entry of the cache is: everything but the bytes. */
export interface Manifest {
  /** Where the model is from, absolute. */
  address: string;
  format: WeightFormat;
  plan: ConversionPlan;
  /** Of the plan's sources, in that order. */
  versions: FileVersion[];
  /**
   * Which version was there of every file that was looked for, by path, null where there was none. Older entries know it of
   * the weights only.
   */
  seen?: Record<string, FileVersion | null>;
  /** The small files that were there. */
  smallFiles: KeptFile[];
  /** The heads of the plan's files, in that order. */
  heads: KeptFile[];
  /** When the download began, in milliseconds. */
  created: number;
  /** The SHA-256 of every piece, once all are there: the entry is complete. */
  hashes?: string[];
}

/** The manifest as a file's text, with a hash of its own. */
export async function writeManifest(manifest: Manifest): Promise<string> {
  return JSON.stringify({ schema: SCHEMA, sha256: await sha256(JSON.stringify(manifest)), manifest });
}

/** The manifest of a file; undefined where the text is none, was damaged, or is another version's. */
export async function readManifest(text: string): Promise<Manifest | undefined> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  const file = Object(parsed) as { schema?: unknown; sha256?: unknown; manifest?: unknown };
  if (file.schema !== SCHEMA || file.manifest === undefined) return undefined;
  // Its hash is right, so it is what this package wrote.
  if (file.sha256 !== (await sha256(JSON.stringify(file.manifest)))) return undefined;
  return file.manifest as Manifest;
}

/** Whether all of an entry is there, and made as it would be made now. */
export function isComplete({ plan, hashes }: Manifest): boolean {
  return hashes !== undefined && plan.fingerprint.endsWith(`-v${CONVERTER_VERSION}`);
}

/** Whether two versions of a file are the same. False also where neither says enough to tell. */
export function sameVersion(one: FileVersion, other: FileVersion): boolean {
  if (one.bytes !== undefined && other.bytes !== undefined && one.bytes !== other.bytes) return false;
  if (one.etag !== undefined && other.etag !== undefined) return strong(one.etag) === strong(other.etag);
  return one.lastModified !== undefined && one.lastModified === other.lastModified;
}

/** Whether a file is still the one it was, as far as its server tells: if it tells no versions, by the size. */
export function stillSame(known: FileVersion, found: FileVersion): boolean {
  if (tellsVersion(known) || tellsVersion(found)) return sameVersion(known, found);
  return known.bytes === undefined || found.bytes === undefined || known.bytes === found.bytes;
}

/** Whether a version says enough to tell it from another. */
export function tellsVersion({ etag, lastModified }: FileVersion): boolean {
  return etag !== undefined || lastModified !== undefined;
}

/** Servers that compress mark the tag of the compressed answer as weak, and some add the compression's name. */
function strong(etag: string): string {
  return etag.replace(/^W\//, "").replace(/[-;](gzip|br|zstd|deflate)"$/, '"');
}
