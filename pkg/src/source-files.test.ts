import { describe, expect, test } from "vitest";
import { FilesSource, nameFiles } from "./source-files.js";
import { describeSource } from "./source.js";

/** A File as the browser gives it for a folder that was chosen. */
function fileAt(path: string, content = path): File {
  const file = new File([content], path.split("/").at(-1) ?? "");
  Object.defineProperty(file, "webkitRelativePath", { value: path.includes("/") ? path : "" });
  return file;
}

function names(...paths: string[]): string[] {
  return nameFiles(paths.map((path) => fileAt(path))).map(({ path }) => path);
}

describe("paths below the model's folder", () => {
  test("single files have none", () => {
    expect(names("config.json", "model.safetensors")).toEqual(["config.json", "model.safetensors"]);
  });

  test("the chosen folder's name goes", () => {
    expect(names("shell/config.json", "shell/model.safetensors")).toEqual([
      "config.json",
      "model.safetensors",
    ]);
  });

  test("deeper folders, and what is beside them, too", () => {
    expect(names("a/README.md", "a/b/config.json", "a/b/onnx/config.json", "a/b/x/y.bin")).toEqual([
      "config.json",
      "onnx/config.json",
      "x/y.bin",
    ]);
  });

  test("another file's name that ends alike is no config.json", () => {
    expect(names("a/generation_config.json", "a/b/config.json")).toEqual(["config.json"]);
  });

  test("two models are one too many", () => {
    expect(() => names("a/one/config.json", "a/two/config.json")).toThrow(
      /several models \(a\/one\/, a\/two\/\)/,
    );
  });

  test("without config.json everything stays, for the engine to say what is missing", () => {
    expect(names("a/model.safetensors")).toEqual(["a/model.safetensors"]);
  });
});

test("streams files, and has null for others", async () => {
  const source = new FilesSource(
    nameFiles([fileAt("m/config.json", "{}"), fileAt("m/w.bin", "x".repeat(300_000))]),
    new AbortController().signal,
  );
  expect(await source.open("m/config.json")).toBeNull();
  const file = await source.open("w.bin");
  expect(file?.size).toBe(300_000);
  let bytes = 0;
  for (let chunk = await file?.read(); chunk; chunk = await file?.read()) bytes += chunk.byteLength;
  expect(bytes).toBe(300_000);
  expect(await file?.read()).toBeNull();
});

test("the signal stops reading", async () => {
  const abort = new AbortController();
  const file = await new FilesSource(nameFiles([fileAt("config.json")]), abort.signal).open("config.json");
  abort.abort();
  await expect(file?.read()).rejects.toMatchObject({ code: "aborted" });
  file?.close();
  file?.close();
});

test("a file that cannot be read any more says which and how far", async () => {
  const gone = fileAt("config.json", "{}");
  gone.stream = () =>
    new ReadableStream({ pull: (controller) => controller.error(new Error("NotReadable")) });
  const file = await new FilesSource(nameFiles([gone]), new AbortController().signal).open("config.json");
  await expect(file?.read()).rejects.toMatchObject({
    code: "network",
    message: expect.stringContaining("config.json could not be read after 0 of 2 bytes"),
  });
});

describe("what a source may be", () => {
  test("an address, or files in any iterable", () => {
    expect(describeSource(new URL("http://m.test/a"))).toEqual({ kind: "url", url: "http://m.test/a" });
    expect(describeSource(new Set([fileAt("config.json")]))).toMatchObject({
      files: [{ path: "config.json" }],
    });
  });

  test.each([[null], [42], [[]], [{}], [["config.json"]], ["http://"], ["data:,x"]])("not %j", (source) => {
    expect(() => describeSource(source as string)).toThrow(
      expect.objectContaining({ code: "invalid-argument" }),
    );
  });
});
