import type { FileSource, LoadConfig } from "../wasm/looplm.js";

/** What weights can be converted to. */
export type ConversionFormat = "q4" | "q8" | "f16";

/** Bytes of a file, by the file's place in the plan's list. */
export interface Extent {
  file: number;
  offset: number;
  bytes: number;
}

/** A part of the conversion that can be done by itself: some bytes of a source file become bytes of the target files. */
export interface Piece {
  /** At most 8 MiB. */
  source: Extent;
  /** Where the piece's bytes go, one extent after another. */
  targets: Extent[];
}

/** How a model's folder becomes a converted one. The same for the same files. */
export interface ConversionPlan {
  /** Names the format, and at its end the version of the conversion: with another one the same source gives other bytes. */
  fingerprint: string;
  /** The weight files to be read. */
  sources: string[];
  /** The weight files of the converted folder. Their heads and the pieces' targets cover them exactly. */
  files: { path: string; bytes: number }[];
  /** Files that are copied as they are. */
  smallFiles: { path: string; required: boolean }[];
  /** Small files that the conversion writes itself, instead of a copy. */
  texts: { path: string; text: string }[];
  pieces: Piece[];
}

/** A conversion that has been planned. */
export interface Conversion {
  /** Throws an Error with a `code` where what comes out cannot be loaded onto this GPU. */
  check(config: LoadConfig): Promise<void>;
  describe(): ConversionPlan;
  /** The first bytes of a target file. */
  head(file: number): Uint8Array<ArrayBuffer>;
  /** A piece's bytes from its source's. Throws an Error with a `code`, if the values are none that a model can have. */
  convert(piece: number, source: Uint8Array): Uint8Array<ArrayBuffer>;
  /** Gives the object's memory back; no call after it. */
  free(): void;
}

/** What plans conversions: the wasm module's class `Conversion`, or a test's. */
export interface Converter {
  /** Reads config.json, the index, and the header of every weight file, which it closes before the weights. */
  plan(source: FileSource, options: { format?: ConversionFormat }): Promise<Conversion>;
}
