import { afterEach, expect, test, vi } from "vitest";
import { isWebGPUAvailable, requireAdapter, requireWebGPU } from "./webgpu.js";

afterEach(() => void vi.unstubAllGlobals());

const AGENTS = {
  firefox: "Mozilla/5.0 (Windows NT 10.0; rv:130.0) Gecko/20100101 Firefox/130.0",
  linuxChrome:
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
  android: "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/130.0.0.0 Mobile Safari/537.36",
  safari: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17.4 Safari/605.1.15",
};

function browser(userAgent: string, requestAdapter?: () => Promise<unknown>): void {
  vi.stubGlobal("document", {});
  vi.stubGlobal("navigator", { userAgent, ...(requestAdapter ? { gpu: { requestAdapter } } : {}) });
}

test.each([
  ["firefox", /Firefox has it from version 141/],
  ["linuxChrome", /version 113; on Linux/],
  ["android", /version 121 on Android/],
  ["safari", /Safari has it from version 26/],
] as const)("tells %s's people how to get it", async (name, expected) => {
  browser(AGENTS[name]);
  const { available, reason } = await isWebGPUAvailable();
  expect(available).toBe(false);
  expect(reason).toMatch(expected);
  expect(() => requireWebGPU()).toThrow(expected);
});

test("no adapter: graphics are off or too old", async () => {
  browser(AGENTS.linuxChrome, async () => null);
  expect((await isWebGPUAvailable()).reason).toMatch(/no GPU adapter.*hardware acceleration/);
  browser(AGENTS.linuxChrome, () => Promise.reject(new Error("GPU process gone")));
  expect((await isWebGPUAvailable()).reason).toMatch(/GPU process gone/);
  await expect(requireAdapter()).rejects.toMatchObject({ code: "webgpu-unavailable" });
});

test("an adapter", async () => {
  browser(AGENTS.linuxChrome, async () => ({}));
  expect(await isWebGPUAvailable()).toEqual({ available: true });
  await requireAdapter();
  requireWebGPU();
});

test("plain http", async () => {
  browser(AGENTS.linuxChrome);
  vi.stubGlobal("isSecureContext", false);
  expect((await isWebGPUAvailable()).reason).toMatch(/https:\/\/ and on localhost/);
});

test("a Worker without it", () => {
  vi.stubGlobal("navigator", { userAgent: AGENTS.firefox });
  expect(() => requireWebGPU()).toThrow(/worker: false/);
});

test("no browser", async () => {
  vi.stubGlobal("navigator", undefined);
  expect((await isWebGPUAvailable()).reason).toMatch(/no browser/);
});
