import { describe, expect, it } from "vitest";
import { PUBLISHED } from "./catalogue.ts";
import { type Device, deviceOf } from "./device.ts";
import { smallerWays, verdictOf, verdictWords, whatFits, withinBinding } from "./fit.ts";
import { contexts, type Held, heldWords, loadOptions, readHeld, recommended } from "./held.ts";
import { needsOf } from "./needs.ts";
import { remediesFor } from "./remedies.ts";

const GIB = 2 ** 30;
const { shape } = PUBLISHED[0]!;
const HELD: Held = { format: "q4", kv: "f16", context: 2048 };
const limits = { maxStorageBufferBindingSize: 128 * 2 ** 20, maxBufferSize: 256 * 2 ** 20 };
const phone = deviceOf({ limits, info: { vendor: "arm" } }, 2, true);
const laptop = deviceOf({ limits, info: { vendor: "intel", architecture: "gen-12" } }, 4, false);
const quiet = deviceOf({ limits }, undefined, false);

describe("the device", () => {
  it("shares its memory where the maker, or the kind of machine, leaves no other way", () => {
    expect(phone.shared).toBe(true);
    expect(laptop.shared).toBe(false);
    expect(deviceOf({ limits, info: { vendor: "apple" } }, 8, false).shared).toBe(true);
  });
  it("knows which figures mean that there may be more", () => {
    const told = (reported: number) => deviceOf({ limits }, reported, false).atLeast;
    expect([2, 4, 8, 16, 32].map(told)).toEqual([false, false, true, false, true]);
  });
  it("has the name that there is", () => {
    expect([phone.gpu, laptop.gpu, quiet.gpu]).toEqual(["arm", "intel gen-12", ""]);
  });
});

describe("whether a model fits", () => {
  it("is only ruled out where the GPU can have no memory of its own", () => {
    expect(verdictOf(3.5 * GIB, phone)).toBe("too-large");
    expect(verdictOf(2.5 * GIB, phone)).toBe("tight");
    expect(verdictOf(0.9 * GIB, phone)).toBe("fits");
    expect(verdictOf(30 * GIB, laptop)).toBe("tight");
    expect(verdictOf(30 * GIB, quiet)).toBe("unknown");
    expect(verdictOf(30 * GIB, { ...phone, memory: 8 * GIB, atLeast: true })).toBe("unknown");
  });
  it.each([phone, laptop, quiet, undefined] as (Device | undefined)[])("is said in words", (device) => {
    for (const verdict of ["fits", "tight", "too-large", "unknown"] as const) {
      expect(verdictWords(verdict, device)).toMatch(/\.$/);
      expect(verdictWords(verdict, device)).not.toMatch(/undefined|NaN/);
    }
  });
  it("says what would fit: other weights first, then less context", () => {
    expect(whatFits(shape, HELD, phone)).toBeUndefined();
    expect(whatFits(shape, { ...HELD, format: "stored" }, phone)).toEqual({ ...HELD, format: "q4" });
    expect(whatFits(shape, { ...HELD, context: 65_536 }, phone)).toEqual({ ...HELD, context: 2048 });
    expect(whatFits(shape, HELD, { ...phone, memory: GIB / 4 })).toBeUndefined();
  });
  it("offers only ways that take less, the largest first", () => {
    const held: Held = { ...HELD, format: "q8" };
    const totals = smallerWays(shape, held).map((way) => needsOf(shape, way).total);
    expect(totals.length).toBeGreaterThan(3);
    expect(totals).toEqual([...totals].sort((a, b) => b - a));
    expect(totals[0]).toBeLessThan(needsOf(shape, held).total);
  });
  it("keeps the context within what can be bound", () => {
    expect(withinBinding(shape, { ...HELD, context: 60_000 }, phone).context).toBe(8192);
    expect(withinBinding(shape, HELD, phone)).toBe(HELD);
    expect(withinBinding(shape, HELD, undefined)).toBe(HELD);
  });
});

describe("how to hold a model", () => {
  it("is 4 bits for a large one, with more room for one that thinks, and untouched for a small one", () => {
    expect(recommended(shape)).toEqual(HELD);
    expect(recommended(shape, true).context).toBe(4096);
    expect(recommended({ ...shape, layers: 1, hidden: 64, vocabulary: 100 }).format).toBe("stored");
    expect(recommended(undefined).format).toBe("stored");
  });
  it("is said in a line", () => {
    expect(heldWords(HELD)).toBe("4 bits, 2,048 tokens of context");
    expect(heldWords({ ...HELD, format: "stored", context: undefined })).toBe("Weights as stored");
  });
  it("is told to the package", () => {
    expect(loadOptions(HELD)).toEqual({ format: "q4", kv: "f16", contextLength: 2048 });
    expect(loadOptions({ ...HELD, context: undefined })).toEqual({ format: "q4", kv: "f16" });
  });
  it("is remembered as far as it makes sense", () => {
    expect(readHeld({ format: "q8", kv: "f32", context: 512 }, HELD)).toEqual({
      format: "q8",
      kv: "f32",
      context: 512,
    });
    for (const wrong of [undefined, null, 7, { format: "q5", kv: 1, context: -3 }, { context: 0.5 }])
      expect(readHeld(wrong, HELD)).toEqual(HELD);
    expect(readHeld({ context: 512 }, { ...HELD, context: undefined }).context).toBeUndefined();
  });
  it("has contexts to choose from", () => {
    expect(contexts(1000)).toEqual([256, 512, 1000]);
    expect(contexts(1024)).toEqual([256, 512, 1024]);
    expect(contexts(64)).toEqual([64]);
  });
});

describe("remedies", () => {
  it("are a smaller format and a shorter context, where memory was the trouble", () => {
    const found = remediesFor({ code: "out-of-memory" }, shape, { ...HELD, format: "f16" });
    expect(found.map(({ held }) => held)).toEqual([
      { ...HELD, format: "q8" },
      { ...HELD, format: "f16", context: 1024 },
    ]);
    expect(found[0]!.words).toBe("Take 8 bits instead (1.6 GiB)");
    expect(found[1]!.words).toBe("Take 1,024 tokens of context (768 MiB less)");
  });
  it("are what the engine says would fit, where it says so", () => {
    const suggestion = { format: "q8", contextLength: 542 } as const;
    const found = remediesFor({ code: "out-of-memory", suggestion }, undefined, { ...HELD, format: "f16" });
    expect(found).toEqual([
      { words: "Take 8 bits and 542 tokens of context", held: { ...HELD, format: "q8", context: 542 } },
    ]);
    const shorter = remediesFor({ code: "out-of-memory", suggestion: { contextLength: 1024 } }, shape, HELD);
    expect(shorter).toEqual([{ words: "Take 1,024 tokens of context", held: { ...HELD, context: 1024 } }]);
  });
  it("are a longer context where a text was too long for it, as far as the GPU can bind it", () => {
    const error = { code: "context-full", room: { limit: 2048, needed: 2300 } };
    expect(remediesFor(error, shape, HELD)).toEqual([
      { words: "Load it with 4,096 tokens of context (1.5 GiB more)", held: { ...HELD, context: 4096 } },
    ]);
    const long = { ...error, room: { limit: 2048, needed: 5000 } };
    expect(remediesFor(long, shape, HELD)[0]?.held.context).toBe(8192);
    expect(remediesFor(error, shape, HELD, 2 ** 20)).toEqual([]);
    const memory = { ...error, room: { limit: 700, needed: 701 } };
    expect(remediesFor(memory, shape, HELD)).toEqual([]);
    expect(remediesFor(error, shape, { ...HELD, context: undefined })).toEqual([]);
  });
  it("are none where it was not, and none below what there is", () => {
    expect(remediesFor({ code: "network" }, shape, HELD)).toEqual([]);
    expect(remediesFor({ code: "out-of-memory" }, undefined, HELD)).toEqual([]);
    expect(remediesFor({ code: "out-of-memory" }, shape, { ...HELD, context: 512 })).toEqual([]);
  });
});
