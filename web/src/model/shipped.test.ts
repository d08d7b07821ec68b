import { expect, it } from "vitest";
import { shippedModels, type PresentModel } from "./shipped.ts";

const present = (name: string): PresentModel => ({
  name,
  config: {},
  bytes: 7,
  licence: "mit",
  quantisation: undefined,
});

it("offers what was there when the page was built, and the first in any case", () => {
  const names = (folders: string[]) => shippedModels(folders.map(present)).map(({ name }) => name);
  expect(names(["who-is-who", "shell-game", "something-else"])).toEqual(["shell-game", "who-is-who"]);
  expect(names([])).toEqual(["shell-game"]);
});

it("says of a model what its files said", () => {
  expect(shippedModels([present("shell-game")])[0]).toMatchObject({ bytes: 7, licence: "MIT" });
  expect(shippedModels([])[0]).toMatchObject({ bytes: undefined, shape: undefined });
});
