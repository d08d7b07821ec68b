import { expect, test } from "vitest";
import { fileAddress, folderAddress } from "./source-url.js";

test.each([
  ["http://m.test/a/b", "config.json", "http://m.test/a/b/config.json"],
  ["http://m.test/a/b/", "config.json", "http://m.test/a/b/config.json"],
  ["http://m.test/a?token=x#y", "config.json", "http://m.test/a/config.json?token=x"],
  ["http://m.test", "sub/a b#1.json", "http://m.test/sub/a%20b%231.json"],
])("%s + %s", (base, path, expected) => {
  expect(fileAddress(folderAddress(base), path)).toBe(expected);
});
