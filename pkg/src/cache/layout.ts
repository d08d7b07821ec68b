import { createError } from "../errors.js";
import type { ConversionPlan } from "./converter.js";

/** A stretch of a converted file: bytes of a piece from `start` on, or (without `piece`) the file's head. */
export interface Segment {
  piece?: number;
  start: number;
  bytes: number;
}

/** What every file of the plan is made of, front to back. Throws `internal` unless the parts cover the files exactly. */
export function layOut(plan: ConversionPlan, heads: readonly number[]): Segment[][] {
  const files = plan.files.map((_, file): (Segment & { offset: number })[] => [
    { offset: 0, start: 0, bytes: heads[file] ?? 0 },
  ]);
  plan.pieces.forEach(({ targets }, piece) => {
    let start = 0;
    for (const { file, offset, bytes } of targets) {
      files[file]?.push({ offset, piece, start, bytes });
      start += bytes;
    }
  });
  return files.map((segments, file) => {
    const ordered = segments.filter(({ bytes }) => bytes > 0).sort((one, other) => one.offset - other.offset);
    let end = 0;
    for (const { offset, bytes } of ordered) {
      if (offset !== end) throw notCovered(plan, file, end);
      end += bytes;
    }
    if (end !== plan.files[file]?.bytes) throw notCovered(plan, file, end);
    return ordered.map(({ piece, start, bytes }) => ({
      start,
      bytes,
      ...(piece === undefined ? {} : { piece }),
    }));
  });
}

function notCovered(plan: ConversionPlan, file: number, at: number): Error {
  const message = `the conversion does not cover ${plan.files[file]?.path} exactly (at byte ${at})`;
  return createError("internal", message, { where: "conversion" });
}
