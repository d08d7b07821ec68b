import { expect, it } from "vitest";
import { shippedModels } from "./shipped.ts";

it("offers what was there when the page was built, and the first in any case", () => {
  const names = (present: string[]) => shippedModels(present).map(({ name }) => name);
  expect(names(["who-is-who", "shell-game", "something-else"])).toEqual(["shell-game", "who-is-who"]);
  expect(names([])).toEqual(["shell-game"]);
});
