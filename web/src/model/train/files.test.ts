import { unzipSync } from "fflate";
import { expect, it } from "vitest";
import { asFiles, fileName, zipModel } from "./files.ts";

const model = {
  "config.json": new TextEncoder().encode('{"model_type":"ouro"}'),
  "model.safetensors": Uint8Array.from({ length: 5_000 }, (_, i) => i * 7),
};

it("the zip holds the model's folder, byte for byte", async () => {
  const files = unzipSync(await zipModel("my run", model));
  expect(Object.keys(files).sort()).toEqual(["my-run/config.json", "my-run/model.safetensors"]);
  expect(files["my-run/config.json"]).toEqual(model["config.json"]);
  expect(files["my-run/model.safetensors"]).toEqual(model["model.safetensors"]);
});

it("the same files can be opened as if a person had chosen them", async () => {
  const [config, weights] = asFiles(model);
  expect(config?.name).toBe("config.json");
  expect(weights?.size).toBe(5_000);
  expect(await config?.text()).toBe('{"model_type":"ouro"}');
});

it.each([
  ["shell-game", "shell-game"],
  ["../a b/c", "a-b-c"],
  ["…", "model"],
])("fileName(%s) is %s", (name, safe) => expect(fileName(name)).toBe(safe));
