import { afterEach, expect, test, vi } from "vitest";

afterEach(() => void vi.unstubAllGlobals());

test("where `await using` is not known, its method has a name all the same", async () => {
  const { Symbol } = globalThis;
  // Not a proxy of the real one, whose names cannot be hidden.
  const older = new Proxy((text: string) => Symbol(text), {
    get: (_, name) => (name === "asyncDispose" ? undefined : (Reflect.get(Symbol, name) as unknown)),
  });
  vi.stubGlobal("Symbol", older);
  const { asyncDispose } = await import("./async-dispose.js");
  expect(typeof asyncDispose).toBe("symbol");
  expect(asyncDispose).not.toBe(Symbol.asyncDispose);
});
