import { describe, expect, it } from "vitest";
import { FakeDirectory } from "../testing/fake-directory.js";
import { FakeLocks } from "../testing/fake-locks.js";
import type { Storage } from "./store.js";
import { keepTunings, readTunings } from "./tunings.js";

const KNOWN = { "adapter|q4": { lanes: 32, outputsOfOne: 8 } };

describe("workgroups that were measured", () => {
  it("are read back as they were kept", async () => {
    const storage: Storage = { root: new FakeDirectory(), locks: new FakeLocks() };
    expect(await readTunings(storage)).toEqual({});
    await keepTunings(storage, KNOWN);
    expect(await readTunings(storage)).toEqual(KNOWN);
  });

  it("are measured again where nothing is kept", async () => {
    await keepTunings(undefined, KNOWN);
    expect(await readTunings(undefined)).toEqual({});
  });

  it("are measured again where the file is cut short", async () => {
    const storage: Storage = { root: new FakeDirectory(), locks: new FakeLocks() };
    const file = await (
      await storage.root.getFileHandle("looplm-tunings.json", { create: true })
    ).createWritable();
    await file.write('{"adapter');
    await file.close();
    expect(await readTunings(storage)).toEqual({});
  });
});
