import { describe, expect, test } from "vitest";
import {
  readManifest,
  sameVersion,
  stillSame,
  tellsVersion,
  writeManifest,
  type Manifest,
} from "./manifest.js";

const MANIFEST: Manifest = {
  address: "https://models.test/m/",
  format: "q4",
  plan: {
    fingerprint: "q4-v1",
    sources: ["model.safetensors"],
    files: [{ path: "model.safetensors", bytes: 16 }],
    smallFiles: [{ path: "config.json", required: true }],
    texts: [],
    pieces: [{ source: { file: 0, offset: 8, bytes: 8 }, targets: [{ file: 0, offset: 8, bytes: 8 }] }],
  },
  versions: [{ bytes: 16, etag: '"1"' }],
  smallFiles: [{ path: "config.json", sha256: "00" }],
  heads: [{ path: "model.safetensors", sha256: "01" }],
  created: 1.5e12,
};

test("there and back", async () => {
  expect(await readManifest(await writeManifest(MANIFEST))).toEqual(MANIFEST);
});

test("a changed character anywhere is seen", async () => {
  const text = await writeManifest(MANIFEST);
  for (let at = 0; at < text.length; at++) {
    const other = text[at] === "7" ? "8" : "7";
    const damaged = text.slice(0, at) + other + text.slice(at + 1);
    expect(await readManifest(damaged), damaged).toBeUndefined();
  }
});

test.each(["", "{", "null", "[]", "{}", '{"schema":2}'])("%j is none", async (text) => {
  expect(await readManifest(text)).toBeUndefined();
});

describe("versions of a file", () => {
  test.each([
    [{ etag: '"a"' }, { etag: '"a"' }, true],
    [{ etag: '"a"' }, { etag: 'W/"a"' }, true],
    [{ etag: '"a"' }, { etag: '"a-gzip"' }, true],
    [{ etag: '"a"' }, { etag: '"b"' }, false],
    [{ etag: '"a"', bytes: 8 }, { etag: '"a"', bytes: 9 }, false],
    [{ etag: '"a"', bytes: 8 }, { etag: '"a"' }, true],
    [{ etag: '"a"', lastModified: "Mon" }, { etag: '"b"', lastModified: "Mon" }, false],
    [{ etag: '"a"', lastModified: "Mon" }, { lastModified: "Mon" }, true],
    [{ lastModified: "Mon" }, { lastModified: "Tue" }, false],
    [{ etag: '"a"' }, {}, false],
    [{ bytes: 8 }, { bytes: 8 }, false],
  ])("%j and %j: %s", (one, other, same) => {
    expect(sameVersion(one, other)).toBe(same);
    expect(sameVersion(other, one)).toBe(same);
  });

  test.each([
    [{ bytes: 8 }, { bytes: 8 }, true],
    [{ bytes: 8 }, {}, true],
    [{ bytes: 8 }, { bytes: 9 }, false],
    [{ bytes: 8, etag: '"a"' }, { bytes: 8 }, false],
    [{ bytes: 8, etag: '"a"' }, { bytes: 8, etag: '"a"' }, true],
  ])("from one request to the next, %j and %j: %s", (one, other, same) => {
    expect(stillSame(one, other)).toBe(same);
    expect(stillSame(other, one)).toBe(same);
  });

  test("a size alone tells no version", () => {
    expect(tellsVersion({ bytes: 8 })).toBe(false);
    expect(tellsVersion({ etag: '"a"' })).toBe(true);
    expect(tellsVersion({ lastModified: "Mon" })).toBe(true);
  });
});
