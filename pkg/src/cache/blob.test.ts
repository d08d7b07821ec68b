import { expect, test } from "vitest";
import { readBlob } from "./blob.js";

const BLOB = new Blob([new TextEncoder().encode("0123456789")]);
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

test("without a buffer, or with one that is too small, in memory of its own", async () => {
  expect(text(await readBlob(BLOB))).toBe("0123456789");
  const small = new ArrayBuffer(4);
  expect(text(await readBlob(BLOB, small))).toBe("0123456789");
  expect(small.byteLength).toBe(4);
});

test("in the memory of a buffer that is given up for it", async () => {
  const spare = new ArrayBuffer(16);
  const bytes = await readBlob(BLOB.slice(2, 7), spare);
  expect(text(bytes)).toBe("23456");
  expect(bytes.buffer.byteLength).toBe(16);
  expect(spare.byteLength).toBe(0);
});

test("an empty one", async () => {
  expect((await readBlob(new Blob([]), new ArrayBuffer(4))).byteLength).toBe(0);
});
