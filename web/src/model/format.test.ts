import { describe, expect, it } from "vitest";
import { bytes, count, percent, spokenPercent, tokenLabel } from "./format.ts";

describe("format", () => {
  it("bytes", () => {
    expect([0, 1023, 1536, 2048, 2050, 220_416, 128 * 2 ** 20].map(bytes)).toEqual([
      "0 B",
      "1023 B",
      "1.5 KiB",
      "2 KiB",
      "2.0 KiB",
      "215 KiB",
      "128 MiB",
    ]);
  });
  it("count", () => {
    expect([55_104, 12_345_678, 1_430_000_000].map(count)).toEqual([
      "55,104",
      "12.3 million",
      "1.43 billion",
    ]);
  });
  it("percent never rounds to certainty", () => {
    expect([0, 0.001, 0.857, 0.998, 1].map(percent)).toEqual(["0 %", "<1 %", "86 %", ">99 %", "100 %"]);
    expect([0.001, 0.5, 0.998].map(spokenPercent)).toEqual([
      "under 1 percent",
      "50 percent",
      "over 99 percent",
    ]);
  });
  it("tokens", () => {
    expect(["", " the", "  ", "a\nb", "\n"].map(tokenLabel)).toEqual(["∅", "the", "␣␣", "a⏎b", "⏎"]);
  });
});
