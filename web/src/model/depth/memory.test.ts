import { expect, it } from "vitest";
import { bytesPerToken, POLICIES, savingWords } from "./memory.ts";

const MEMORY = { full: 4_096_000, shared: 1_024_000 };

it("keeps a note for each step, those that were taken, or one", () => {
  const each = POLICIES.map(({ kv }) => bytesPerToken(kv, MEMORY, 4, 1.5));
  expect(each).toEqual([4096, 1536, 1024, 1024, 1024]);
  expect(bytesPerToken("full", MEMORY, 8, 8)).toBe(8192);
  expect(bytesPerToken("last-exited", MEMORY, 4, 9)).toBe(4096);
});

it("says what is saved", () => {
  expect(savingWords(1024, 4096)).toBe("75 % less");
  expect(savingWords(4096, 4096)).toBe("");
});

it("marks what is known to break models", () => {
  expect(POLICIES.filter(({ breaks }) => breaks).map(({ kv }) => kv)).toEqual(["first"]);
});
