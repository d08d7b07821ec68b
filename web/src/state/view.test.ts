import { beforeEach, expect, it } from "vitest";
import { column } from "../model/exit.ts";
import { chooseCell, columns, focused, hovered, prependColumns } from "./view.ts";

const named = (label: string) =>
  column({ position: 0, label, origin: "generated", steps: [{ lambda: 1, probability: 1 }] });

beforeEach(() => {
  columns.value = [named("a"), named("b")];
  hovered.value = undefined;
  chooseCell(undefined);
});

it("keeps what a person looks at when columns come before it", () => {
  chooseCell({ column: 0, step: 1 });
  hovered.value = { column: 1, step: 1 };
  prependColumns([named("x"), named("y")]);
  expect(columns.value.map(({ label }) => label)).toEqual(["x", "y", "a", "b"]);
  expect(focused.value).toEqual({ column: 2, step: 1 });
  expect(hovered.value).toEqual({ column: 3, step: 1 });
});

it("still looks at the last column where nobody has chosen one", () => {
  prependColumns([named("x")]);
  expect(focused.value.column).toBe(2);
});
