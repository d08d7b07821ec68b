import { expect, it } from "vitest";
import { atEnd, pushedOut } from "./following.ts";

it("is at the end within a line of it", () => {
  const at = (scrollTop: number) => atEnd({ scrollTop, clientHeight: 300, scrollHeight: 1000 });
  expect([700, 680, 640, 0].map(at)).toEqual([true, true, false, false]);
  expect(atEnd({ scrollTop: 0, clientHeight: 100, scrollHeight: 100 })).toBe(true);
});

it("tells what was pushed out from what is far away", () => {
  expect([700, 800, 830, 1200].map((bottom) => pushedOut(bottom, 800))).toEqual([false, false, true, false]);
});
