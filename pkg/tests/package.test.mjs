// What a user of the package gets, as npm would pack it.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";

const root = new URL("..", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL("package.json", root), "utf8"));

beforeAll(() => void execFileSync("npm", ["run", "build"], { cwd: root, stdio: "pipe" }));

function packed() {
  const out = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    cwd: root,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [{ files }] = JSON.parse(out);
  return files.map(({ path }) => path);
}

test("the package holds the build, README and package.json, and nothing else", () => {
  const files = packed();
  expect(files).toContain("README.md");
  expect(files).toContain("package.json");
  expect(files).toContain("dist/worker.js");
  const other = files.filter(
    (path) => !/^(README\.md|package\.json|LICENSE.*|dist\/.*\.(js|d\.ts|wasm))$/.test(path),
  );
  expect(other).toEqual([]);
  expect(files.filter((path) => /test|fake/.test(path))).toEqual([]);
});

test("every module that a module of the package imports is in it", () => {
  const files = packed().filter((path) => /^dist\/(?!wasm\/).*\.(js|d\.ts)$/.test(path));
  expect(files.length).toBeGreaterThan(10);
  for (const path of files) {
    const source = readFileSync(new URL(path, root), "utf8");
    for (const [, target] of source.matchAll(/(?:\sfrom |import\()"([^"\n]+)"/g)) {
      expect(target, path).toMatch(/^\.\.?\//);
      // The generated module comes from `cargo xtask build`.
      if (/^\.\.?\/wasm\//.test(target)) continue;
      expect(existsSync(new URL(target, new URL(path, root))), `${path} imports ${target}`).toBe(true);
    }
  }
});

test("no dependencies at run time", () => {
  expect(manifest.dependencies ?? {}).toEqual({});
  expect(manifest.peerDependencies ?? {}).toEqual({});
});
